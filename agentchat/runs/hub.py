"""The watchers of this process, and the text of messages that are being written.

Facts come from the database, numbered; a watcher sends seq n only after n-1, and reads the database when one is
missing. Deltas are not stored: the text so far of each message being written is kept here, once, and every watcher
has a position in it. A delta only moves the text's end; whoever is behind, for whatever reason, is sent what is
missing in one piece. So merging for a busy watcher, catching up in a new tab and going on after a pause are one thing.

Lives on the server's event loop, every method of it; nothing here blocks or asks the database itself.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from agentchat.events import RunError, RunFinished, TextMessageContent, TextMessageEnd, TextMessageStart
from agentchat.rendering import Block, BlockSplitter, utf16_len
from agentchat.runs.frames import PAGE, Frame

logger = logging.getLogger("agentchat.hub")

MAX_QUEUED_FACTS = 256
MAX_IN_FLIGHT = 1024 * 1024  # bytes; beyond, deltas stop
CLOSE_IN_FLIGHT = 4 * MAX_IN_FLIGHT  # bytes, beside the largest frame; beyond, the watcher is closed
SLOW_S = 30.0  # so long may a watcher stay beyond MAX_IN_FLIGHT
MAX_ENDED = 32  # ends of messages that a room remembers: a delta may come late


class Ear(Protocol):
    """Where bells and deltas of other processes are heard."""

    async def join(self, session_id: UUID) -> None:
        """Somebody looks at this chat session; return when it is listened to, or cannot be."""

    def leave(self, session_id: UUID) -> None:
        """Nobody does any more."""

    def join_list(self, group: str) -> None:
        """Somebody looks at this list of chats."""

    def leave_list(self, group: str) -> None: ...


class Voice(Protocol):
    """What tells other processes what happens here. Nothing of it blocks."""

    def ring(self, session_id: UUID, seq: int) -> None: ...

    def ring_list(self, group: str) -> None: ...

    def tell(self, process: str, message: dict[str, object]) -> None: ...

    def grew(self, session_id: UUID, writing: "Writing") -> None: ...

    def ended(self, session_id: UUID, message_ids: Iterable[str]) -> None: ...


class Writing:
    """A message being written: its text so far, and the Markdown blocks of it that are complete."""

    is_mirror = False  # another process writes it
    heard_at = 0.0

    def __init__(self, message_id: str, start_seq: int) -> None:
        self.message_id = message_id
        self.start_seq = start_seq
        self.restart(1)

    def restart(self, attempt: int) -> None:
        """The message is asked for again: what was shown is to be replaced."""
        self.attempt = attempt
        self.parts: list[str] = []
        self.length = 0
        self._blocks: list[Block] = []
        self._splitter = BlockSplitter()
        self._split = 0

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def write(self, delta: str) -> None:
        self.parts.append(delta)
        self.length += utf16_len(delta)

    def blocks(self) -> list[Block]:
        """The complete blocks. Rendered when a watcher wants them, once for all watchers."""
        if self._split < len(self.parts):
            self._blocks += self._splitter.feed("".join(self.parts[self._split :]))
            self._split = len(self.parts)
        return self._blocks


@dataclass
class Position:
    """How much of a message being written a watcher was sent."""

    writing: Writing
    attempt: int = 0
    parts: int = 0
    offset: int = 0
    blocks: int = 0

    @classmethod
    def after(cls, earlier: "Position", writing: Writing) -> "Position":
        """Where a watcher is in a message that was forgotten here and is heard of again."""
        if earlier.attempt != writing.attempt:
            return cls(writing)
        return cls(writing, attempt=earlier.attempt, offset=earlier.offset, blocks=earlier.blocks)

    @property
    def is_behind(self) -> bool:
        return self.attempt != self.writing.attempt or self.offset < self.writing.length

    def advance(self) -> list[Frame]:
        """The frames that bring the watcher up to the text's end; all at once, since it grows while they are sent."""
        writing = self.writing
        if self.attempt != writing.attempt:
            self.attempt, self.parts, self.offset, self.blocks = writing.attempt, 0, 0, 0
        message = {"messageId": writing.message_id, "attempt": self.attempt}
        frames: list[Frame] = []
        if self.offset < writing.length:
            delta = "".join(writing.parts[self.parts :])
            if (known := utf16_len(delta) - (writing.length - self.offset)) > 0:
                delta = delta.encode("utf-16-le", "surrogatepass")[2 * known :].decode("utf-16-le", "surrogatepass")
            frames.append({"type": TextMessageContent.type, **message, "offset": self.offset, "delta": delta})
            self.parts, self.offset = len(writing.parts), writing.length
        blocks = writing.blocks()[self.blocks :]
        self.blocks += len(blocks)
        frames += [{"type": "BLOCK", **message, "index": b.index, "end": b.end, "html": b.html} for b in blocks]
        return frames


