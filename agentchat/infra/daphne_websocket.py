"""Daphne's websockets, with bounds on what a client makes the process keep and do.

Daphne hands on whatever arrives, at any rate, and writes whatever is sent into a buffer without an end, whether or not
the client reads. The consumers limit messages and wait for acknowledgements, but they see neither control frames nor
fragments, and a client may acknowledge what it has not read. So the bounds are here, where the bytes are:

- **Out**: what the operating system has not taken yet waits in a queue that is counted. A client that has more than
  `MAX_UNSENT` bytes (and the largest frame) waiting, or takes nothing for `STALLED_SECONDS`, is disconnected.
- **In**: every frame counts, also pings, pongs, and empty fragments. A client that sends too many is closed with 4429,
  and nothing more is read from it. While the consumer is busy, `MAX_PENDING` bytes (and the largest message) are read.
- **Before the handshake** is answered, no more than `MAX_EARLY` bytes are kept.

All of this holds for sockets whose consumer has asked for it (`client_connection.py`), because other websockets of the
same project have limits of their own. Import this in daphne's own processes alone: it installs Twisted's reactor.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from agentchat.core.log import get_logger
from agentchat.core.token_bucket import TokenBucket
from agentchat.infra.client_connection import connection_of_context

logger = get_logger("agentchat.server")

MAX_UNSENT = 4 * 2**20  # bytes, plus the largest frame
STALLED_SECONDS = 25.0  # daphne checks every two seconds, and closing may take one: 30 s in all
CHUNK = 32 * 1024  # bytes that are written at once: Twisted's own buffer is "full" at 64 KiB
MAX_PENDING = 2**20  # bytes of messages that the consumer has not taken yet, plus the largest message
MAX_EARLY = 64 * 1024  # bytes before the handshake is answered
FRAMES_BURST, FRAMES_PER_SECOND = 480.0, 80.0  # twice what a consumer allows in messages
TOO_MANY = 4429


def install() -> None:
    """Let daphne make its websockets of this kind. Before or after its server has started."""
    WebSocketFactory.protocol = LimitedWebSocket


class LimitedWebSocket(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """One websocket of one client. On the reactor's thread, which is that of the server's loop."""

    _is_limited = False
    _ignores_input = False
    _is_passed_on = False  # the application knows of the handshake
    _is_paused = False  # the operating system takes no more
    _largest = 0  # bytes of the largest frame that was sent

    def __init__(self) -> None:
        super().__init__()
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._pending: deque[int] = deque()  # the bytes of each message that the consumer has not taken
        self._pending_bytes = 0
        self._moved_at = 0.0  # when the operating system last took something
        self._frames = TokenBucket(burst=FRAMES_BURST, per_second=FRAMES_PER_SECOND)
        self._spent = 0.0  # seconds of a processor, until it is known who is charged
        self._charge: Callable[[float], None] | None = None
        self._closing: Any = None  # the call that ends a close which is not taken

    # --- for the consumer: ClientConnection ------------------------------------------------------------------------

    def limit(self, *, max_message_bytes: int, charge: Callable[[float], None]) -> None:
        self._charge = charge
        charge(self._spent)
        # Whatever daphne was started with: its --websocket_max_message_size counts for what is sent, too.
        self.maxMessagePayloadSize = self.maxFramePayloadSize = max_message_bytes
        self._is_limited = True
        self.transport.unregisterProducer()  # that of HTTP, which has handed the connection over
        self.transport.registerProducer(self, True)

    @property
    def unsent(self) -> int:
        return self._unsent_bytes

    def on_taken(self) -> None:
        was_full = self._pending_bytes > MAX_PENDING
        self._pending_bytes -= self._pending.popleft()
        if was_full and self._pending_bytes <= MAX_PENDING and not self._ignores_input:
            self.transport.resumeProducing()

    # --- in --------------------------------------------------------------------------------------------------------

    def onConnect(self, request: Any) -> Any:
        self._is_passed_on = True
        token = connection_of_context.set(self)  # the application's task begins in a copy of this context
        try:
            return super().onConnect(request)
        finally:
            connection_of_context.reset(token)

    def dataReceived(self, data: bytes) -> None:
        if self._ignores_input:
            return
        began = time.thread_time()
        try:
            self._read(data)
        finally:
            spent = time.thread_time() - began
            if self._charge is None:
                self._spent += spent
            else:
                self._charge(spent)

    def _read(self, data: bytes) -> None:
        if self.state == self.STATE_CONNECTING and self._is_passed_on:
            # Autobahn would look for another handshake in it. It is read when the handshake is answered.
            self.data += data
            if len(self.data) > MAX_EARLY:
                self._disconnect("sent %d bytes before its handshake was answered", len(self.data))
            return
        super().dataReceived(data)

    def processData(self) -> bool:
        """The next part of what has arrived; autobahn calls this as long as there is more."""
        if self._ignores_input:
            self.data = b""
            return False
        return bool(super().processData())

    def onFrameBegin(self) -> None:
        if self._is_limited and not self._frames.allows(1, now=self._now()):
            self._refuse_more()
        else:
            super().onFrameBegin()

    def _refuse_more(self) -> None:
        self._ignores_input = True
        self.current_frame = None
        self.transport.pauseProducing()
        if self.state == self.STATE_OPEN:
            self.sendClose(code=TOO_MANY)  # dropped a second later, since its answer is not read
        else:
            self._disconnect("sends frames to a closed websocket")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._is_limited and not self.muted:
            self._pending.append(len(payload))
            self._pending_bytes += len(payload)
            if self._pending_bytes > MAX_PENDING:
                self.transport.pauseProducing()
        super().onMessage(payload, isBinary)

    # --- out -------------------------------------------------------------------------------------------------------

    def serverSend(self, content: Any, binary: bool = False) -> None:
        if self._is_limited and self.state not in (self.STATE_CONNECTING, self.STATE_OPEN):
            return  # the consumer has not heard of the close yet
        super().serverSend(content, binary)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Every byte to the client comes this way: messages, pings, pongs, closes."""
        if not self._is_limited:
            super().sendData(data, sync, chopsize)
            return
        self._largest = max(self._largest, len(data))
        self._unsent_bytes += len(data)
        self._unsent.extend(data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
        self._write()
        if self._unsent_bytes > MAX_UNSENT + self._largest:
            self._disconnect("has not read %d bytes", self._unsent_bytes)

    def _write(self) -> None:
        while self._unsent and not self._is_paused:
            chunk = self._unsent.popleft()
            self._unsent_bytes -= len(chunk)
            super().sendData(chunk)

    def pauseProducing(self) -> None:
        """Twisted's buffer is full."""
        self._is_paused = True
        self._moved_at = self._now()

    def resumeProducing(self) -> None:
        """Twisted's buffer is empty."""
        self._is_paused = False
        self._write()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._unsent.clear()
        self._unsent_bytes = 0

    def check_timeouts(self) -> None:
        """Daphne calls this every two seconds."""
        if self._is_paused and self._now() - self._moved_at > STALLED_SECONDS:
            self._disconnect("has read nothing for %d s", STALLED_SECONDS)
        else:
            super().check_timeouts()

    def dropConnection(self, abort: bool = False) -> None:
        """Without `abort`, what is waiting is written first, for as long as the client takes it in time."""
        if not self._is_limited or self.state == self.STATE_CLOSED:
            super().dropConnection(abort)
            return
        rest = b"" if abort else b"".join(self._unsent)
        self.stopProducing()
        if rest:
            self.transport.write(rest)
        super().dropConnection(abort)
        if not abort:
            self._closing = self.factory.reactor.callLater(STALLED_SECONDS, self.transport.abortConnection)

    def connectionLost(self, reason: Any) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        super().connectionLost(reason)

    def _disconnect(self, why: str, *values: object) -> None:
        logger.info("disconnecting a websocket: its client " + why, *values)
        self._ignores_input = True
        self.dropConnection(abort=True)

    def _now(self) -> float:
        return float(self.factory.reactor.seconds())
