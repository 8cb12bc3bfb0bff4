"""JSON values in readable form: rows of a label and a text.

For arguments to approve, and forms that were filled in. What a reader sees is exact: a character that shows nothing, or
that moves others, is a code like \\u202e, in a text in quotes. All rows together are not much longer than the value as
JSON: what is nested deeply, or has very long names, is shown as JSON.

Knows nothing of requests or pages.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext

from agentchat.core.text import exact_text, with_visible_characters

EMPTY = "\N{EN DASH}"
HIDDEN = "••••••"
REST = "…"  # the label of what has no row of its own
MAX_DEPTH = 20  # of nested references
MAX_ROWS = 200
MAX_LABEL_CHARS = 200
MAX_LABELS = 5  # of objects within objects
_EXACT = 2**53  # from here on, a float is written with an exponent

Schema = Mapping[str, Any]


class JSONRow(NamedTuple):
    """One value. In an object within an object the label has both names."""

    label: str
    text: str


def rows_of(values: Mapping[str, Any], schema: Schema | None = None) -> list[JSONRow]:
    """The rows of an object. The schema, if there is one, has the labels, and marks secrets."""
    return _rows(values, schema, label_of, text_of)


def argument_rows(values: Mapping[str, Any], schema: Schema | None = None) -> list[JSONRow]:
    """The rows of a call's arguments: no two calls whose values have the same types have the same rows.

    An empty text differs from nothing, and a name that the schema does not have is shown as it is.
    """
    return _rows(values, schema, _exact_name, _argument_text)


def _rows(
    values: Mapping[str, Any], schema: Schema | None, label: Callable[[str], str], text: Callable[[Any], str]
) -> list[JSONRow]:
    rows: list[JSONRow] = []
    rest: list[dict[str, Any]] = []
    for name, value in _Entries(schema or {}, label).of(values):
        if len(rows) < MAX_ROWS and len(name) <= MAX_LABEL_CHARS:
            rows.append(JSONRow(name, value if value is HIDDEN else text(value)))
        else:
            rest.append({name: value})
    return [*rows, JSONRow(REST, text_of(rest))] if rest else rows


class _Entries:
    """The values of an object and of those within it, each with its label, as long as the labels stay few and short."""

    def __init__(self, schema: Schema, label: Callable[[str], str]) -> None:
        self._definitions = schema.get("$defs", {})
        self._schema = _resolve(schema, self._definitions)
        self._label = label
        self._left = MAX_ROWS

    def of(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        return self._of(values, self._schema, "", 0)

    def _of(self, values: Mapping[str, Any], schema: Schema, above: str, depth: int) -> Iterator[tuple[str, Any]]:
        named = schema.get("properties", {})
        self._left -= len(values)
        for name, value in values.items():
            written = named.get(name, {})
            resolved = _resolve(written, self._definitions)
            own = label_of(name) if name in named else self._label(name)
            label = above + with_visible_characters(written.get("title") or own)
            is_shown_apart = depth < MAX_LABELS and len(label) <= MAX_LABEL_CHARS // 2
            if isinstance(value, Mapping) and 0 < len(value) <= self._left and is_shown_apart:
                yield from self._of(value, resolved, f"{label} · ", depth + 1)
            else:
                yield label, _without_secrets(value, resolved, self._definitions, 0)


def _exact_name(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else json.dumps(name, ensure_ascii=False)


def _without_secrets(value: Any, schema: Schema, definitions: Schema, depth: int) -> Any:
    if value and schema.get("format") == "password":
        return HIDDEN
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict) and (named := schema.get("properties")):
        return {
            name: _without_secrets(each, _resolve(named.get(name, {}), definitions), definitions, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        return [_without_secrets(each, _resolve(items, definitions), definitions, depth + 1) for each in value]
    return value


def label_of(name: str) -> str:
    """`order_id` becomes "Order id"."""
    label = name.replace("_", " ").strip()
    return label[:1].upper() + label[1:]


def text_of(value: Any) -> str:
    """A value as text; an empty one is a dash."""
    match value:
        case None | "" | []:
            return EMPTY
        case bool():
            return gettext("yes") if value else gettext("no")
        case str():
            return exact_text(value) if value != EMPTY else f'"{EMPTY}"'
        case float() if value.is_integer() and abs(value) < _EXACT and str(value) != "-0.0":
            return str(int(value))  # as users write it
        case list() if all(_is_a_line(each) for each in value):
            return "\n".join(text_of(each) for each in value)
        case _:
            return with_visible_characters(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _is_a_line(value: Any) -> bool:
    """Whether an item of a list can be shown as a line of its own."""
    if isinstance(value, str):
        return bool(value) and "\n" not in value and text_of(value) == value
    return isinstance(value, int | float) and not isinstance(value, bool)


def _argument_text(value: Any) -> str:
    if value in ("", []):
        return json.dumps(value)
    text = text_of(value)
    return json.dumps(value, ensure_ascii=False) if text == value and text[0] in "[{" else text  # it may look like JSON


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    """The schema that a reference, or an optional type, stands for."""
    for _ in range(MAX_DEPTH):
        if "$ref" in schema:
            schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
        elif len(others := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]) == 1:
            schema = others[0]
        else:
            break
    return schema
