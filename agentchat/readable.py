"""JSON values as a person reads them: rows of a label and a text.

Arguments that are to be approved, and forms that were filled in. `static/agentchat/js/readable.js` makes the same rows
in the browser: a rule that changes here changes there too. Knows nothing of requests or pages.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext

NOTHING = "\N{EN DASH}"
HIDDEN = "••••••"
DEEPEST = 20  # references, one behind the other

Schema = Mapping[str, Any]


class Row(NamedTuple):
    """One value. In an object within an object the label has both names."""

    label: str
    text: str


def rows_of(values: Mapping[str, Any], schema: Schema | None = None) -> list[Row]:
    """The rows of an object. The schema, where there is one, has the labels, and says what is secret."""
    definitions = (schema or {}).get("$defs", {})
    return list(_rows(values, _resolve(schema or {}, definitions), definitions, above=""))


def _rows(values: Mapping[str, Any], schema: Schema, definitions: Schema, *, above: str) -> Iterator[Row]:
    for name, value in values.items():
        written = schema.get("properties", {}).get(name, {})
        label = above + (written.get("title") or label_of(name))
        resolved = _resolve(written, definitions)
        if isinstance(value, Mapping) and value:
            yield from _rows(value, resolved, definitions, above=f"{label} · ")
        else:
            yield Row(label, HIDDEN if value and resolved.get("format") == "password" else text_of(value))


def label_of(name: str) -> str:
    """`order_id` becomes "Order id"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def text_of(value: Any) -> str:
    """A value in words; an empty one is a dash."""
    match value:
        case None | "" | []:
            return NOTHING
        case bool():
            return gettext("yes") if value else gettext("no")
        case str():
            return value
        case float() if value.is_integer():
            return str(int(value))  # JavaScript knows one kind of number
        case list() if not any(isinstance(each, list | dict) for each in value):
            return "\n".join(text_of(each) for each in value)
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    """What a reference, or "this or nothing", stands for."""
    for _ in range(DEEPEST):
        if "$ref" in schema:
            schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
        elif len(others := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]) == 1:
            schema = others[0]
        else:
            break
    return schema
