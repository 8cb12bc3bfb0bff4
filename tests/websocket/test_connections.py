"""How many websockets there may be: of guests at one address, of all guests, and in a process."""

from types import SimpleNamespace

import pytest
from django.test import Client

from agentchat.visitors import Visitor
from agentchat.websocket.connections import CloseCode, Connections
from tests.factories import HOST, Tab


class Socket:
    def __init__(self, visitor):
        self.visitor = visitor


def guest(number, address="8.8.4.4"):
    return Socket(Visitor(guest_key=f"guest {number}", address=address))


@pytest.fixture
def connections(settings):
    settings.AGENTCHAT = {"GUEST_SOCKETS": 3, "GUEST_ADDRESSES": 2, "MAX_SOCKETS": 10}
    return Connections()


def test_the_guests_of_one_address_have_so_many_whatever_their_keys(connections):
    sockets = [guest(number) for number in range(3)]
    assert all(map(connections.add, sockets))
    assert not connections.add(guest(4))
    assert connections.add(guest(4, "1.1.1.1"))
    connections.discard(sockets[0])
    connections.discard(sockets[0])
    assert connections.add(guest(5))
    assert not connections.add(guest(6))


def test_all_guests_together_have_as_many_as_so_many_addresses(connections):
    assert all(connections.add(guest(number, f"8.8.4.{number}")) for number in range(6))
    assert not connections.add(guest(7, "1.1.1.1"))
    assert connections.add(Socket(Visitor(user=SimpleNamespace(pk=1), address="8.8.4.4")))


def test_guests_of_unknown_addresses_share_what_all_guests_share(connections):
    assert all(connections.add(guest(number, "")) for number in range(6))
    assert not connections.add(guest(7, ""))


def test_a_process_has_so_many_those_included_whose_visitors_are_not_known_yet(connections, caplog):
    users = [Socket(Visitor(user=SimpleNamespace(pk=number))) for number in range(12)]
    assert all(map(connections.begin, users[:10]))
    assert all(map(connections.add, users[:5]))
    assert not connections.begin(users[10])
    assert not connections.begin(users[11])
    assert caplog.text.count("as many as MAX_SOCKETS allows") == 1
    for socket in users[4:]:
        connections.discard(socket)
    assert all(map(connections.begin, users[5:11]))


def test_nothing_is_kept_of_sockets_that_are_closed(connections):
    sockets = [guest(number) for number in range(3)]
    for socket in sockets:
        connections.begin(socket)
        connections.add(socket)
        connections.discard(socket)
    assert not connections._open
    assert not connections._opening
    assert not connections._counts


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_guest_s_tab_too_many_is_closed_and_may_come_back(settings):
    settings.ALLOWED_HOSTS = [HOST]
    settings.AGENTCHAT = {"GUESTS": True, "GUEST_SOCKETS": 1, "GUEST_ADDRESSES": 1}
    first, second, third = (Tab(Client(), "/ws/chats/") for _ in range(3))
    assert await first.open()
    await first.send(type="ping")
    assert await first.next() == {"type": "pong"}
    assert await second.open()
    assert await second.closed() == CloseCode.TOO_MANY
    await first.close()
    assert await third.open()
    await third.send(type="ping")
    assert await third.next() == {"type": "pong"}
    await third.close()
