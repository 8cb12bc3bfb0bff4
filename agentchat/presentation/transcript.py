"""What users read: the events of a chat session, assembled into messages, tool calls, questions and errors.

`reader.py` applies the events one by one; pages, admin and exports show the items. The caller chooses the events: all
of them, or a page of a long chat (`pagination.py`), which starts at a boundary that is found here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.utils.dateparse import parse_datetime

from agentchat.presentation.items import Item
from agentchat.presentation.reader import TranscriptReader
from agentchat.presentation.reader_state import PageBoundary, ReaderState, Transcript


def of_events(
    events: Iterable[Any], *, before: ReaderState | None = None, later: Iterable[Any] | None = None
) -> Transcript:
    """The transcript of rows of the event table (`agentchat.models.Event`), in the order of their numbers.

    For a page of a chat: `before` is the state before it. `later`, unless it is the last page, are the events after it:
    only those that finish the page's own items are applied, and none if nothing is unfinished.
    """
    reader = TranscriptReader(before)
    for event in events:
        reader.apply(event)
    if later is not None:
        reader.apply_closing_events(later)
    return reader.finish()


def page_boundaries(events: Iterable[Any], before: ReaderState) -> tuple[list[PageBoundary], list[Item]]:
    """Where a page may start among these events, and their items."""
    reader = TranscriptReader(before)
    for event in events:
        reader.apply(event)
    items = list(reader.finish().items)
    indexes = {id(item): index for index, item in enumerate(items)}
    # An item that is not shown is no boundary: what is printed before and after it is one text.
    shown = [replace(each, index=indexes[id(each.item)]) for each in reader.boundaries if id(each.item) in indexes]
    return shown, items


def items_of(events: Iterable[Any]) -> Iterator[Item]:
    """The items of a whole chat, one after the other, with only those in memory that are unfinished."""
    reader = TranscriptReader()
    for event in events:
        if reader.is_settled and event.type != "SOURCES":  # which adds to the last item
            yield from reader.flush()
        reader.apply(event)
    yield from reader.finish().items


def of_frames(frames: Iterable[Mapping[str, Any]]) -> Transcript:
    """The transcript of events in wire format."""
    reader = TranscriptReader()
    for frame in frames:
        reader.read(frame["type"], frame["seq"], parse_datetime(frame["at"]), frame)
    return reader.finish()
