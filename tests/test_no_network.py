"""No test leaves this machine: the block of `conftest`, tried."""

import asyncio
import http.client
import socket
import threading

import pytest

ELSEWHERE = "192.0.2.1"  # an address that nobody has


def connect():
    with socket.socket() as there:
        there.connect((ELSEWHERE, 80))


def connect_ex():
    with socket.socket() as there:
        there.connect_ex((ELSEWHERE, 80))


def send_a_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.sendto(b"hello", (ELSEWHERE, 53))


def look_a_name_up():
    socket.getaddrinfo("api.openai.com", 443)


def connect_by_ipv6():
    with socket.socket(socket.AF_INET6) as there:
        there.connect(("2001:db8::1", 80, 0, 0))


def request():
    http.client.HTTPConnection(ELSEWHERE).request("GET", "/")


def connect_on_a_loop():
    asyncio.run(asyncio.open_connection(ELSEWHERE, 80))


def look_a_name_up_on_a_loop():
    asyncio.run(asyncio.open_connection("api.openai.com", 443))


@pytest.mark.parametrize(
    "leave",
    [
        connect,
        connect_ex,
        send_a_datagram,
        look_a_name_up,
        connect_by_ipv6,
        request,
        connect_on_a_loop,
        look_a_name_up_on_a_loop,
    ],
)
def test_leaving_this_machine_is_blocked(leave):
    with pytest.raises(RuntimeError, match="tests stay on this machine"):
        leave()


def test_a_thread_is_blocked_too():
    raised = []

    def leave():
        try:
            connect()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert len(raised) == 1


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    here, there = socket.socketpair()
    here.close()
    there.close()
