"""The schemas of tools, in the form that a service accepts: what its profile calls `schemas`.

"full" is JSON Schema as it is. "inlined" has the definitions where they are referred to, because some services do not
follow references, or refuse words beside them; no patterns, of which each knows another part; and a type for each
value. "plain" has only the words that every service knows. What a service does not accept as a rule is said in the
description. The arguments are checked against the full schema in any case.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

Schema = dict[str, Any]
Schemas = Literal["full", "inlined", "plain"]

_PLAIN = ("type", "description", "properties", "required", "items", "enum", "anyOf")
_NOT_INLINED = ("$defs", "definitions", "$schema", "$id", "$comment", "title", "pattern", "discriminator")
_RULES = (  # what a description says instead
    *("default", "const", "format", "pattern", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
    *("multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
)
_ANYTHING = [{"type": type_} for type_ in ("string", "number", "boolean", "object")]
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_MAX_DEPTH = 8  # of definitions in one another; of one in itself it is 1


def tools_for(tools: Sequence[Mapping[str, Any]], schemas: Schemas) -> list[dict[str, Any]]:
    """The `tools` of a request; what is not a function stays as it is."""
    return [
        {**tool, "function": function_for(tool["function"], schemas)}
        if isinstance(tool.get("function"), Mapping)
        else dict(tool)
        for tool in tools
    ]


def function_for(function: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """A function of a request, in its older form too."""
    parameters = function.get("parameters")
    if schemas == "full" or not isinstance(parameters, Mapping):
        return dict(function)
    simple = _Simplification(parameters, schemas).of(parameters, is_root=True)
    if schemas == "plain" and not simple.get("properties"):
        # Without parameters it takes none; some services refuse an object without properties.
        return {key: value for key, value in function.items() if key != "parameters"}
    return {**function, "parameters": simple}


class _Simplification:
    def __init__(self, root: Mapping[str, Any], schemas: Schemas) -> None:
        self._root = root
        self._is_plain = schemas == "plain"

    def of(self, schema: Any, within: tuple[str, ...] = (), *, is_root: bool = False) -> Schema:
        if not isinstance(schema, Mapping):
            return {"anyOf": _ANYTHING}  # `true`: whatever it is
        if reference := schema.get("$ref"):
            target = self._target(str(reference))
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            if reference in within or len(within) >= _MAX_DEPTH:
                name = str(reference).rpartition("/")[2]
                return self.of({"type": target.get("type", "object"), "description": f"another {name}", **beside})
            return self.of({**target, **beside}, (*within, reference))
        if parts := schema.get("allOf"):
            together = {key: value for part in parts for key, value in self._resolved(part).items()}
            return self.of({**together, **{key: value for key, value in schema.items() if key != "allOf"}}, within)
        result = dict(self._inner(schema if is_root else _with_typed_alternatives(schema), within))
        if self._is_plain:
            result = self._plain(result)
        return result if is_root else _typed(result)

    def _target(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(part, {}) if part and isinstance(found, Mapping) else found
        return found if isinstance(found, Mapping) else {}

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._target(str(part["$ref"])) if "$ref" in part else part

    def _inner(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for key, value in schema.items():
            match key, value:
                case "properties", Mapping():
                    yield key, {name: self.of(part, within) for name, part in value.items()}
                case (("anyOf" | "oneOf" | "prefixItems"), list()):
                    yield key.replace("oneOf", "anyOf"), [self.of(part, within) for part in value]
                case (("items" | "additionalProperties" | "propertyNames" | "contains" | "not"), Mapping()):
                    yield key, self.of(value, within)
                case _ if key not in _NOT_INLINED or (self._is_plain and key in _RULES):
                    yield key, value
        if "pattern" in schema and not self._is_plain:
            yield "description", _with_rules(schema, ("pattern",))

    def _plain(self, schema: Schema) -> Schema:
        choices = [part for part in schema.get("anyOf") or () if part.get("type") != "null"]
        if len(choices) == 1:
            return self._plain({**choices[0], **{key: value for key, value in schema.items() if key != "anyOf"}})
        type_ = schema.get("type")
        result = {
            **schema,
            "description": _with_rules(schema, _RULES),
            "type": next((each for each in type_ if each != "null"), "string") if isinstance(type_, list) else type_,
            "anyOf": choices,
        }
        if "const" in schema:
            result["enum"] = [schema["const"]]
        if not all(isinstance(value, str) for value in result.get("enum") or ()):
            del result["enum"]
        return {key: value for key in _PLAIN if (value := result.get(key))}


def _with_rules(schema: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The description, and the rules that are left out elsewhere."""
    rules = [f"{key} {schema[key]}" for key in keys if schema.get(key) not in (None, "")]
    if "const" not in schema and not all(isinstance(value, str) for value in schema.get("enum") or ()):
        rules.append(f"one of {', '.join(map(str, schema['enum']))}")
    return " ".join(filter(None, [schema.get("description"), f"({', '.join(rules)})" if rules else ""]))


def _with_typed_alternatives(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The type in each of the alternatives, where it stands beside them."""
    key = next((key for key in ("anyOf", "oneOf") if schema.get(key)), None)
    if key is None or "type" not in schema:
        return schema
    typed = [part if "$ref" in part else {"type": schema["type"], **part} for part in schema[key]]
    return {**{name: value for name, value in schema.items() if name != "type"}, key: typed}


def _typed(schema: Schema) -> Schema:
    """With a type, or alternatives that have one."""
    if "type" in schema or schema.get("anyOf"):
        return schema
    if "properties" in schema:
        return {**schema, "type": "object"}
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    types = {_TYPES.get(type(value)) for value in values}
    if len(types) == 1 and None not in types:
        return {**schema, "type": types.pop()}
    return schema if values else {**schema, "anyOf": _ANYTHING}
