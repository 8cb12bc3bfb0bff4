"""Calling the tools that a model asked for, and what it reads of them.

Each call is a step: in a run its result is recorded, and a recorded tool never runs again. Whatever goes wrong with a
call (no such tool, arguments that do not fit, an exception, too slow) becomes a result that the model sees.

Runs in the agent's thread; the tool itself runs where the stream's bridge takes it.
"""

import asyncio
import inspect
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from agentchat.bridge import Bridge, bridge_of
from agentchat.errors import ToolError
from agentchat.events import Event, Notice, ToolCallResult
from agentchat.questions import Approval, approve
from agentchat.steps import Step, Try, steps
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

    `by` is the agent that answers them, `to` the one that asked. Each method blocks until the
    last one is. In a run they are made at the same time; their steps are numbered in the order of the calls.
    """

    calls: Sequence[Mapping[str, Any]]
    stream: object
    send: Callable[[Event], None]
    by: str
    to: str
    silent: bool = False

    def run(self, tools: Mapping[str, Tool]) -> list[str]:
        """Make the calls; return what came of each. Where approval is wanted, the person is asked for it first."""
        return self._answer_all([self._step(call, self._outcome(call, tools.get(_name(call)))) for call in self.calls])

    def refuse(self, words: str) -> list[str]:
        """Run nothing: the result of each call is `words`."""
        return self._answer_all([self._step(call, _Outcome(lambda: (words, False))) for call in self.calls])

    def _answer_all(self, several: Sequence[Step]) -> list[str]:
        return [str(result["content"]) for result in steps(self.stream, several, send=self.send)]

    def _outcome(self, call: Mapping[str, Any], tool: Tool | None) -> "_Outcome":
        """What is to come of a call, when its turn comes."""
        if tool is None:
            return _Outcome(_error(f"there is no tool {_name(call)!r}"))
        try:
            arguments = tool.arguments(call["function"]["arguments"])
            if not tool.wants_approval(arguments):
                return self._call_of(tool, arguments)
            return self._approved(call, tool, arguments)
        except ToolError as error:
            return _Outcome(_error(str(error)))

    def _approved(self, call: Mapping[str, Any], tool: Tool, arguments: Mapping[str, Any]) -> "_Outcome":
        """Ask the person. What they approve is what is called, and nothing else."""
        decision = approve(
            self.stream,
            Approval(
                tool=tool.name,
                arguments=json.loads(call["function"]["arguments"] or "{}"),
                schema=tool.schema()["function"]["parameters"],
                tool_call_id=call["id"],
                expires_at=tool.approval_expires_at(),
            ),
        )
        if not decision.approved:
            return _Outcome(lambda: (decision.refusal, False))
        if decision.arguments is None:
            return self._call_of(tool, arguments)
        written = json.dumps(decision.arguments)
        return self._call_of(tool, tool.arguments(written), note=f"The person changed the arguments to {written}.\n")

    def _call_of(self, tool: Tool, arguments: Mapping[str, Any], *, note: str = "") -> "_Outcome":
        def outcome() -> tuple[str, bool]:
            if not self.silent:
                self.send(Notice(text=f">>>>>>>> EXECUTING FUNCTION {tool.name}..."))
            content, ok = _call_tool(tool, arguments, bridge_of(self.stream))
            return note + content, ok

        return _Outcome(outcome, retry_safe=tool.retry_safe)

    def _step(self, call: Mapping[str, Any], outcome: "_Outcome") -> Step:
        """The step that records and tells what came of one call."""
        name = _name(call)

        def take(try_: Try) -> dict[str, Any]:
            start = time.monotonic()
            if try_.unsure:
                content, ok = _UNSURE, False
            else:
                with _calling(
                    CurrentCall(key=try_.key, user=_of(self.stream, "user"), session=_of(self.stream, "session"))
                ):
                    content, ok = outcome.make()
            duration_ms = round((time.monotonic() - start) * 1000)
            return {"content": content, "ok": ok, "duration_ms": duration_ms, "message_id": try_.key}

        def tell(result: Mapping[str, Any]) -> Iterable[Event]:
            if not self.silent:
                yield ToolCallResult(tool_call_id=call["id"], tool_call_name=name, name=self.by, to=self.to, **result)

        request = {"arguments": call["function"]["arguments"], "tool_call_id": call["id"]}
        return Step(kind="tool", name=name, request=request, call=take, tell=tell, retry_safe=outcome.retry_safe)


@dataclass(frozen=True)
class _Outcome:
    """How to get the result of a call: (what the model reads, whether it went well)."""

    make: Callable[[], tuple[str, bool]]
    retry_safe: bool = True  # nothing takes effect, unless a tool is called


def _error(words: str) -> Callable[[], tuple[str, bool]]:
    return lambda: (f"Error: {words}", False)


def _name(call: Mapping[str, Any]) -> str:
    return str(call["function"]["name"])


# --- what a tool may know of its call -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CurrentCall:
    """The call that a tool is answering.

    `key` is the same at every try of it, and no other call's: give it to services that take an idempotency key. `user`
    and `session` are those of the run; None elsewhere.
    """

    key: str
    user: Any = None
    session: Any = None


_current: ContextVar[CurrentCall | None] = ContextVar("agentchat_current_call", default=None)


def current_call() -> CurrentCall:
    """The call that is being answered, for the tool itself. Raise LookupError outside of one."""
    call = _current.get()
    if call is None:
        raise LookupError("agentchat.current_call() is for tools: no tool is being called here")
    return call


@contextmanager
def _calling(call: CurrentCall) -> Iterator[None]:
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def _of(stream: object, name: str) -> Any:
    return getattr(stream, name, None)


# --- the call itself ------------------------------------------------------------------------------------------------


def _call_tool(tool: Tool, arguments: Mapping[str, Any], bridge: Bridge) -> tuple[str, bool]:
    timeout = default_timeout() if tool.timeout is None else tool.timeout
    try:
        if _is_async(tool.function):
            value = bridge.run(lambda: asyncio.wait_for(_without_exit(tool, arguments), timeout))
        else:
            value = bridge.call(lambda: tool.function(**arguments), timeout=timeout)
        return _in_words(value), True
    except (Exception, asyncio.CancelledError) as error:  # a tool may raise anything, and the model should know
        logger.exception("tool %r failed", tool.name)
        # Time-outs of ours have no words.
        reason = str(error) or (f"no result within {timeout:g} s" if isinstance(error, TimeoutError) else repr(error))
        return f"Error: {reason}", False


async def _without_exit(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """Await an async tool. On an event loop, SystemExit would end more than the tool."""
    try:
        return await tool.function(**arguments)
    except (SystemExit, KeyboardInterrupt) as error:
        raise ToolError(f"the program cannot be ended from here: {error!r}") from error


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
