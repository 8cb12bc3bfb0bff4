"""The calls in a conversation: each with an id of its own, a name, arguments that are JSON, and a result behind it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agentchat.core.json_values import as_json
from agentchat.llm.history_names import tool_name
from agentchat.llm.profiles import CallIds

Message = dict[str, Any]

NO_RESULT = "No result: this call was not carried out."


@dataclass
class _Call:
    """A call of an earlier answer: the id it came with, how it goes back, and its result, once that is found."""

    given_id: str
    call: Message
    result: Message | None = None


def with_results(messages: Iterable[Message], ids: CallIds, *, names_results: bool = False) -> list[Message]:
    """The messages with a result right behind each call, and no result without one.

    A result that belongs to no call stays, as something that the user says. `names_results`: each names its tool.
    """
    messages = list(messages)
    calls = _calls_in(messages, ids)
    strays = _assign_results(messages, calls)
    ordered: list[Message] = []
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            ordered += [_as_told(message)] if position in strays else []
        else:
            own = calls.get(position, [])
            ordered += [_with_calls(message, own), *(_result_of(call, named=names_results) for call in own)]
    return ordered


def functions_as_tools(messages: Iterable[Message]) -> list[Message]:
    """The messages with the older function calls as calls of tools."""
    changed: list[Message] = []
    open_ids: list[str] = []
    for message in messages:
        function = message.get("function_call")
        if isinstance(function, Mapping):
            id_ = str(function.get("id") or f"function_{len(changed)}")
            open_ids.append(id_)
            call = {"id": id_, "type": "function", "function": function}
            message = {key: value for key, value in message.items() if key != "function_call"}
            message["tool_calls"] = [*(message.get("tool_calls") or ()), call]
        elif message["role"] == "function":
            id_ = open_ids.pop(0) if open_ids else ""
            message = {"role": "tool", "tool_call_id": id_, "content": message["content"]}
        changed.append(message)
    return changed


def tools_as_texts(messages: Iterable[Message]) -> list[Message]:
    """The messages with calls and results told, for a request that offers no tools."""
    return [_told(message) for message in messages]


def _told(message: Message) -> Message:
    if message["role"] == "tool":
        return _as_told(message)
    if not message.get("tool_calls"):
        return message
    functions = [call["function"] for call in message["tool_calls"]]
    lines = [f"I call the tool {function['name']} with {function['arguments']}." for function in functions]
    text = _as_text(message["content"])
    return {"role": "assistant", "content": "\n\n".join([*([text] if text else []), *lines])}


def _as_told(result: Message) -> Message:
    return {"role": "user", "content": f"The result of a tool:\n\n{_as_text(result['content'])}"}


# --- calls and their results ------------------------------------------------------------------------------------------


def _calls_in(messages: Iterable[Message], ids: CallIds) -> dict[int, list[_Call]]:
    """The calls of each message that has some, by its position."""
    used: set[str] = set()
    times_given: Counter[str] = Counter()
    found: dict[int, list[_Call]] = {}
    for position, message in enumerate(messages):
        for call in message.get("tool_calls") or ():
            if isinstance(call, Mapping):
                given = str(call.get("id") or "")
                times_given[given] += 1
                id_ = given
                if times_given[given] > 1 or given in used or not ids.pattern.fullmatch(given):
                    id_ = _new_id(f"{given} {times_given[given]}", ids)
                used.add(id_)
                found.setdefault(position, []).append(_Call(given, {**_call(call), "id": id_}))
    return found


def _assign_results(messages: Iterable[Message], calls: Mapping[int, list[_Call]]) -> set[int]:
    """Give each call its result, by its id; or else in their order, where the ids were lost on the way.

    Return the positions of the results that belong to no call.
    """
    last: list[_Call] = []
    latest: dict[str, list[_Call]] = {}  # by id: the calls of the last message that has some with it
    others: list[tuple[int, Message, list[_Call]]] = []
    for position, message in enumerate(messages):
        if position in calls:
            last = calls[position]
            latest |= {each.given_id: [call for call in last if call.given_id == each.given_id] for each in last}
        elif message["role"] == "tool" and not _answer(latest.get(str(message.get("tool_call_id") or ""), ()), message):
            others.append((position, message, last))
    return {position for position, message, candidates in others if not _answer(candidates, message)}


def _answer(calls: Iterable[_Call], result: Message) -> bool:
    """Give the first of the calls without a result this one; false if all have theirs."""
    for call in calls:
        if call.result is None:
            call.result = result
            return True
    return False


def _new_id(origin: str, ids: CallIds) -> str:
    """An id that the service accepts, the same every time."""
    return ids.prefix + hashlib.sha256(origin.encode()).hexdigest()[: ids.digits]


def _with_calls(message: Message, calls: list[_Call]) -> Message:
    if function := message.get("function_call"):
        message = {**message, "function_call": _function(function)}
    if "tool_calls" not in message:
        return message
    others = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**others, "tool_calls": [call.call for call in calls]} if calls else others


def _result_of(call: _Call, *, named: bool) -> Message:
    result = call.result or {"role": "tool", "content": NO_RESULT}
    name = {"name": call.call["function"]["name"]} if named else {}
    return {**result, "tool_call_id": call.call["id"], **name}


# --- one call ---------------------------------------------------------------------------------------------------------


def _call(call: Mapping[str, Any]) -> Message:
    extra = {"extra_content": call["extra_content"]} if call.get("extra_content") else {}
    return {"id": "", "type": "function", "function": _function(call.get("function")), **extra}


def _function(function: Any) -> Message:
    function = function if isinstance(function, Mapping) else {}
    return {"name": tool_name(function.get("name")), "arguments": _arguments(function.get("arguments"))}


def _arguments(arguments: Any) -> str:
    """Arguments as the JSON of an object. What is none is left out: the call's result says what was wrong with it."""
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments, strict=False)
        except (ValueError, RecursionError):
            return "{}"
        if isinstance(value, dict) and _is_strict(arguments):
            return arguments
    else:
        value = arguments
    return json.dumps(as_json(value), ensure_ascii=False) if isinstance(value, Mapping) else "{}"


def _is_strict(arguments: str) -> bool:
    """Whether every parser takes the text as it is: no line breaks in texts, no NaN, no half characters."""
    try:
        json.loads(arguments, parse_constant=_refuse)
    except ValueError:
        return False
    return "\\ud" not in arguments.lower()


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _as_text(content: Any) -> str:
    return content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)
