"""What of a request daphne reads, and how fast it answers. On a transport of the test's, with a clock of the test's."""

import asyncio

import pytest
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from agentchat.infra import daphne_requests
from agentchat.infra.client_connection import response_of_context
from agentchat.infra.daphne_requests import GRACE_SECONDS, LEAST_BYTES_PER_SECOND, LINGER_SECONDS
from agentchat.infra.daphne_responses import STALLED_SECONDS
from agentchat.infra.response_bodies import PIECE, paced

LIMIT = 100_000
HEAD = b"POST /chat/ HTTP/1.1\r\nHost: testserver\r\n"


class Wire(StringTransport):
    is_aborted = False

    def abortConnection(self):
        self.is_aborted = True
        self.protocol.connectionLost(None)


class Client:
    """A connection to daphne, and the scopes and bodies that its application gets."""

    def __init__(self):
        self.clock, self.transport = Clock(), Wire()
        server = Server(application=None, endpoints=["unused"])
        server.connections = {}
        self.scopes = []
        server.create_application = self._create_application
        factory = HTTPFactory(server)
        factory.reactor = self.clock
        self.protocol = self.transport.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def _create_application(self, protocol, scope):
        self.scopes.append(scope)
        self.request = protocol
        self.response = response_of_context.get()
        self.body = b""
        return self

    def put_nowait(self, message):
        self.body += message.get("body", b"")

    def leave(self):
        if not self.transport.is_aborted:
            self.transport.abortConnection()

    def send(self, data):
        self.protocol.dataReceived(data)

    @property
    def answer(self):
        return self.transport.value().partition(b"\r\n")[0]

    def pass_time(self, seconds):
        self.clock.pump([1] * int(seconds))


@pytest.fixture
def client(settings, monkeypatch):
    settings.AGENTCHAT = {"MAX_BODY_BYTES": LIMIT}
    monkeypatch.setattr("daphne.http_protocol.WebRequest", daphne_requests.BoundedRequest)
    client = Client()
    yield client
    client.leave()


def test_a_body_that_says_it_is_too_large_is_refused_at_its_header(client):
    client.send(HEAD + b"Content-Length: 10000000000\r\nExpect: 100-continue\r\n\r\n")
    assert client.answer == b"HTTP/1.1 413 Request Entity Too Large"
    assert b"100 Continue" not in client.transport.value()
    for _ in range(50):
        client.send(b"x" * 64 * 1024)  # it goes on all the same
    [request] = client.protocol._channel.requests
    assert request.content.getbuffer().nbytes == 0
    client.pass_time(LINGER_SECONDS)
    assert client.transport.is_aborted
    assert client.scopes == []
    assert client.clock.getDelayedCalls() == []


