"""How "advance run N" reaches a process. An engine is a seam: what a run is and does is the same behind each."""

from typing import Protocol

from agentchat.runs.engines.threads import ThreadsEngine


class Engine(Protocol):
    """Brings a queued run to a process that advances it."""

    def wake(self, run_id: int) -> None:
        """Ask for the run to be advanced soon. From any thread; does not block. A lost call costs a second at most."""
        ...


def engine() -> Engine:
    """The engine that the setting ENGINE names."""
    return ThreadsEngine()
