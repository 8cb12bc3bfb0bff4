"""The JSON schema of a pydantic model, in the form that services take for answers.

Where a service guarantees the schema ("strict"), every object is closed and has all of its fields: one that may be left
out may be null instead. Such a schema has no rules but types, choices and structure, because services refuse different
ones of the others: they are said in the descriptions. The answer is checked against the model itself in any case.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = ("title", "default", "examples", "discriminator", "deprecated", "readOnly", "writeOnly", "$comment")
_RULES = (
    *("format", "pattern", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
)
_STRUCTURE = ("$ref", "type", "enum", "anyOf", "items", "properties", "$defs", "description")


class NotStrict(Exception):
    """A schema that has no strict form: keys that are not known beforehand, or values of any type."""


def schema_of(model: type[BaseModel]) -> Schema:
    """The whole schema. A model that contains itself has its fields at the top all the same."""
    schema = model.model_json_schema()
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return {**schema["$defs"][name], "$defs": schema["$defs"]}
    return schema


def strict_form(schema: Mapping[str, Any]) -> Schema:
    """The schema as services guarantee it. Raise NotStrict if it has no such form."""
    result: Schema = {}
    if definitions := schema.get("$defs"):
        result["$defs"] = {name: strict_form(each) for name, each in definitions.items()}
    schema = _with_one_part(schema)
    if description := _with_rules(schema):
        result["description"] = description
    if reference := schema.get("$ref"):
        return {**result, "anyOf": [{"$ref": reference}]} if description else {**result, "$ref": reference}
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return {**result, "anyOf": [strict_form(each) for each in choices]}
    unknown = set(schema) - {*_DROPPED, *_RULES, *_STRUCTURE, "required", "additionalProperties", "const", "oneOf"}
    if unknown:
        raise NotStrict(f"{', '.join(sorted(unknown))} has no strict form")
    if "const" in schema:
        schema = {**schema, "enum": [schema["const"]]}
    result |= {key: schema[key] for key in ("type", "enum") if key in schema}
    match schema.get("type"):
        case "object":
            return {**result, **_closed(schema)}
        case "array":
            if not isinstance(items := schema.get("items"), Mapping):
                raise NotStrict("an array of anything has no strict form")
            return {**result, "items": strict_form(items)}
        case None if "enum" not in schema:
            raise NotStrict("a value of any type has no strict form")
    return result


def _closed(schema: Mapping[str, Any]) -> Schema:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or schema.get("additionalProperties", False) is not False:
        raise NotStrict("an object with keys of any name has no strict form")
    required = schema.get("required") or ()
    return {
        "properties": {
            name: strict_form(each) if name in required else _or_null(strict_form(each))
            for name, each in properties.items()
        },
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(schema: Schema) -> Schema:
    choices = schema.get("anyOf", [schema])
    if any(each.get("type") == "null" for each in choices):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*choices, {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


def _with_one_part(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = schema.get("allOf")
    if not isinstance(parts, Sequence) or len(parts) != 1:
        return schema
    return {**parts[0], **{key: value for key, value in schema.items() if key != "allOf"}}


def _with_rules(schema: Mapping[str, Any]) -> str:
    """The description, and the rules that stand nowhere else."""
    rules = ", ".join(f"{key} {schema[key]}" for key in _RULES if key in schema)
    return " ".join(filter(None, [schema.get("description"), f"({rules})" if rules else ""]))
