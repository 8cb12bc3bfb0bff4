"""Events as the wire has them: one flat JSON object each.

Rendering happens here, on delivery (`with_html`): never in a transaction, since it may take a while, and never in the
database, so that a fix of the sanitizer applies to old messages, too.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from agentchat import models
from agentchat.core.stored_events import readable
from agentchat.core.text import replace_lone_surrogates
from agentchat.events import InputRequested, RunError, TextMessageEnd, Usage
from agentchat.i18n.system_messages import translated_frame
from agentchat.realtime.excerpt import MAX_PAYLOAD, excerpt, excerpts, message_html, stored_size, whole
from agentchat.realtime.tool_visibility import without_hidden_tool

Frame = dict[str, Any]

_ALL = Q()
PAGE = 200  # events read from the database at once, at most
MIN_PAGE = 20  # … however large they are; fewer are the last ones there are
PAGE_BYTES = 2 * 1024 * 1024  # … of stored payloads, beyond MIN_PAGE


def frame_of(event: models.Event, run_number: int | None) -> Frame:
    """The frame of a stored event, cut if it is too large. Renders nothing, so it may be made in a transaction."""
    return _frame(event, run_number, excerpt(event.payload))


def whole_frame_of(event: models.Event, run_number: int | None) -> Frame:
    """The same with all of the event, whatever its size."""
    return _frame(event, run_number, event.payload)


def _frame(event: models.Event, run_number: int | None, payload: Any) -> Frame:
    type_, payload = readable(event.type, payload)
    at = event.created_at.isoformat(timespec="milliseconds")
    own = {"type": type_, "seq": event.seq, "at": at, "run": run_number}
    return {**own, **payload, **own}  # no payload may pretend to be another event


def has_html(frame: Frame) -> bool:
    """Whether the frame is sent with HTML: that of an agent's complete message. A user's is shown as it was typed."""
    return frame["type"] == TextMessageEnd.type and not _is_from_user(frame["messageId"])


def with_html(frame: Frame) -> Frame:
    """The frame with its HTML, if it has any. Renders Markdown: neither for the event loop nor in a transaction."""
    return {**frame, "html": message_html(frame["content"], key=frame["messageId"])} if has_html(frame) else frame


def _is_from_user(message_id: str) -> bool:
    """Clients choose a UUID for what their users send; the messages of agents are numbered."""
    try:
        return str(UUID(message_id)) == message_id
    except (AttributeError, TypeError, ValueError):  # no text, or no UUID
        return False


def without_usage(frame: Frame) -> Frame:
    """The frame for users who may not see what the models used: its place in the order stays, its figures do not."""
    if frame["type"] != Usage.type:
        return frame
    return {key: frame[key] for key in ("type", "seq", "at", "run")}


def without_detail(frame: Frame) -> Frame:
    """The frame for users who are not staff: without the reason of an error, and what is hidden of tool calls."""
    if frame["type"] != RunError.type:
        return without_hidden_tool(frame)
    return {key: value for key, value in frame.items() if key != "detail"}


def trimmed(frame: Frame, *, shows_usage: bool, shows_details: bool) -> Frame:
    """The frame as a visitor may see it: `Visitor.may_see_usage`, `Visitor.may_see_details`."""
    frame = frame if shows_usage else without_usage(frame)
    return frame if shows_details else without_detail(frame)


def for_onlookers(frame: Frame) -> Frame:
    """The frame for staff who read the chat of somebody else: no question in it is for them."""
    return {**frame, "colleague": True} if frame["type"] == InputRequested.type else frame


def visible_frame(frame: Frame, *, shows_usage: bool, shows_details: bool) -> Frame:
    """The same, in the active language."""
    return translated_frame(trimmed(frame, shows_usage=shows_usage, shows_details=shows_details))


def text_of(frame: Frame) -> str:
    """The frame as a socket sends it. A model may write half of a surrogate pair, which must not be sent."""
    return replace_lone_surrogates(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))


def frames_after(session_id: Any, after: int, *, limit: int = PAGE) -> list[Frame]:
    """The frames of a chat session with `seq > after`, in order, at most `limit`, and some 6 MB.

    Those are all there are, if there are fewer than `limit` and than MIN_PAGE.
    """
    events = models.Event.objects.filter(session_id=session_id, seq__gt=after).order_by("seq")
    rows = excerpts(events[: min(limit, MIN_PAGE)])
    if len(rows) == MIN_PAGE < limit:
        more = events.filter(seq__gt=rows[-1].seq)
        if last := _last_within(more[: limit - MIN_PAGE], PAGE_BYTES):
            rows += excerpts(more.filter(seq__lte=last))
    return _frames(rows)


def frames_before(session_id: Any, before: int | None = None, *, shown: Q = _ALL, limit: int = PAGE) -> list[Frame]:
    """The last frames of a chat session, or the last with `seq < before`, in order, at most `limit`.

    `shown` is the condition of a branch (`agentchat.runs.branching.tree`), whose events alone are meant.
    """
    events = models.Event.objects.filter(shown, session_id=session_id)
    if before is not None:
        events = events.filter(seq__lt=before)
    return _frames(excerpts(events.order_by("-seq")[:limit])[::-1])


def whole_frames_after(session_id: Any, after: int, *, limit: int = PAGE) -> Iterator[Frame]:
    """The same as `frames_after` with all of each event: only one large one is in memory at a time."""
    events = excerpts(models.Event.objects.filter(session_id=session_id, seq__gt=after).order_by("seq")[:limit])
    runs = _numbers_of_runs(events)
    for event in events:
        yield whole_frame_of(whole(event), runs.get(event.run_id))


def _last_within(events: QuerySet[models.Event], max_bytes: int) -> int | None:
    """The number of the last of these events that are not larger than this together. None: the first one is."""
    total, last = 0, None
    for seq, size in events.values_list("seq", stored_size()):
        total += min(size, MAX_PAYLOAD)
        if total > max_bytes:
            break
        last = seq
    return last


def _frames(events: Sequence[models.Event]) -> list[Frame]:
    runs = _numbers_of_runs(events)
    return [frame_of(event, runs.get(event.run_id)) for event in events]


def _numbers_of_runs(events: Sequence[models.Event]) -> dict[int | None, int]:
    return dict(models.Run.objects.filter(pk__in={event.run_id for event in events}).values_list("pk", "number"))
