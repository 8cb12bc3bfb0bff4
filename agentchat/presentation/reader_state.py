"""What reading events comes to: the transcript, the state before a page, and where a page may start.

Values, made by `reader.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agentchat.presentation.items import Item
from agentchat.presentation.requests import InputRequest
from agentchat.presentation.usage import TokenUsage, TurnUsage

RunState = Literal["idle", "queued", "running", "waiting", "outside"]  # for something outside of the chat


@dataclass
class Transcript:
    """The items in order, and the state after the last of the events."""

    items: list[Item] = field(default_factory=list)
    usage: TokenUsage = field(default_factory=TokenUsage)
    state: RunState = "idle"
    open_requests: list[InputRequest] = field(default_factory=list)
    last_seq: int = 0
    last_at: datetime | None = None
    turn_usage: TurnUsage = field(default_factory=TurnUsage)
    """What the models used since the last usage line."""

    @property
    def last_moment(self) -> str:
        return self.last_at.isoformat(timespec="milliseconds") if self.last_at else ""

    @property
    def text_request(self) -> InputRequest | None:
        """The question that the composer asks."""
        return next((each for each in reversed(self.open_requests) if each.asks == "text" and not each.colleague), None)


@dataclass(frozen=True, kw_only=True)
class ReaderState:
    """The state before a page of a chat. `opened` are the events that started what is still unfinished in it."""

    state: RunState = "idle"
    turn_usage: TurnUsage = field(default_factory=TurnUsage)
    last_type: str = ""  # of the agent's events
    opened: Sequence[Any] = ()
    is_handed_over: bool = False  # to staff


@dataclass(frozen=True, kw_only=True)
class PageBoundary:
    """Where a page of a transcript may start: before this item, when nothing that started earlier is unfinished.

    It splits no message, no nested chat and no text that was printed in pieces, and parts no tool call from its result
    and no question from its answer. `index` is the item's among all items.
    """

    seq: int
    item: Item
    index: int
    before: ReaderState
