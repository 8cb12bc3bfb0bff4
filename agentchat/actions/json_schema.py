"""Whether a JSON value fits a JSON schema, in bounded time and with bounded messages.

The value is a user's, and the schema a developer's. Before the check, the value's size, nesting and number of parts are
limited; what the check does is counted, and ends at MAX_STEPS. Patterns are matched in linear time, equal items are
found by their text, and messages repeat no part of the value.

The agent function's own model has the last word, so what this check cannot judge it lets pass.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from fractions import Fraction
from functools import wraps
from math import isfinite
from typing import Any

from django.utils.translation import gettext
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from agentchat.core.patterns import matches
from agentchat.errors import Rejected
from agentchat.infra.sanitize import clean

Schema = Mapping[str, Any]
Errors = Iterator[ValidationError]

MAX_NESTING = 30
MAX_PARTS = 2_000  # values
MAX_STEPS = 3_000  # keywords of the schema that are applied to a part of the value
MAX_ERRORS = 20  # reported
MAX_MESSAGE_CHARS = 200

# Those whose checks are linear, with or without the libraries that jsonschema uses where they are installed.
_FORMATS = FormatChecker(["date", "email", "ipv4", "ipv6", "uuid"])


def check_schema(schema: Schema, value: Any, *, max_chars: int) -> None:
    """Raise Rejected if the value does not fit: with a message for each field, or for all of it if it is too large."""
    bounded = _Bounds(max_chars).copy_of(value)
    errors: dict[str, str] = {}
    token = _steps_left.set([MAX_STEPS])
    try:
        for problem in _Validator(_closed(schema), format_checker=_FORMATS).iter_errors(bounded):
            path = [str(name) for name in problem.absolute_path]
            if problem.validator == "required":  # reported for the whole object; shown at the field
                path += [name for name in problem.validator_value if name not in problem.instance][:1]
            errors.setdefault(".".join(path)[:MAX_MESSAGE_CHARS], _message_of(problem)[:MAX_MESSAGE_CHARS])
            if len(errors) == MAX_ERRORS:
                break
    except (_OutOfSteps, RecursionError) as error:
        raise _too_complex() from error
    finally:
        _steps_left.reset(token)
    if errors:
        raise Rejected("invalid", gettext("Some of this isn't valid."), errors=errors)


def _too_complex() -> Rejected:
    return Rejected("invalid", gettext("This has too many parts, or is nested too deeply."))


def _message_of(problem: ValidationError) -> str:
    """What is wrong, for users; jsonschema's own message if there is none here."""
    limit = problem.validator_value
    match problem.validator:
        case "required":
            return gettext("Required")
        case "minLength":
            return gettext("Too short: the minimum number of characters is %(limit)s.") % {"limit": limit}
        case "maxLength":
            return gettext("Too long: the maximum number of characters is %(limit)s.") % {"limit": limit}
        case "minimum" | "exclusiveMinimum":
            return gettext("Too small: the limit is %(limit)s.") % {"limit": limit}
        case "maximum" | "exclusiveMaximum":
            return gettext("Too large: the limit is %(limit)s.") % {"limit": limit}
        case "pattern" | "format" | "anyOf" | "oneOf":
            return gettext("This doesn't match the required format.")
        case "enum" | "const":
            return gettext("Choose one of the available options.")
        case "type":
            return gettext("This is the wrong type of value.")
        case "additionalProperties":
            return gettext("This contains an unexpected field.")
    return str(problem.message)


# --- the value --------------------------------------------------------------------------------------------------------


class _Object(dict[str, Any]):
    def __repr__(self) -> str:
        return "{…}"


class _Array(list[Any]):
    def __repr__(self) -> str:
        return "[…]"


