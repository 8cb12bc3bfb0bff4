"""Calling the tools that a model asked for, and the results that it reads.

Each call is a step: in a run its result is recorded, and a recorded tool never runs again. Whatever goes wrong with a
call (no such tool, invalid arguments, an exception, a timeout) becomes a result that the model sees.

Runs in the agent's thread; the tool itself runs where the stream's bridge takes it.
"""

import inspect
import json
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from agentchat.core.addressees import Delegation, delegation_of, staff
from agentchat.core.approvals import Approval, approve
from agentchat.core.async_bridge import Bridge, bridge_of, contained
from agentchat.core.current_call import CurrentCall, calling
from agentchat.core.file_events import FileSent
from agentchat.core.log import get_logger
from agentchat.core.model_json import arguments_of
from agentchat.core.secrets import mask
from agentchat.core.steps import StepAttempt, StepSpec, memory_only, steps, takes_effect
from agentchat.errors import ConfigError, RunInterrupt, ToolError, text_of
from agentchat.events import ChatEvent, LostMemory, Notice, ToolCallResult
from agentchat.tools.client import CLIENT_QUESTION, ClientResult, ClientTool
from agentchat.tools.files import FILES, kept_files, returned_text, tool_text
from agentchat.tools.memory import MemoryWatch
from agentchat.tools.schema import Tool

logger = get_logger(__name__)

_OUTCOME_UNKNOWN = (
    "Error: the call was interrupted, and it is not known whether it took effect. It was not made again: find out what "
    "happened, or ask, before you call it again"
)


def _default_seconds() -> float:
    return 60.0


default_timeout: Callable[[], float] = _default_seconds
"""Seconds that one tool call may take if the tool does not say. A seam: Django's settings replace this function."""


