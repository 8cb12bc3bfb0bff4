"""The step seam: where a run can record what happened.

Every LLM call, tool call, input and custom step of an agent function goes through `step()`. On a console it only calls.
A stream that records steps (a run's) saves the result and, when the function is called again after a wait or a crash,
returns it without calling. How and where it is saved is up to that stream.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from agentchat.core.addressees import Delegation
from agentchat.core.current_call import CurrentCall, calling
from agentchat.errors import AgentChatError, ConfigError, RunInterrupt, StepFailed, text_of
from agentchat.events import ChatEvent, Visibility

Kind = Literal["llm", "tool", "input", "step"]

ANSWERS_PER_ATTEMPT = 1000  # the number of `attempt` values of deltas per attempt of a step


@dataclass(kw_only=True)
class StepNotes:
    """What is noted of a step while it is made. `first_token_ms`: until the answer of a model has begun."""

    first_token_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class StepAttempt:
    """One attempt of one step.

    `key` is the same at every attempt (an idempotency key); `attempt` rises with each. `outcome_unknown`: an earlier
    attempt started, it is unknown whether it took effect, and the step is not `retry_safe`: report that instead of
    doing it again.
    """

    key: str
    attempt: int = 1
    outcome_unknown: bool = False
    notes: StepNotes = field(default_factory=StepNotes, compare=False)

    def attempt_of_answer(self, number: int) -> int:
        """The `attempt` of the deltas of an answer: `number` is 1 for the first one, and rises with each restart.

        It rises within an attempt of the step and from each one to the next.
        """
        return (self.attempt - 1) * ANSWERS_PER_ATTEMPT + min(number, ANSWERS_PER_ATTEMPT)


Call = Callable[[StepAttempt], Any]
ResultEvents = Callable[[Any], Iterable[ChatEvent]]


def _nothing(result: Any) -> Iterable[ChatEvent]:
    return ()


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """The arguments of `step()` as a value, for steps that may be made at the same time.

    `request` may be a function that makes it: where the result comes from the journal nobody needs it, and a request to
    a model has the whole conversation so far.
    `replay(result)` is called, in the order of the steps and one after the other, where the result comes from the
    journal: for a tool that fills the agent function's memory. What it shows is not shown again. `visible` is a tool's.
    `once`: it is never made again; if its process died while it was made, it is called with `outcome_unknown`.
    `repeat_asks` is who decides whether to make it again if it may have taken effect; None: the user.
    """

    kind: Kind
    name: str
    request: Any
    call: Call
    events: ResultEvents = _nothing
    retry_safe: bool = False
    replay: Callable[[Any], None] | None = None
    once: bool = False
    visible: Visibility | None = None
    repeat_asks: Delegation | None = None

    def made_request(self) -> Any:
        """The request as a JSON value."""
        return self.request() if callable(self.request) else self.request


@runtime_checkable
class RecordsSteps(Protocol):
    """A stream with a journal. `record_steps` has the meaning of `steps()` below."""

    def record_steps(self, steps: Sequence[StepSpec]) -> list[Any]: ...


def step(
    stream: object,
    kind: Kind,
    name: str,
    request: Any,
    call: Call,
    *,
    send: Callable[[ChatEvent], None],
    events: ResultEvents = _nothing,
    retry_safe: bool = False,
) -> Any:
    """Return the result of `call(attempt)`, from the journal if it is recorded there.

    `request` and the result are JSON values, the request perhaps a function that makes it (see `StepSpec`).
    `events(result)` returns the events of the result; they are saved together with it, in one transaction. `retry_safe`
    is for tools: whether a call that may or may not have taken effect when its process died may be made again.

    Blocks as long as `call` does. Raises what `call` raises; nothing is recorded then.
    """
    one = StepSpec(kind=kind, name=name, request=request, call=call, events=events, retry_safe=retry_safe)
    return steps(stream, [one], send=send)[0]


def steps(stream: object, several: Sequence[StepSpec], *, send: Callable[[ChatEvent], None]) -> list[Any]:
    """Return the results of several steps, in their order.

    They are numbered in the journal in this order before the first is made. A run makes them at the same time, in
    threads; any other stream one after the other. When all have ended, the first error among them is raised.
    """
    check_steps_allowed()
    if isinstance(stream, RecordsSteps):
        return stream.record_steps(several)
    results = []
    for each in several:
        results.append(result := each.call(StepAttempt(key=uuid.uuid4().hex)))
        for event in each.events(result):
            send(event)
    return results


def gathered_name(function: Callable[[], Any]) -> str:
    """The name of the step that a function is in `iostream.gather`."""
    return f"gather {getattr(function, '__name__', type(function).__name__)}"


# --- from when on a tool may have taken effect ----------------------------------------------------------------------

_effect_hook: ContextVar[Callable[[], None] | None] = ContextVar("agentchat_effect_hook", default=None)


@contextmanager
def before_effect(hook: Callable[[], None]) -> Iterator[None]:
    """Call `hook` right before a tool that is called within, by this context and its threads."""
    token = _effect_hook.set(hook)
    try:
        yield
    finally:
        _effect_hook.reset(token)


def takes_effect() -> None:
    """A tool is called now: from here on, its step may have taken effect."""
    if (hook := _effect_hook.get()) is not None:
        hook()


# --- tools that are called again at a replay -------------------------------------------------------------------------

_memory_tool: ContextVar[str | None] = ContextVar("agentchat_memory_tool", default=None)
_is_replayed: ContextVar[bool] = ContextVar("agentchat_is_replayed", default=False)


@contextmanager
def memory_only(tool: str, *, replayed: bool = False) -> Iterator[None]:
    """What is called within, by this context and its threads, may make no steps; a replay of it shows nothing."""
    tokens = _memory_tool.set(tool), _is_replayed.set(replayed)
    try:
        yield
    finally:
        _memory_tool.reset(tokens[0])
        _is_replayed.reset(tokens[1])


def is_replayed() -> bool:
    """Whether a recorded tool is called again, for what it does in memory."""
    return _is_replayed.get()


def check_steps_allowed() -> None:
    """Raise ConfigError in a tool that is called again at a replay: its steps would be made again."""
    if (tool := _memory_tool.get()) is not None:
        raise ConfigError(
            f"tool {tool!r} makes a step (a model call, another tool, iostream.step), and is registered with "
            f"replay=True: it would be made again each time that the run resumes. Register it without replay=True, and "
            f"keep what it changes in iostream.state"
        )


def own_step(stream: object, name: str, function: Callable[[], Any], *, once: bool = False) -> StepSpec:
    """The step of `iostream.step(name, function, once=…)`. The function finds its call in `current_call()`."""

    def call(attempt: StepAttempt) -> Any:
        if attempt.outcome_unknown:
            raise StepFailed("OutcomeUnknown", f"the process died while {name!r} was made, which is never made twice")
        user, session = getattr(stream, "user", None), getattr(stream, "session", None)
        with calling(CurrentCall(key=attempt.key, user=user, session=session)):
            takes_effect()
            return call_own(name, function)

    return StepSpec(kind="step", name=name, request=None, call=call, retry_safe=not once, once=once)


def call_own(name: str, function: Callable[[], Any]) -> Any:
    """Call the function of `iostream.step(name, function)`; return its value as a later execution would read it.

    Raise StepFailed with what it has raised (errors of ours as they are: they are recorded by their own codes), and
    ConfigError if the value is no JSON.
    """
    try:
        value = function()
    except (AgentChatError, RunInterrupt, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise StepFailed(type(error).__name__, text_of(error)) from error
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"iostream.step({name!r}) must return a JSON value: {error}") from error