class Watcher:
    """One open websocket that looks at a chat session, and what it has been sent.

    `send` sends one text frame, `read(after)` reads frames from the database, `close()` ends the socket of a watcher
    that is too slow. `trim(frame)` leaves out of a fact what is not for this one's eyes.
    `run()` is its life, from the first frame that it may be sent; cancel it when the socket is gone.
    """

    def __init__(
        self,
        session_id: UUID,
        after: int,
        *,
        send: Callable[[str], Awaitable[None]],
        read: Callable[[int], Awaitable[list[Frame]]],
        close: Callable[[], Awaitable[None]],
        at: "Hub | None" = None,
        trim: Callable[[Frame], Frame] = lambda frame: frame,
    ) -> None:
        self.session_id = session_id
        self._trim = trim
        self._send, self._read, self._close = send, read, close
        self._hub = at or hub
        self._cursor = after  # the last seq that was sent
        self._queued = after  # the last seq that was sent or lies in _facts
        self._latest = after  # the last seq that we heard of
        self._facts: deque[Frame] = deque()
        self._reading = False
        self._following: dict[str, Position] = {}
        self._note: Frame | None = None
        self._sent = self._acked = 0  # bytes
        self._largest = 0  # bytes of the largest frame
        self._slow_since: float | None = None
        self._wake = asyncio.Event()

    # --- what the process tells it ---------------------------------------------------------------------------------

    def tell(self, frames: Iterable[Frame]) -> None:
        """Facts of this chat session, just saved."""
        for frame in frames:
            seq = frame["seq"]
            self._latest = max(self._latest, seq)
            if seq == self._queued + 1 and not self._reading and len(self._facts) < MAX_QUEUED_FACTS:
                self._facts.append(frame)
                self._queued = seq
        self._wake.set()

    def ring(self, seq: int) -> None:
        """Somewhere a fact with this number was saved."""
        self._latest = max(self._latest, seq)
        self._wake.set()

    def touch(self) -> None:
        """A message being written has grown."""
        self._wake.set()

    def note(self, frame: Frame) -> None:
        """Something that is true now, and of which no number is kept; only the last of it is sent."""
        self._note = frame
        self._wake.set()

    def follow(self, writing: Writing) -> None:
        """Send what is written, if the message's START was sent; sending START comes here too."""
        if writing.start_seq <= self._cursor:
            earlier = self._following.get(writing.message_id)
            self._following[writing.message_id] = Position.after(earlier, writing) if earlier else Position(writing)
            self._wake.set()

    def ack(self, total: int) -> None:
        """The client has received `total` bytes on this socket, pongs and whatever else no watcher sent included."""
        total = min(total, self._sent)
        if total > self._acked:
            self._acked = total
            self._wake.set()

    # --- what it does with it --------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return self._sent - self._acked

    async def run(self) -> None:
        room = self._hub.room(self.session_id)
        room.watchers.add(self)
        try:
            if self._hub.ear is not None:
                await self._hub.ear.join(self.session_id)
            # Join first, read then: what is saved in between is told or found, and never missed.
            await self._catch_up()
            if room.ahead is not None:
                self.note(_queued(room.ahead))
            for writing in list(room.writing.values()):
                self.follow(writing)
            while True:
                self._wake.clear()
                await self._send_what_there_is()
                self._look_at_the_clock()
                await self._wait()
        except TooSlow:
            logger.info("watcher of %s is too slow: %d bytes unacknowledged", self.session_id, self.in_flight)
            await self._close()
        finally:
            room.watchers.discard(self)
            self._hub.left(self.session_id)

    async def _wait(self) -> None:
        if self._slow_since is None:
            await self._wake.wait()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), 1.0)

    async def _send_what_there_is(self) -> None:
        while True:
            if self._facts:
                await self._send_fact(self._facts.popleft())
            elif self._latest > self._queued:
                await self._catch_up()
            elif self._note is not None:
                note, self._note = self._note, None
                await self._send_frame(note)
            elif not await self._send_deltas():
                return

    async def _catch_up(self) -> None:
        self._reading = True
        try:
            while True:
                heard = self._latest
                frames = await self._read(self._queued)
                for frame in frames:
                    self._queued = frame["seq"]
                    await self._send_fact(frame)
                if not frames and self._latest == heard:  # what is told during a read may be too new for it
                    self._latest = self._queued  # we heard of more than there is
                if len(frames) < PAGE and self._latest <= self._queued:
                    return
        finally:
            self._reading = False

    async def _send_fact(self, frame: Frame) -> None:
        position = self._following.pop(frame["messageId"], None) if frame["type"] == TextMessageEnd.type else None
        if position is not None and self.in_flight < MAX_IN_FLIGHT:
            for delta in position.advance():
                await self._send_frame(delta)
        await self._send_frame(self._trim(frame))
        self._cursor = frame["seq"]
        self._hub.passed(self.session_id, frame)
        if frame["type"] == TextMessageStart.type:
            writing = self._hub.room(self.session_id).writing.get(frame["messageId"])
            if writing is not None:
                self.follow(writing)

    async def _send_deltas(self) -> bool:
        """Bring the watcher up to the end of what is being written. Return whether anything was sent."""
        if self.in_flight >= MAX_IN_FLIGHT:
            return False
        sent = False
        for position in list(self._following.values()):
            if position.is_behind:
                for frame in position.advance():
                    await self._send_frame(frame)
                sent = True
        return sent

    async def _send_frame(self, frame: Frame) -> None:
        self._look_at_the_clock()
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
        try:
            size = len(text.encode())
        except UnicodeEncodeError:  # half a surrogate pair: a model may write one, a socket may not send it
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            size = len(text.encode())
        self._sent += size
        self._largest = max(self._largest, size)
        await self._send(text)

    def _look_at_the_clock(self) -> None:
        if self.in_flight <= MAX_IN_FLIGHT:
            self._slow_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._slow_since is None:
            self._slow_since = now
        # One frame of whatever size is no sign of slowness: else a large fact would lock its chat session for ever.
        if self.in_flight > CLOSE_IN_FLIGHT + self._largest or now - self._slow_since > SLOW_S:
            raise TooSlow


