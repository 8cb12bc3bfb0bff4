"""What this process sends to others through the channel layer: notifications, deltas, and direct messages.

Callers never wait: one task sends everything, in order, as fast as the layer takes it. What piles up meanwhile merges:
of a group's notifications the last one counts, and a message's deltas become one. While the layer is unavailable,
notifications are kept until it recovers, and so are deltas of what is still being written; direct messages are dropped,
since the database has the same for the process that polls it.

On the server's event loop.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

from agentchat.core.text import replace_lone_surrogates, utf16_len
from agentchat.infra.channel_layer import (
    Message,
    RelayLayer,
    chat_list_changed,
    event_saved,
    group_of,
    group_of_process,
)
from agentchat.infra.process import PROCESS
from agentchat.realtime.growing_text import GrowingText, TextCursor
from agentchat.realtime.live_message import LiveMessage
from agentchat.realtime.relay.remote_messages import DeltaMessage

DELTA_SECONDS = 0.04  # between two deltas of one message
MAX_DELTAS_PER_SECOND = 1000  # of all messages of this process: beyond, each is sent less often
MAX_DELTA_CHARS = 8192  # 32 KiB at most, as UTF-8
MAX_NOTIFICATIONS = 10_000  # kept while the layer is unavailable


@dataclass(eq=False)
class OutgoingCursor:
    """How much of a message being written was sent to other processes."""

    session_id: UUID
    message: LiveMessage
    attempt: int = 0
    written: TextCursor = field(default_factory=TextCursor)
    thoughts: TextCursor = field(default_factory=TextCursor)
    sent_at: float = float("-inf")
    is_scheduled: bool = False

    @property
    def key(self) -> tuple[UUID, str]:
        """An agent function may name its messages itself, and two chat sessions one by the same name."""
        return self.session_id, self.message.message_id

    def texts(self) -> list[tuple[TextCursor, GrowingText, bool]]:
        """What grows, how much of it was sent, and whether it is thoughts: these come first."""
        if self.attempt != self.message.attempt:
            self.attempt, self.written, self.thoughts = self.message.attempt, TextCursor(), TextCursor()
        return [(self.thoughts, self.message.thoughts, True), (self.written, self.message.written, False)]

    @property
    def has_more(self) -> bool:
        """Whether there is something that was not sent."""
        is_current = self.attempt == self.message.attempt
        return not is_current or any(sent.offset < text.length for sent, text, _ in self.texts())


class RelaySender:
    """What is still to be sent. `run()` sends it."""

    def __init__(self, layer: RelayLayer, *, process: str = PROCESS) -> None:
        self._layer = layer
        self._process = str(process)
        self._notifications: dict[str, Message] = {}  # by group
        self._direct: deque[tuple[str, Message]] = deque()
        self._cursors: dict[tuple[UUID, str], OutgoingCursor] = {}
        self._due: dict[tuple[UUID, str], OutgoingCursor] = {}  # in order
        self._wake = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    # --- queueing: nothing of this blocks --------------------------------------------------------------------------

    def notify(self, session_id: UUID, seq: int) -> None:
        """There is an event with this number."""
        self._notify(group_of(session_id), event_saved(session_id, seq, self._process))

    def notify_list(self, group: str) -> None:
        """An owner's list of chats has changed."""
        self._notify(group, chat_list_changed(group, self._process))

    def _notify(self, group: str, notification: Message) -> None:
        other = self._notifications.get(group)
        if other is None and len(self._notifications) >= MAX_NOTIFICATIONS:
            return
        if other is None or other.get("seq", 0) < notification.get("seq", 0):
            self._notifications[group] = notification
        self._wake.set()

    def send_direct(self, process: str, message: Message) -> None:
        """Send a message to one process."""
        if not self._layer.is_down:
            self._direct.append((group_of_process(process), message))
            self._wake.set()

    def on_delta(self, session_id: UUID, message: LiveMessage) -> None:
        """A message of this process goes on."""
        cursor = self._cursors.get((session_id, message.message_id))
        if cursor is None or cursor.message is not message:
            cursor = OutgoingCursor(session_id, message)
            self._cursors[cursor.key] = cursor
        if cursor.is_scheduled:
            return
        cursor.is_scheduled = True
        pause = cursor.sent_at + max(DELTA_SECONDS, len(self._cursors) / MAX_DELTAS_PER_SECOND) - self._loop.time()
        if pause > 0:
            self._loop.call_later(pause, self._enqueue, cursor)
        else:
            self._enqueue(cursor)

    def on_end(self, session_id: UUID, message_ids: Iterable[str]) -> None:
        """These messages do not go on here: END has the whole text, or another process goes on."""
        for message_id in message_ids:
            self._cursors.pop((session_id, message_id), None)
            self._due.pop((session_id, message_id), None)

    def send_text_so_far(self, process: str, session_id: UUID, message: LiveMessage) -> None:
        """Send one process the whole text so far, even if there is none yet."""
        if message.thoughts.length:
            for offset, text in _chunks(0, replace_lone_surrogates(str(message.thoughts))):
                self.send_direct(process, self._delta(session_id, message, offset, text, is_thought=True))
        for offset, text in _chunks(0, replace_lone_surrogates(message.text)):
            self.send_direct(process, self._delta(session_id, message, offset, text))

    # --- sending ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self._wake.set()  # an earlier execution may have left something
        while True:
            await self._wake.wait()
            self._wake.clear()
            while not self._layer.is_down and await self._send_next():
                pass
            if self._layer.is_down:
                self._direct.clear()
            self._is_idle.set()

    def resume(self) -> None:
        """The layer has recovered: send what was kept."""
        self._wake.set()

    async def finish(self) -> None:
        """Wait until all that is queued is sent, as far as the layer takes it."""
        self._is_idle.clear()
        self._wake.set()
        await self._is_idle.wait()

    async def _send_next(self) -> bool:
        """Send one thing, notifications first. Return whether there was one and the layer took it."""
        if self._notifications:
            notification = self._notifications.pop(group := next(iter(self._notifications)))
            if not (sent := await self._layer.send(group, notification)):
                self._notify(group, notification)
            return sent
        if self._direct:
            return await self._layer.send(*self._direct.popleft())
        if self._due:
            return await self._send_delta(next(iter(self._due.values())))
        return False

    async def _send_delta(self, cursor: OutgoingCursor) -> bool:
        texts, attempt = cursor.texts(), cursor.attempt
        for sent, text, is_thought in texts:
            ahead = replace(sent)  # what is sent counts when all of it is
            offset, new = ahead.offset, replace_lone_surrogates(ahead.advance(text))
            for at, chunk in _chunks(offset, new) if new else ():
                delta = self._delta(
                    cursor.session_id, cursor.message, at, chunk, attempt=attempt, is_thought=is_thought
                )
                if not await self._layer.send(group_of(cursor.session_id), delta):
                    return False  # all of it again, when the layer has recovered: overlaps do no harm
            sent.parts, sent.offset = ahead.parts, ahead.offset
        cursor.sent_at = self._loop.time()
        cursor.is_scheduled = False
        if self._is_current(cursor):  # else it has ended while this was sent, or restarted
            del self._due[cursor.key]
            if cursor.has_more:
                self.on_delta(cursor.session_id, cursor.message)  # it has grown while this was sent
        return True

    def _enqueue(self, cursor: OutgoingCursor) -> None:
        if self._is_current(cursor):
            self._due[cursor.key] = cursor
            self._wake.set()

    def _is_current(self, cursor: OutgoingCursor) -> bool:
        """Whether the message goes on here."""
        return self._cursors.get(cursor.key) is cursor

    def _delta(
        self,
        session_id: UUID,
        message: LiveMessage,
        offset: int,
        text: str,
        *,
        attempt: int | None = None,
        is_thought: bool = False,
    ) -> Message:
        return DeltaMessage(
            session_id=session_id,
            message_id=message.message_id,
            start_seq=message.start_seq,
            attempt=attempt or message.attempt,
            offset=offset,
            delta=text,
            process=self._process,
            is_thought=is_thought,
        ).message()


def _chunks(offset: int, text: str) -> Iterator[tuple[int, str]]:
    """The text in chunks of a bounded size, each with its offset; one empty chunk of an empty text."""
    for start in range(0, len(text) or 1, MAX_DELTA_CHARS):
        chunk = text[start : start + MAX_DELTA_CHARS]
        yield offset, chunk
        offset += utf16_len(chunk)
