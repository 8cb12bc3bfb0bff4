"""JSON as models write it, made into JSON, and read: within bounds, and only if it means one thing.

Three habits are read for what they mean: nothing at all for no arguments, line breaks and other control characters as
they are within a text, and 5.0 for 5, which JSON Schema calls an integer. Everything else stays as it is.

What Python reads beyond JSON is refused: NaN and infinities, also as 1e999, and a name that an object has twice.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

from pydantic_core import ValidationError

from agentchat.core.text import replace_lone_surrogates

# A text, or a number that is written with a point or an exponent. An open text reaches to the end: time is linear.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.S)
_CONTROL = re.compile(r"[\x00-\x1f]")
_BRACKET_OR_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.S)
MAX_NESTING = 100
_EXACT = 2**53  # from here on, a float may have been rounded


def strict_json(written: str) -> str:
    """The same as JSON; or as it is, if it cannot be read at all."""
    text = replace_lone_surrogates(written).strip()
    return "{}" if text in ("", "null") else _TOKEN.sub(_strict, text)


def read_json(written: str) -> Any:
    """The value of what a model, or a user, wrote. Raise ValueError as `parse_json` does."""
    return parse_json(strict_json(written))


def parse_json(text: str) -> Any:
    """The value. Raise ValueError, with a reason that a model understands, if it is none or not a clear one."""
    if _is_nested_deeper(text, MAX_NESTING):
        raise ValueError(f"recursion limit exceeded: nested more than {MAX_NESTING} deep")
    return json.loads(text, parse_constant=_refused, parse_float=_finite, object_pairs_hook=_object)


def _is_nested_deeper(text: str, limit: int) -> bool:
    depth = 0
    for token in _BRACKET_OR_TEXT.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > limit:
                return True
        elif token[0] in "]}":
            depth -= 1
    return False


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(number: str) -> float:
    if not isfinite(value := float(number)):
        raise ValueError(f"the number {number[:50]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"an object has the name {name[:50]!r} more than once")
    return value


def remove_nulls(value: Any, error: ValidationError) -> None:
    """Remove the nulls that do not fit: models write them for what they leave out."""
    for problem in error.errors(include_url=False, include_context=False):
        if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            continue
        within = value
        for part in problem["loc"]:  # keys and indices, and between them names of a union's types
            if isinstance(within, dict) and part in within:
                if within[part] is None:
                    del within[part]
                    break
                within = within[part]
            elif isinstance(within, list) and isinstance(part, int) and part < len(within):
                within = within[part]


def arguments_of(function: Mapping[str, Any]) -> str:
    """The arguments of a call as its model wrote them. Some clients leave out empty ones, or pass an object."""
    written = function.get("arguments")
    return "" if written is None else written if isinstance(written, str) else json.dumps(written)


def _strict(token: re.Match[str]) -> str:
    text = token[0]
    if text.startswith('"'):
        return _CONTROL.sub(lambda character: f"\\u{ord(character[0]):04x}", text)
    if text.lstrip("-").isdecimal():
        return text
    number = float(text)
    return str(int(number)) if abs(number) < _EXACT and number.is_integer() else text
