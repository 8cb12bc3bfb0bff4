"""A TLS socket that is read by one thread while another writes."""

import socket
import threading

import pytest

from agentchat.io.tls import SerializedSSLSocket

MEGABYTES = 4


@pytest.fixture
def ends(certificate):
    """Both ends of a connection: the server's is the one under test."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []

    def take():
        end, _ = listener.accept()
        certificate.server.sslsocket_class = SerializedSSLSocket
        taken.append(certificate.server.wrap_socket(end, server_side=True))

    taking = threading.Thread(target=take)
    taking.start()
    client = certificate.client.wrap_socket(
        socket.create_connection(listener.getsockname()), server_hostname="127.0.0.1"
    )
    taking.join()
    yield client, taken[0]
    for each in (client, taken[0], listener):
        each.close()


def in_threads(*functions):
    threads = [threading.Thread(target=each, daemon=True) for each in functions]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not any(each.is_alive() for each in threads)


def test_both_ends_read_and_write_at_once_and_lose_nothing(ends):
    sent = bytes(range(256)) * 4096
    got = {end: bytearray() for end in ends}

    def write(end):
        for _ in range(MEGABYTES):
            end.sendall(sent)

    def read(end):
        while len(got[end]) < MEGABYTES * len(sent):
            got[end] += end.recv(65536)

    in_threads(*(lambda end=end, work=work: work(end) for end in ends for work in (read, write)))
    assert all(bytes(each) == sent * MEGABYTES for each in got.values())


def test_a_read_ends_when_the_other_thread_closes(ends):
    client, server = ends
    read = []
    in_threads(lambda: read.append(client.recv(1)), lambda: server.shutdown(socket.SHUT_RDWR))
    assert read == [b""]


def test_a_read_times_out(ends):
    client, _ = ends
    client.settimeout(0.05)
    assert client.gettimeout() == 0.05
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(None)
    assert client.gettimeout() is None


def test_a_write_times_out_when_the_peer_does_not_read(ends):
    client, _ = ends
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.sendall(b"x" * 2**26)
