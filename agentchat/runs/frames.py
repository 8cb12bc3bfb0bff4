"""Events as the wire has them: one flat JSON object each.

Rendering happens here, on delivery, and never in the database: a mended sanitiser mends old messages too.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from agentchat import models
from agentchat.events import TextMessageEnd, Usage
from agentchat.rendering import to_html

Frame = dict[str, Any]

_ALL = Q()
PAGE = 200  # events read from the database at once


def frame_of(event: models.Event, run_number: int | None) -> Frame:
    """The frame of a stored event. Renders Markdown: not for the event loop."""
    frame: Frame = {
        "type": event.type,
        "seq": event.seq,
        "at": event.created_at.isoformat(timespec="milliseconds"),
        "run": run_number,
        **event.payload,
    }
    if event.type == TextMessageEnd.type:
        frame["html"] = to_html(frame["content"])
    return frame


def without_usage(frame: Frame) -> Frame:
    """The frame for one who may not see what the models used: its place in the order stays, its numbers do not."""
    if frame["type"] != Usage.type:
        return frame
    return {key: frame[key] for key in ("type", "seq", "at", "run")}


def frames_after(session_id: Any, after: int, *, limit: int = PAGE) -> list[Frame]:
    """The frames of a chat session with `seq > after`, in order, at most `limit`."""
    return _frames(models.Event.objects.filter(session_id=session_id, seq__gt=after).order_by("seq")[:limit])


def frames_before(session_id: Any, before: int | None = None, *, shown: Q = _ALL, limit: int = PAGE) -> list[Frame]:
    """The last frames of a chat session, or the last with `seq < before`, in order, at most `limit`.

    `shown` is the condition of a branch (`agentchat.runs.branches`), whose events alone are meant.
    """
    events = models.Event.objects.filter(shown, session_id=session_id)
    if before is not None:
        events = events.filter(seq__lt=before)
    return _frames(reversed(events.order_by("-seq")[:limit]))


def _frames(events: Iterable[models.Event]) -> list[Frame]:
    events = list(events)
    numbers = models.Run.objects.filter(pk__in={event.run_id for event in events}).values_list("pk", "number")
    runs: dict[int | None, int] = dict(numbers)
    return [frame_of(event, runs.get(event.run_id)) for event in events]
