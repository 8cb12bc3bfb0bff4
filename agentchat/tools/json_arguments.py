"""Arguments that a JSON schema of somebody else describes, rather than the annotations of a function."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend

from agentchat.core.model_json import parse_json, strict_json
from agentchat.errors import ToolError
from agentchat.tools.approvable import check_approvable


def _additional(validator: Any, allowed: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if allowed is False and isinstance(value, dict) and "patternProperties" not in schema:
        extra = sorted(set(value) - set(schema.get("properties", {})))
        if extra:
            yield ValidationError(f"there is no {extra[0]!r}")


# What may take longer than the schema and the value are long is left to the one who runs the tool: expressions that
# backtrack, references that multiply, comparisons of all with all.
_UNBOUNDED = (
    "$ref", "$dynamicRef", "pattern", "patternProperties", "propertyNames", "uniqueItems", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_Bounded: Any = extend(Draft202012Validator, {**dict.fromkeys(_UNBOUNDED), "additionalProperties": _additional})


class JsonArguments:
    """The parameters of a tool. Whoever runs the tool checks them as well: here a model reads what is wrong at once."""

    unannotated: tuple[str, ...] = ()

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raise ToolError for what is no schema of an object."""
        self.schema = {"properties": {}, **copy.deepcopy(dict(schema)), "type": "object"}
        try:
            Draft202012Validator.check_schema(self.schema)
        except SchemaError as error:
            raise ToolError(f"a tool's schema is not valid: {error.message:.300}") from error
        self._validator = _Bounded(self.schema)

    def read(self, written: str) -> dict[str, Any]:
        """The arguments that a model wrote. Raise ToolError, with a message for the model, if they are invalid."""
        try:
            arguments = parse_json(strict_json(written))
        except ValueError as error:
            raise ToolError(f"the arguments are not JSON: {error}") from None
        if (problem := self._problem(arguments)) is None:
            return dict(arguments)
        if isinstance(arguments, dict):  # models write nulls for what they leave out
            given = {name: value for name, value in arguments.items() if value is not None}
            if self._problem(given) is None:
                return given
        raise ToolError(f"the arguments do not fit: {problem}")

    def read_json(self, written: str) -> dict[str, Any]:
        """The same, for a user who approves them."""
        arguments = self.read(written)
        check_approvable(arguments, json.loads(json.dumps(arguments)))
        return arguments

    def _problem(self, arguments: Any) -> str | None:
        error = best_match(self._validator.iter_errors(arguments))
        if error is None:
            return None
        where = ".".join(map(str, error.absolute_path)) or "arguments"
        return f"{where}: {error.message:.300}"
