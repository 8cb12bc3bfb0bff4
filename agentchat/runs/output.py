"""What a run shows: its saved events are published, and the messages that it is writing are streamed.

For the threads of a run; publishing goes over the server's event loop.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync

from agentchat import conf
from agentchat.events import (
    ChatEvent,
    ReasoningMessageContent,
    ReasoningMessageEnd,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.realtime import chat_list
from agentchat.realtime.frames import Frame
from agentchat.realtime.hub import current_hub
from agentchat.realtime.live_message import LiveMessage
from agentchat.realtime.publish import publish, publish_soon
from agentchat.runs.async_bridge import on_loop


class RunOutput:
    """The output of one execution of a run. `writing` are the unfinished messages, by their ids.

    `owner()` is who owned the chat session when its last events were saved: a user's key and a guest's, one of them.
    """

    def __init__(
        self, session_id: UUID, loop: asyncio.AbstractEventLoop, *, owner: Callable[[], tuple[Any, str]]
    ) -> None:
        self.writing: dict[str, LiveMessage] = {}
        self._loop = loop
        self._owner = owner
        self._session_id = session_id

    def write(self, event: TextMessageContent | ReasoningMessageContent) -> None:
        """Stream a delta. Never blocks. On the server's loop, where models write, or from a thread of the run."""
        if on_loop(self._loop):
            self._write(event)
        else:
            self._loop.call_soon_threadsafe(self._write, event)

    def _write(self, event: TextMessageContent | ReasoningMessageContent) -> None:
        if (message := self.writing.get(event.message_id)) is not None:
            hub = current_hub()
            write = hub.think if isinstance(event, ReasoningMessageContent) else hub.write
            write(self._session_id, message, event.attempt, event.delta)

    def begin(self, event: TextMessageStart, seq: int, frames: list[Frame]) -> None:
        """Publish the start of a message, which has this number, and stream what comes of it. Blocks until done."""

        async def begin() -> None:
            # Without a pause between the two: a subscriber that sends this START must find the message in the hub.
            self.writing[event.message_id] = current_hub().begin(self._session_id, event.message_id, seq)
            await publish(self._session_id, frames)

        async_to_sync(begin)()

    def ends_of(self, message_id: str) -> list[ChatEvent]:
        """The end of a message that will not be completed, with its text so far; none if it is not being written."""
        message = self.writing.get(message_id)
        if message is None:
            return []
        end = TextMessageEnd(message_id=message_id, content=message.text, stopped=True)
        if not message.thoughts.length:
            return [end]
        thoughts = str(message.thoughts).strip() if conf.app.keep_reasoning else None
        return [ReasoningMessageEnd(message_id=message_id, content=thoughts, duration_ms=message.thought_ms), end]

    def publish_soon(self, frames: list[Frame]) -> None:
        """Publish saved events that end no message. Never blocks, and keeps the order."""
        publish_soon(self._session_id, frames, self._loop)
        if chat_list.change_lists(frames):
            chat_list.notify_owner(*self._owner())

    def publish(self, frames: list[Frame]) -> None:
        """Publish saved events. Blocks until done."""
        if frames:
            async_to_sync(publish)(self._session_id, frames)
            if chat_list.change_lists(frames):
                chat_list.notify_owner(*self._owner())
        for frame in frames:
            if frame["type"] == TextMessageEnd.type:
                self.writing.pop(frame["messageId"], None)