def _queued(ahead: int) -> Frame:
    return {"type": "QUEUED", "ahead": ahead}


class TooSlow(Exception):
    """The watcher does not take what it is sent."""


@dataclass
class Room:
    """What is going on in one chat session, as far as this process knows."""

    watchers: set[Watcher] = field(default_factory=set)
    writing: dict[str, Writing] = field(default_factory=dict)
    ahead: int | None = None  # runs before its own, while that is queued
    ended: dict[str, int] = field(default_factory=dict)  # the seqs of the last ends, by the ids of their messages


class Hub:
    """The rooms of this process. `ear` and `voice` join it to other processes, where there are any."""

    def __init__(self) -> None:
        self._rooms: dict[UUID, Room] = {}
        self.ear: Ear | None = None
        self.voice: Voice | None = None

    def room(self, session_id: UUID) -> Room:
        return self._rooms.setdefault(session_id, Room())

    def sweep(self, session_id: UUID) -> None:
        """Forget the room if nothing goes on in it."""
        room = self._rooms.get(session_id)
        if room is not None and not room.watchers and not room.writing:
            del self._rooms[session_id]

    def watched(self) -> list[UUID]:
        """The chat sessions that somebody looks at."""
        return [session_id for session_id, room in self._rooms.items() if room.watchers]

    def tell(self, session_id: UUID, frames: Iterable[Frame]) -> None:
        """Facts of a chat session, just saved."""
        room = self._rooms.get(session_id)
        if room is None:
            return
        frames = list(frames)
        for frame in frames:
            if frame["type"] == TextMessageEnd.type:
                self._end(session_id, room, [frame["messageId"]], frame["seq"])
        for watcher in room.watchers:
            watcher.tell(frames)
        self.sweep(session_id)

    def ring(self, session_id: UUID, seq: int) -> None:
        """Another process saved a fact."""
        room = self._rooms.get(session_id)
        for watcher in room.watchers if room else ():
            watcher.ring(seq)

    def line_up(self, places: Mapping[UUID, int]) -> None:
        """How many runs are before the queued run of each watched chat session; tell those for whom it has changed."""
        for session_id, room in self._rooms.items():
            ahead = places.get(session_id)
            if ahead != room.ahead and ahead is not None:
                for watcher in room.watchers:
                    watcher.note(_queued(ahead))
            room.ahead = ahead

    def begin(self, session_id: UUID, message_id: str, start_seq: int) -> Writing:
        """A message of a run of this process begins."""
        writing = Writing(message_id, start_seq)
        room = self.room(session_id)
        room.writing[message_id] = writing
        for watcher in room.watchers:  # after a crash they have its START already
            watcher.follow(writing)
        return writing

    def write(self, session_id: UUID, writing: Writing, attempt: int, delta: str) -> None:
        """A message goes on."""
        if attempt > writing.attempt:
            writing.restart(attempt)
        writing.write(delta)
        for watcher in self.room(session_id).watchers:
            watcher.touch()
        if self.voice is not None:
            self.voice.grew(session_id, writing)

    def forget(self, session_id: UUID, message_ids: Iterable[str]) -> None:
        """These messages are not written here any more, and have no END yet: another process goes on with them."""
        room = self._rooms.get(session_id)
        if room is not None:
            message_ids = list(message_ids)
            for message_id in message_ids:
                room.writing.pop(message_id, None)
            if self.voice is not None:
                self.voice.ended(session_id, message_ids)
            self.sweep(session_id)

    # --- messages that other processes write: mirrors.py -----------------------------------------------------------

    def watched_room(self, session_id: UUID) -> Room | None:
        """The room, if somebody is in it."""
        room = self._rooms.get(session_id)
        return room if room is not None and room.watchers else None

    def written_here(self, session_id: UUID) -> list[Writing]:
        """What this process writes in a chat session."""
        room = self._rooms.get(session_id)
        return [each for each in room.writing.values() if not each.is_mirror] if room else []

    def show(self, session_id: UUID, writing: Writing) -> None:
        """A message that is written elsewhere."""
        room = self.room(session_id)
        room.writing[writing.message_id] = writing
        for watcher in room.watchers:
            watcher.follow(writing)

    def passed(self, session_id: UUID, frame: Frame) -> None:
        """A watcher has come to this fact: what it ends goes on nowhere, whether or not somebody rang for it."""
        room = self._rooms.get(session_id)
        if room is None or not (room.writing or self.ear):
            return
        if frame["type"] == TextMessageEnd.type:
            self._end(session_id, room, [frame["messageId"]], frame["seq"])
        elif frame["type"] in (RunFinished.type, RunError.type):
            ended = [each.message_id for each in room.writing.values() if each.start_seq < frame["seq"]]
            self._end(session_id, room, ended, frame["seq"])

    def left(self, session_id: UUID) -> None:
        """A watcher has gone. With the last one goes what was only for watchers."""
        room = self._rooms.get(session_id)
        if room is not None and not room.watchers:
            for each in [each for each in room.writing.values() if each.is_mirror]:
                del room.writing[each.message_id]
            if self.ear is not None:
                self.ear.leave(session_id)
        self.sweep(session_id)

    def mirrored(self, *, before: float) -> list[UUID]:
        """The chat sessions with messages of other processes that were not heard of since that time of the loop."""
        return [session_id for session_id, room in self._rooms.items() if _silent(room, before)]

    def drop_mirrors(self, session_id: UUID, *, before: float) -> None:
        """Nobody writes in this chat session."""
        if (room := self._rooms.get(session_id)) is not None:
            for message_id in _silent(room, before):
                del room.writing[message_id]

    def _end(self, session_id: UUID, room: Room, message_ids: list[str], seq: int) -> None:
        for message_id in message_ids:
            room.writing.pop(message_id, None)
            if self.ear is not None and room.watchers:
                room.ended[message_id] = seq
                if len(room.ended) > MAX_ENDED:  # the oldest goes, also when somebody reads the chat from its start
                    del room.ended[min(room.ended, key=room.ended.__getitem__)]
        if self.voice is not None:
            self.voice.ended(session_id, message_ids)


def _silent(room: Room, before: float) -> list[str]:
    return [each.message_id for each in room.writing.values() if each.is_mirror and each.heard_at < before]


hub = Hub()
