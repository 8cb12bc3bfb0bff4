"""What a transcript is made of: messages, tool calls, prints, nested chats, errors. cards.py has the questions.

Values for templates, made by transcript.py. Markdown becomes HTML when a template asks for it, and never before.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Literal

from django.utils.formats import number_format
from django.utils.safestring import SafeString

from agentchat.palettes import letter_of, palette_of
from agentchat.readable import Row, rows_of
from agentchat.rendering import END_SIGNAL, to_html
from agentchat.spent import Spent

ToolState = Literal["asked", "held", "running", "refused", "done", "failed", "cut"]
"""`held`: a person is asked about it. `refused`: they did not approve, so it is not made. `cut`: the run ended."""


@dataclass(kw_only=True, eq=False)
class Item:
    """Base of what a transcript is made of. `kind` chooses the template."""

    kind: ClassVar[str]
    seq: int = 0
    at: datetime | None = None

    @property
    def moment(self) -> str:
        """When it happened, as the wire has it."""
        return self.at.isoformat(timespec="milliseconds") if self.at else ""


def anchor_of(end_seq: int) -> str:
    """The id of a message's element, by the number of the fact that completed it. transcript.js has the same."""
    return f"message-{end_seq}"


FOLDED_LINES, FOLDED_CHARACTERS = 16, 1_500  # fold.js has the same


def _is_long(text: str) -> bool:
    """Whether a page shows its first lines only, until somebody wants the rest."""
    return len(text) > FOLDED_CHARACTERS or text.count("\n") >= FOLDED_LINES


@dataclass(kw_only=True, eq=False)
class Message(Item):
    """What somebody said. Without an END it is still being written."""

    kind = "message"
    id: str
    role: str = "assistant"
    name: str = ""
    content: str = ""
    writing: bool = True
    stopped: bool = False
    end_seq: int = 0  # of its last fact
    feedback: Any = None  # the page adds what the person thinks of it,
    versions: Any = None  # and the other ways from here
    unread: bool = False
    """The person said it while the agent was busy, and it has not asked since. unread.js has the same rules."""

    @property
    def is_the_persons(self) -> bool:
        return self.role == "user"

    @property
    def anchor(self) -> str:
        return anchor_of(self.end_seq)

    @property
    def is_long(self) -> bool:
        return _is_long(self.content)

    @property
    def says_nothing(self) -> bool:
        """An agent that only calls a tool, or only says to the program that it is done, says nothing to the person."""
        return not self.writing and self.content.strip() in ("", END_SIGNAL)

    @property
    def html(self) -> SafeString:
        return to_html(self.content)

    @property
    def palette(self) -> int:
        return palette_of(self.name)

    @property
    def letter(self) -> str:
        return letter_of(self.name)


@dataclass(kw_only=True, eq=False)
class ToolCall(Item):
    """A tool that an agent wants called, and what came of it."""

    kind = "tool"
    id: str
    tool: str = ""
    agent: str = ""
    args: str = ""
    result: str = ""
    state: ToolState = "asked"
    duration_ms: int | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000

    @property
    def is_long(self) -> bool:
        return _is_long(self.result)

    @property
    def rows(self) -> list[Row]:
        """The arguments as a person reads them."""
        return rows_of(self.arguments or {}, None) if self.state != "asked" else []

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The arguments, if what the model wrote is an object."""
        try:
            written = json.loads(self.args)
        except ValueError:
            return None
        return written if isinstance(written, dict) else None


@dataclass(kw_only=True, eq=False)
class Printed(Item):
    """What an agent function printed, one print after the other."""

    kind = "printed"
    text: str = ""


@dataclass(kw_only=True, eq=False)
class Error(Item):
    """The run failed. The log has the traceback under `id`."""

    kind = "error"
    id: str = ""
    code: str = ""
    message: str = ""


@dataclass(kw_only=True, eq=False)
class Ended(Item):
    """Somebody stopped the run. A run that ends by itself leaves no trace."""

    kind = "ended"


@dataclass(kw_only=True, eq=False)
class NestedChats(Item):
    """What an agent and others said among them before it replied. Unfinished, they may go on."""

    kind = "nested"
    step: str = ""
    name: str = ""
    items: list[Item] = field(default_factory=list)
    finished: bool = False

    @property
    def palette(self) -> int:
        return palette_of(self.name)

    @property
    def letter(self) -> str:
        return letter_of(self.name)


@dataclass(kw_only=True, eq=False)
class UsageLine(Item):
    """What the models used since the person was heard last. Not everybody may see it: `Visitor.may_see_usage`."""

    kind = "usage"
    spent: Spent = field(default_factory=Spent)

    @property
    def tokens_text(self) -> str:
        return number_format(self.spent.tokens, use_l10n=True, force_grouping=True) if self.spent.tokens else ""

    @property
    def cost_text(self) -> str:
        """In US dollars, as they are written: two to four digits behind the point.

        Halves are rounded up, of the number as it is written: usage.js does so too.
        """
        if not self.spent.cost:
            return ""
        cost = Decimal(repr(self.spent.cost)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        units, digits = f"{cost:,}".split(".")
        return f"{units}.{digits[:2]}{digits[2:].rstrip('0')}"

    @property
    def seconds(self) -> float:
        return self.spent.ms / 1000
