"""The part of a run's stream that waits for signals: `waits.py` has what is recorded of that.

In the agent's thread.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from agentchat import conf
from agentchat.errors import ConfigError, InputExpired
from agentchat.realtime.frames import Frame
from agentchat.runs.async_bridge import outside_event_loops
from agentchat.runs.journal import Journal
from agentchat.runs.questions import EXPIRED, WAITING
from agentchat.runs.step_maker import current_step
from agentchat.runs.waits import KIND, SignalWait, check_signal_name


class _Waiting(Protocol):
    """What a run's stream has for this."""

    _durable: bool
    _journal: Journal

    def _check(self) -> None: ...
    def _turn(self) -> AbstractContextManager[None]: ...
    def _suspend_if(self, waits: bool) -> None: ...
    def _block_for(self, look: Callable[[], tuple[Any, list[Frame]]]) -> Any: ...


class WaitsForSignals:
    """A stream that has a journal, and waits for signals."""

    @outside_event_loops
    def wait_for(self: _Waiting, name: str, timeout: float | timedelta | None = None) -> Any:
        """See `IOStream.wait_for`. Suspends as `input` does until the signal comes."""
        self._check()
        check_signal_name(name)
        if current_step() is not None:
            raise ConfigError("iostream.wait_for() cannot be used inside a tool or a step: it could not be resumed")
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if seconds is None and not self._durable:
            seconds = conf.app.wait_s
        wait = SignalWait(signal=name, seconds=seconds)
        with self._turn():
            number = self._journal.next_number()
            recorded = self._journal.recorded(number, KIND, wait.step_name)
            if recorded is not None:
                result = recorded.result
            else:
                look = partial(self._journal.wait, number, wait, blocking=not self._durable)
                result, _ = look()
                if result is WAITING and not self._durable:
                    result = self._block_for(look)
            self._suspend_if(result is WAITING)
            self._journal.passed(number)
        if result == EXPIRED:
            raise InputExpired(f"signal {name!r} did not come within {seconds} s")
        return result["value"]