@dataclass(frozen=True, kw_only=True)
class ToolCalls:
    """The tool calls of one message, in OpenAI's shape, about to be answered.

    `by` is the agent that answers them, `to` the one that asked. Each method blocks until all are answered. In a run
    they are made at the same time; their steps are numbered in the order of the calls. `execute` is called instead of
    the tools, with `{"name": …, "arguments": <JSON>}`, and returns `(ok, {"content": …})`; what it raises is raised.
    """

    calls: Sequence[Mapping[str, Any]]
    stream: object
    send: Callable[[ChatEvent], None]
    by: str
    to: str
    silent: bool = False
    execute: Callable[[Mapping[str, Any]], Any] | None = None

    def run(self, tools: Mapping[str, Tool]) -> list[str]:
        """Make the calls; return the result of each. Where approval is needed, the user is asked for it first."""
        return self._answer_all(
            [self._step(call, self._outcome(call, tools.get(_name(call))), tools) for call in self.calls]
        )

    def refuse(self, reason: str, tools: Mapping[str, Tool]) -> list[str]:
        """Run nothing: the result of each call is `reason`."""
        return self._answer_all([self._step(call, _Outcome(lambda: (reason, False)), tools) for call in self.calls])

    def _answer_all(self, several: Sequence[StepSpec]) -> list[str]:
        return [tool_text(result, self.stream) for result in steps(self.stream, several, send=self.send)]

    def _outcome(self, call: Mapping[str, Any], tool: Tool | None) -> "_Outcome":
        """How to get the result of a call, when its turn comes."""
        if isinstance(tool, ClientTool):
            return self._of_client(call, tool)
        if self.execute is not None and not (tool and tool.approval):
            return self._executed(tool, _name(call), _arguments(call))
        if tool is None:
            return _Outcome(_error(f"there is no tool {_name(call)!r}"))
        try:
            arguments = tool.arguments(_arguments(call))
            if not tool.wants_approval(arguments) or _approved.get() == (tool.name, arguments):
                return self._permitted(tool, arguments, _arguments(call))
            return self._approved(call, tool, arguments)
        except ToolError as error:
            return _Outcome(_error(str(error)))

    def _of_client(self, call: Mapping[str, Any], tool: ClientTool) -> "_Outcome":
        """Ask the client of the chat for the result."""
        try:
            tool.arguments(_arguments(call))
        except ToolError as error:
            return _Outcome(_error(str(error)))
        stream: Any = self.stream
        answer = stream.ask(tool.prompt, ClientResult, name=CLIENT_QUESTION, tool_call_id=call["id"])
        return _Outcome(lambda: (answer.result, True), retry_safe=True)

    def _approved(self, call: Mapping[str, Any], tool: Tool, arguments: Mapping[str, Any]) -> "_Outcome":
        """Ask the user for approval. Exactly what they approve is called."""
        decision = approve(
            self.stream,
            Approval(
                tool=tool.name,
                arguments=tool.json_arguments(_arguments(call)),
                schema=tool.schema()["function"]["parameters"],
                tool_call_id=call["id"],
                expires_at=tool.approval_expires_at(),
                delegation=tool.delegation,
                editable=tool.editable,
                visible=tool.visible if tool.delegation else None,
            ),
        )
        if not decision.approved:
            return _Outcome(lambda: (decision.refusal, False))
        if decision.arguments is None:
            return self._permitted(tool, arguments, _arguments(call))
        changed = json.dumps(decision.arguments)
        tool.json_arguments(changed)
        note = f"The person changed the arguments to {changed}.\n"
        return self._permitted(tool, tool.arguments(changed), changed, note=note)

    def _permitted(self, tool: Tool, arguments: Mapping[str, Any], written: str, *, note: str = "") -> "_Outcome":
        if self.execute is None:
            return self._call_of(tool, arguments, note=note)
        return self._executed(tool, tool.name, written, note=note, approved=(tool.name, arguments))

    def _executed(
        self,
        tool: Tool | None,
        name: str,
        written: str,
        *,
        note: str = "",
        approved: tuple[str, Mapping[str, Any]] | None = None,
    ) -> "_Outcome":
        """A call by `execute`; if the tool needs approval, it can be called with what was `approved` alone."""
        if tool is not None and tool.replay:
            raise ConfigError(
                f"tool {name!r} has replay=True, and agent {self.by!r} an execute_function() of its own, which is not "
                f"called again when a run resumes: keep what the tool changes in iostream.state instead"
            )

        def outcome() -> tuple[str, bool]:
            assert self.execute is not None
            if not self.silent:
                self.send(Notice(text=f">>>>>>>> EXECUTING FUNCTION {name}..."))
            takes_effect()
            token = _approved.set(approved)
            try:
                returned = self.execute({"name": name, "arguments": written})
            finally:
                _approved.reset(token)
            match returned:
                case (ok, {"content": content}):
                    return note + _as_text(content), bool(ok)
            raise ConfigError(
                f"execute_function() of agent {self.by!r} returned {returned!r:.200}; it must return (True, "
                f"{{'content': …}}), or (False, …) if the call has failed"
            )

        return _Outcome(outcome, retry_safe=tool is not None and tool.retry_safe, tool=tool)

    def _call_of(self, tool: Tool, arguments: Mapping[str, Any], *, note: str = "") -> "_Outcome":
        def outcome() -> tuple[str, bool]:
            if not self.silent:
                self.send(Notice(text=f">>>>>>>> EXECUTING FUNCTION {tool.name}..."))
            content, ok = self._watched(tool, lambda: _call_tool(tool, arguments, bridge_of(self.stream)))
            return note + content, ok

        if not tool.replay:
            return _Outcome(outcome, retry_safe=tool.retry_safe, tool=tool)

        def first() -> tuple[str, bool]:
            with memory_only(tool.name):
                return outcome()

        def again() -> None:
            with memory_only(tool.name, replayed=True):
                _call_tool(tool, arguments, bridge_of(self.stream))

        return _Outcome(first, retry_safe=True, replay=again, tool=tool)

    def _watched(self, tool: Tool, call: Callable[[], tuple[str, bool]]) -> tuple[str, bool]:
        """Call a tool; warn of what it has changed in the agent function's memory, if the stream wants to know."""
        watch: MemoryWatch | None = getattr(self.stream, "memory_watch", None)
        if watch is None or tool.replay:
            return call()
        changed = watch.changes(tool.function)
        result = call()
        if names := changed():
            self.send(LostMemory(tool=tool.name, variables=tuple(names)))
        return result

    def _step(self, call: Mapping[str, Any], outcome: "_Outcome", tools: Mapping[str, Tool]) -> StepSpec:
        """The step that records and emits the result of one call."""
        name = _name(call)
        visible = tools[name].visible if name in tools else None

        def call_tool(try_: StepAttempt) -> dict[str, Any]:
            start = time.monotonic()
            if try_.outcome_unknown:
                content, ok = _OUTCOME_UNKNOWN, False
            else:
                with self._answering(try_.key):
                    content, ok = outcome.make()
            duration_ms = round((time.monotonic() - start) * 1000)
            try:
                files = kept_files(content, self.stream, try_.key)
            except ConfigError as error:
                content, ok, files = f"Error: {error}", False, {}
            return {"content": str(content), "ok": ok, "duration_ms": duration_ms, "message_id": try_.key, **files}

        def events(result: Mapping[str, Any]) -> Iterable[ChatEvent]:
            if self.silent:
                return
            shown = {key: value for key, value in result.items() if key != FILES}
            yield ToolCallResult(
                tool_call_id=call["id"], tool_call_name=name, name=self.by, to=self.to, visible=visible, **shown
            )
            if result.get(FILES):
                yield FileSent(files=result[FILES], name=self.by, visible=visible)

        def replay(result: Mapping[str, Any]) -> None:
            with self._answering(result["message_id"]):
                outcome.again()

        request = {"arguments": _arguments(call), "tool_call_id": call["id"]}
        return StepSpec(
            kind="tool",
            name=name,
            request=request,
            call=call_tool,
            events=events,
            retry_safe=outcome.retry_safe,
            replay=replay if outcome.replay else None,
            visible=visible,
            repeat_asks=outcome.repeat_asks,
        )

    def _answering(self, key: str) -> AbstractContextManager[None]:
        user, session = getattr(self.stream, "user", None), getattr(self.stream, "session", None)
        return calling(CurrentCall(key=key, user=user, session=session))


