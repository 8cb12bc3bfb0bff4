"""What one visitor may do with all sockets together."""

from types import SimpleNamespace

from agentchat.visitors import Visitor
from agentchat.websocket import visitor_limits
from agentchat.websocket.visitor_limits import (
    FRAMES_BURST,
    FRAMES_OF_AN_OPENING,
    MAX_SOCKETS,
    MAX_UNSENT,
    SMALL_UNSENT,
    VisitorLimits,
)

GUEST = Visitor(guest_key="ada")


class Socket:
    def __init__(self, unsent=0):
        self.server_end = SimpleNamespace(unsent=unsent)


def admitted(limits, visitor, *, now=0.0):
    socket = Socket()
    return socket if limits.of(visitor).admits(socket, now=now) else None


def test_a_visitor_may_have_so_many_sockets_and_another_as_many():
    limits = VisitorLimits()
    sockets = [admitted(limits, GUEST, now=float(second)) for second in range(MAX_SOCKETS)]
    assert all(sockets)
    assert not admitted(limits, GUEST, now=1000.0)
    assert admitted(limits, Visitor(guest_key="bob"), now=1000.0)
    limits.of(GUEST).discard(sockets[0])
    assert admitted(limits, GUEST, now=1001.0)


def test_sockets_that_come_and_go_are_limited_too():
    limits = VisitorLimits()
    opened = 0
    while socket := admitted(limits, GUEST):
        limits.of(GUEST).discard(socket)
        opened += 1
    assert opened == FRAMES_BURST // FRAMES_OF_AN_OPENING


def test_many_sockets_share_what_may_be_sent():
    limits = VisitorLimits()
    assert limits.of(GUEST).frames.allows(FRAMES_BURST, now=0.0)
    assert not limits.of(GUEST).frames.allows(1, now=0.0)
    assert limits.of(Visitor(guest_key="bob")).frames.allows(1, now=0.0)


def test_many_sockets_share_the_room_for_what_their_clients_have_not_read():
    of_guest = VisitorLimits().of(GUEST)
    silent = [Socket(MAX_UNSENT // 3) for _ in range(3)]
    of_guest.sockets.update(silent)
    assert of_guest.may_send(silent[0])
    of_guest.sockets.add(Socket(3))
    assert not of_guest.may_send(silent[0])
    assert of_guest.may_send(Socket(SMALL_UNSENT))  # one that reads is not held up by the others


def test_a_server_that_waits_for_its_clients_keeps_nothing():
    of_guest = VisitorLimits().of(GUEST)
    assert of_guest.may_send(SimpleNamespace(server_end=None))


def test_visitors_who_have_left_are_forgotten_at_last_and_those_with_a_socket_are_not(monkeypatch):
    monkeypatch.setattr(visitor_limits, "MAX_REMEMBERED", 10)
    limits = VisitorLimits()
    assert admitted(limits, GUEST)
    for number in range(1000):
        limits.of(Visitor(guest_key=str(number)))
    assert len(limits._present) + len(limits._absent) == 11
    assert limits.of(GUEST).sockets


def test_who_leaves_and_comes_back_finds_the_limit_that_they_left():
    limits = VisitorLimits()
    socket = admitted(limits, GUEST)
    assert limits.of(GUEST).frames.allows(FRAMES_BURST - FRAMES_OF_AN_OPENING, now=0.0)
    limits.of(GUEST).discard(socket)
    assert not limits.of(GUEST).frames.allows(1, now=0.0)


def test_those_who_own_nothing_yet_share_nothing():
    limits = VisitorLimits()
    assert limits.of(Visitor()).frames.allows(FRAMES_BURST, now=0.0)
    assert limits.of(Visitor()).frames.allows(FRAMES_BURST, now=0.0)
