"""The tool calls of one answer, accumulated from their deltas.

OpenAI numbers the calls by `index` and sends id and name once, in the first delta. Others leave the index out, give all
calls the same one, send no id, repeat the name in each delta, send a call in one piece with its arguments as an object,
or send all of it again at the end.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentchat.core.text import replace_lone_surrogates
from agentchat.llm.chunk_fields import of_kind


@dataclass(kw_only=True)
class _PartialCall:
    index: int | None
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    extra_content: Any = None  # Gemini's signature of the thought behind the call

    @property
    def arguments(self) -> str:
        return _joined(self.pieces)


class ToolCallAccumulator:
    """The calls so far, in the order in which they started. Truthy if there are any."""

    def __init__(self, new_call_id: Callable[[int], str]) -> None:
        self._new_call_id = new_call_id
        self._calls: list[_PartialCall] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, deltas: Any) -> None:
        for delta in [deltas] if isinstance(deltas, Mapping) else deltas:
            if of_kind(dict, delta, "tool_calls"):
                self._add(delta)

    @property
    def is_whole(self) -> bool:
        """Whether there are calls, and all of them have their arguments."""
        return bool(self._calls) and all(_object(call.arguments) is not None for call in self._calls)

    def complete(self) -> tuple[dict[str, Any], ...]:
        """The calls in OpenAI's shape, each with an id of its own and arguments that are at least "{}"."""
        complete: dict[str, dict[str, Any]] = {}
        for position, call in enumerate(self._without_repeated_names()):
            id_ = call.id if call.id and call.id not in complete else self._new_call_id(position)
            function = {"name": call.name, "arguments": replace_lone_surrogates(call.arguments) or "{}"}
            extra = {"extra_content": call.extra_content} if call.extra_content else {}
            complete[id_] = {"id": id_, "type": "function", "function": function, **extra}
        return tuple(complete.values())

    def _without_repeated_names(self) -> Iterator[_PartialCall]:
        """The calls; not one that is only the name of the call before, repeated after its end."""
        for before, call in itertools.pairwise([None, *self._calls]):
            assert call is not None
            if call.id or call.pieces or before is None or call.name != before.name:
                yield call

    def _add(self, delta: Mapping[str, Any]) -> None:
        function = delta.get("function")
        function = function if isinstance(function, Mapping) else {}
        id_, name, extra = str(delta.get("id") or ""), str(function.get("name") or ""), delta.get("extra_content")
        written = function.get("arguments")
        arguments = written if isinstance(written, str) else "" if written is None else json.dumps(written)
        if not (id_ or name or arguments or extra):
            return  # an empty entry, as some servers send at the end
        index = _number(delta.get("index"))
        call = self._place_of(index, id_, name)
        if call is None or _begins_another(call, id_, name, arguments):
            if call is not None and not id_ and self._has(name, arguments):
                return  # all calls once more
            call = _PartialCall(index=index)
            self._calls.append(call)
        call.id = call.id or id_
        call.extra_content = extra or call.extra_content
        if name != call.name:
            call.name += name
        if arguments:
            call.pieces.append(arguments)

    def _has(self, name: str, arguments: str) -> bool:
        return any(call.name == name and call.arguments == arguments != "" for call in self._calls)

    def _place_of(self, index: int | None, id_: str, name: str) -> _PartialCall | None:
        """The call that a delta continues by its index or its id; None for a new one."""
        newest_first = self._calls[::-1]
        if index is not None:
            if known := next((call for call in newest_first if call.index == index), None):
                return known
            if name:
                return None
        if id_ and (index is not None or (newest_first and newest_first[0].id)):
            return next((call for call in newest_first if call.id == id_), None)
        return next(iter(newest_first), None)


def _begins_another(call: _PartialCall, id_: str, name: str, arguments: str) -> bool:
    """Whether a delta in the place of a call begins one more: some servers give all of them the same place."""
    if not (name and call.name):
        return False
    if id_ and call.id and id_ != call.id:
        return True
    if name != call.name:  # before its arguments, a name may come in pieces
        return bool(call.pieces) or _object(arguments) is not None
    # The same name again: repeated in each delta, or all of the call repeated; else another call of the same tool.
    return not id_ and bool(_object(call.arguments)) and arguments != call.arguments


def _joined(pieces: Sequence[str]) -> str:
    """The arguments that these pieces are.

    Joined, they are no object if a server begins with an empty one, if its last piece is all of them, or if it writes
    everything twice.
    """
    joined = "".join(pieces)
    if not joined or _object(joined) is not None:
        return joined
    before, last, half = "".join(pieces[:-1]), pieces[-1], joined[: len(joined) // 2]
    if pieces[0].strip() == "{}" and _object(rest := "".join(pieces[1:])) is not None:
        return rest
    value = _object(last)
    if value is not None and before and (last.startswith(pieces[-2]) or value == _object(before)):
        return last
    return half if joined == 2 * half and _object(half) is not None else joined


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _number(index: Any) -> int | None:
    try:
        return int(index)
    except (TypeError, ValueError):
        return None