@dataclass(frozen=True)
class _Outcome:
    """How to get the result of a call: (what the model reads, whether it succeeded)."""

    make: Callable[[], tuple[str, bool]]
    retry_safe: bool = True  # nothing takes effect, unless a tool is called
    replay: Callable[[], None] | None = None
    tool: Tool | None = None  # that is called

    @property
    def repeat_asks(self) -> Delegation | None:
        """Who decides whether to call the tool again if its outcome is unknown; None: the user."""
        if self.tool is None:
            return None
        if self.tool.outcome_unknown_to is None:
            return self.tool.delegation or delegation_of(staff())
        return delegation_of(self.tool.outcome_unknown_to)

    def again(self) -> None:
        if self.replay is not None:
            self.replay()


def _error(reason: str) -> Callable[[], tuple[str, bool]]:
    return lambda: (f"Error: {reason}", False)


def _name(call: Mapping[str, Any]) -> str:
    return str(call["function"]["name"])


def _arguments(call: Mapping[str, Any]) -> str:
    return arguments_of(call["function"])


# The tool and the arguments that the user has approved, while `ToolCalls.execute` is called.
_approved: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("agentchat_approved_call", default=None)


# --- the call itself ------------------------------------------------------------------------------------------------


def _call_tool(tool: Tool, arguments: Mapping[str, Any], bridge: Bridge) -> tuple[str, bool]:
    timeout = default_timeout() if tool.timeout is None else tool.timeout
    until = time.monotonic() + timeout

    def call() -> Any:
        takes_effect()
        return tool.function(**arguments)

    try:
        if _is_async(tool.function):
            value = bridge.run(lambda: _without_exit(call), timeout=timeout, tool=tool.name)
        else:
            value = bridge.call(call, timeout=timeout, tool=tool.name)
            if inspect.isawaitable(value):  # of an async function that is wrapped in a plain one
                rest = max(0.0, until - time.monotonic())
                value = bridge.run(lambda: _without_exit(lambda: value), timeout=rest, tool=tool.name)
        return returned_text(value, tool.name, is_seen=tool.visible in (None, "all"), as_text=_as_text), True
    except (RunInterrupt, KeyboardInterrupt, SystemExit):
        raise  # of a script on a console; in a run, the bridge has made an error of the last two
    except BaseException as error:  # a tool may raise anything, and the model should know
        # A TimeoutError raised here has no message.
        is_late = isinstance(error, TimeoutError) and not str(error)
        reason = f"no result within {timeout:g} s" if is_late else mask(text_of(error))
        _log_failure(tool, error, reason)
        return f"Error: {reason}", False


def _log_failure(tool: Tool, error: BaseException, reason: str) -> None:
    """One line, since the model can go on: what failed, and where. The traceback is for those who look for it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    first_line = reason.partition("\n")[0]
    logger.warning("tool %r failed: %s: %s%s", tool.name, type(error).__name__, first_line, where)
    logger.debug("tool %r failed", tool.name, exc_info=error)


async def _without_exit(begin: Callable[[], Awaitable[Any]]) -> Any:
    """Await an async tool. On an event loop, SystemExit would end more than the tool."""
    with contained("a tool"):
        return await begin()


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _as_text(value: Any) -> str:
    """A result as the model reads it: text as it is, else JSON, else str()."""
    if isinstance(value, str):
        return value
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        return str(value)
