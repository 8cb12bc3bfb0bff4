"""Calling the tools that a model asked for, and what it reads of them.

Each call is a step: in a run its result is recorded, and a recorded tool never runs again. Whatever goes wrong with a
call (no such tool, arguments that do not fit, an exception, too slow) becomes a result that the model sees.

Runs in the agent's thread; the tool itself runs where the stream's bridge takes it.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from agentchat.bridge import Bridge, bridge_of
from agentchat.errors import ToolError
from agentchat.events import Event, Notice, ToolCallResult
from agentchat.steps import Try, step
from agentchat.tools.schema import Tool

logger = logging.getLogger(__name__)

_UNSURE = (
    "Error: the call was interrupted, and it is not known whether it took effect. It was not made again: find out what "
    "happened, or ask, before you call it again"
)


def _a_minute() -> float:
    return 60.0


default_timeout: Callable[[], float] = _a_minute
"""Seconds that one tool call may take where the tool does not say. A seam: settings put a function of theirs here."""


@dataclass(frozen=True, kw_only=True)
class ToolCalls:
    """The tool calls of one message, in OpenAI's shape, about to be answered.

    `by` is the agent that answers them, `to` the one that asked. The calls are answered one after the other, and each
    method blocks until the last one is. The steps are begun in the order of the calls, in the calling thread.
    """

    calls: Sequence[Mapping[str, Any]]
    stream: object
    send: Callable[[Event], None]
    by: str
    to: str
    silent: bool = False

    def run(self, tools: Mapping[str, Tool]) -> list[str]:
        """Make the calls; return what came of each."""
        return [self._run(call, tools) for call in self.calls]

    def refuse(self, words: str) -> list[str]:
        """Run nothing: the result of each call is `words`."""
        return [self._answer(call, lambda: (words, False), retry_safe=True) for call in self.calls]

    def _run(self, call: Mapping[str, Any], tools: Mapping[str, Tool]) -> str:
        name, written = call["function"]["name"], call["function"]["arguments"]
        tool = tools.get(name)

        def outcome() -> tuple[str, bool]:
            if tool is None:
                return f"Error: there is no tool {name!r}", False
            try:
                arguments = tool.arguments(written)
            except ToolError as error:
                return f"Error: {error}", False
            if not self.silent:
                self.send(Notice(text=f">>>>>>>> EXECUTING FUNCTION {name}..."))
            return _call_tool(tool, arguments, bridge_of(self.stream))

        # Without a tool nothing can take effect, however often it is tried.
        return self._answer(call, outcome, retry_safe=tool is None or tool.retry_safe)

    def _answer(self, call: Mapping[str, Any], outcome: Callable[[], tuple[str, bool]], *, retry_safe: bool) -> str:
        """Record and tell what came of one call."""
        name = call["function"]["name"]

        def take(try_: Try) -> dict[str, Any]:
            start = time.monotonic()
            content, ok = (_UNSURE, False) if try_.unsure else outcome()
            duration_ms = round((time.monotonic() - start) * 1000)
            return {"content": content, "ok": ok, "duration_ms": duration_ms, "message_id": try_.key}

        def tell(result: Mapping[str, Any]) -> Iterable[Event]:
            if not self.silent:
                yield ToolCallResult(tool_call_id=call["id"], tool_call_name=name, name=self.by, to=self.to, **result)

        request = {"arguments": call["function"]["arguments"]}
        result = step(self.stream, "tool", name, request, take, tell=tell, send=self.send, retry_safe=retry_safe)
        return str(result["content"])


def _call_tool(tool: Tool, arguments: Mapping[str, Any], bridge: Bridge) -> tuple[str, bool]:
    timeout = default_timeout() if tool.timeout is None else tool.timeout
    try:
        if _is_async(tool.function):
            value = bridge.run(lambda: asyncio.wait_for(tool.function(**arguments), timeout))
        else:
            value = bridge.call(lambda: tool.function(**arguments), timeout=timeout)
        return _in_words(value), True
    except Exception as error:  # a tool may raise anything, and the model should know
        logger.exception("tool %r failed", tool.name)
        # Time-outs of ours have no words.
        reason = str(error) or (f"no result within {timeout:g} s" if isinstance(error, TimeoutError) else repr(error))
        return f"Error: {reason}", False


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _in_words(value: Any) -> str:
    """A result as the model reads it: text as it is, else JSON, else whatever str() makes of it."""
    if isinstance(value, str):
        return value
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        return str(value)
