"""Whether a tool changes what its agent function has in memory: when the run resumes, that change is missing.

A recorded tool is not called again, so what it has put into a variable of the agent function is gone after a wait. This
compares the tool's variables before and after a call: those of its closure, of the functions and objects in it, and of
the object that a method belongs to. It looks at built-in containers and at objects of the site's own classes; what else
a variable holds is compared by identity.
"""

import functools
import inspect
from collections import deque
from collections.abc import Callable, Iterator
from types import CellType
from typing import Any

MAX_VALUES = 2_000  # that are compared in a variable; of larger ones, the beginning and the length
MAX_DEPTH = 5  # of functions in closures of functions

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range)


class MemoryWatch:
    """For one execution of an agent function. `kept()` has what is kept anyway (the state of the stream), or None.

    The function's own closure is not its memory: it is there at each execution.
    """

    def __init__(self, agent_function: Callable[..., Any], kept: Callable[[], Any]) -> None:
        self._outer = {id(cell) for _, cell in _cells(agent_function)}
        self._kept = kept

    def changes(self, tool: Callable[..., Any]) -> Callable[[], list[str]]:
        """Look at the variables of a tool; call the result after it has been called, for the names of those changed."""
        before = self._look(tool)

        def changed() -> list[str]:
            after = self._look(tool)
            return [name for name in after if before.get(name) != after[name]]

        return changed

    def _look(self, tool: Callable[..., Any]) -> dict[str, Any]:
        own_package = _package_of(_plain_function(tool))
        seen = _Snapshot(own_package, _containers_in(self._kept()))
        values: dict[str, Any] = {}
        for name, cell in _cells(tool):
            if id(cell) not in self._outer:
                values[name] = seen.of(_content(cell))
        owner = getattr(_unwrapped(tool), "__self__", None)
        if owner is not None and not inspect.ismodule(owner) and not inspect.isclass(owner):
            values |= {f"self.{name}": seen.of(value) for name, value in vars_of(owner).items()}
        return values


class _Snapshot:
    """What a variable holds, as a value that can be compared later."""

    def __init__(self, own_package: str, kept: set[int]) -> None:
        self._own_package = own_package
        self._kept = kept

    def of(self, value: Any) -> Any:
        self._left = MAX_VALUES
        self._open: set[int] = set()
        return self._of(value)

    def _of(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return (type(value), value)
        if id(value) in self._kept or id(value) in self._open or self._left <= 0:
            return "kept"
        self._open.add(id(value))
        try:
            return self._of_container(value)
        finally:
            self._open.discard(id(value))

    def _of_container(self, value: Any) -> Any:
        if isinstance(value, dict):
            return (len(value), tuple((self._of(key), self._of(each)) for key, each in self._some(value.items())))
        if isinstance(value, list | tuple | deque):
            return (len(value), tuple(self._of(each) for each in self._some(value)))
        if isinstance(value, set | frozenset):
            return (len(value), frozenset(map(_Same, value)) if len(value) <= MAX_VALUES else None)
        if isinstance(value, bytearray):
            return bytes(value)
        if _package_of(type(value)) == self._own_package and not hasattr(value, "_meta"):  # a row is read anew
            return (_Same(value), self._of(vars_of(value)))
        return _Same(value)

    def _some(self, values: Any) -> Iterator[Any]:
        for each in list(values):
            self._left -= 1
            if self._left <= 0:
                return
            yield each


class _Same:
    """Equal to the same object alone. It keeps the object: the id of one that is gone may become another's."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def vars_of(value: Any) -> dict[str, Any]:
    """The attributes of an object, those in slots too."""
    slots = (name for each in type(value).__mro__ for name in getattr(each, "__slots__", ()))
    return {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in slots if hasattr(value, name)}}


def _cells(function: Callable[..., Any], depth: int = 0) -> Iterator[tuple[str, CellType]]:
    """The variables of a function's closure, and of the functions in it: names and cells."""
    plain = _plain_function(function)
    code = getattr(plain, "__code__", None)
    if code is None or depth > MAX_DEPTH:
        return
    for name, cell in zip(code.co_freevars, plain.__closure__ or (), strict=False):
        yield name, cell
        content = _content(cell)
        if callable(content) and not inspect.isclass(content):
            yield from _cells(content, depth + 1)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _unwrapped(function: Any) -> Any:
    """Without `functools.partial`, decorators and the tool around it."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            return function


def _plain_function(function: Any) -> Any:
    function = _unwrapped(function)
    return getattr(function, "__func__", function)


def _package_of(thing: Any) -> str:
    return str(getattr(thing, "__module__", "") or "").partition(".")[0]


def _containers_in(value: Any) -> set[int]:
    """The ids of a value's dicts and lists, at any depth; it may contain itself."""
    found: set[int] = set()
    to_look_at = [value]
    while to_look_at:
        each = to_look_at.pop()
        if isinstance(each, dict | list) and id(each) not in found:
            found.add(id(each))
            to_look_at += each.values() if isinstance(each, dict) else each
    return found
