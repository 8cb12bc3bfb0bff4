"""Messages as events.

A message is emitted once: while a model writes it, or when it is sent. A tool's result is emitted when the tool has
run, so a message that only carries results has no events.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentchat.agents.history import text_of
from agentchat.agents.protocols import Message
from agentchat.core.model_json import arguments_of
from agentchat.events import (
    ChatEvent,
    TextMessage,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
    Visibility,
)

Visible = Mapping[str, Visibility]
"""How much users see of the calls of some tools, by their names."""


def message_events(message: Message, *, name: str, to: str, visible: Visible) -> Iterator[ChatEvent]:
    """The events of a message from `name` to `to`; none if it is empty."""
    if message.get("role") in ("tool", "function"):
        return
    text, calls = text_of(message.get("content")), calls_of(message)
    if text or calls:
        yield TextMessage(name=name, to=to, content=text, last=not calls)
        yield from call_events(calls, name=name, visible=visible)


def calls_of(message: Message) -> list[Message]:
    """The tool calls of a message in OpenAI's shape; the older function call is one of them, with a generated id."""
    calls = list(message.get("tool_calls") or ())
    if function := message.get("function_call"):
        call = {"name": function["name"], "arguments": arguments_of(function) or "{}"}
        calls.append({"id": function.get("id") or f"function_{function['name']}", "function": call})
    return calls


def call_events(calls: Iterable[Mapping[str, Any]], *, name: str, visible: Visible) -> Iterator[ChatEvent]:
    """The events of tool calls in OpenAI's shape, requested by `name`."""
    calls = list(calls)
    for call in calls:
        id_, tool = call["id"], call["function"]["name"]
        shown = visible.get(tool)
        yield ToolCallStart(tool_call_id=id_, tool_call_name=tool, name=name, visible=shown)
        yield ToolCallArgs(tool_call_id=id_, args=arguments_of(call["function"]), visible=shown)
        yield ToolCallEnd(tool_call_id=id_, tool_call_name=tool, last=call is calls[-1], visible=shown)


def hosted_call_events(calls: Iterable[Mapping[str, Any]], *, name: str) -> Iterator[ChatEvent]:
    """The events of calls that the model's service has made by itself: they have their results."""
    for call in calls:
        id_, tool = call["id"], call["name"]
        yield ToolCallStart(tool_call_id=id_, tool_call_name=tool, name=name)
        yield ToolCallArgs(tool_call_id=id_, args=call["arguments"])
        yield ToolCallEnd(tool_call_id=id_, tool_call_name=tool)
        yield ToolCallResult(
            tool_call_id=id_,
            message_id=f"{id_}-result",
            content=call["result"],
            ok=call["ok"],
            duration_ms=0,
            name=name,
            tool_call_name=tool,
        )
