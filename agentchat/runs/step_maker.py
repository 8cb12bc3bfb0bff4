"""The steps of a run: each is made once, recorded, and from then on taken from the journal.

In the agent's thread; several steps at once are made in threads of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any

from agentchat.core import observing
from agentchat.core.addressees import Delegation
from agentchat.core.model_json import read_json
from agentchat.core.steps import StepAttempt, StepSpec, before_effect
from agentchat.errors import AgentChatError, ConfigError, DatabaseUnavailable, RunInterrupt
from agentchat.events import ChatEvent, InputRequested
from agentchat.i18n import system_messages
from agentchat.infra import moments
from agentchat.infra.database import release_pooled_connections
from agentchat.infra.sanitize import clean_json
from agentchat.models import Step
from agentchat.runs.async_bridge import RunBridge
from agentchat.runs.failures import raise_recorded, recorded_failure
from agentchat.runs.journal import Journal
from agentchat.runs.origins import OriginSequence
from agentchat.runs.output import RunOutput
from agentchat.runs.state import RunState
from agentchat.runs.step_rows import times_of

# Set while a step is made, in its thread and in the threads that it starts.
_current_step: ContextVar[OriginSequence | None] = ContextVar("agentchat_current_step", default=None)


def current_step() -> OriginSequence | None:
    """The step that is being made in this thread, as the origins of what it shows."""
    return _current_step.get()


class StepMaker:
    """Makes the steps of one execution of a run, or takes their results from its journal.

    `consents(step, question, delegation)` asks whether to make a step again that may have taken effect: the user, or
    whoever is asked instead.
    """

    def __init__(
        self,
        journal: Journal,
        bridge: RunBridge,
        output: RunOutput,
        state: RunState,
        *,
        consents: Callable[[Step, InputRequested, Delegation | None], bool],
    ) -> None:
        self._journal = journal
        self._bridge = bridge
        self._output = output
        self._state = state
        self._consents = consents
        self._uncalled: set[int] = set()  # steps that are recorded as begun, and whose tool has not been called

    def make(self, steps: Sequence[StepSpec]) -> list[Any]:
        """The results of these steps, which are made at the same time. See `agentchat.core.steps.steps`."""
        try:
            return self._make_all(steps)
        except RunInterrupt:
            # Unwound between the record that a tool is called and the call: nobody must be asked what became of it.
            if self._uncalled:
                with suppress(RunInterrupt, DatabaseUnavailable):
                    self._journal.withdraw(self._uncalled)
            raise
        finally:
            self._uncalled.clear()

    def _make_all(self, steps: Sequence[StepSpec]) -> list[Any]:
        first = self._journal.last_number + 1
        makes = [self._prepare(self._journal.next_number(), step) for step in steps]
        self._state.replay(self._journal.finished_between(first, self._journal.last_number))
        self._state.begin_step()
        results = [makes[0]()] if len(makes) == 1 else self._bridge.gather(makes)
        self._journal.passed(self._journal.last_number)
        return results

    def make_inner(self, outer: OriginSequence, step: StepSpec) -> Any:
        """A step within a step is part of it: only the outer one is recorded."""
        if step.once:
            raise ConfigError(
                f"step {step.name!r} has once=True within another step or a tool, which may be made again"
            )
        key = f"{self._key(outer.step)}.{next(outer).ordinal}"
        self._journal.save_printed()
        try:
            with observing.step(step.kind, step.name, outer.step, step.made_request) as report:
                result = step.call(StepAttempt(key=key, attempt=self._journal.claim.epoch))
                report(result)
        except AgentChatError:
            for end in self._output.ends_of(key):
                self._output.publish(self._journal.save(end, outer))
            raise
        for event in step.events(result):
            self._output.publish(self._journal.save(event, outer))
        return result

    def _prepare(self, number: int, step: StepSpec) -> Callable[[], Any]:
        """How to get the result of a step: from the journal, or by making it. In the agent's thread."""
        recorded = self._journal.recorded(number, step.kind, step.name)
        if recorded is not None and recorded.status == Step.Status.DONE:
            result = recorded.result
            if step.replay is not None:
                with _within(OriginSequence(number)):
                    step.replay(result)
            return lambda: result
        if recorded is not None and recorded.status == Step.Status.FAILED:
            return partial(raise_recorded, recorded.result)
        if recorded is None and (step.kind == "tool" or step.once):
            self._journal.begin(number, step.kind, step.name, step.made_request())
            self._uncalled.add(number)
        attempt = StepAttempt(key=self._key(number), attempt=self._journal.claim.epoch)
        if recorded is not None and not step.retry_safe:
            if not step.once and self._may_repeat(recorded, step):
                return lambda: self._make_again(recorded, step, attempt)
            attempt = replace(attempt, outcome_unknown=True)
        return lambda: self._make(number, step, attempt)

    def _may_repeat(self, recorded: Step, step: StepSpec) -> bool:
        """Ask: the process died between the tool and its result, so it cannot be known what took effect."""
        question = replace(
            system_messages.question("outcome_unknown", tool=step.name),
            request=f"{self._journal.claim.number}-{recorded.number}.{recorded.tries}",
            tool_call_id=step.made_request().get("tool_call_id"),
            unsure=True,
            visible=step.visible,
        )
        if step.repeat_asks is not None:  # who do not see the chat's own lines of the call
            question = replace(question, initial=_arguments_in(step.made_request()), tool=step.name)
        return self._consents(recorded, question, step.repeat_asks)

    def _make_again(self, recorded: Step, step: StepSpec, attempt: StepAttempt) -> Any:
        self._journal.restart(recorded)
        return self._make(recorded.number, step, attempt)

    def _make(self, number: int, step: StepSpec, attempt: StepAttempt) -> Any:
        started_at = moments.now()
        if step.kind != "llm":  # a model's answer begins with an event
            self._journal.save_printed()
        release_pooled_connections()  # the call may take any time

        def finish(result: Any, events: Sequence[ChatEvent], status: Step.Status) -> None:
            change, error = self._state.change_or_error()
            self._output.publish(
                self._journal.finish(
                    number,
                    step.kind,
                    step.name,
                    step.made_request(),
                    result,
                    events,
                    times=times_of(step.kind, started_at, attempt.notes),
                    status=status,
                    state=change,
                )
            )
            if error is not None:
                raise error  # the step is made, and recorded

        try:
            with (
                _within(OriginSequence(number)),
                before_effect(lambda: self._uncalled.discard(number)),
                observing.step(step.kind, step.name, number, step.made_request) as report,
            ):
                result = clean_json(step.call(attempt))  # as a later execution will read it
                report(result)
        except DatabaseUnavailable:
            raise
        except AgentChatError as error:
            # The agent function may catch it and go another way: a later execution must fail here too.
            finish(recorded_failure(error), self._output.ends_of(attempt.key), Step.Status.FAILED)
            raise
        finish(result, [*step.events(result)], Step.Status.DONE)
        return result

    def _key(self, number: int) -> str:
        return f"{self._journal.claim.session_id}-{self._journal.claim.number}-{number}"


def _arguments_in(request: Any) -> Any:
    """The arguments of a recorded tool call; None if what the model wrote is no object."""
    try:
        arguments = read_json(request["arguments"])
    except (KeyError, TypeError, ValueError):
        return None
    return arguments if isinstance(arguments, dict) else None


@contextmanager
def _within(step: OriginSequence) -> Iterator[None]:
    token = _current_step.set(step)
    try:
        yield
    finally:
        _current_step.reset(token)
