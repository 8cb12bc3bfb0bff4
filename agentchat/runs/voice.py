"""What this process says to others through the channel layer: bells, deltas, and words to one process.

Nobody who speaks waits: one task says it all, in order, as fast as the layer takes it. What piles up meanwhile merges:
of a group's bells the last one counts, and a message's deltas become one. While the layer is away, bells wait here for
its return, and so do deltas of what is still being written; words to a process are dropped, since the database says the
same to whoever looks.

On the server's event loop.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from agentchat.rendering import utf16_len
from agentchat.runs.hub import Writing
from agentchat.runs.layer import Layer, Message, group_of, group_of_process, list_rung, rung
from agentchat.runs.mirrors import Piece
from agentchat.runs.process import PROCESS

DELTA_S = 0.04  # between two deltas of one message
DELTAS_PER_S = 1000  # of all messages of this process: beyond, each is said less often
PIECE_CHARS = 8192  # 32 KiB at most, as UTF-8
MAX_BELLS = 10_000  # kept while the layer is away


@dataclass(eq=False)
class Telling:
    """How much of a message being written was told to other processes."""

    session_id: UUID
    writing: Writing
    attempt: int = 0
    parts: int = 0
    offset: int = 0
    said_at: float = float("-inf")
    is_due: bool = False

    @property
    def key(self) -> tuple[UUID, str]:
        """An agent function may name its messages itself, and two chat sessions one by the same name."""
        return self.session_id, self.writing.message_id

    def new(self) -> str:
        """The text that was not told yet."""
        if self.attempt != self.writing.attempt:
            self.attempt, self.parts, self.offset = self.writing.attempt, 0, 0
        return _whole("".join(self.writing.parts[self.parts :]))


class Voice:
    """What is still to be said. `speak()` is its life."""

    def __init__(self, layer: Layer, *, process: str = PROCESS) -> None:
        self._layer = layer
        self._process = str(process)
        self._bells: dict[str, Message] = {}  # by group
        self._words: deque[tuple[str, Message]] = deque()
        self._tellings: dict[tuple[UUID, str], Telling] = {}
        self._due: dict[tuple[UUID, str], Telling] = {}  # in order
        self._wake = asyncio.Event()
        self._said_all = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    # --- what is to be said: nothing of this blocks ----------------------------------------------------------------

    def ring(self, session_id: UUID, seq: int) -> None:
        """There is a fact with this number."""
        self._ring(group_of(session_id), rung(session_id, seq, self._process))

    def ring_list(self, group: str) -> None:
        """An owner's list of chats has changed."""
        self._ring(group, list_rung(group, self._process))

    def _ring(self, group: str, bell: Message) -> None:
        other = self._bells.get(group)
        if other is None and len(self._bells) >= MAX_BELLS:
            return
        if other is None or other.get("seq", 0) < bell.get("seq", 0):
            self._bells[group] = bell
        self._wake.set()

    def tell(self, process: str, message: Message) -> None:
        """Say something to one process."""
        if not self._layer.is_away:
            self._words.append((group_of_process(process), message))
            self._wake.set()

    def grew(self, session_id: UUID, writing: Writing) -> None:
        """A message of this process goes on."""
        telling = self._tellings.get((session_id, writing.message_id))
        if telling is None or telling.writing is not writing:
            telling = Telling(session_id, writing)
            self._tellings[telling.key] = telling
        if telling.is_due:
            return
        telling.is_due = True
        pause = telling.said_at + max(DELTA_S, len(self._tellings) / DELTAS_PER_S) - self._loop.time()
        if pause > 0:
            self._loop.call_later(pause, self._is_due, telling)
        else:
            self._is_due(telling)

    def ended(self, session_id: UUID, message_ids: Iterable[str]) -> None:
        """These messages do not go on here: END says all, or another process goes on."""
        for message_id in message_ids:
            self._tellings.pop((session_id, message_id), None)
            self._due.pop((session_id, message_id), None)

    def say_so_far(self, process: str, session_id: UUID, writing: Writing) -> None:
        """Tell one process the whole text so far, also where there is none yet."""
        for offset, delta in _pieces(0, _whole(writing.text)):
            self.tell(process, self._piece(session_id, writing, offset, delta))

    # --- saying it -------------------------------------------------------------------------------------------------

    async def speak(self) -> None:
        self._wake.set()  # an earlier life may have left something
        while True:
            await self._wake.wait()
            self._wake.clear()
            while not self._layer.is_away and await self._say_next():
                pass
            if self._layer.is_away:
                self._words.clear()
            self._said_all.set()

    def resume(self) -> None:
        """The layer is back: say what was kept."""
        self._wake.set()

    async def finish(self) -> None:
        """Wait until all is said that was to be said, as far as the layer takes it."""
        self._said_all.clear()
        self._wake.set()
        await self._said_all.wait()

    async def _say_next(self) -> bool:
        """Say one thing, bells first. Return whether there was one and the layer took it."""
        if self._bells:
            bell = self._bells.pop(group := next(iter(self._bells)))
            if not (said := await self._layer.send(group, bell)):
                self._ring(group, bell)
            return said
        if self._words:
            return await self._layer.send(*self._words.popleft())
        if self._due:
            return await self._say_delta(next(iter(self._due.values())))
        return False

    async def _say_delta(self, telling: Telling) -> bool:
        text = telling.new()
        attempt, parts = telling.attempt, len(telling.writing.parts)
        for offset, delta in _pieces(telling.offset, text) if text else ():
            message = self._piece(telling.session_id, telling.writing, offset, delta, attempt)
            if not await self._layer.send(group_of(telling.session_id), message):
                return False  # all of it again, when the layer is back: what overlaps does no harm
        telling.parts, telling.offset = parts, telling.offset + utf16_len(text)
        telling.said_at = self._loop.time()
        telling.is_due = False
        if self._is_told(telling):  # else it has ended while this was said, or begun anew
            del self._due[telling.key]
            if telling.parts < len(telling.writing.parts) or telling.attempt != telling.writing.attempt:
                self.grew(telling.session_id, telling.writing)  # it has grown while this was said
        return True

    def _is_due(self, telling: Telling) -> None:
        if self._is_told(telling):
            self._due[telling.key] = telling
            self._wake.set()

    def _is_told(self, telling: Telling) -> bool:
        """Whether the message goes on here."""
        return self._tellings.get(telling.key) is telling

    def _piece(
        self, session_id: UUID, writing: Writing, offset: int, delta: str, attempt: int | None = None
    ) -> Message:
        return Piece(
            session_id=session_id,
            message_id=writing.message_id,
            start_seq=writing.start_seq,
            attempt=attempt or writing.attempt,
            offset=offset,
            delta=delta,
            process=self._process,
        ).message()


def _whole(text: str) -> str:
    """The text with nothing in it that a layer cannot carry: halves of surrogate pairs. It keeps its length."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _pieces(offset: int, text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces of a bounded size, each with its offset; one empty piece of an empty text."""
    for start in range(0, len(text) or 1, PIECE_CHARS):
        piece = text[start : start + PIECE_CHARS]
        yield offset, piece
        offset += utf16_len(piece)