class _Text(str):
    """Its representation is short: each message of jsonschema has that of the value, and there may be thousands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if len(self) <= MAX_MESSAGE_CHARS else f"{self[:MAX_MESSAGE_CHARS]!r}…"


class _Bounds:
    """What one value may have."""

    def __init__(self, max_chars: int) -> None:
        self._chars_left = max_chars
        self._parts_left = MAX_PARTS

    def copy_of(self, value: Any, nesting: int = 0) -> Any:
        """The value as it is stored, with parts whose representation is short. Raise Rejected if it is too large."""
        self._parts_left -= 1
        if self._parts_left < 0 or nesting > MAX_NESTING:
            raise _too_complex()
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return _Object({self._text(name): self.copy_of(each, nesting + 1) for name, each in value.items()})
        if isinstance(value, list):
            return _Array([self.copy_of(each, nesting + 1) for each in value])
        if isinstance(value, float) and not isfinite(value):
            raise Rejected("invalid", gettext("This contains a number that is too large, or is not a number."))
        return value

    def _text(self, text: str) -> _Text:
        self._chars_left -= len(text)
        if self._chars_left < 0:
            raise Rejected("too_large", gettext("This is too long to be sent. Please shorten it."))
        return _Text(clean(text))


# --- the schema -------------------------------------------------------------------------------------------------------


def _closed(schema: Any, *, is_part: bool = False) -> Any:
    """The schema without fields that it does not name, unless it says that others are welcome.

    Pydantic ignores them without saying so in the schema. A part of an "allOf" names some of the fields only.
    """
    if isinstance(schema, list):
        return [_closed(each, is_part=is_part) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = dict(schema)
    for keyword in ("$defs", "definitions", "properties", "patternProperties", "dependentSchemas"):
        if isinstance(named := schema.get(keyword), Mapping):
            closed[keyword] = {name: _closed(each) for name, each in named.items()}
    for keyword in ("anyOf", "oneOf", "prefixItems", "items", "additionalProperties", "contains"):
        if keyword in schema:
            closed[keyword] = _closed(schema[keyword])
    if isinstance(schema.get("allOf"), list):
        closed["allOf"] = _closed(schema["allOf"], is_part=len(schema["allOf"]) > 1 or "properties" in schema)
    names_all = "properties" in schema and not (is_part or "allOf" in schema or "patternProperties" in schema)
    return {"additionalProperties": False, **closed} if names_all else closed


# --- the keywords -----------------------------------------------------------------------------------------------------


class _OutOfSteps(Exception):
    pass


_steps_left: ContextVar[list[int]] = ContextVar("agentchat_validation_steps")


def _spend(steps: int) -> None:
    left = _steps_left.get()
    left[0] -= steps
    if left[0] < 0:
        raise _OutOfSteps


def _counted(keyword: Callable[..., Any]) -> Callable[..., Any]:
    """The keyword, which takes a step each time, and more where it goes through a long list of its own."""

    @wraps(keyword)
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _spend(1 + (len(value) // 100 if isinstance(value, list | dict) else 0))
        return keyword(validator, value, instance, schema)

    return counted


def _is_match(pattern: str, text: str) -> bool:
    _spend(1 + len(text) // 1_000)
    try:
        return matches(pattern, text)
    except ValueError:
        return True  # asked by an older version, or by other means than a form: not for us to judge


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Errors:
    if isinstance(instance, str) and not _is_match(pattern, instance):
        yield ValidationError("does not match")


def _pattern_properties(validator: Any, patterns: Schema, instance: Any, schema: Any) -> Errors:
    for pattern, each in patterns.items() if isinstance(instance, dict) else ():
        for name in instance:
            if _is_match(pattern, name):
                yield from validator.descend(instance[name], each, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Errors:
    if not isinstance(instance, dict):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name in named or any(_is_match(pattern, name) for pattern in patterns):
            continue
        if allowed is False:
            yield ValidationError("unexpected")
            return
        yield from validator.descend(instance[name], allowed, path=name)


def _enum(validator: Any, options: list[Any], instance: Any, schema: Any) -> Errors:
    if not (instance in options and any(_text_of(each) == _text_of(instance) for each in options if each == instance)):
        yield ValidationError("is not one of these")  # for Python alone, True is 1


def _const(validator: Any, option: Any, instance: Any, schema: Any) -> Errors:
    return _enum(validator, [option], instance, schema)


def _unique_items(validator: Any, is_unique: bool, instance: Any, schema: Any) -> Errors:
    if is_unique and isinstance(instance, list):
        texts = [_text_of(each) for each in instance]
        _spend(sum(map(len, texts)) // 100)
        if len(set(texts)) < len(texts):
            yield ValidationError(gettext("Each item may be here only once."))


def _text_of(value: Any) -> str:
    """The same for equal values only."""
    return json.dumps(_number_as_one(value), sort_keys=True)


def _number_as_one(value: Any) -> Any:
    """The value with 1 for 1.0: they are the same number, written in two ways."""
    if isinstance(value, dict):
        return {name: _number_as_one(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_number_as_one(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _multiple_of(validator: Any, divisor: float, instance: Any, schema: Any) -> Errors:
    if isinstance(instance, int | float) and not isinstance(instance, bool):
        # As they are written: 0.3 is a multiple of 0.1. Both are finite, so their digits are few.
        written, by = (Fraction(each if isinstance(each, int) else repr(each)) for each in (instance, divisor))
        if written % by:
            yield ValidationError(gettext("This must be a multiple of %(number)s.") % {"number": divisor})


def _any_of(validator: Any, alternatives: list[Any], instance: Any, schema: Any) -> Errors:
    """All of them are tried, as pydantic does: what it would try without end is found out here."""
    errors = [[*validator.descend(instance, each, schema_path=index)] for index, each in enumerate(alternatives)]
    if all(errors):
        wanted = [each for each, schema in zip(errors, alternatives, strict=True) if schema != {"type": "null"}]
        yield from wanted[0] if len(wanted) == 1 else [ValidationError("is not any of these")]


def _one_of(validator: Any, alternatives: list[Any], instance: Any, schema: Any) -> Errors:
    """A discriminator says which one is meant, and only that one is tried."""
    discriminator = schema.get("discriminator") or {}
    tag = instance.get(discriminator.get("propertyName")) if isinstance(instance, dict) else None
    reference = discriminator.get("mapping", {}).get(tag) if isinstance(tag, str) else None
    if isinstance(reference, str):
        yield from validator.descend(instance, {"$ref": reference})
        return
    fits = [not any(validator.descend(instance, each, schema_path=index)) for index, each in enumerate(alternatives)]
    if sum(fits) != 1:
        yield ValidationError("is not one of these")


_OWN: dict[str, Callable[..., Any]] = {
    "additionalProperties": _additional_properties,
    "anyOf": _any_of,
    "const": _const,
    "enum": _enum,
    "multipleOf": _multiple_of,
    "oneOf": _one_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique_items,
}
# Pydantic writes none of these, and jsonschema judges them in its own way, which is not bounded.
_IGNORED = ("$dynamicRef", "unevaluatedItems", "unevaluatedProperties")

_Validator: Any = extend(
    Draft202012Validator,
    {
        **{name: _counted(keyword) for name, keyword in {**Draft202012Validator.VALIDATORS, **_OWN}.items()},
        **{name: lambda *_: () for name in _IGNORED},
    },
)
