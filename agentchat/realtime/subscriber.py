"""One open websocket that watches a chat session, and what it has been sent.

Events come from the database, numbered; a subscriber sends seq n only after n-1, and reads the database when one is
missing. Deltas are not stored: a subscriber has a cursor in each message being written, and one that is behind, for
whatever reason, sends what is missing in one piece. So merging for a slow client, catching up in a new tab and going on
after a pause are one thing.

Everything is on the server's event loop; nothing here blocks or queries the database itself.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol
from uuid import UUID

from agentchat.core.log import get_logger
from agentchat.core.text import common_length, replace_lone_surrogates, utf16_len
from agentchat.events import ReasoningMessageContent, TextMessageContent, TextMessageEnd, TextMessageStart
from agentchat.markup.streaming import NO_BLOCK, OpenBlock
from agentchat.realtime.excerpt import MAX_HTML
from agentchat.realtime.frames import MIN_PAGE, Frame, text_of
from agentchat.realtime.growing_text import GrowingText, TextCursor
from agentchat.realtime.live_message import LiveMessage
from agentchat.realtime.send_window import ClientGone, SendWindow, TooSlow

logger = get_logger("agentchat.hub")

MAX_QUEUED_EVENTS = 256
MAX_QUEUED_CHARS = 1024 * 1024  # of the texts in them; what is not queued is read again
MAX_DELTA = 64 * 1024  # characters in a frame
TOO_LARGE_BLOCK = "<p>…</p>"  # its text comes with the end of the message
CLOCK_SECONDS = 1.0  # how often the pace of a slow client is checked


class SubscriptionHub(Protocol):
    """What a subscriber needs of the hub."""

    async def subscribe(self, subscriber: "Subscriber") -> None:
        """Deliver what happens in its chat session, until `unsubscribe`. Never fails, and takes a second at most."""

    def unsubscribe(self, subscriber: "Subscriber") -> None: ...

    def follow_live_messages(self, subscriber: "Subscriber") -> None:
        """Have it follow what is being written, and know its place in the queue."""

    def live_message(self, session_id: UUID, message_id: str) -> LiveMessage | None: ...

    def on_sent(self, session_id: UUID, frame: Frame) -> None:
        """A subscriber has sent this event: what it ends, has ended."""


async def _as_text(frame: Frame) -> str:
    return text_of(frame)


@dataclass
class DeltaCursor:
    """How much of a message being written a subscriber was sent."""

    message: LiveMessage
    attempt: int = 0
    written: TextCursor = field(default_factory=TextCursor)
    thoughts: TextCursor = field(default_factory=TextCursor)
    blocks: int = 0
    open_block: OpenBlock = NO_BLOCK  # the one after them, as it was sent

    @classmethod
    def after(cls, earlier: "DeltaCursor", message: LiveMessage) -> "DeltaCursor":
        """The cursor in a message that the hub had dropped, and now has again."""
        if earlier.attempt != message.attempt:
            return cls(message)
        open_block = OpenBlock(earlier.open_block.index, "")
        return cls(
            message,
            attempt=earlier.attempt,
            written=TextCursor(offset=earlier.written.offset),
            thoughts=TextCursor(offset=earlier.thoughts.offset),
            blocks=earlier.blocks,
            open_block=open_block,
        )

    def advance(self) -> list[Frame]:
        """The frames up to the end of the text; all at once, since it grows while they are sent."""
        message = self.message
        if self.attempt != message.attempt:
            self.attempt, self.blocks, self.open_block = message.attempt, 0, NO_BLOCK
            self.written, self.thoughts = TextCursor(), TextCursor()
        fields = {"messageId": message.message_id, "attempt": self.attempt}
        frames = _deltas(ReasoningMessageContent.type, fields, self.thoughts, message.thoughts)
        frames += _deltas(TextMessageContent.type, fields, self.written, message.written)
        blocks = message.blocks()[self.blocks :]
        self.blocks += len(blocks)
        if blocks:
            self.open_block = OpenBlock(blocks[-1].index + 1, "")
        for b in blocks:
            # The whole message will be in its END, or its head.
            html = b.html if len(b.html) <= MAX_HTML else TOO_LARGE_BLOCK
            frames.append({"type": "BLOCK", **fields, "index": b.index, "end": b.end, "html": html})
        return frames

    def open_block_frames(self) -> list[Frame]:
        """The frames with what has changed in the open block, if anything has. Call it after `advance`."""
        before, now = self.open_block, self.message.open_block()
        if now == before or now.index != before.index:
            return []
        self.open_block = now
        kept = common_length(before.html, now.html)
        fields = {"messageId": self.message.message_id, "attempt": self.attempt, "index": now.index}
        keep, frames = utf16_len(now.html[:kept]), []
        for piece in _pieces(now.html[kept:]):
            frames.append({"type": "OPEN_BLOCK", **fields, "keep": keep, "html": piece})
            keep += utf16_len(piece)
        return frames


def _deltas(type_: str, fields: Frame, cursor: TextCursor, text: GrowingText) -> list[Frame]:
    """The frames with what is new of a text."""
    offset, frames = cursor.offset, []
    for piece in _pieces(cursor.advance(text)):
        if piece:
            frames.append({"type": type_, **fields, "offset": offset, "delta": piece})
            offset += utf16_len(piece)
    return frames


def _chars_of(frame: Frame) -> int:
    return sum(len(value) for value in frame.values() if isinstance(value, str))


def _pieces(text: str) -> list[str]:
    """A text of any length, in pieces that fit into frames. None of them ends between the halves of a character."""
    if len(text) <= MAX_DELTA:
        return [text]
    text = replace_lone_surrogates(text)
    return [text[start : start + MAX_DELTA] for start in range(0, len(text), MAX_DELTA)]


class Subscriber:
    """One open websocket that watches a chat session.

    `send` sends one text frame, or raises TooSlow or ClientGone; `read(after)` reads frames from the database,
    `close()` closes the socket of a client that is too slow. `prepare(frame)` returns what this user is sent for an
    event. `run()` serves the socket from the first frame that it may be sent; cancel it when the socket is gone.
    `wants_open_blocks`: it is sent the HTML of the block that is being written, too. `window` counts what else the
    socket is sent.
    """

    def __init__(
        self,
        session_id: UUID,
        after: int,
        *,
        hub: SubscriptionHub,
        send: Callable[[str], Awaitable[None]],
        read: Callable[[int], Awaitable[list[Frame]]],
        close: Callable[[], Awaitable[None]],
        prepare: Callable[[Frame], Awaitable[str]] = _as_text,
        wants_open_blocks: bool = False,
        window: SendWindow | None = None,
    ) -> None:
        self.session_id = session_id
        self._wants_open_blocks = wants_open_blocks
        self._prepare = prepare
        self._send, self._read, self._close = send, read, close
        self._window = window or SendWindow()
        self._hub = hub
        self._cursor = after  # the last seq that was sent
        self._queued = after  # the last seq that was sent or is in _events
        self._latest = after  # the last seq that is known to exist
        self._events: deque[Frame] = deque()
        self._queued_chars = 0
        self._reading = False
        self._following: dict[str, DeltaCursor] = {}
        self._status: Frame | None = None
        self._wake = asyncio.Event()

    # --- called by the hub and the consumer ------------------------------------------------------------------------

    def on_events(self, frames: Iterable[Frame]) -> None:
        """Events of this chat session, just saved."""
        for frame in frames:
            seq = frame["seq"]
            self._latest = max(self._latest, seq)
            if seq == self._queued + 1 and not self._reading and self._has_room:
                self._events.append(frame)
                self._queued_chars += _chars_of(frame)
                self._queued = seq
        self._wake.set()

    @property
    def _has_room(self) -> bool:
        return len(self._events) < MAX_QUEUED_EVENTS and self._queued_chars < MAX_QUEUED_CHARS

    def notify(self, seq: int) -> None:
        """An event with this number was saved, perhaps by another process."""
        self._latest = max(self._latest, seq)
        self._wake.set()

    def wake(self) -> None:
        """A message being written has grown."""
        self._wake.set()

    def on_status(self, frame: Frame) -> None:
        """A state of the moment, which has no number; only the last one is sent."""
        self._status = frame
        self._wake.set()

    def follow(self, message: LiveMessage) -> None:
        """Send what is written, if the message's START was sent. Sending START leads here, too."""
        if message.start_seq <= self._cursor:
            message.watchers.add(self)
            earlier = self._following.get(message.message_id)
            self._following[message.message_id] = (
                DeltaCursor.after(earlier, message) if earlier else DeltaCursor(message)
            )
            self._wake.set()

    def ack(self, total: int) -> None:
        """The client has received `total` bytes on this socket."""
        if self._window.on_ack(total):
            self._wake.set()

    # --- sending ---------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Bytes that the client has not acknowledged."""
        return self._window.in_flight

    async def run(self) -> None:
        try:
            await self._hub.subscribe(self)
            # Subscribe first, read then: what is saved in between is delivered or found, and never missed.
            await self._catch_up()
            self._hub.follow_live_messages(self)
            while True:
                self._wake.clear()
                await self._send_pending()
                self._window.check(now=asyncio.get_running_loop().time())
                await self._wait()
        except TooSlow:
            logger.info("a client of %s is too slow: %d bytes unacknowledged", self.session_id, self.in_flight)
            await self._close()
        except ClientGone:
            pass
        finally:
            self._hub.unsubscribe(self)

    async def _wait(self) -> None:
        limits = [CLOCK_SECONDS] if self._window.is_slow else []
        if self._wants_open_blocks and not self._window.is_full:
            dues = (cursor.message.open_block_due() for cursor in self._following.values())
            limits += [max(due - perf_counter(), 0) for due in dues if due is not None]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), min(limits, default=None))

    async def _send_pending(self) -> None:
        while True:
            if self._events:
                frame = self._events.popleft()
                self._queued_chars -= _chars_of(frame)
                await self._send_event(frame)
            elif self._latest > self._queued:
                await self._catch_up()
            elif self._status is not None:
                status, self._status = self._status, None
                await self._send_frame(status)
            elif not await self._send_deltas():
                return

    async def _catch_up(self) -> None:
        self._reading = True
        try:
            while True:
                latest = self._latest
                frames = await self._read(self._queued)
                for frame in frames:
                    self._queued = frame["seq"]
                    await self._send_event(frame)
                if not frames and self._latest == latest:  # what is saved during a read may be too new for it
                    self._latest = self._queued  # we were notified of more than there is
                if len(frames) < MIN_PAGE and self._latest <= self._queued:
                    return
        finally:
            self._reading = False

    async def _send_event(self, frame: Frame) -> None:
        text = await self._prepare(frame)
        cursor = self._following.pop(frame["messageId"], None) if frame["type"] == TextMessageEnd.type else None
        if cursor is not None and not self._window.is_full:
            for delta in cursor.advance():
                await self._send_frame(delta)
        await self._send_text(text)
        self._cursor = frame["seq"]
        self._hub.on_sent(self.session_id, frame)
        if frame["type"] == TextMessageStart.type:
            message = self._hub.live_message(self.session_id, frame["messageId"])
            if message is not None:
                self.follow(message)

    async def _send_deltas(self) -> bool:
        """Send what is new of the messages being written. Return whether anything was sent."""
        if self._window.is_full:
            return False
        sent = False
        for cursor in list(self._following.values()):
            frames = cursor.advance()
            if self._wants_open_blocks:
                frames += cursor.open_block_frames()
            for frame in frames:
                await self._send_frame(frame)
            sent = sent or bool(frames)
        return sent

    async def _send_frame(self, frame: Frame) -> None:
        await self._send_text(text_of(frame))

    async def _send_text(self, text: str) -> None:
        while self._window.is_shut:  # a long history is sent as fast as the client takes it
            self._wake.clear()
            self._window.check(now=asyncio.get_running_loop().time())
            await self._wait()
        self._window.add(len(text.encode()), now=asyncio.get_running_loop().time())
        await self._send(text)
