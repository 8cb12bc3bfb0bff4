"""Events as they are read from a database, which may hold anything: of older versions, of other programs, damaged.

What `events.py` says of an event is what its stored payload must have: fields of these types, and those without a
default, but for a few that nobody needs to understand the rest. Whoever reads a payload may rely on it. Everything else
is read as an `Unreadable`: its place in the chat stays.
"""

import dataclasses
import traceback
import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from agentchat.core.log import get_logger
from agentchat.events import ChatEvent, Unreadable, wire_name

logger = get_logger(__name__)

MAX_NESTING = 250  # an answer of a user may have 200
MAX_NUMBER = 2**53

_MAY_BE_MISSING = {"by", "completionTokens", "durationMs", "model", "name", "prompt", "promptTokens"}

_Types = tuple[type, ...]


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    types: _Types | None  # None: any
    default: Any = dataclasses.MISSING


def readable(type_: str, payload: Any) -> tuple[str, dict[str, Any]]:
    """The event as it can be relied upon: itself, with defaults for what older versions did not store, or Unreadable.

    An event of an unknown type is left to its readers, who ignore it, as long as it is an object.
    """
    missing: dict[str, Any] = {}
    if _problem_of(type_, payload, missing):
        return Unreadable.type, Unreadable(original=str(type_)).payload()
    return type_, {**payload, **missing} if missing else payload


def log_unreadable(place: str, type_: str, payload: Any) -> None:
    """Log that `readable` has found an event that cannot be read, and why; what it says is nobody's business."""
    _log_once(place, _problem_of(type_, payload, {}))


def log_failure(place: str, error: Exception) -> None:
    """Log that something stored could not be shown, and where the code failed."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log_once(place, f"{type(error).__name__} in {frame.filename}:{frame.lineno}")


@lru_cache(maxsize=10_000)
def _log_once(place: str, reason: str) -> None:
    """Once for each place, such as an event of a chat session: pages are read often."""
    logger.error("%s cannot be shown: %s", place, reason)


def _problem_of(type_: str, payload: Any, missing: dict[str, Any]) -> str:
    """What is wrong with an event, if anything is; add to `missing` what its readers rely on."""
    if not isinstance(payload, dict):
        return "its payload is no object, or cannot be read"
    if not _is_plain(payload):
        return f"its payload is nested more than {MAX_NESTING} deep, or has a number that is not finite"
    wrong = [each.name for each in _fields_by_type().get(type_, ()) if not _fits(each, payload, missing)]
    return f"missing, or of another type: {', '.join(wrong)}" if wrong else ""


def _fits(field: _Field, payload: dict[str, Any], missing: dict[str, Any]) -> bool:
    value = payload.get(field.name)
    if value is None:
        if field.default is dataclasses.MISSING:
            return False
        if field.default is not None:
            missing[field.name] = field.default
        return True
    if field.types is None:
        return True
    if isinstance(value, bool):
        return bool in field.types
    return isinstance(value, field.types) and not (isinstance(value, int | float) and abs(value) > MAX_NUMBER)


def _is_plain(payload: Mapping[str, Any]) -> bool:
    """Whether it can be written as JSON again, wherever: nested not too deeply, with numbers that are finite."""
    level: list[Any] = list(payload.values())
    for _ in range(MAX_NESTING):
        if not level:
            return True
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, float) and not isfinite(value):
                return False
        level = below
    return False


@lru_cache(maxsize=1)
def _fields_by_type() -> dict[str, tuple[_Field, ...]]:
    return {each.type: tuple(_fields_of(each)) for each in _subclasses(ChatEvent) if each.type}


def _subclasses(event: type[ChatEvent]) -> Iterator[type[ChatEvent]]:
    for each in event.__subclasses__():
        yield each
        yield from _subclasses(each)


def _fields_of(event: type[ChatEvent]) -> Iterator[_Field]:
    hints = get_type_hints(event)
    for field in dataclasses.fields(event):
        if field.metadata.get("wire", True):
            name, types_, default = wire_name(field.name), _types_of(hints[field.name]), field.default
            if name in _MAY_BE_MISSING and default is dataclasses.MISSING:
                default = "" if types_ == (str,) else 0
            yield _Field(name, types_, default)


def _types_of(hint: Any) -> _Types | None:
    origin = get_origin(hint)
    if hint is Any:
        return None
    if origin is Literal:
        return (str,)  # a later version may have one more
    if origin in (Union, types.UnionType):
        return tuple(each for part in get_args(hint) for each in (_types_of(part) or ()))
    if (origin or hint) is float:
        return (int, float)
    return (dict,) if isinstance(origin, type) and issubclass(origin, Mapping) else (origin or hint,)
