"""How "advance run N" reaches a process. An engine is a seam: what a run is and does is the same behind each."""

from functools import cache
from typing import Protocol

from agentchat import conf
from agentchat.runs.engines.threads import ThreadsEngine
from agentchat.runs.runner import runner


class Engine(Protocol):
    """Brings a queued run to a process that advances it."""

    def wake(self, run_id: int) -> None:
        """Ask for the run to be advanced soon. From any thread; does not block. A lost call costs a second at most."""
        ...

    def parts(self) -> dict[str, bool | str]:
        """What it depends on, for /readyz: each part is True, or a sentence says what is wrong. Takes 2 s at most."""
        ...


def engine() -> Engine:
    """The engine that the setting ENGINE names. In a worker, its own process: the runs are there already."""
    if runner.is_worker or conf.app.engine == "threads":
        return ThreadsEngine()
    return _celery()


@cache
def _celery() -> Engine:
    from agentchat.runs.engines.celery import CeleryEngine  # without this engine, Celery need not be installed

    return CeleryEngine()
