"""The items of a transcript: messages, tool calls, printed text, nested chats, errors. `requests.py` has the questions.

Values for templates, made by `reader.py`. Markdown is rendered when a template asks for it, and never before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Literal

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from agentchat.core.file_references import FileReference
from agentchat.core.model_json import read_json
from agentchat.core.text import utf16_len, with_visible_characters
from agentchat.errors import error_class_of
from agentchat.events import CutOff
from agentchat.markup.markdown import END_SIGNAL, without_end_signal
from agentchat.markup.thoughts import folded, without_thoughts
from agentchat.presentation.avatars import letter_of, palette_of
from agentchat.presentation.json_rows import JSONRow, rows_of
from agentchat.presentation.sources import Source, as_markdown
from agentchat.presentation.usage import TurnUsage
from agentchat.realtime.excerpt import message_html

HandoverNews = Literal["asked", "taken", "joined", "returned", "expired", "ended"]

ToolState = Literal["asked", "held", "running", "refused", "done", "failed", "cut"]
"""`held`: the user is asked about it. `refused`: it was not approved, so it is not called. `cut`: the run ended."""


@dataclass(kw_only=True, eq=False)
class Item:
    """Base of the items of a transcript. `kind` selects the template."""

    kind: ClassVar[str]
    may_begin_page: ClassVar[bool] = True  # rather than to belong to the item before it
    seq: int = 0  # of the event that it begins with
    at: datetime | None = None
    within: str = ""  # the key of the nested chats that it belongs to, if any

    @property
    def key(self) -> str:
        """Identifies its element in a page."""
        return f"{self.kind}-{self.seq}"

    @property
    def moment(self) -> str:
        """When it happened, in wire format."""
        return self.at.isoformat(timespec="milliseconds") if self.at else ""


@dataclass(kw_only=True, eq=False)
class NamedItem(Item):
    """An item under a name; an agent's has a colour and a letter."""

    name: str = ""

    @property
    def palette(self) -> int:
        return palette_of(self.name)

    @property
    def letter(self) -> str:
        return letter_of(self.name)


def anchor_of(end_seq: int) -> str:
    """The id of a message's element, made of the number of the event that completed it. search results link to it."""
    return f"message-{end_seq}"


@dataclass(frozen=True, kw_only=True)
class WholeText:
    """Where the whole of a text is, of which an item has the head: `<the page's own address>/events/<seq>.txt`."""

    seq: int
    length: int  # characters

    @property
    def length_text(self) -> str:
        return number_format(self.length, use_l10n=True, force_grouping=True)


def whole_of(payload: Mapping[str, Any], field: str, seq: int) -> WholeText | None:
    """Where the whole of a field is, of which this event has the head; None: it has all of it."""
    length = payload.get("cut", {}).get(field)
    return WholeText(seq=seq, length=length) if length else None


VISIBLE_LINES, VISIBLE_CHARACTERS = 16, 1_500
MAX_LINE_CHARS = 1_000  # of arguments on one line


def _is_long(text: str) -> bool:
    """Whether a page shows only the first lines until the rest is expanded. Characters are JavaScript's."""
    return utf16_len(text) > VISIBLE_CHARACTERS or text.count("\n") >= VISIBLE_LINES


