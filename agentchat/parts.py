"""Which part of a long chat a page shows: the last messages, or those before a number.

The whole of a chat may be tens of thousands of events; a page begins with what fits a few screens, and the rest comes
when somebody scrolls up. A part begins at a border (`transcript.Border`), so what belongs together is never torn. Only
where there is none for thousands of events, in nested chats that are so long, a part begins within them, and its page
shows their frame once more.

Asks the database for what a part needs and no more, in one to three queries. Which events there are to show, those of
the branch that people look at, is the caller's affair.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from agentchat.items import Item, Message, NestedChats, Printed, ToolCall, UsageLine
from agentchat.models import Event
from agentchat.spent import Spent
from agentchat.transcript import RUN_ENDS, Before, Border, RunState, Transcript, borders_of, of_events

WEIGHT = 60  # of a part: messages and other items, as far as they are short
WEIGHT_CHARS = 2_000  # as many characters more weigh as much as one item more
LEAST_WEIGHT = 20  # rather a part that is shorter than wanted than four times as many events
SIZES = (300, 1_200, 4_800)  # events to look for a border in
LATER = 500  # events after a part to look for what ends in them
CHUNK = 100

Events = QuerySet[Event]

# What begins and ends what may be long, and what it is known by.
_NAMES = {
    "STEP_STARTED": "stepName",
    "STEP_FINISHED": "stepName",
    "INPUT_REQUESTED": "request",
    "INPUT_ANSWERED": "request",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a chat. `earlier` is the number before which the next older part ends; None: this is the beginning."""

    transcript: Transcript
    earlier: int | None


def part_of(events: Events, end: int, *, before: int | None = None) -> Part:
    """The last part of these events, or the last before a number. `end` is the number that the next event will have."""
    for size in SIZES:
        rows, is_all = _last(events, end, before, size)
        stands = Before() if is_all else _stands_before(events, rows)
        borders, items = borders_of(rows, stands)
        border = _chosen(borders, items, is_all=is_all, is_last_try=size == SIZES[-1])
        if border is not None:
            index, stands = _row_of(border, rows), border.before
        elif is_all or size == SIZES[-1]:
            index = 0
        else:
            continue
        later = None if before is None else events.filter(seq__gte=before).order_by("seq")[:LATER]
        read = of_events(rows[index:], before=stands, later=later)
        return Part(transcript=read, earlier=None if is_all and index == 0 else rows[index].seq)
    raise AssertionError("the last size gives a part in any case")


def _last(events: Events, end: int, before: int | None, size: int) -> tuple[list[Event], bool]:
    """The last events, in order, and whether there are no others."""
    if before is not None:
        events, end = events.filter(seq__lt=before), min(end, before)
    first = end - size
    # There are no holes in the numbers: this is a short range of an index, for every database. Said by a limit alone, a
    # database may read all events of a long chat and sort them, as it does well with those of a short one.
    rows = list(events.filter(seq__gte=first).order_by("seq"))
    if first <= 1 or len(rows) >= size:
        return rows, first <= 1
    rows = list(events.order_by("-seq")[: size + 1])  # not all of them are to be shown
    return rows[:size][::-1], len(rows) <= size


def _stands_before(events: Events, rows: list[Event]) -> Before:
    """How things stand before these rows: what goes on, whether a run does, and what its models used."""
    opened: list[Event] = []
    spent = Spent()
    for event in reversed([*_of_this_run(events, rows[0].seq)]):
        if spent.take(event.type, event.created_at, event.payload):
            spent.take_out()
        if event.type in _NAMES:
            _open_or_close(opened, event)
    state: RunState = "idle"
    if rows[0].run_id is not None and rows[0].type != "RUN_STARTED":
        state = "waiting" if any(event.type == "INPUT_REQUESTED" for event in opened) else "running"
    return Before(state=state, spent=spent, opened=opened)


def _open_or_close(opened: list[Event], event: Event) -> None:
    """Take in what the event begins, or out what it ends."""
    names = [(each.type, each.payload[_NAMES[each.type]]) for each in opened]
    name = event.payload[_NAMES[event.type]]
    match event.type:
        case "STEP_STARTED" | "INPUT_REQUESTED":
            opened.append(event)
        case "STEP_FINISHED" if ("STEP_STARTED", name) in names:
            begun = len(names) - 1 - names[::-1].index(("STEP_STARTED", name))
            # Nothing within it outlasts it.
            opened[begun:] = [each for each in opened[begun:] if each.type == "INPUT_REQUESTED"]
        case "INPUT_ANSWERED" if ("INPUT_REQUESTED", name) in names:
            del opened[names.index(("INPUT_REQUESTED", name))]


def _of_this_run(events: Events, before: int) -> Iterator[Event]:
    """The events before this number that tell how things stand, the last first, back to the end of a run."""
    telling = events.filter(type__in=[*_NAMES, "RUN_STARTED", "USAGE", *RUN_ENDS]).order_by("-seq")
    while chunk := list(telling.filter(seq__lt=before)[:CHUNK]):
        for event in chunk:
            if event.type in RUN_ENDS:
                return  # nothing outlasts a run
            yield event
        before = chunk[-1].seq


def _chosen(borders: list[Border], items: list[Item], *, is_all: bool, is_last_try: bool) -> Border | None:
    """The last border after which there is enough. None: there is none, and one may be found farther up."""
    borders = [border for border in borders if border.place]  # something is before it, and is read
    enough = [border for border in borders if _weight(items[border.place :]) >= WEIGHT]
    if enough:
        return enough[-1]
    if is_all or not borders:
        return None
    return borders[0] if is_last_try or _weight(items[borders[0].place :]) >= LEAST_WEIGHT else None


def _weight(items: Iterable[Item]) -> int:
    counted = (item for item in items if not isinstance(item, UsageLine))  # most people do not see these
    return sum(1 + len(_text(item)) // WEIGHT_CHARS + _weight(_within(item)) for item in counted)


def _within(item: Item) -> list[Item]:
    return item.items if isinstance(item, NestedChats) else []


def _text(item: Item) -> str:
    match item:
        case Message():
            return item.content
        case ToolCall():
            return item.result
        case Printed():
            return item.text
    return ""


def _row_of(border: Border, rows: list[Event]) -> int:
    """The border's event among them, or the start of the run that it stands right after."""
    index = next(index for index, row in enumerate(rows) if row.seq == border.seq)
    return index - 1 if index and rows[index - 1].type == "RUN_STARTED" else index
