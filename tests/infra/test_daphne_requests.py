"""What of a request daphne reads. The protocol alone, on a transport of the test's, with a clock of the test's."""

import pytest
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from agentchat.infra import daphne_requests
from agentchat.infra.daphne_requests import GRACE_SECONDS, LEAST_BYTES_PER_SECOND, LINGER_SECONDS

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
