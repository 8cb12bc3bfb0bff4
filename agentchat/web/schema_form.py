"""A form of HTML for a JSON schema, that works without JavaScript: for the answers of colleagues.

Texts, numbers, choices and yes or no have fields of their own; anything else is edited as JSON. What fits is decided
by `actions.validation`, for every answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.http import QueryDict
from django.utils.translation import gettext

from agentchat.presentation.json_rows import Schema

PREFIX = "field-"  # of the names of inputs

FieldKind = Literal["text", "number", "choice", "flag", "json"]


@dataclass(kw_only=True)
class SchemaField:
    """One value of the object. `text` is what its input holds."""

    key: str
    label: str
    help: str = ""
    kind: FieldKind = "json"
    text: str = ""
    choices: list[str] = field(default_factory=list)
    is_required: bool = False
    error: str = ""

    @property
    def name(self) -> str:
        return PREFIX + self.key

    def read(self, data: QueryDict) -> Any:
        """The value that was entered; None if nothing was. Raise ValueError if it is no JSON, where it should be."""
        text = self.text = str(data.get(self.name, "")).replace("\r\n", "\n")
        match self.kind:
            case "flag":
                return bool(text)
            case "text" | "choice":
                return text if text or self.is_required else None
            case "number":
                return json.loads(text) if text.strip() else None
        return json.loads(text) if text.strip() else None


class SchemaForm:
    """The fields of an object, with its initial values."""

    def __init__(self, schema: Schema, initial: Mapping[str, Any] | None = None) -> None:
        definitions, required = schema.get("$defs", {}), schema.get("required", ())
        values = initial or {}
        self.fields = [
            _field(key, _resolved(each, definitions), values.get(key, each.get("default")), key in required)
            for key, each in schema.get("properties", {}).items()
        ]

    def read(self, data: QueryDict) -> dict[str, Any] | None:
        """The object that was entered; None if a field has an error, which it shows."""
        values: dict[str, Any] = {}
        for each in self.fields:
            try:
                value = each.read(data)
            except (ValueError, RecursionError):
                is_number = each.kind == "number"
                each.error = gettext("Enter a number.") if is_number else gettext("This isn't valid JSON.")
            else:
                if value is not None:
                    values[each.key] = value
        return None if any(each.error for each in self.fields) else values

    def show_errors(self, errors: Mapping[str, str]) -> list[str]:
        """Show each error at its field. Return those that belong to none."""
        rest = []
        for path, message in errors.items():
            key = path.partition(".")[0]
            found = next((each for each in self.fields if each.key == key), None)
            if found is None:
                rest.append(message)
            else:
                found.error = message
        return rest


def _field(key: str, schema: Schema, value: Any, is_required: bool) -> SchemaField:
    label = str(schema.get("title") or key.replace("_", " "))
    made = SchemaField(
        key=key, label=label, help=str(schema.get("description", "")), kind=_kind_of(schema), is_required=is_required
    )
    if made.kind == "choice":
        made.choices = [str(each) for each in schema.get("enum", ())]
    if value is not None and not (made.kind == "flag" and value is False):
        is_plain = isinstance(value, str) and made.kind in ("text", "choice")
        made.text = value if is_plain else json.dumps(value, ensure_ascii=False)
    return made


def _kind_of(schema: Schema) -> FieldKind:
    choices = schema.get("enum")
    if choices and all(isinstance(each, str) and each for each in choices):
        return "choice"
    match schema.get("type"):
        case "string":
            return "text"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "flag"
    return "json"


def _resolved(schema: Schema, definitions: Mapping[str, Any]) -> Schema:
    """The schema without its reference, and without null as an alternative."""
    others = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions:
        return {**definitions[name], **others}
    kinds = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return {**_resolved(kinds[0], definitions), **others} if len(kinds) == 1 else schema