@dataclass(kw_only=True, eq=False)
class Message(NamedItem):
    """A message of the user, of an agent or of staff. Without an END it is still being written."""

    kind = "message"
    id: str
    role: str = "assistant"
    content: str = ""
    writing: bool = True
    stopped: bool = False
    cut_off: CutOff | None = None  # why the model itself left it incomplete
    end_seq: int = 0  # of its last event
    whole: WholeText | None = None  # if `content` is its head
    thoughts: str = ""  # what the model thought before, if it is kept
    thought_ms: int | None = None  # for how long; None: it did not
    whole_thoughts: WholeText | None = None  # if `thoughts` is their head
    sources: list[Source] = field(default_factory=list)
    feedback: Any = None  # `versions.py` adds the user's rating,
    versions: Any = None  # and the other branches from here
    files: list[FileReference] = field(default_factory=list)
    to_staff: bool = False  # the user has sent it in a handover
    unread: bool = False
    """Sent while the agent was busy, which has not asked for input since."""

    @property
    def is_from_user(self) -> bool:
        return self.role == "user"

    @property
    def is_from_staff(self) -> bool:
        """By somebody of the site, in a handover: only what staff say has this role."""
        return self.role == "staff"

    @property
    def actions_of(self) -> str:
        """Whose actions it has, by their role: a message to staff can only be copied, as theirs."""
        return "staff" if self.to_staff else self.role

    @property
    def is_typed(self) -> bool:
        """Shown as it was typed: a person's."""
        return self.is_from_user or self.is_from_staff

    @property
    def anchor(self) -> str:
        return anchor_of(self.end_seq)

    @property
    def is_long(self) -> bool:
        return _is_long(self.content)

    @property
    def is_blank(self) -> bool:
        """Whether it shows no text: the agent only calls a tool, or only signals to the program that it is done."""
        return self.thought_ms is None and self.has_no_text and not self.files

    @property
    def has_no_text(self) -> bool:
        """Whether there is nothing to copy or to rate."""
        return not self.writing and not self.cut_off and self.content.strip() in ("", END_SIGNAL)

    @property
    def may_have_sources(self) -> bool:
        return not (self.is_from_user or self.writing or self.has_no_text)

    @property
    def html(self) -> SafeString:
        return message_html(self.content, key=self.id)

    @property
    def thought_for(self) -> str:
        """How long the model thought, in words."""
        minutes, seconds = divmod(max(1, round((self.thought_ms or 0) / 1000)), 60)
        if minutes:
            # Translators: what is under this line is what a language model thought before it answered
            return gettext("Thought for %(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}
        # Translators: what is under this line is what a language model thought before it answered
        return gettext("Thought for %(seconds)d s") % {"seconds": seconds}

    @property
    def thoughts_html(self) -> SafeString:
        """The thoughts, folded under that line; the line alone, if they are not kept."""
        if not self.thoughts:
            return format_html('<p class="thoughts">{}</p>', self.thought_for)
        return folded(message_html(self.thoughts, key=f"t{self.id}"), self.thought_for)

    @property
    def source(self) -> str:
        """The Markdown of an agent's answer, for copies: without thoughts and signals to the program, with sources."""
        answer = without_thoughts(without_end_signal(self.content))
        return f"{answer.rstrip()}\n\n{as_markdown(self.sources)}" if self.sources else answer


@dataclass(kw_only=True, eq=False)
class SourceList(Item):
    """Sources that an agent named for an answer, which has not come."""

    kind = "sources"
    sources: list[Source] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class SummaryNote(Item):
    """From here on a model reads a summary of the first `messages` messages instead of them."""

    kind = "summary"
    text: str
    messages: int

    @property
    def heading(self) -> str:
        # Translators: under this line is what a language model reads instead of the older part of a chat
        text = ngettext(
            "The agent now reads a summary of %(count)d earlier message",
            "The agent now reads a summary of %(count)d earlier messages",
            self.messages,
        )
        return text % {"count": self.messages}

    @property
    def html(self) -> SafeString:
        """The summary, folded under that line."""
        return folded(message_html(self.text, key=self.key), self.heading)


@dataclass(kw_only=True, eq=False)
class ToolCall(Item):
    """A tool call of an agent, and its result. `visible`: what users see of it, see `visibility.py`."""

    kind = "tool"
    id: str
    tool: str = ""
    agent: str = ""
    args: str = ""
    result: str = ""
    colleague: bool = False  # while it is held: somebody else than the owner of the chat is asked
    approved: Mapping[str, Any] | None = None  # other arguments, with which the user has approved it
    whole_args: WholeText | None = None  # if `args` is their head
    whole_result: WholeText | None = None  # if `result` is its head
    state: ToolState = "asked"
    visible: str | None = None
    is_name_only: bool = False
    duration_ms: int | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000

    @property
    def is_long(self) -> bool:
        return _is_long(self.result)

    @property
    def line(self) -> str:
        """The arguments on one line, of which a page shows the beginning."""
        return with_visible_characters(self.args[:MAX_LINE_CHARS])

    @property
    def rows(self) -> list[JSONRow]:
        """The arguments in readable form."""
        return rows_of(self.arguments or {}, None) if self.state != "asked" else []

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The arguments, if the model wrote a JSON object that can be read."""
        if self.approved is not None:
            return self.approved
        try:
            written = read_json(self.args)
        except ValueError:
            return None
        return written if isinstance(written, dict) else None

    @property
    def shown_args(self) -> str:
        """What the model wrote, with codes for what cannot be seen: as JSON, it is the same."""
        return with_visible_characters(self.args)


@dataclass(kw_only=True, eq=False)
class PrintedText(Item):
    """What an agent function printed, in one or several prints, until it is full."""

    kind = "printed"
    pieces: list[str] = field(default_factory=list)
    length: int = 0  # characters so far
    may_begin_page: bool = False  # type: ignore[misc]  # the item before it is full, and it has the next text
    whole: WholeText | None = None  # if its text is a head

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(kw_only=True, eq=False)
class RunFailed(Item):
    """The run failed. The log has the traceback under `id`. `detail` is for staff: `Visitor.may_see_details`."""

    kind = "error"
    may_begin_page = False
    id: str = ""
    code: str = ""
    message: str = ""
    detail: str = ""

    @property
    def may_retry(self) -> bool:
        """Whether to try again may help."""
        return error_class_of(self.code).may_retry


@dataclass(kw_only=True, eq=False)
class RunStopped(Item):
    """The run was stopped by a user. A run that ends by itself has no item."""

    kind = "ended"
    may_begin_page = False


@dataclass(kw_only=True, eq=False)
class HandoverNote(Item):
    """Something has happened in a handover: staff were asked to come, somebody has, or the agent goes on."""

    kind = "handover"
    what: HandoverNews
    name: str = ""  # of the member of staff


@dataclass(kw_only=True, eq=False)
class UnreadablePart(Item):
    """What is stored here cannot be shown. The log says why, under the number of the event."""

    kind = "unreadable"


@dataclass(kw_only=True, eq=False)
class NestedChats(NamedItem):
    """The chats between an agent and others before it replied; more may follow until they are `finished`."""

    kind = "nested"
    step: str = ""
    items: list[Item] = field(default_factory=list)
    finished: bool = False


@dataclass(kw_only=True, eq=False)
class UsageLine(Item):
    """What the models used since the user's last input. Not all users may see it: `Visitor.may_see_usage`."""

    kind = "usage"
    usage: TurnUsage = field(default_factory=TurnUsage)

    @property
    def tokens_text(self) -> str:
        return number_format(self.usage.tokens, use_l10n=True, force_grouping=True) if self.usage.tokens else ""

    @property
    def cost_text(self) -> str:
        """In US dollars, with two to four decimals. Halves of the decimal number are rounded up."""
        if not self.usage.cost:
            return ""
        cost = Decimal(repr(self.usage.cost)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        units, digits = f"{cost:,}".split(".")
        return f"{units}.{digits[:2]}{digits[2:].rstrip('0')}"

    @property
    def seconds(self) -> float:
        return self.usage.ms / 1000


def is_shown(item: Item) -> bool:
    """Whether a page shows the item: not a blank message, and not finished nested chats without any other."""
    match item:
        case Message():
            return not item.is_blank
        case NestedChats(finished=True):
            return any(map(is_shown, item.items))
        case _:
            return True


def shown_items(items: list[Item]) -> list[Item]:
    """The items that a page shows, those of nested chats included."""
    for item in items:
        if isinstance(item, NestedChats):
            item.items = shown_items(item.items)
    return [item for item in items if is_shown(item)]
