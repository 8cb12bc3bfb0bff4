"""What is kept of a request to a model, where `KEEP_REQUESTS` says so: without secrets, and of bounded size.

A conversation may repeat what a user was asked for as a password, in any spelling that JSON has for it. A request of
which that cannot be told apart is not kept at all.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from agentchat.core.secrets import mask_json

MAX_CHARS = 60_000  # of a request, as JSON
MAX_TEXT_CHARS = 8_000  # of one text in it
MIN_SEALED_CHARS = 3  # of a password that can be told apart from other words


class SealedTexts:
    """The passwords that users have entered in a run, as far as this execution of it has read them."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self.can_be_masked = True

    def note(self, text: str) -> str:
        """Note a password, and return it."""
        if text:
            spellings = {text, quote(text, safe=""), repr(text)[1:-1]}
            spellings |= {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
            self._spellings |= spellings
            self.can_be_masked = self.can_be_masked and len(text) >= MIN_SEALED_CHARS
        return text

    def mask(self, value: Any) -> Any:
        """The JSON value without them."""
        if not self._spellings:
            return value
        match value:
            case str():
                for spelling in sorted(self._spellings, key=len, reverse=True):
                    value = value.replace(spelling, "…")
                return value
            case Mapping():
                return {self.mask(key): self.mask(each) for key, each in value.items()}
            case list() | tuple():
                return [self.mask(each) for each in value]
            case bool() | None:
                return value
            case int() | float() if str(value) in self._spellings:
                return "…"
        return value


def kept_request(request: Any, sealed: SealedTexts) -> Any:
    """The request to a model as it is kept; None if it is not."""
    if not isinstance(request, Mapping) or not sealed.can_be_masked:
        return None
    return _bounded(sealed.mask(mask_json(request)))


def _bounded(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with long texts cut off; if it is still too long, without tools' schemas and its middle messages."""
    kept = {str(key): _shortened(value) for key, value in request.items()}
    if _size(kept) <= MAX_CHARS:
        return kept
    kept["tools"] = [_name_of(tool) for tool in _listed(kept.get("tools"))]
    kept["messages"], left_out = _ends(_listed(kept.get("messages")), MAX_CHARS - _size(kept["tools"]))
    return {"messages": kept["messages"], "tools": kept["tools"][:500], "messages_left_out": left_out}


def _ends(messages: Sequence[Any], size: int) -> tuple[list[Any], int]:
    """The first message and as many of the last ones as fit, and how many others there are."""
    first, last = [each for each in messages[:1] if _size(each) <= size // 2], []
    size -= _size(first)
    for message in reversed(messages[1:]):
        size -= _size(message) + 2
        if size < 0:
            break
        last.append(message)
    return [*first, *last[::-1]], len(messages) - len(first) - len(last)


def _shortened(value: Any) -> Any:
    match value:
        case str() if len(value) > MAX_TEXT_CHARS:
            return f"{value[:MAX_TEXT_CHARS]}… ({len(value) - MAX_TEXT_CHARS} characters more)"
        case Mapping():
            return {key: _shortened(each) for key, each in value.items()}
        case list() | tuple():
            return [_shortened(each) for each in value]
    return value


def _name_of(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    return str(function.get("name", "") if isinstance(function, Mapping) else "")[:100]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str))
