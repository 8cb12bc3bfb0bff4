"""A transcript that goes on while pages show it: what each event changes in it, as the HTML of the items it changes.

A page loads with the transcript so far, made by `transcript.html`. Later events change items, and add some: these are
rendered by the same template, once for all pages of this process that show the same, and each replaces the element
with its key. So what a page shows live is what it shows after a reload, and no client has rules of its own.

On the server's loop; what renders or queries the database is done in threads.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from django.template.loader import render_to_string
from django.utils.dateparse import parse_datetime

from agentchat.events import BranchSelected, RunStarted
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.loop_scope import owned
from agentchat.models import ChatSession, Event
from agentchat.presentation.items import Item, Message, NestedChats, PrintedText, ToolCall, is_shown
from agentchat.presentation.pagination import reader_before
from agentchat.presentation.reader import TranscriptReader
from agentchat.realtime.frames import Frame, for_onlookers, text_of, visible_frame
from agentchat.runs.branching.tree import Tree

REMEMBERED = 32  # events: subscribers of one chat are seldom further apart
MAX_SHOW = 768 * 1024  # bytes of all fragments in a frame, as JSON; with its event it has less than 1 MiB
MAX_FRAGMENT = MAX_SHOW - 64 * 1024  # so that there is always room for a few short ones

Fragment = dict[str, str]
"""As docs/protocol.md has it: `{key, html, in}` or `{key, text}`."""


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """What the rendering depends on: pages with the same viewer show the same."""

    language: str  # the active one, where something is rendered for this viewer
    is_open: bool  # the agent answers this user
    shows_usage: bool
    shows_details: bool
    has_actions: bool = True  # not for staff, who look on: nothing is asked of them here


@dataclass(frozen=True, kw_only=True)
class ItemChange:
    """An item as an event has left it. `added_text`: the event has only added this text to it."""

    item: Item
    is_shown: bool = True
    added_text: str = ""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an event changes: these items; and whether no message of the user's is unread any more."""

    items: Sequence[ItemChange]
    has_read_messages: bool

    def __bool__(self) -> bool:
        return bool(self.items) or self.has_read_messages


def changes_of(reader: TranscriptReader, frame: Mapping[str, Any]) -> Changes:
    """Apply an event, and return what it has changed."""
    reader.read(frame["type"], frame["seq"], parse_datetime(frame["at"]), frame)
    items = [_change_of(item, frame) for item in reader.changed if not _is_partial(item)]
    if reader.is_settled:
        reader.flush()  # no later event changes these
        reader.boundaries.clear()
    return Changes(items=items, has_read_messages=reader.has_read_messages)


def _is_partial(item: Item) -> bool:
    """Whether the rest follows at once, in the same transaction."""
    match item:
        case Message():
            return item.is_typed and item.writing
        case ToolCall():
            return item.state == "asked"
    return False


def _change_of(item: Item, frame: Mapping[str, Any]) -> ItemChange:
    match item:
        case PrintedText() if item.seq != frame["seq"]:
            return ItemChange(item=item, added_text=frame["text"])
        case PrintedText():
            return ItemChange(item=replace(item, pieces=[*item.pieces]))  # more may follow before it is rendered
        case NestedChats():
            # What is in it has elements of its own.
            return ItemChange(item=replace(item, items=[]), is_shown=is_shown(item))
    return ItemChange(item=copy(item), is_shown=is_shown(item))


def fragments_of(changes: Changes, viewer: Viewer) -> list[Fragment]:
    """What pages replace. Renders templates: not for the event loop."""
    unread = [{"key": "unread", "html": ""}] if changes.has_read_messages else []
    fragments = (_fragment_of(change, viewer) for change in changes.items)
    return [*unread, *_within_limit(each for each in fragments if each is not None)]


def _within_limit(fragments: Iterable[Fragment]) -> Iterator[Fragment]:
    """The fragments, and a note for each that does not fit into their frame any more."""
    room = MAX_SHOW
    for each in fragments:
        size = len(text_of(each).encode())
        if size > min(room, MAX_FRAGMENT) and "html" in each:
            yield each | {"html": render_to_string("agentchat/_too_long.html", {"key": each["key"]}).strip()}
        else:
            yield each
            room -= size


def _fragment_of(change: ItemChange, viewer: Viewer) -> Fragment | None:
    item = change.item
    if change.added_text:
        return {"key": item.key, "text": change.added_text}
    if not change.is_shown:
        return {"key": item.key, "html": ""}
    context = {
        "items": [item],
        "has_actions": viewer.has_actions,
        "can_copy": not viewer.has_actions,
        "is_open": viewer.is_open,
        "shows_usage": viewer.shows_usage,
        "shows_details": viewer.shows_details,
    }
    html = render_to_string("agentchat/transcript.html", context).strip()
    if not html:
        return None  # not for this viewer
    return {"key": item.key, "html": html} | ({"in": item.within} if item.within else {})


