"""The answer to a frame that is not accepted. It is short, whatever the frame was: nobody gets more than they sent."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from agentchat.realtime.frames import text_of

MAX_ID_CHARS, MAX_MESSAGE_CHARS = 100, 500
MAX_ERRORS, MAX_FIELD_CHARS, MAX_ERROR_CHARS = 50, 100, 200


def rejection(
    frame: str | None,
    code: str,
    message: str,
    errors: Mapping[str, str] | None = None,
    *,
    retry_after: int | None = None,
) -> str:
    """The frame that answers this one, as text of at most 64 KiB.

    `errors`: what is wrong, by the names of fields. `retry_after`: seconds after which it would be accepted.
    """
    answer: dict[str, Any] = {"type": "rejected", "id": _id_in(frame), "code": code}
    answer["message"] = _head(message, MAX_MESSAGE_CHARS)
    if errors is not None:
        first = islice(errors.items(), MAX_ERRORS)
        answer["errors"] = {_head(name, MAX_FIELD_CHARS): _head(text, MAX_ERROR_CHARS) for name, text in first}
    if retry_after is not None:
        answer["retryAfter"] = retry_after
    return text_of(answer)


def _id_in(text: str | None) -> str | None:
    """The id of a frame that was not accepted, if it has one, so that the client knows which frame that was."""
    try:
        frame = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    found = frame.get("id") if isinstance(frame, dict) else None
    return found[:MAX_ID_CHARS] if isinstance(found, str) else None


def _head(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
