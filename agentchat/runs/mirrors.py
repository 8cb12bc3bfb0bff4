"""Messages that other processes write, as far as this one has heard of them.

A mirror stands in the hub's room like a message of this process, so watchers see no difference. It grows by what comes
through the channel layer, which may drop a piece, bring it late, or twice: pieces carry their offset, what overlaps is
cut off, and what comes after a gap waits until the gap is filled. It goes with its END, with its run, or with the last
watcher.

On the server's event loop.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentchat.rendering import utf16_len
from agentchat.runs.hub import Hub, Writing

MAX_AHEAD = 64  # pieces kept beyond a gap; what is dropped is asked for again
SILENT_S = 5.0  # after that, nobody is asked for what is missing


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a message that is being written, as it goes through the layer. `offset` counts UTF-16 code units."""

    session_id: UUID
    message_id: str
    start_seq: int
    attempt: int
    offset: int
    delta: str
    process: str

    TYPE = "chat.delta"

    def message(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "session": str(self.session_id),
            "message": self.message_id,
            "start": self.start_seq,
            "attempt": self.attempt,
            "offset": self.offset,
            "delta": self.delta,
            "process": self.process,
        }

    @classmethod
    def of(cls, message: dict[str, Any]) -> "Piece":
        return cls(
            session_id=UUID(message["session"]),
            message_id=message["message"],
            start_seq=message["start"],
            attempt=message["attempt"],
            offset=message["offset"],
            delta=message["delta"],
            process=message["process"],
        )


class Mirror(Writing):
    """A message that another process writes."""

    is_mirror = True

    def restart(self, attempt: int) -> None:
        super().restart(attempt)
        self._ahead: dict[int, str] = {}

    @property
    def has_gap(self) -> bool:
        return bool(self._ahead)

    def take(self, offset: int, delta: str) -> None:
        """Put a piece where it belongs."""
        if offset > self.length:
            if len(self._ahead) < MAX_AHEAD:
                self._ahead[offset] = delta
            return
        self._append(offset, delta)
        while self._ahead and (first := min(self._ahead)) <= self.length:
            self._append(first, self._ahead.pop(first))

    def _append(self, offset: int, delta: str) -> None:
        known = self.length - offset
        if known <= 0:
            self.write(delta)
        elif known < utf16_len(delta):
            units = delta.encode("utf-16-le", "surrogatepass")
            self.write(units[2 * known :].decode("utf-16-le", "surrogatepass"))


def hear(hub: Hub, piece: Piece) -> bool:
    """Take a piece of a message of another process. Return whether the text before it is missing."""
    room = hub.watched_room(piece.session_id)
    if room is None or piece.message_id in room.ended:
        return False
    mirror = room.writing.get(piece.message_id)
    if mirror is None:
        mirror = Mirror(piece.message_id, piece.start_seq)
        mirror.restart(piece.attempt)
        hub.show(piece.session_id, mirror)
    if not isinstance(mirror, Mirror) or piece.attempt < mirror.attempt:
        return False  # it is written here now, or by a process that came after that one
    if piece.attempt > mirror.attempt:
        mirror.restart(piece.attempt)
    mirror.heard_at = asyncio.get_running_loop().time()
    mirror.take(piece.offset, piece.delta)
    for watcher in room.watchers:
        watcher.touch()
    return mirror.has_gap


def has_gap(hub: Hub, session_id: UUID) -> bool:
    """Whether something is missing of a message that was heard of lately."""
    room = hub.watched_room(session_id)
    lately = asyncio.get_running_loop().time() - SILENT_S
    mirrors = [each for each in room.writing.values() if isinstance(each, Mirror)] if room else []
    return any(mirror.has_gap and mirror.heard_at > lately for mirror in mirrors)
