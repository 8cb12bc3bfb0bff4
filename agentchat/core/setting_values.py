"""The kinds of values that settings have: each function returns the value as it is used, or raises ValueError."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def natural_number(value: Any) -> int:
    return 0 if type(value) is int and value == 0 else whole_number(value)


def number(minimum: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < minimum:
            raise ValueError
        return float(value)

    return read


def or_none(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else read(value)


def one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError
        return value

    return read


def subset(choices: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple | set | frozenset) or not all(each in choices for each in value):
            raise ValueError
        return tuple(value)

    return read
