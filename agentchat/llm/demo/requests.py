"""A request as the demo model reads it: function calls of the older form are tool calls, `tool_choice` is obeyed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentchat.llm.results.request_form import RESULT_TOOL

Message = Mapping[str, Any]


def tools_in(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tools that it may call."""
    functions = request.get("functions") or ()
    tools = request.get("tools") or [{"type": "function", "function": function} for function in functions]
    choice = request.get("tool_choice") or request.get("function_call")
    if choice == "none":
        return []
    if isinstance(choice, Mapping):
        name = (choice.get("function") or choice).get("name")
        return [tool for tool in tools if (tool.get("function") or {}).get("name") == name]
    return list(tools)


def asks_for_result(request: Mapping[str, Any]) -> bool:
    """Whether the last tool is the result that the answer has to be, whatever is said."""
    last = (request.get("tools") or [{}])[-1].get("function") or {}
    return bool(request.get("tool_choice")) and str(last.get("name")).startswith(RESULT_TOOL)


def messages_in(request: Mapping[str, Any]) -> list[Message]:
    return list(_as_tool_calls(request.get("messages") or ()))


def wants_older_form(request: Mapping[str, Any]) -> bool:
    return bool(request.get("functions")) and not request.get("tools")


def _as_tool_calls(messages: Sequence[Message]) -> Iterator[Message]:
    for place, message in enumerate(messages):
        if function := message.get("function_call"):
            yield {**message, "tool_calls": [{"id": f"function_{place}", "function": function}]}
        elif message.get("role") == "function":
            yield {**message, "role": "tool", "tool_call_id": f"function_{place - 1}"}
        else:
            yield message