def test_a_body_without_a_length_is_refused_where_it_gets_too_large(client):
    client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(LIMIT // 1000):
        client.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
    assert client.answer == b""
    client.send(b"1\r\nx\r\n")
    assert client.answer == b"HTTP/1.1 413 Request Entity Too Large"
    client.send(b"0\r\n\r\n")  # it is complete, and not handed on
    assert client.scopes == []
    client.pass_time(LINGER_SECONDS)
    assert client.transport.is_aborted


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_body_that_fits_is_handed_on_whole(client, size):
    client.send(HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
    assert len(client.scopes) == 1
    assert client.body == b"x" * size
    client.pass_time(1000)  # however long the answer takes
    assert not client.transport.is_aborted


@pytest.mark.parametrize(
    ("begun", "drip"),
    [(b"Content-Length: 90000\r\n\r\n", b"x"), (b"", b"X-Header: drip\r\n")],
    ids=["body", "head"],
)
def test_what_comes_too_slowly_is_refused(client, begun, drip):
    client.send(HEAD + begun)
    for _ in range(60):
        client.send(drip)
        client.pass_time(1)
        if client.answer:
            break
    assert client.answer == b"HTTP/1.1 408 Request Timeout"
    client.pass_time(LINGER_SECONDS)
    assert client.transport.is_aborted
    assert client.scopes == []


def test_a_slow_client_that_makes_progress_is_waited_for(client, settings):
    settings.AGENTCHAT = {"MAX_BODY_BYTES": 10 * LIMIT}
    size = LEAST_BYTES_PER_SECOND * 60
    client.send(HEAD + b"Content-Length: %d\r\n\r\n" % size)
    for _ in range(60):
        client.send(b"x" * LEAST_BYTES_PER_SECOND)
        client.pass_time(1)
    assert GRACE_SECONDS < 60
    assert len(client.scopes) == 1


def test_a_client_that_leaves_leaves_nothing_behind(client):
    client.send(HEAD + b"Content-Length: 90000\r\n\r\nx")
    client.leave()
    assert client.clock.getDelayedCalls() == []


def test_without_a_limit_only_the_pace_is_looked_at(client, settings):
    settings.AGENTCHAT = {"MAX_BODY_BYTES": None}
    client.send(HEAD + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000)
    assert len(client.body) == 300_000


def test_daphne_s_requests_are_of_this_kind_in_a_server_s_process(monkeypatch):
    monkeypatch.setattr("daphne.http_protocol.WebRequest", None)
    daphne_requests.install()
    from daphne import http_protocol

    assert http_protocol.WebRequest is daphne_requests.BoundedRequest


# --- responses -------------------------------------------------------------------------------------------------------

START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture
async def answering(client):
    """A task that answers with 100 pieces, and a client that reads nothing until the test says so."""
    client.send(b"GET / HTTP/1.1\r\nHost: testserver\r\n\r\n")
    client.pieces, client.piece = 0, b"x" * PIECE

    async def send(message):
        client.request.handle_reply(message)

    async def answer():
        token = response_of_context.set(client.response)
        reply = paced(send)
        response_of_context.reset(token)
        await reply(START)
        for number in range(100):
            await reply({"type": "http.response.body", "body": client.piece, "more_body": number < 99})
            client.pieces += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(answer())
    yield task
    task.cancel()


async def pass_turns():
    for _ in range(400):
        await asyncio.sleep(0)


async def test_a_response_is_sent_as_fast_as_it_is_read(client, answering):
    client.transport.producer.pauseProducing()
    sent = len(client.transport.value())
    await pass_turns()
    assert len(client.transport.value()) - sent <= 2 * PIECE  # one that was on its way
    assert not answering.done()
    client.pass_time(STALLED_SECONDS - 1)
    client.transport.producer.resumeProducing()
    client.pass_time(STALLED_SECONDS)
    await pass_turns()
    assert client.pieces == 100
    assert not client.transport.is_aborted


async def test_a_client_that_reads_nothing_of_a_response_is_disconnected(client, answering):
    client.transport.producer.pauseProducing()
    await pass_turns()
    client.pass_time(STALLED_SECONDS)
    assert client.transport.is_aborted
    await pass_turns()
    assert answering.done()  # what is sent to nobody waits for nobody
    assert client.clock.getDelayedCalls() == []


async def test_one_long_body_is_sent_as_fast_as_it_is_read(client, answering):
    client.piece = b"x" * (50 * PIECE)
    client.transport.producer.pauseProducing()
    sent = len(client.transport.value())
    await pass_turns()
    assert len(client.transport.value()) - sent <= 2 * PIECE


async def test_a_client_that_leaves_the_rest_unread_is_disconnected(client):
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    client.request.handle_reply(START)
    client.transport.producer.pauseProducing()
    client.request.handle_reply({"type": "http.response.body", "body": b"x"})
    assert client.transport.disconnecting
    client.pass_time(STALLED_SECONDS - 1)
    assert not client.transport.is_aborted
    client.pass_time(1)
    assert client.transport.is_aborted


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 5 * PIECE + 7])
async def test_a_body_arrives_whole(size):
    sent = []

    async def send(message):
        sent.append(message)

    class Client:
        async def has_room(self):
            pass

    token = response_of_context.set(Client())
    reply = paced(send)
    response_of_context.reset(token)
    body = bytes(range(256)) * (size // 256 + 1)
    await reply({"type": "http.response.body", "body": body[:size]})
    assert b"".join(message["body"] for message in sent) == body[:size]
    assert [message.get("more_body", False) for message in sent] == [True] * (len(sent) - 1) + [False]
