"""The regular expressions of forms, matched in linear time.

Python's own engine backtracks: a pattern like `^(a+)+$` takes it minutes for thirty characters, and no other thread
runs meanwhile. Pydantic's does not backtrack, and so knows neither lookaround nor backreferences.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from agentchat.errors import ConfigError

_NOT_SCHEMAS = ("const", "default", "enum", "examples")
_NAMED_SCHEMAS = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. Raise ValueError for one that is not linear, or no pattern at all."""
    try:
        validator = _validator_of(pattern)
    except SchemaError as error:
        raise ValueError(str(error)) from error
    try:
        validator.validate_python(text)
    except ValidationError:
        return False
    return True


def form_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a form. Raise ConfigError if one of its patterns cannot be matched in linear time."""
    schema = form.model_json_schema()
    for pattern in _patterns_in(schema):
        try:
            matches(pattern, "")
        except ValueError as error:
            reason = str(error).strip().rpartition("\n")[2].strip()
            raise ConfigError(
                f"form {form.__name__!r} has the pattern {pattern!r}, which cannot be matched in linear time "
                f"({reason}): use one without lookaround and backreferences, or check the value in a field_validator"
            ) from error
    return schema


@lru_cache(maxsize=256)
def _validator_of(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _patterns_in(schema: Any) -> Iterator[str]:
    """All patterns of a JSON schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from _patterns_in(each)
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        if keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            yield from value if keyword == "patternProperties" else ()
            yield from _patterns_in(list(value.values()))
        elif keyword == "pattern" and isinstance(value, str):
            yield value
        elif keyword not in _NOT_SCHEMAS:
            yield from _patterns_in(value)
