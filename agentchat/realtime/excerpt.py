"""Facts that are too large for a frame or a page: they are shown by the head of each long text.

`cut` names the fields that are shortened, with the characters of the whole. The whole is at an address of its own
(`whole_text`, and the frame itself as JSON), and in exports. What is large is decided by the stored payload alone, so
that sockets, pages and shares show the same.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Case, F, QuerySet, TextField, When
from django.db.models.functions import Cast, Length
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agentchat.core.stored_events import readable
from agentchat.markup.markdown import to_html
from agentchat.models import Event

Payload = Mapping[str, Any]

MAX_PAYLOAD = 200 * 1024  # bytes of JSON; larger ones are cut. A message of 32,000 escaped characters fits
HEAD_CHARS = 32 * 1024  # of a text in one that is cut
SHORT_HEAD_CHARS = 1024  # … if there are too many of them
PAGE_ROWS = 50  # that are read at once: 10 MB at most
MAX_ITEMS = 20  # of an object within it
MAX_HTML = 256 * 1024  # characters of a message's HTML; one with more is shown as text

_TEXTS = {
    "TEXT_MESSAGE_END": "content",
    "REASONING_MESSAGE_END": "content",
    "TOOL_CALL_ARGS": "args",
    "TOOL_CALL_RESULT": "content",
    "PRINTED": "text",
    "INPUT_REQUESTED": "prompt",
}


def excerpt(payload: Any) -> Any:
    """The payload of an event, or what fits into MAX_PAYLOAD of it. It has the same fields, of the same types."""
    if not isinstance(payload, dict):
        return payload if _size(payload) <= MAX_PAYLOAD else None  # no event that can be read
    if _is_surely_small(payload) or _size(payload) <= MAX_PAYLOAD:
        return payload
    cut = _cut(payload, HEAD_CHARS)
    return cut if _size(cut) <= MAX_PAYLOAD else _cut(payload, SHORT_HEAD_CHARS)


def whole_text(type_: str, payload: Payload) -> str | None:
    """The text that an item of a page shows of an event. None: it shows none."""
    name = _TEXTS.get(readable(type_, payload)[0])
    return str(payload.get(name, "")) if name else None


def message_html(content: str, *, key: str) -> SafeString:
    """The HTML of a message, or of its head, as text, if that would be too large."""
    html = to_html(content, key=key)
    return html if len(html) <= MAX_HTML else format_html("<pre>{}</pre>", content[:HEAD_CHARS])


def stored_size() -> Length:
    """The size of an event's payload in the database, in characters of JSON."""
    return Length(Cast("payload", TextField()))


def excerpts(events: QuerySet[Event]) -> list[Event]:
    """These events with what is shown of their payloads. No more than one large one is in memory at a time."""
    small = Case(When(stored_size__lte=MAX_PAYLOAD, then=F("payload")))
    rows: list[Event] = []
    for row in events.defer("payload").alias(stored_size=stored_size()).annotate(small_payload=small):
        payload = row.small_payload
        row.payload = excerpt(Event.objects.get(pk=row.pk).payload) if payload is None else payload
        row.make_readable()
        rows.append(row)
    return rows


def excerpts_in_pages(events: QuerySet[Event]) -> Iterator[Event]:
    """`excerpts` of events in the order of their numbers, however many. No cursor stays open between pages."""
    last = 0
    while rows := excerpts(events.filter(seq__gt=last)[:PAGE_ROWS]):
        yield from rows
        last = rows[-1].seq


def whole(event: Event) -> Event:
    """The event with all of its payload, read again if it is one of `excerpts` that was cut."""
    is_cut = isinstance(event.payload, dict) and "cut" in event.payload
    return Event.objects.get(pk=event.pk) if is_cut else event


def _is_surely_small(payload: Payload) -> bool:
    """Without a look into them: texts alone, and few enough, however they are escaped."""
    if any(isinstance(value, dict | list) for value in payload.values()):
        return False
    return sum(len(value) for value in payload.values() if isinstance(value, str)) * 6 < MAX_PAYLOAD // 2


def _size(value: Any) -> int:
    """Bytes of JSON; of one that is nested too deeply to be written, as many as are too many."""
    try:
        return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except RecursionError:
        return MAX_PAYLOAD + 1


def _cut(payload: Payload, chars: int) -> Payload:
    sizes: dict[str, int] = {}
    result: dict[str, Any] = {}
    for name, value in payload.items():
        result[name] = _head(value, chars)
        if result[name] is not value:
            sizes[name] = len(value) if isinstance(value, str) else _size(value)
    return {**result, "cut": sizes}


def _head(value: Any, chars: int) -> Any:
    """A text's beginning; of what else is long, the beginnings of the first short values in it."""
    if isinstance(value, str):
        return value if len(value) <= chars else value[:chars]
    if not isinstance(value, dict | list) or _size(value) <= chars:
        return value
    if isinstance(value, list):
        return []
    return dict(_heads(value.items()))


def _heads(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for _, (name, value) in zip(range(MAX_ITEMS), items, strict=False):
        if isinstance(value, str):
            yield name[:100], value[:200]
        else:
            yield name[:100], value if _size(value) <= 200 else type(value)()
