"""JSON for people, indented as far as that helps: indentation is repeated on each line, and may be most of the text."""

import json
from collections.abc import Callable
from typing import Any

MAX_LEVELS = 8  # a value that is nested deeper is written in one line


def indented(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """The value as JSON, at most about ten times as long as without indentation. Raise what `json.dumps` does."""
    indent = None if _is_deeper(value, MAX_LEVELS) else 2
    return json.dumps(value, indent=indent, ensure_ascii=False, default=default)


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list | tuple)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list | tuple)
        ]
    return bool(level)
