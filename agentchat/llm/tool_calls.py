"""The tool calls of one answer, put together from their parts.

OpenAI numbers the calls by `index` and sends id and name once, in the first part. Others leave the index out, give all
calls the same one, send no id, or send a call in one piece with its arguments as an object.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class _Parts:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ToolCallParts:
    """The calls so far, in the order in which they began. Truthy if there are any."""

    def __init__(self, new_call_id: Callable[[int], str]) -> None:
        self._new_call_id = new_call_id
        self._calls: list[_Parts] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, deltas: Iterable[dict[str, Any]]) -> None:
        for delta in deltas:
            function = delta.get("function") or {}
            id_, name, arguments = delta.get("id") or "", function.get("name") or "", function.get("arguments")
            call = self._call_of(delta.get("index"), id_, name)
            call.id = call.id or id_
            if name != call.name:
                call.name += name
            if arguments:
                call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def complete(self) -> tuple[dict[str, Any], ...]:
        """The calls in OpenAI's shape, each with an id of its own and arguments that are at least "{}"."""
        complete: dict[str, dict[str, Any]] = {}
        for position, call in enumerate(self._calls):
            id_ = call.id if call.id and call.id not in complete else self._new_call_id(position)
            function = {"name": call.name, "arguments": _mended("".join(call.arguments)) or "{}"}
            complete[id_] = {"id": id_, "type": "function", "function": function}
        return tuple(complete.values())

    def _call_of(self, index: int | None, id_: str, name: str) -> _Parts:
        """The call that a delta goes on with, or a new one."""
        known = next((call for call in reversed(self._calls) if self._goes_on(call, index, id_, name)), None)
        if known is None:
            known = _Parts(index=index)
            self._calls.append(known)
        return known

    def _goes_on(self, call: _Parts, index: int | None, id_: str, name: str) -> bool:
        if index is not None:
            # The same index with another id and a name of its own: a server that gives every call index 0.
            return call.index == index and not (id_ and call.id and id_ != call.id and name)
        if id_ and call.id:
            return call.id == id_
        return call is self._calls[-1] and not (name and call.name)


def _mended(text: str) -> str:
    """The text with characters made whole whose two halves came escaped, in two parts."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
