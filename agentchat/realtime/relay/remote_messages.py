"""Messages that other processes write, as far as this one has received them.

A remote message is in the hub like a message of this process, so subscribers see no difference. It grows by what comes
through the channel layer, which may drop a delta, deliver it late, or twice: deltas carry their offset, what overlaps
is cut off, and what comes after a gap waits until the gap is filled. It goes with its END, with its run, or with the
last subscriber.

On the server's event loop.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentchat.core.text import utf16_from, utf16_len
from agentchat.realtime.growing_text import GrowingText
from agentchat.realtime.hub import Hub
from agentchat.realtime.live_message import LiveMessage

MAX_AHEAD = 64  # deltas kept beyond a gap; what is dropped is requested again
SILENT_SECONDS = 5.0  # after that, nothing missing is requested any more


@dataclass(frozen=True, kw_only=True)
class DeltaMessage:
    """A part of a message that is being written, as it goes through the layer. `offset` counts UTF-16 code units.

    `is_thought`: it is a part of what the model thinks before.
    """

    session_id: UUID
    message_id: str
    start_seq: int
    attempt: int
    offset: int
    delta: str
    process: str
    is_thought: bool = False

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
            **({"thought": True} if self.is_thought else {}),
        }

    @classmethod
    def of(cls, message: dict[str, Any]) -> "DeltaMessage":
        return cls(
            session_id=UUID(message["session"]),
            message_id=message["message"],
            start_seq=message["start"],
            attempt=message["attempt"],
            offset=message["offset"],
            delta=message["delta"],
            process=message["process"],
            is_thought=message.get("thought", False),
        )


class RemoteMessage(LiveMessage):
    """A message that another process writes."""

    is_remote = True

    def restart(self, attempt: int) -> None:
        super().restart(attempt)
        self._arriving = _ArrivingText(self.written)
        self._arriving_thoughts = _ArrivingText(self.thoughts)

    @property
    def has_gap(self) -> bool:
        return self._arriving.has_gap or self._arriving_thoughts.has_gap

    def apply(self, delta: DeltaMessage) -> None:
        """Put a delta where it belongs."""
        arriving = self._arriving_thoughts if delta.is_thought else self._arriving
        arriving.apply(delta.offset, delta.delta)


class _ArrivingText:
    """A text whose deltas come in any order, or not at all."""

    def __init__(self, text: GrowingText) -> None:
        self._text = text
        self._ahead: dict[int, str] = {}

    @property
    def has_gap(self) -> bool:
        return bool(self._ahead)

    def apply(self, offset: int, delta: str) -> None:
        if offset > self._text.length:
            if len(self._ahead) < MAX_AHEAD:
                self._ahead[offset] = delta
            return
        self._append(offset, delta)
        while self._ahead and (first := min(self._ahead)) <= self._text.length:
            self._append(first, self._ahead.pop(first))

    def _append(self, offset: int, delta: str) -> None:
        known = self._text.length - offset
        if known <= 0:
            self._text.write(delta)
        elif known < utf16_len(delta):
            self._text.write(utf16_from(delta, known))


def apply_delta(hub: Hub, delta: DeltaMessage) -> bool:
    """Apply a delta of another process. Return whether the text before it is missing."""
    channel = hub.watched_channel(delta.session_id)
    if channel is None or delta.message_id in channel.ended:
        return False
    message = channel.live.get(delta.message_id)
    if message is None:
        message = RemoteMessage(delta.message_id, delta.start_seq)
        message.restart(delta.attempt)
        hub.begin_remote(delta.session_id, message)
    if not isinstance(message, RemoteMessage) or delta.attempt < message.attempt:
        return False  # it is written here now, or by a process that came after that one
    if delta.attempt > message.attempt:
        message.restart(delta.attempt)
    message.received_at = asyncio.get_running_loop().time()
    message.apply(delta)
    for subscriber in channel.subscribers:
        subscriber.wake()
    return message.has_gap


def has_gap(hub: Hub, session_id: UUID) -> bool:
    """Whether something is missing of a message that has grown lately."""
    channel = hub.watched_channel(session_id)
    lately = asyncio.get_running_loop().time() - SILENT_SECONDS
    messages = [each for each in channel.live.values() if isinstance(each, RemoteMessage)] if channel else []
    return any(message.has_gap and message.received_at > lately for message in messages)
