"""Annotations for pydantic: those that it does not understand are replaced by their equals, however deep they stand.

- A `typing.TypedDict`: before Python 3.12, pydantic reads only those of `typing_extensions`.
- An enum whose values have no JSON form that leads back to them: the model names its members.
- A Literal of an enum's members: the model writes their values.
- A dataclass or NamedTuple with one of these in it: it is read as a TypedDict, and made of that.
"""

import dataclasses
import functools
import operator
import sys
import types
from collections.abc import Mapping
from enum import Enum
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    NotRequired,
    Required,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import typing_extensions
from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_new_typed_dict: Any = typing_extensions.TypedDict


def for_pydantic(annotation: Any, names: Mapping[str, Any], known: dict[type, Any] | None = None) -> Any:
    """`names` are those that texts in an annotation may use, as in `list["Order"]`.

    Raise NameError for one within a TypedDict that cannot be found. `known` has the TypedDicts replaced so far.
    """
    known = {} if known is None else known
    if isinstance(annotation, ForwardRef | str):
        annotation = _resolved(annotation, names)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _literal(annotation, args)
    if origin is Annotated:
        return Annotated[(for_pydantic(args[0], names, known), *args[1:])]
    replaced = tuple(for_pydantic(arg, names, known) for arg in args)
    if any(new is not old for new, old in zip(replaced, args, strict=True)):
        return functools.reduce(operator.or_, replaced) if origin is types.UnionType else origin[replaced]
    if sys.version_info < (3, 12) and type(annotation).__module__ == "typing" and is_typeddict(annotation):
        return _typed_dict(annotation, known)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum(annotation)
    if isinstance(annotation, type) and _is_record(annotation):
        return _record(annotation, known)
    return annotation


def _resolved(annotation: ForwardRef | str, names: Mapping[str, Any]) -> Any:
    text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
    try:
        return eval(text, dict(names))
    except NameError:
        return annotation  # pydantic knows more names, or says which one is missing


def _typed_dict(cls: Any, known: dict[type, Any]) -> Any:
    if cls not in known:
        hints = get_type_hints(cls, include_extras=True)
        needed = {name: _need(hint, name in cls.__required_keys__) for name, hint in hints.items()}
        known[cls] = equal = _empty(cls, needed)
        _fill(equal, needed, hints, known)
    return known[cls]


def _is_record(cls: type) -> bool:
    is_dataclass = dataclasses.is_dataclass(cls) and not hasattr(cls, "__pydantic_fields__")
    return is_dataclass or (issubclass(cls, tuple) and hasattr(cls, "_field_defaults"))


def _record(cls: Any, known: dict[type, Any]) -> Any:
    if cls not in known:
        known[cls] = cls
        needed = _fields_of(cls)
        hints = {name: hint for name, hint in get_type_hints(cls, include_extras=True).items() if name in needed}
        if any(for_pydantic(hint, {}, known.copy()) is not hint for hint in hints.values()):
            equal = _empty(cls, needed)
            known[cls] = Annotated[equal, AfterValidator(lambda values: cls(**values))]
            _fill(equal, needed, hints, known)
    return known[cls]


def _fields_of(cls: Any) -> dict[str, Any]:
    """The fields of a dataclass or NamedTuple, and whether they are needed."""
    if not dataclasses.is_dataclass(cls):
        return {name: NotRequired if name in cls._field_defaults else Required for name in cls._fields}
    fields = [field for field in dataclasses.fields(cls) if field.init]
    defaults = {field.name: (field.default, field.default_factory) for field in fields}
    return {
        name: Required if each == (dataclasses.MISSING, dataclasses.MISSING) else NotRequired
        for name, each in defaults.items()
    }


def _empty(cls: type, needed: Mapping[str, Any]) -> Any:
    """A TypedDict with the fields, to be filled: their types may contain it."""
    equal = _new_typed_dict(cls.__name__, {name: need[Any] for name, need in needed.items()})
    # Python itself documents a record by its signature.
    is_signature = (cls.__doc__ or "").startswith(f"{cls.__name__}(")
    equal.__module__, equal.__doc__ = cls.__module__, None if is_signature else cls.__doc__
    return equal


def _fill(equal: Any, needed: Mapping[str, Any], hints: Mapping[str, Any], known: dict[type, Any]) -> None:
    for name, hint in hints.items():
        inner = get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint
        equal.__annotations__[name] = needed[name][for_pydantic(inner, {}, known)]


def _need(hint: Any, is_required: bool) -> Any:
    """What the field itself says wins: with `from __future__ import annotations`, the class has not read it."""
    said = get_origin(hint)
    return said if said in (Required, NotRequired) else Required if is_required else NotRequired


def is_written_by_name(value: Any) -> bool:
    """Whether a value is a member of an enum that has no JSON form other than its name."""
    return isinstance(value, Enum) and not isinstance(value.value, str | int | float | None)


def _enum(cls: type[Enum]) -> Any:
    if not any(map(is_written_by_name, cls)):
        return cls
    names = list(cls.__members__)

    def member_of(name: Any) -> Enum:
        if isinstance(name, str) and name in names:
            return cls[name]
        raise PydanticCustomError("enum", "Input should be one of {names}", {"names": ", ".join(map(repr, names))})

    return Annotated[cls, PlainValidator(member_of), WithJsonSchema({"type": "string", "enum": names})]


def _literal(annotation: Any, values: tuple[Any, ...]) -> Any:
    members = {value.value: value for value in values if isinstance(value, Enum) and not isinstance(value, str | int)}
    if not members:
        return annotation
    return Annotated[annotation, BeforeValidator(lambda value: members.get(value, value))]
