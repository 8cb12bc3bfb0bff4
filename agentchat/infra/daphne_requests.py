"""Daphne's HTTP requests, with bounds on what is read before the application starts.

Daphne reads the whole body of a request, however large and however slow, and then hands it on. Here a request is
refused at its header if it says that its body is too large (413), where a body without a length gets too large, and
when it is too slow (408). A refused client has a moment to read why; what it still sends is dropped. Its response is
handed over as it reads: `daphne_responses.py`.

Import this in daphne's own processes alone: it installs Twisted's reactor.
"""

import weakref
from http import HTTPStatus
from typing import Any

from daphne import http_protocol
from daphne.http_protocol import WebRequest

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.infra.client_connection import response_of_context
from agentchat.infra.daphne_responses import STALLED_SECONDS, PacedResponse

logger = get_logger("agentchat.server")

GRACE_SECONDS = 30.0  # for the header, and for a body to begin
LEAST_BYTES_PER_SECOND = 8 * 1024  # of a body, from then on
CHECK_SECONDS = 5.0
LINGER_SECONDS = 1.0  # between the answer to a refused request and the end of its connection


def install() -> None:
    """Let daphne make its requests of this kind, for connections that are opened from now on."""
    http_protocol.WebRequest = BoundedRequest


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne has no types
    """One request of one client. On the reactor's thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = conf.app.max_body_bytes
        self._received = 0
        self._is_refused = False
        self._reactor = self.channel.factory.reactor
        self._response = PacedResponse(self._reactor, self._disconnect)
        self._began = self._reactor.seconds()
        self._timer: Any = self._reactor.callLater(CHECK_SECONDS, self._check_pace)

    def gotLength(self, length: int | None) -> None:
        is_too_large = self._is_too_large(length or 0)
        super().gotLength(0 if is_too_large else length)  # where to keep so much
        if is_too_large:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._is_too_large(self._received):
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if not self._is_refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        self._stop_timer()
        if self._is_refused:
            return None
        token = response_of_context.set(self._response)  # the application's task begins in a copy of this context
        try:
            return super().process()
        finally:
            response_of_context.reset(token)

    def handle_reply(self, message: Any) -> None:
        if message["type"] == "http.response.start" and self.channel is not None and self.producer is None:
            self.registerProducer(self._response, True)
        super().handle_reply(message)

    def finish(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
            self._response.stopProducing()
            if self._response.was_full and not self.channel.persistent:
                # Twisted would wait without an end for its client to read the rest.
                self._reactor.callLater(STALLED_SECONDS, _abort, weakref.ref(self.channel.transport))
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        self._stop_timer()
        self._response.stopProducing()
        super().connectionLost(reason)

    def _is_too_large(self, size: int) -> bool:
        return self._limit is not None and size > self._limit

    def _check_pace(self) -> None:
        self._timer = None
        seconds = self._reactor.seconds() - self._began - GRACE_SECONDS
        if self._received < seconds * LEAST_BYTES_PER_SECOND:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._timer = self._reactor.callLater(CHECK_SECONDS, self._check_pace)

    def _refuse(self, status: HTTPStatus) -> None:
        if self._is_refused:
            return
        self._is_refused = True
        self._stop_timer()
        logger.info("a request was refused: %d %s, after %d bytes of its body", status, status.phrase, self._received)
        body = f"{status.phrase}\n".encode()
        self.requestHeaders.removeHeader(b"expect")  # it is not to continue
        self.channel.transport.write(
            b"HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
            % (status, status.phrase.encode(), len(body), body)
        )
        self._reactor.callLater(LINGER_SECONDS, self._disconnect)

    def _disconnect(self) -> None:
        if self.channel is not None:  # None: the client has left
            self.channel.transport.abortConnection()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _abort(connection: "weakref.ref[Any]") -> None:
    transport = connection()
    if transport is not None:
        transport.abortConnection()  # nothing happens where it is closed
