"""The part of a run's stream that waits for signals, rows and staff: `waits.py` and `handover_waits.py` have what is
recorded of that.

In the agent's thread.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from agentchat import conf
from agentchat.core.files import File, MessageText
from agentchat.core.handovers import HandoverResult, check_summary, handover_addressee
from agentchat.errors import ConfigError, InputExpired
from agentchat.runs.async_bridge import outside_event_loops
from agentchat.runs.handover_waits import NOT_DUE, HandoverWait
from agentchat.runs.journal import Journal
from agentchat.runs.output import RunOutput
from agentchat.runs.question_maker import QuestionMaker
from agentchat.runs.questions import EXPIRED, WAITING
from agentchat.runs.row_checks import check_run, stored_lookups
from agentchat.runs.step_maker import current_step
from agentchat.runs.waits import KIND, RowWait, SignalWait, Wait, check_signal_name

Timeout = float | timedelta | None


class _Waiting(Protocol):
    """What a run's stream has for this."""

    _durable: bool
    _journal: Journal
    _questions: QuestionMaker
    output: RunOutput

    def _check(self) -> None: ...
    def _turn(self) -> AbstractContextManager[None]: ...
    def _let_staff_take_over(self) -> None: ...
    def remember(self, role: str, content: str) -> None: ...
    def find_file(self, reference: Mapping[str, Any]) -> File | None: ...


class Waits:
    """The part of a run's stream that waits for what its user does not do."""

    def wait_for(self: _Waiting, name: str, timeout: Timeout = None) -> Any:
        """See `IOStream.wait_for`. Suspends as `input` does until the signal comes."""
        check_signal_name(name)
        return _made(self, SignalWait(signal=name, seconds=_seconds(self, timeout)))["value"]

    def wait_for_row(self: _Waiting, model: Any, *, timeout: Timeout = None, **lookups: Any) -> None:
        """See `IOStream.wait_for_row`. Suspends as `input` does until there is such a row."""
        seconds = _seconds(self, timeout)
        _made(
            self, RowWait(model_label=model._meta.label_lower, lookups=stored_lookups(model, lookups), seconds=seconds)
        )

    def hand_over(self: _Waiting, *, to: Any, summary: str = "", timeout: Timeout = None) -> HandoverResult:
        """See `IOStream.hand_over`. Suspends as `input` does until staff give the chat back."""
        wait = HandoverWait(to=handover_addressee(to), summary=check_summary(summary), seconds=_seconds(self, timeout))
        result = HandoverResult.of_json(_made(self, wait))
        _remember(self, result)
        return result

    def _let_staff_take_over(self: _Waiting) -> None:
        """At the boundary between two steps, in a turn: wait while the chat is taken over, if somebody wants to."""
        while (wait := self._journal.takeover()) is not None:
            result = _result_of(self, wait)
            if result is NOT_DUE:
                return
            _remember(self, HandoverResult.of_json(result))


def _remember(stream: _Waiting, result: HandoverResult) -> None:
    """What was said instead of the agent is part of what a model reads."""
    for each, message in zip(result.history, result.messages, strict=True):
        found = map(stream.find_file, message.files)
        stream.remember(each["role"], MessageText(each["content"], [file for file in found if file is not None]))


def _seconds(stream: _Waiting, timeout: Timeout) -> float | None:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return conf.app.wait_s if seconds is None and not stream._durable else seconds


@outside_event_loops
def _made(stream: _Waiting, wait: Wait) -> Any:
    """The result of the step that waits. Raise Suspended to wait for it, InputExpired if it has not come in time."""
    stream._check()
    if current_step() is not None:
        raise ConfigError("a run cannot wait inside a tool or a step: it could not be resumed after the wait")
    with stream._turn():
        stream._let_staff_take_over()
        result = _result_of(stream, wait)
    if result == EXPIRED:
        raise InputExpired(f"{wait.step_name}: nothing came within {wait.seconds} s")
    return result


def _result_of(stream: _Waiting, wait: Wait) -> Any:
    """The same in a turn of its own, also for what has not come in time. With NOT_DUE no step is made."""
    number = stream._journal.last_number + 1
    recorded = stream._journal.recorded(number, KIND, wait.step_name)
    if recorded is not None:
        result = recorded.result
    else:
        look = partial(stream._journal.wait, number, wait, blocking=not stream._durable)
        result, frames = look()
        stream.output.publish(frames)
        if result is NOT_DUE:
            return result
        if result is WAITING and isinstance(wait, RowWait):
            check_run(stream._journal.claim.run_id)  # it may have been there before the wait was committed
        if result is WAITING and not stream._durable:
            result = stream._questions.block_for(look)
    stream._questions.suspend_if(result is WAITING)
    stream._journal.passed(stream._journal.next_number())
    return result
