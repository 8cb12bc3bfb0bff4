"""Following a chat session over HTTP: what a websocket's consumer does, for a response that is streamed.

A subscriber of the hub puts frames into a short queue, and waits while it is full: a client that does not read has no
more than that in memory. On the server's loop; nothing here holds a thread. Like a socket, a stream counts among the
connections of this process and of its visitor, ends within seconds when its key is revoked, and at once when the server
stops.
"""

import asyncio
import contextlib
import json
from types import TracebackType
from typing import Any
from uuid import UUID

from agentchat.core.log import get_logger
from agentchat.infra.client_connection import ClientConnection
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.request_thread import release_request_thread
from agentchat.models import ChatSession
from agentchat.programs.callers import Caller
from agentchat.programs.errors import ProgramError
from agentchat.realtime import frames
from agentchat.realtime.frames import Frame
from agentchat.realtime.hub import current_hub
from agentchat.realtime.subscriber import Subscriber
from agentchat.runs.runner import runner
from agentchat.websocket.connections import CloseCode, current_connections
from agentchat.websocket.visitor_limits import current_visitor_limits

logger = get_logger("agentchat.programs")

MAX_QUEUED = 8  # frames; each has less than 1 MiB
FOR_PAGES = ("BLOCK", "OPEN_BLOCK")

_ERRORS = {
    CloseCode.RESTART: (503, "restarting", "The server restarts. Try again: nothing is lost."),
    CloseCode.SIGN_IN: (401, "invalid_api_key", "This API key has expired, or was revoked."),
    CloseCode.NOT_FOUND: (404, "not_found", "This chat no longer exists."),
    CloseCode.TOO_SLOW: (408, "too_slow", "The client doesn't read what it is sent."),
}


def _error(code: CloseCode) -> ProgramError:
    status, name, text = _ERRORS[code]
    return ProgramError(status, name, text, retry_after=1 if code == CloseCode.RESTART else None)


class SessionStream:
    """The frames of a chat session after an event: `async with SessionStream(…) as stream`, then `await stream.next()`.

    Frames are as docs/protocol.md has them, without HTML, and as this caller may see them. Both raise ProgramError.
    """

    is_of_staff = False
    server_end: ClientConnection | None = None  # a response waits by itself until its client reads

    def __init__(self, caller: Caller, session_id: UUID, *, after: int) -> None:
        self.session_key, self.visitor = caller.session_key, caller.visitor
        self.session_id: UUID | None = session_id
        self._queue: asyncio.Queue[str] = asyncio.Queue(MAX_QUEUED)
        self._received = 0  # bytes
        self._closed: asyncio.Future[CloseCode] = asyncio.get_running_loop().create_future()
        self._of_visitor = current_visitor_limits().of(caller.visitor)
        self._connections = current_connections()
        self._subscriber = Subscriber(
            session_id,
            after,
            hub=current_hub(),
            send=self._queue.put,
            read=lambda seq: retry_until_available(lambda: in_read_thread(frames.frames_after)(session_id, seq)),
            close=lambda: self.leave(CloseCode.TOO_SLOW),
            prepare=self._prepare,
        )

    async def __aenter__(self) -> "SessionStream":
        runner.start()
        if runner.is_draining:
            raise _error(CloseCode.RESTART)
        is_admitted = (
            self._connections.begin(self)
            and self._of_visitor.admits(self, now=asyncio.get_running_loop().time())
            and self._connections.add(self)
        )
        if not is_admitted:
            self._discard()
            raise ProgramError(429, "too_many_streams", "Too many streams are open. Close some.", retry_after=5)
        await release_request_thread()
        self._task = asyncio.create_task(self._run(), name=f"event stream of {self.session_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._discard()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _discard(self) -> None:
        self._connections.discard(self)
        self._of_visitor.discard(self)

    async def leave(self, code: CloseCode) -> None:
        """End the stream: whoever waits for the next frame gets the reason, as a ProgramError."""
        if not self._closed.done():
            self._closed.set_result(code)

    async def next(self, timeout: float) -> Frame | None:
        """The next frame; None if there was none for so many seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while (text := await self._next_text(deadline)) is not None:
            self._received += len(text.encode())
            self._subscriber.ack(self._received)
            frame: Frame = json.loads(text)
            if frame["type"] not in FOR_PAGES:
                return frame
        return None

    async def _next_text(self, deadline: float) -> str | None:
        if self._closed.done():
            raise _error(self._closed.result())
        if not self._queue.empty():
            return self._queue.get_nowait()
        getter = asyncio.ensure_future(self._queue.get())
        try:
            left = max(deadline - asyncio.get_running_loop().time(), 0)
            either: set[asyncio.Future[Any]] = {getter, self._closed}
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not getter.done():
                getter.cancel()
        if getter.done() and not getter.cancelled():
            return getter.result()
        if self._closed.done():
            raise _error(self._closed.result())
        return None

    async def _prepare(self, frame: Frame) -> str:
        """The frame as the caller may see it, by what they are now, and in their language."""
        visitor = self.visitor
        visible = frames.visible_frame(frame, shows_usage=visitor.may_see_usage, shows_details=visitor.may_see_details)
        return frames.text_of(visible)

    async def _run(self) -> None:
        try:
            await self._subscriber.run()
        except ChatSession.DoesNotExist:  # deleted permanently, a moment ago
            await self.leave(CloseCode.NOT_FOUND)
        except Exception:
            logger.exception("an event stream of chat session %s failed", self.session_id)
            await self.leave(CloseCode.RESTART)
