"""Whether arguments can be approved: a user sees all of them, as they are, and can send them back after an edit."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from agentchat.errors import ToolError

MAX_CHARS = 64 * 1024
MAX_BYTES = 128 * 1024  # of JSON: no page shows a question of more than 200 KiB whole (realtime/excerpt.py)
MAX_PARTS = 2_000
MAX_NESTING = 30


def check_approvable(shown: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raise ToolError, with a message for the model, if not.

    `shown` are the arguments as JSON values, `values` what the function gets.
    """
    _check_size(shown)
    for name, value in values.items():
        if name in shown and (rounded := _rounded(shown[name], _as_json(value))):
            written, got = rounded
            raise ToolError(
                f"{name}: the number {written} cannot be passed on exactly: it becomes {got}. Write it like that, or "
                f"with fewer digits"
            )


def _check_size(arguments: Any) -> None:
    parts, chars = 0, 0
    level, nesting = [arguments], 0
    while level:
        below: list[Any] = []
        for value in level:
            texts, values = _contents(value)
            parts += 1
            chars += sum(map(len, texts))
            below += values
            if any("\0" in text for text in texts):
                raise ToolError("a text has a NUL character, which cannot be shown to the user who approves the call")
        if nesting > MAX_NESTING or parts > MAX_PARTS or chars > MAX_CHARS:
            raise _too_long()
        level, nesting = below, nesting + 1
    if len(json.dumps(arguments, ensure_ascii=False).encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _too_long()


def _too_long() -> ToolError:
    return ToolError(
        f"the user has to approve these arguments, and they are too long for that: use at most {MAX_CHARS} characters, "
        f"which are {MAX_BYTES} bytes of JSON at most, and {MAX_PARTS} values, nested {MAX_NESTING} deep"
    )


def _contents(value: Any) -> tuple[list[str], list[Any]]:
    """The texts of a value itself, and the values in it."""
    if isinstance(value, Mapping):
        return list(value), list(value.values())
    if isinstance(value, list):
        return [], value
    return ([value] if isinstance(value, str) else []), []


def _as_json(value: Any) -> Any:
    try:
        return to_jsonable_python(value, by_alias=True, inf_nan_mode="constants", fallback=str)
    except (PydanticSerializationError, ValueError, RecursionError):
        return None  # a type without a JSON form: what it makes of the arguments is its own concern


def _rounded(shown: Any, got: Any) -> tuple[Any, Any] | None:
    """The first number that is shown with other digits than the function gets, and what it gets."""
    return next(_rounded_numbers(shown, got), None)


def _rounded_numbers(shown: Any, got: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(shown, dict) and isinstance(got, dict):
        for name in shown.keys() & got.keys():
            yield from _rounded_numbers(shown[name], got[name])
    elif isinstance(shown, list) and isinstance(got, list) and len(shown) == len(got):
        for one, other in zip(shown, got, strict=True):
            yield from _rounded_numbers(one, other)
    elif isinstance(shown, int | float) and not isinstance(shown, bool) and _differs(shown, got):
        yield shown, got


def _differs(shown: float, got: Any) -> bool:
    """Whether both are numbers, and not the same. A Decimal has become a text."""
    if isinstance(got, str):
        try:
            return Decimal(repr(shown)) != Decimal(got)
        except InvalidOperation:
            return False
    return isinstance(got, int | float) and not isinstance(got, bool) and shown != got
