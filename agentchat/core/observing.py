"""The seam for what observes runs, their steps and model calls: nothing, unless a site says so.

`agentchat.telemetry` sets an observer. Each function here is called around the work itself, and costs next to nothing
without one. An observer sees what is really made: what comes from a run's journal is not seen again.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

Report = Callable[[Any], None]
"""How something has ended. An exception that passes is seen without it."""


class Observer(Protocol):
    """From any thread, and on the server's loop. Never raises anything of its own."""

    def execution(self, claim: Any) -> AbstractContextManager[Report]:
        """One execution of a run; what is reported is (status, error code). Without a report it waits, or goes on."""
        ...

    def step(self, kind: str, name: str, number: int, request: Callable[[], Any]) -> AbstractContextManager[Report]:
        """A step that is made; what is reported is its result."""
        ...

    def model_call(self, entry: Any, body: Mapping[str, Any]) -> AbstractContextManager[Report]:
        """One request to a model; what is reported is a `ModelResponse`, or a `Failure`."""
        ...


def _nothing(outcome: Any) -> None:
    """Nobody observes."""


_NOBODY: AbstractContextManager[Report] = nullcontext(_nothing)

observer: Observer | None = None


def execution(claim: Any) -> AbstractContextManager[Report]:
    return _NOBODY if observer is None else observer.execution(claim)


def step(kind: str, name: str, number: int, request: Callable[[], Any]) -> AbstractContextManager[Report]:
    return _NOBODY if observer is None else observer.step(kind, name, number, request)


def model_call(entry: Any, body: Mapping[str, Any]) -> AbstractContextManager[Report]:
    return _NOBODY if observer is None else observer.model_call(entry, body)