class LiveTranscript:
    """The transcript of one chat session, from one event on. Several pages follow one, each at its own pace."""

    def __init__(self, session_id: UUID, seq: int) -> None:
        self.seq = seq  # of the next event
        self._session_id = session_id
        self._reader: TranscriptReader | None = None  # made when it is needed: many chats are open, and silent
        self._changes: dict[int, Changes] = {}
        self._texts: dict[tuple[int, Viewer], asyncio.Future[str]] = {}
        self._lock = asyncio.Lock()

    def covers(self, seq: int) -> bool:
        return seq == self.seq or seq in self._changes

    async def text(self, frame: Frame, viewer: Viewer) -> str | None:
        """The frame with what it changes. None if its event is not the next one, nor among the last ones."""
        seq = frame["seq"]
        if seq not in self._changes:
            async with self._lock:
                if seq == self.seq:
                    await self._advance(frame)
        changes = self._changes.get(seq)
        if changes is None:
            return None
        key = (seq, viewer)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = _text(frame, changes, viewer)
            text.add_done_callback(lambda done: self._forget_failed(key, done))
        return text.result() if text.done() else await asyncio.shield(text)  # others wait for it, too

    async def _advance(self, frame: Frame) -> None:
        """Apply the next event."""
        seq = frame["seq"]
        if self._reader is None:
            read = in_read_thread(_reader_before)
            self._reader = await retry_until_available(lambda: read(self._session_id, seq))
        self._changes[seq] = changes_of(self._reader, frame)
        self.seq = seq + 1
        self._forget(seq - REMEMBERED)
        if frame["type"] == BranchSelected.type or (frame["type"] == RunStarted.type and "fromSeq" in frame):
            self._reader = None  # another branch is shown, and pages fetch it

    def _forget_failed(self, key: tuple[int, Viewer], text: asyncio.Future[str]) -> None:
        """A page that comes back renders it again: what it needs may be there then."""
        if text.cancelled() or text.exception() is not None:
            self._texts.pop(key, None)

    def _forget(self, seq: int) -> None:
        self._changes.pop(seq, None)
        for key in [key for key in self._texts if key[0] <= seq]:
            del self._texts[key]


def _text(frame: Frame, changes: Changes, viewer: Viewer) -> asyncio.Future[str]:
    """The frame as text, or the promise of it if something is to be rendered."""
    visible = visible_frame(frame, shows_usage=viewer.shows_usage, shows_details=viewer.shows_details)
    visible = visible if viewer.has_actions else for_onlookers(visible)
    if changes:
        return asyncio.create_task(_rendered(visible, changes, viewer))
    text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    text.set_result(text_of(visible))
    return text


async def _rendered(frame: Frame, changes: Changes, viewer: Viewer) -> str:
    show = await retry_until_available(lambda: in_read_thread(fragments_of)(changes, viewer))
    return text_of({**frame, "show": show} if show else frame)


class LivePage:
    """What one page of a chat is sent, event by event."""

    def __init__(self, session_id: UUID) -> None:
        self._session_id = session_id
        self._transcript: LiveTranscript | None = None

    async def text(self, frame: Frame, viewer: Viewer) -> str:
        """The frame with what it changes in the page."""
        while True:
            if self._transcript is not None:
                text = await self._transcript.text(frame, viewer)
                if text is not None:
                    return text
            self._transcript = owned(LiveTranscripts).covering(self._session_id, frame["seq"])


class LiveTranscripts:
    """The furthest transcript of each chat session, as long as a page follows it."""

    def __init__(self) -> None:
        self._furthest: WeakValueDictionary[UUID, LiveTranscript] = WeakValueDictionary()

    def covering(self, session_id: UUID, seq: int) -> LiveTranscript:
        """One that knows what this event changes: that of the other pages, if they are there or just beyond."""
        furthest = self._furthest.get(session_id)
        if furthest is not None and furthest.covers(seq):
            return furthest
        transcript = LiveTranscript(session_id, seq)
        if furthest is None or furthest.seq < seq:
            self._furthest[session_id] = transcript
        return transcript


def _reader_before(session_id: UUID, seq: int) -> TranscriptReader:
    """What the page showed before this event, of the branch that it shows now."""
    if seq == 1:
        return TranscriptReader()
    tree = Tree.of(session_id)
    session = ChatSession.objects.only("head").get(pk=session_id)
    shown = Event.objects.filter(tree.condition(tree.head_of(session)), session=session_id)
    return reader_before(shown, seq)
