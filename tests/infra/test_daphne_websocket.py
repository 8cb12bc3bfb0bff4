"""What one client can make daphne keep and do. The protocol alone, on a transport that takes as much as a test says."""

import asyncio
import base64
import os
import struct

import pytest
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from agentchat.infra import daphne_websocket
from agentchat.infra.client_connection import connection_of_context
from agentchat.infra.daphne_websocket import MAX_EARLY, MAX_PENDING, MAX_UNSENT, LimitedWebSocket

MAX_MESSAGE = 500_000
TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10
FLOOD = 20_000  # frames


class Wire(StringTransport):
    """A client's connection. It takes everything at once, or nothing more when its buffer is full, as TCP does."""

    reads = True  # the client
    is_aborted = False

    def write(self, data):
        super().write(data)
        if not self.reads and self.producer is not None and len(self.value()) > 64 * 1024:
            self.producer.pauseProducing()

    def read_all(self):
        """The client reads what is there, and the next, until there is no more. Return it."""
        read = b""
        while self.value():
            read += self.value()
            self.clear()
            self.producer.resumeProducing()
        return read

    def abortConnection(self):
        self.is_aborted = True


class Client:
    """A websocket that an application has accepted, and limits unless `is_foreign`."""

    def __init__(self, *, is_foreign=False):
        self.received = asyncio.Queue()
        self.clock, self.transport = Clock(), Wire()
        server = Server(application=self, endpoints=["unused"])
        server.connections = {}
        factory = WebSocketFactory(server)
        factory.reactor = self.clock
        factory.setProtocolOptions(maxMessagePayloadSize=2**20, maxFramePayloadSize=2**20)
        factory.protocol = LimitedWebSocket
        server.create_application = self._create_application
        self.connection = None
        self.charged = []
        self.socket = factory.buildProtocol(None)
        self.socket._raw_query_string = b""
        self.transport.registerProducer(object(), True)  # as HTTP has left it
        self.socket.makeConnection(self.transport)
        key = base64.b64encode(os.urandom(16))
        self.socket.dataReceived(
            b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        if not is_foreign:
            self.connection.limit(max_message_bytes=MAX_MESSAGE, charge=self.charged.append)

    def _create_application(self, protocol, scope):
        self.connection = connection_of_context.get()
        return self.received

    def accept(self):
        self.socket.handle_reply({"type": "websocket.accept"})
        self.transport.clear()
        return self

    def send(self, *frames):
        self.socket.dataReceived(b"".join(frames))

    @property
    def sent(self):
        """The opcodes and payloads of the frames that the server has sent and the transport has."""
        data, frames = self.transport.value(), []
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = struct.unpack("!H", data[2:4])[0], 4
            frames.append((data[0] & 15, data[start : start + size]))
            data = data[start + size :]
        return frames

    @property
    def close_codes(self):
        return [struct.unpack("!H", payload[:2])[0] for opcode, payload in self.sent if opcode == CLOSE]

    @property
    def kept(self):
        """Bytes in this process that the client has not read."""
        return self.socket._unsent_bytes + len(self.transport.value())


def frame(opcode, payload=b"", *, fin=True):
    size = len(payload)
    length = bytes([128 | size]) if size < 126 else bytes([128 | 127]) + struct.pack("!Q", size)
    return bytes([opcode | (128 if fin else 0)]) + length + b"\0\0\0\0" + payload


@pytest.fixture
def client():
    return Client().accept()


# --- in -------------------------------------------------------------------------------------------------------------

FLOODS = {
    "pings": [frame(PING, b"x")] * FLOOD,
    "pongs": [frame(PONG)] * FLOOD,
    "empty fragments": [frame(TEXT, b"{", fin=False), *[frame(CONTINUATION, fin=False)] * FLOOD],
    "fragments of one byte": [frame(TEXT, b"{", fin=False), *[frame(CONTINUATION, b"x", fin=False)] * FLOOD],
    "messages": [frame(TEXT, b"{}")] * FLOOD,
    "messages in fragments": [frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}")] * (FLOOD // 2),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_any_frames_is_closed_with_4429_and_no_more_is_read(client, kind, monkeypatch):
    begun = []
    monkeypatch.setattr(LimitedWebSocket, "onFrameBegin", _counting(LimitedWebSocket.onFrameBegin, begun))
    client.send(*FLOODS[kind])
    client.send(*FLOODS[kind])
    assert client.close_codes == [4429]
    assert len(begun) == daphne_websocket.FRAMES_BURST + 1
    assert client.received.qsize() <= daphne_websocket.FRAMES_BURST + 1
    assert client.transport.producerState == "paused"


def _counting(method, calls):
    def counted(self):
        calls.append(self)
        return method(self)

    return counted


def test_a_client_that_goes_on_while_it_is_being_closed_is_disconnected(client):
    client.socket.serverClose(code=4404)
    client.send(*FLOODS["pongs"])
    assert client.transport.is_aborted


def test_a_client_that_keeps_to_the_rate_is_never_closed(client):
    for _ in range(1200):
        client.send(frame(PING), frame(TEXT, b"{}"))
        client.clock.advance(2 / daphne_websocket.FRAMES_PER_SECOND)
    assert client.close_codes == []
    assert client.received.qsize() == 1201  # and the handshake


def test_websockets_of_others_in_the_same_process_have_limits_of_their_own():
    foreign = Client(is_foreign=True).accept()
    frames = FLOODS["messages in fragments"][:2_000]
    foreign.send(*frames)
    assert foreign.close_codes == []
    assert foreign.received.qsize() == len(frames) // 2 + 1


def test_what_a_busy_consumer_has_not_taken_is_bounded_and_goes_on_when_it_takes(client):
    message = frame(TEXT, b"x" * (MAX_PENDING // 4))
    for _ in range(4):
        client.send(message)
    assert client.transport.producerState == "producing"
    client.send(message)
    assert client.transport.producerState == "paused"
    client.connection.on_taken()
    assert client.transport.producerState == "producing"


def test_a_message_larger_than_a_consumer_takes_is_not_kept(client):
    client.send(frame(TEXT, b"x" * (MAX_MESSAGE + 1)))
    assert client.transport.is_aborted
    assert client.received.qsize() == 1


def test_what_comes_before_the_handshake_is_answered_is_read_after_it_or_bounded():
    client = Client()
    client.send(frame(TEXT, b"GET / HTTP/1.1\r\n\r\n"))
    assert client.received.qsize() == 1
    client.accept()
    assert client.received.qsize() == 2
    flood = Client()
    flood.send(b"x" * (MAX_EARLY + 1))
    assert flood.transport.is_aborted


# --- out ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [1_000, 120_000, 500_000])
def test_a_client_that_does_not_read_is_disconnected_before_it_occupies_much(client, largest):
    client.transport.reads = False
    while not client.transport.is_aborted:
        client.socket.serverSend("x" * largest)
        assert client.kept <= MAX_UNSENT + 2 * largest + 128 * 1024
    assert client.socket._unsent_bytes == 0
    client.socket.serverSend("the consumer has not heard of it yet")


def test_pongs_that_are_not_read_count(client):
    client.transport.reads = False
    client.socket.serverSend("x" * 100_000)
    before = client.kept
    client.send(*[frame(PING, b"x" * 125)] * 100)
    assert client.kept == before + 100 * 127


def test_a_client_that_takes_nothing_is_disconnected_in_time_and_one_that_takes_slowly_is_not(client):
    client.transport.reads = False
    client.socket.serverSend("x" * 500_000)
    client.socket.last_ping = float("inf")  # of daphne's own
    for _ in range(20):
        client.clock.advance(daphne_websocket.STALLED_SECONDS - 1)
        client.socket.check_timeouts()
        client.transport.clear()
        client.transport.producer.resumeProducing()
    assert not client.transport.is_aborted
    client.socket.serverSend("x" * 500_000)
    client.clock.advance(daphne_websocket.STALLED_SECONDS + 1)
    client.socket.check_timeouts()
    assert client.transport.is_aborted


def test_a_slow_client_gets_every_byte_in_order(client):
    client.transport.reads = False
    texts = [str(number) * 70_000 for number in range(8)]
    for text in texts:
        client.socket.serverSend(text)
    assert client.socket._unsent_bytes
    assert len(client.transport.value()) <= 100_000
    wire = client.transport.read_all()
    assert [size for size in map(len, texts)] == [70_000] * 8
    assert wire == b"".join(b"\x81\x7f" + struct.pack("!Q", 70_000) + text.encode() for text in texts)


def test_a_client_that_closes_and_never_reads_does_not_linger(client):
    client.transport.reads = False
    client.socket.serverSend("x" * 500_000)
    client.send(frame(CLOSE, struct.pack("!H", 1000)))
    assert client.socket._unsent_bytes == 0
    client.clock.advance(daphne_websocket.STALLED_SECONDS + 1)
    assert client.transport.is_aborted


def test_what_reading_takes_is_charged_to_its_client(client):
    [handshake] = client.charged
    client.send(b"x" * 1000)
    assert handshake > 0
    assert len(client.charged) == 2
    assert all(seconds >= 0 for seconds in client.charged)
