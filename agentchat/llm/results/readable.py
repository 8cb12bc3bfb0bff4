"""A result as users read it: Markdown, also while it is being written.

A list of its fields, in the order in which the model writes them. What is null is left out.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

MAX_SHOWN_CHARS = 64 * 1024  # while it is written; then the whole is shown


def markdown_of(value: Any, model: type[BaseModel]) -> str:
    """The fields of a JSON object, as a list; `model` may have titles for them."""
    titles = {field.alias or name: field.title for name, field in model.model_fields.items() if field.title}
    return "\n".join(_lines(value, "", titles)) if isinstance(value, Mapping) else _text(value, "")


def _lines(value: Mapping[str, Any], indent: str, titles: Mapping[str, str]) -> Iterator[str]:
    for name, each in value.items():
        label = f"{indent}- **{titles.get(name) or _label(name)}:**"
        match each:
            case None:
                continue
            case Mapping():
                yield label
                yield from _lines(each, f"{indent}  ", {})
            case list():
                yield label
                yield from _items(each, f"{indent}  ")
            case _:
                yield f"{label} {_text(each, f'{indent}  ')}"


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for each in values:
        match each:
            case Mapping():
                for n, line in enumerate(_lines(each, f"{indent}  ", {})):
                    yield line.replace(f"{indent}  - ", f"{indent}- " if n == 0 else f"{indent}  ", 1)
            case list():
                yield f"{indent}- {', '.join(json.dumps(part, ensure_ascii=False) for part in each)}"
            case _:
                yield f"{indent}- {_text(each, f'{indent}  ')}"


def _label(name: str) -> str:
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _text(value: Any, indent: str) -> str:
    match value:
        case True | False:
            return "✓" if value else "✗"
        case None:
            return "-"
        case str():
            return value.replace("\n", f"\n{indent}")
    return json.dumps(value, ensure_ascii=False)


class GrowingResult:
    """The readable text of a result that is being written. Each rendering waits until a sixteenth more is there."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self._written: list[str] = []
        self._length = self._due = 0
        self._shown = ""

    def add(self, piece: str) -> str:
        """What can be shown now and could not before, given the next piece of the JSON; often nothing."""
        self._written.append(piece)
        self._length += len(piece)
        if not self._due <= self._length <= MAX_SHOWN_CHARS:
            return ""
        self._due = self._length + max(16, self._length // 16)
        written = "".join(self._written)
        self._written = [written]
        try:
            value = from_json(written[written.index("{") :], allow_partial="trailing-strings")
        except ValueError:  # no JSON, or not yet
            return ""
        text = markdown_of(value, self._model)
        if not text.startswith(self._shown):
            return ""
        added, self._shown = text[len(self._shown) :], text
        return added
