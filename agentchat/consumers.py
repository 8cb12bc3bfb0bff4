"""The websockets: each a watcher of one chat session, and the way in for what its person says.

A consumer is a receptionist: it checks, hands over, and returns. It never waits for an agent (it handles one message at
a time, and one that waits cannot hear "stop"), and its database work goes to a small pool of its own. Nothing of it
goes through the one thread that the synchronous code of all applications shares: a slow view must not delay "stop".
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError
from django.utils import translation
from django.utils.translation import gettext

from agentchat import models
from agentchat.errors import Rejected
from agentchat.frames_in import Ack, Answer, Branch, Edit, Feedback, Hello, Ping, Retry, Send, Stop, parse
from agentchat.languages import language_of
from agentchat.own_words import translated_frame
from agentchat.runs import control, frames
from agentchat.runs.database import is_passing, patiently
from agentchat.runs.hub import Watcher
from agentchat.runs.runner import in_db_thread, in_read_thread, runner
from agentchat.sockets import CloseCode, is_open, sockets
from agentchat.visitors import NOBODY, Visitor, session_key_of, visitors_of

logger = logging.getLogger("agentchat.sockets")


class ChatConsumer(AsyncWebsocketConsumer):
    """One watcher of one chat session. docs/protocol.md says what the frames mean."""

    # No channel of its own: what other processes say comes through the ear of this one, and a layer that is away keeps
    # nobody from connecting.
    channel_layer_alias = "none of a socket's own"

    session_key = ""
    visitor: Visitor = NOBODY
    watching: asyncio.Task[None] | None = None
    watcher: Watcher | None = None

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As in Channels, but for closing old database connections in the shared thread: we have none there."""
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"No handler for message type {message['type']}")
        await handler(message)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        await self.disconnect(message["code"])
        raise StopConsumer

    async def connect(self) -> None:
        translation.activate(language_of(self.scope))  # for this socket's tasks, and the threads that they use
        await self.accept()  # a close before accepting reaches the browser as a bare 403
        runner.start()
        if runner.is_draining:
            return await self.leave(CloseCode.RESTART)
        self.session_id: UUID = self.scope["url_route"]["kwargs"]["session_id"]
        self.session_key = session_key_of(self.scope)
        self.limit = FrameLimit()
        try:
            self.visitor = await in_read_thread(_visitor_of)(self.session_key)
            if not self.visitor.may_chat:
                return await self.leave(CloseCode.SIGN_IN)
            if not await in_read_thread(_may_look)(self.session_id, self.visitor):
                return await self.leave(CloseCode.NOT_FOUND)
        except DatabaseError:
            logger.warning("a socket is sent away: the database does not say who it is", exc_info=True)
            return await self.leave(CloseCode.RESTART)
        sockets.add(self)

    async def disconnect(self, code: int) -> None:
        sockets.discard(self)
        if self.watching is not None:
            self.watching.cancel()

    async def leave(self, code: CloseCode) -> None:
        """Close, and send nothing more."""
        sockets.discard(self)
        if self.watching is not None and self.watching is not asyncio.current_task():
            self.watching.cancel()
        await self.close(code=int(code))  # Daphne takes no other kind of integer

    # --- frames from the client ------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self not in sockets:
            return  # not let in, or closing
        if not self.limit.allows(asyncio.get_running_loop().time()):
            return await self.leave(CloseCode.TOO_MANY)
        try:
            frame = parse(text_data)
            await self.take(frame)
        except Rejected as rejected:
            readable = None if rejected.reason == "too_large" else text_data  # too large to parse, for its id too
            await self.reject(readable, rejected.reason, str(rejected), rejected.errors)
        except Exception as error:
            if is_passing(error):  # there was no thread to try it in: as control says it of what was tried
                logger.warning("a frame of chat session %s is refused: %s", self.session_id, error)
                words = gettext(
                    "This could not be saved at the moment. Please look whether it has arrived, and try again."
                )
                return await self.reject(text_data, "unavailable", words)
            logger.exception("a frame of chat session %s could not be handled", self.session_id)
            words = gettext("Something went wrong here. Please look whether it has arrived before you try again.")
            await self.reject(text_data, "error", words)

    async def take(self, frame: Any) -> None:
        match frame:
            case Hello():
                await self.watch(frame.after)
            case Send():
                await in_db_thread(control.send)(self.session_id, self.visitor, client_id=frame.id, text=frame.text)
            case Answer():
                await in_db_thread(control.answer)(
                    self.session_id, self.visitor, client_id=frame.id, request=frame.request, value=frame.value
                )
            case Stop():
                await in_db_thread(control.stop)(self.session_id, by=self.visitor.name, visitor=self.visitor)
            case Retry():
                await in_db_thread(control.retry)(
                    self.session_id, self.visitor, client_id=frame.id, message_id=frame.message
                )
            case Edit():
                await in_db_thread(control.edit)(
                    self.session_id, self.visitor, client_id=frame.id, message_id=frame.message, text=frame.text
                )
            case Branch():
                await in_db_thread(control.select_branch)(
                    self.session_id, self.visitor, client_id=frame.id, number=frame.run
                )
            case Feedback():
                await in_db_thread(control.rate)(
                    self.session_id, self.visitor, message_id=frame.message, value=frame.value, comment=frame.text
                )
            case Ack() if self.watcher is not None:
                self.watcher.ack(frame.bytes)
            case Ping():
                await self.send(text_data='{"type":"pong"}')

    async def watch(self, after: int) -> None:
        if self.watcher is not None:
            raise Rejected("hello_again", "This socket has said hello already.")
        self.watcher = Watcher(
            self.session_id,
            after,
            send=self.send,
            read=lambda seq: patiently(lambda: in_read_thread(frames.frames_after)(self.session_id, seq)),
            close=lambda: self.leave(CloseCode.TOO_SLOW),
            trim=self.trim,
        )
        self.watching = asyncio.create_task(self.live(self.watcher), name=f"watcher of {self.session_id}")

    def trim(self, frame: frames.Frame) -> frames.Frame:
        """The frame as this visitor may see it, by what they are now, and in their language."""
        return translated_frame(frame if self.visitor.may_see_usage else frames.without_usage(frame))

    async def live(self, watcher: Watcher) -> None:
        try:
            await watcher.run()
        except Exception:
            # The page comes back and catches up.
            logger.exception("a watcher of chat session %s failed", self.session_id)
            await self.leave(CloseCode.RESTART)

    async def reject(self, text: str | None, code: str, message: str, errors: Mapping[str, str] | None = None) -> None:
        """The frame was not accepted, and nothing else has changed."""
        frame = {"type": "rejected", "id": _id_in(text), "code": code, "message": message}
        await self.send(text_data=json.dumps(frame if errors is None else {**frame, "errors": errors}))


class FrameLimit:
    """How many frames one socket may send: bursts of 240, and 40 a second in the long run."""

    BURST, PER_SECOND = 240.0, 40.0

    def __init__(self) -> None:
        self._left, self._at = self.BURST, 0.0

    def allows(self, now: float) -> bool:
        self._left = min(self.BURST, self._left + (now - self._at) * self.PER_SECOND)
        self._at = now
        self._left -= 1
        return self._left >= 0


def _visitor_of(session_key: str) -> Visitor:
    return visitors_of([session_key])[session_key]


def _may_look(session_id: UUID, visitor: Visitor) -> bool:
    agent = models.ChatSession.objects.of(visitor).filter(pk=session_id).values_list("agent", flat=True).first()
    return agent is not None and is_open(agent, visitor.user)


def _id_in(text: str | None) -> str | None:
    """The id of a frame that was not accepted, if one can be made out, so that the client knows which it was."""
    try:
        frame = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    found = frame.get("id") if isinstance(frame, dict) else None
    return found[:100] if isinstance(found, str) else None
