"""The runs that advance in this process now, and the room that it has for more."""

import asyncio
import threading

from agentchat import conf
from agentchat.errors import RunInterrupt
from agentchat.runs.leases import Claim
from agentchat.runs.stream import RunIOStream


class ActiveRuns:
    """Those of one event loop, by their keys. On that loop, except for `add_stream`, `request_cancel`, `reserve`
    and `give_back`.

    `reserved` is the room for runs that are about to be among `tasks`. `waits_for_room`: some run could not be claimed,
    because there was none, and the supervisor has not looked since.
    """

    def __init__(self) -> None:
        self.claims: dict[int, Claim] = {}
        self.tasks: dict[asyncio.Task[None], int] = {}  # with the run of each
        self.is_draining = False
        self.reserved = 0
        self.waits_for_room = False
        self._reserving = threading.Lock()
        self._streams: dict[int, RunIOStream] = {}

    def reserve(self, *, ahead_of_others: bool = True) -> bool:
        """Reserve room for one more run, if there is any; `ahead_of_others` although some wait for it."""
        with self._reserving:
            is_full = len(self.tasks) + self.reserved >= conf.app.max_runs
            if is_full:
                self.waits_for_room = True  # whoever asks has a run
            if is_full or (self.waits_for_room and not ahead_of_others):
                return False
            self.reserved += 1
            return True

    def give_back(self) -> None:
        """The room that was reserved is not needed any more, or the run is among `tasks`."""
        with self._reserving:
            self.reserved -= 1

    def add_stream(self, run_id: int, stream: RunIOStream) -> None:
        """In the agent's thread, before the agent function is called."""
        self._streams[run_id] = stream

    def remove(self, run_id: int) -> RunIOStream | None:
        """The execution is over. Return its stream, if it had one."""
        del self.claims[run_id]
        return self._streams.pop(run_id, None)

    def holds(self, claim: Claim) -> bool:
        """Whether this very claim is the one that advances: the run may have ended here and been claimed again."""
        return self.claims.get(claim.run_id) is claim

    def unfinished(self) -> list[int]:
        """The runs whose agent functions have not returned."""
        return list(self._streams)

    def cancel(self, run_id: int, reason: type[RunInterrupt]) -> None:
        """Unwind the run, if it advances here."""
        if stream := self._streams.get(run_id):
            stream.bridge.cancel(reason)
            stream.wake_event.set()

    def request_cancel(self, run_id: int, reason: type[RunInterrupt]) -> None:
        """The same as far as any thread can: the next use of the run's stream raises."""
        if stream := self._streams.get(run_id):
            stream.bridge.reason = stream.bridge.reason or reason

    def wake(self, run_id: int) -> bool:
        """Wake the run's thread, which may wait for an answer. Return whether the run advances here."""
        if stream := self._streams.get(run_id):
            stream.wake_event.set()
            return True
        return False
