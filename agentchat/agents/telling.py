"""What is said to whoever listens.

A message is told once: while a model writes it, or when it is sent. A tool's result is told when the tool has run, so a
message that only brings results says nothing new.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentchat.agents.base import Message
from agentchat.agents.history import text_of
from agentchat.events import Event, TextMessage, ToolCallArgs, ToolCallEnd, ToolCallStart


def message_events(message: Message, *, name: str, to: str) -> Iterator[Event]:
    """What `name` says to `to`; nothing if the message is empty."""
    if message.get("role") in ("tool", "function"):
        return
    text, calls = text_of(message.get("content")), calls_of(message)
    if text or calls:
        yield TextMessage(name=name, to=to, content=text, last=not calls)
        yield from call_events(calls, name=name)


def calls_of(message: Message) -> list[Message]:
    """The tool calls of a message in OpenAI's shape; the older function call is one of them, under an id of ours."""
    calls = list(message.get("tool_calls") or ())
    if function := message.get("function_call"):
        called = {"name": function["name"], "arguments": function.get("arguments") or "{}"}
        calls.append({"id": function.get("id") or f"function_{function['name']}", "function": called})
    return calls


def call_events(calls: Iterable[Mapping[str, Any]], *, name: str) -> Iterator[Event]:
    """The tool calls that `name` asks for, in OpenAI's shape."""
    calls = list(calls)
    for call in calls:
        id_, tool = call["id"], call["function"]["name"]
        yield ToolCallStart(tool_call_id=id_, tool_call_name=tool, name=name)
        yield ToolCallArgs(tool_call_id=id_, args=call["function"]["arguments"])
        yield ToolCallEnd(tool_call_id=id_, tool_call_name=tool, last=call is calls[-1])
