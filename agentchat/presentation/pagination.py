"""Which page of a long chat is shown: the last messages, or those before an event number.

A chat may have tens of thousands of events: a page has what fits a few screens, and the rest is loaded when the user
scrolls up. It starts at a boundary (`reader_state.PageBoundary`), so what belongs together is never split. Only if
there is none for thousands of events, in very long nested chats, a page starts within them, and repeats their frame.

Reads only what a page needs, in one to three queries. The caller chooses the events: those of the branch shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from django.db.models import QuerySet

from agentchat.models import Event
from agentchat.presentation.items import Item, Message, NestedChats, PrintedText, ToolCall, UsageLine
from agentchat.presentation.reader import RUN_ENDS, TranscriptReader
from agentchat.presentation.reader_state import PageBoundary, ReaderState, RunState, Transcript
from agentchat.presentation.transcript import of_events, page_boundaries
from agentchat.presentation.usage import TurnUsage
from agentchat.realtime.excerpt import excerpts
from agentchat.realtime.tool_visibility import resolved

WEIGHT = 60  # of a page: messages and other items, while they are short
WEIGHT_CHARS = 2_000  # as many characters more weigh as much as one item more
MIN_WEIGHT = 20  # rather a shorter page than four times as many events
SIZES = (300, 1_200, 4_800)  # of events, in which a boundary is searched for
MAX_LATER = 500  # events after a page, in which the ends of its items are searched for
CHUNK = 100

Events = QuerySet[Event]

# The events that start and end what may be long, and the field that identifies it.
_ID_FIELDS = {
    "STEP_STARTED": "stepName",
    "STEP_FINISHED": "stepName",
    "INPUT_REQUESTED": "request",
    "INPUT_ANSWERED": "request",
}

_HANDOVERS = ("HANDOVER_REQUESTED", "HANDOVER_ENDED")


@dataclass(frozen=True, kw_only=True)
class TranscriptPage:
    """A page of a chat. The next older one ends before the event `earlier`; None: this is the first page."""

    transcript: Transcript
    earlier: int | None


def page_of(events: Events, end: int, *, before: int | None = None) -> TranscriptPage:
    """The last page of these events, or the last before a number. `end` is the number that the next event will get."""
    rows, state, is_first = _rows_of_page(events, end, before)
    later = None if before is None else _excerpts(events.filter(seq__gte=before).order_by("seq")[:MAX_LATER])
    read = of_events(rows, before=state, later=later)
    return TranscriptPage(transcript=read, earlier=None if is_first else rows[0].seq)


def reader_before(events: Events, seq: int) -> TranscriptReader:
    """The reader of the last page before this number, which can go on with the event that has it."""
    rows, state, _ = _rows_of_page(events, seq, seq)
    reader = TranscriptReader(state)
    for event in rows:
        reader.apply(event)
    return reader


def _rows_of_page(events: Events, end: int, before: int | None) -> tuple[list[Event], ReaderState, bool]:
    """The events of a page, the state before them, and whether it is the first page."""
    for size in SIZES:
        rows, is_all = _last(events, end, before, size)
        state = ReaderState() if is_all else _state_before(events, rows)
        boundaries, items = page_boundaries(rows, state)
        boundary = _choose(boundaries, items, is_all=is_all, is_last_try=size == SIZES[-1])
        if boundary is not None:
            index, state = _row_of(boundary, rows), boundary.before
        elif is_all or size == SIZES[-1]:
            index = 0
        else:
            continue
        return rows[index:], state, is_all and index == 0
    raise AssertionError("the last size always gives a page")


def _last(events: Events, end: int, before: int | None, size: int) -> tuple[list[Event], bool]:
    """The last `size` events, in order, and whether they are all of them."""
    if before is not None:
        events, end = events.filter(seq__lt=before), min(end, before)
    first = end - size
    # Numbers have no gaps: this is a short range of an index in every database. Given only a limit, a database may read
    # and sort all events of a long chat, which is only good for a short one.
    rows = excerpts(events.filter(seq__gte=first).order_by("seq"))
    if first <= 1 or len(rows) >= size:
        return rows, first <= 1
    rows = excerpts(events.order_by("-seq")[: size + 1])  # some numbers belong to other branches
    return rows[:size][::-1], len(rows) <= size


def _excerpts(events: Events) -> Iterator[Event]:
    """Read only if they are needed."""
    yield from excerpts(events)


def _state_before(events: Events, rows: list[Event]) -> ReaderState:
    """The state before these rows: what is unfinished, whether a run is live, and what its models used."""
    opened: list[Event] = []
    usage = TurnUsage()
    is_handed_over = False
    for event in reversed([*_events_of_run(events, rows[0].seq)]):
        if usage.apply(event.type, event.created_at, event.payload):
            usage.flush()
        if event.type in _ID_FIELDS:
            _open_or_close(opened, event)
        elif event.type in _HANDOVERS:
            is_handed_over = event.type == _HANDOVERS[0]
    state: RunState = "idle"
    if rows[0].run_id is not None and rows[0].type != "RUN_STARTED":
        is_asked = any(event.type == "INPUT_REQUESTED" for event in opened)
        state = "waiting" if is_asked or is_handed_over else "running"
    return ReaderState(state=state, turn_usage=usage, opened=opened, is_handed_over=is_handed_over)


def _open_or_close(opened: list[Event], event: Event) -> None:
    """Add what the event starts, or remove what it ends."""
    names = [(each.type, each.payload[_ID_FIELDS[each.type]]) for each in opened]
    name = event.payload[_ID_FIELDS[event.type]]
    match event.type:
        case "STEP_STARTED" | "INPUT_REQUESTED":
            opened.append(event)
        case "STEP_FINISHED" if ("STEP_STARTED", name) in names:
            first = len(names) - 1 - names[::-1].index(("STEP_STARTED", name))
            # What is within it ends with it.
            opened[first:] = [each for each in opened[first:] if each.type == "INPUT_REQUESTED"]
        case "INPUT_ANSWERED" if ("INPUT_REQUESTED", name) in names:
            del opened[names.index(("INPUT_REQUESTED", name))]


def _events_of_run(events: Events, before: int) -> Iterator[Event]:
    """The events before this number that determine the state, the last first, back to the end of a run."""
    types = [*_ID_FIELDS, *_HANDOVERS, "RUN_STARTED", "RUN_WAITING", "USAGE", *RUN_ENDS]
    relevant = events.filter(type__in=types).order_by("-seq")
    while chunk := excerpts(relevant.filter(seq__lt=before)[:CHUNK]):
        for event in chunk:
            if event.type in RUN_ENDS:
                return  # everything ends with its run
            yield event
        before = chunk[-1].seq


def _choose(
    boundaries: list[PageBoundary], items: list[Item], *, is_all: bool, is_last_try: bool
) -> PageBoundary | None:
    """The last boundary with enough after it. None: there is none here, and one may be found in more events."""
    boundaries = [
        boundary for boundary in boundaries if boundary.index
    ]  # at the first item, what precedes it is not known
    after = list(accumulate((_weight([item]) for item in reversed(items)), initial=0))[::-1]  # by index
    enough = [boundary for boundary in boundaries if after[boundary.index] >= WEIGHT]
    if enough:
        return enough[-1]
    if is_all or not boundaries:
        return None
    return boundaries[0] if is_last_try or after[boundaries[0].index] >= MIN_WEIGHT else None


def _weight(items: Iterable[Item]) -> int:
    counted = (item for item in items if not _is_hidden(item))
    return sum(1 + _length(item) // WEIGHT_CHARS + _weight(_within(item)) for item in counted)


def _is_hidden(item: Item) -> bool:
    """Most users do not see it."""
    return isinstance(item, UsageLine) or (isinstance(item, ToolCall) and resolved(item.visible) == "none")


def _within(item: Item) -> list[Item]:
    return item.items if isinstance(item, NestedChats) else []


def _length(item: Item) -> int:
    """The characters of its text."""
    match item:
        case Message():
            return len(item.content)
        case ToolCall():
            return len(item.args) + len(item.result)
        case PrintedText():
            return sum(map(len, item.pieces))
    return 0


def _row_of(boundary: PageBoundary, rows: list[Event]) -> int:
    """The index of the boundary's event, or of the start of its run right before it."""
    index = next(index for index, row in enumerate(rows) if row.seq == boundary.seq)
    return index - 1 if index and rows[index - 1].type == "RUN_STARTED" else index
