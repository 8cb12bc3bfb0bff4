"""Who waits when there is not enough of the processor: those who take more of it than others.

The threads of a process share one processor, and its event loop. Limits on the number of requests, frames and threads
do not divide it: one of them may cost a hundred times what another does. So while the loop lags, the time that work
takes is counted for whom it is done: the address of a client, or the owner of a run. What one may take in the long run
is a level, the same for all. It sinks while the loop lags, and rises when the loop keeps up. Those above it wait before
their next request, handshake or frame, or the next piece of what a model streams, until they are below it: those who
take most wait first, and those who take little never do.

As long as the loop keeps up, nothing is measured and nobody waits; nor if all that is done is done for one address.
Work of unknown addresses (`addresses.py`) is not counted.
"""

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

from agentchat.infra.addresses import UNKNOWN
from agentchat.infra.fair_queue import ADDRESS, Lanes
from agentchat.infra.loop_scope import current_scope

T = TypeVar("T")

TICK_SECONDS = 0.1
TOO_LATE, IN_TIME = 0.015, 0.006  # seconds by which the loop may lag, on the average of the last ticks
MEMORY_SECONDS = 20.0  # after which a third of what was taken still counts
LEAST_LEVEL = 0.02  # of a processor: 0.4 s at once, which is a dozen pages
LOWER, RAISE = 0.85, 1.03  # the level, at each tick
REQUEST_SECONDS, FRAME_SECONDS = 0.003, 0.0002  # that count before it is known what the work takes
FORGOTTEN_SECONDS = 0.0005
MAX_WAIT_SECONDS = 8.0  # then it is refused: servers give up applications that do not end 10 s after their client left
LOOK_AGAIN_SECONDS = 0.5  # the level may have risen


class ProcessorShares:
    """What each address, and each owner of runs, takes of the processor. Of the server's loop.

    `charge` may be called from any thread; all else is done on the loop.
    """

    def __init__(self) -> None:
        self.level = math.inf  # of a processor
        self.is_measuring = False
        self._taken: dict[str, float] = {}  # seconds, fading
        self._lock = threading.Lock()  # of what was taken
        self._lines: dict[str, _Line] = {}
        self._loop = asyncio.get_running_loop()
        self._lag = 0.0
        self._tick_at: float | None = None

    def charge(self, who: str, seconds: float) -> None:
        if self.is_measuring and who != UNKNOWN:
            with self._lock:
                self._taken[who] = self._taken.get(who, 0.0) + seconds

    def wait_of(self, who: str) -> float:
        """Seconds after which to look again whether it is below the level; 0 if it is."""
        share = self._taken.get(who, 0.0) / MEMORY_SECONDS
        if share <= self.level:
            return 0.0
        return min(MEMORY_SECONDS * math.log(share / self.level), LOOK_AGAIN_SECONDS)

    async def admits(self, who: str, expected: float = REQUEST_SECONDS) -> bool:
        """Wait until work may be done that is expected to take so many seconds. False: that would take too long."""
        if self._tick_at is None:
            self._next_tick()
        admitted = (who not in self._lines and not self.wait_of(who)) or await self._wait_in_line(who)
        if admitted:
            self.charge(who, expected)
        return admitted

    async def _wait_in_line(self, who: str) -> bool:
        line = self._lines.setdefault(who, _Line())
        line.length += 1
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS), line.turn:
                while wait := self.wait_of(who):
                    await asyncio.sleep(wait)
            return True
        except TimeoutError:
            return False
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[who]

    # --- the level -------------------------------------------------------------------------------------------------

    def _next_tick(self) -> None:
        self._tick_at = self._loop.time() + TICK_SECONDS
        self._loop.call_at(self._tick_at, self._tick)

    def _tick(self) -> None:
        assert self._tick_at is not None
        late = self._loop.time() - self._tick_at
        self.adapt(late, after=TICK_SECONDS + late)
        if self.is_measuring or self._lag > IN_TIME / 10:
            self._next_tick()
        else:
            self._tick_at = None  # until the next request

    def adapt(self, late: float, *, after: float) -> None:
        """Find the level when the loop was so late, after so many seconds."""
        self._lag += (late - self._lag) / 4
        self._fade(after)
        if len(self._taken) < 2:
            self.level = math.inf  # nobody else would have what this one does not take
        elif self._lag > TOO_LATE:
            highest = max(self._taken.values()) / MEMORY_SECONDS
            self.level = max(LEAST_LEVEL, min(self.level, highest) * LOWER)
        elif self._lag < IN_TIME:
            self.level = self.level * RAISE if self.level < 1.0 else math.inf
        self.is_measuring = self._lag > IN_TIME or self.level < math.inf

    def _fade(self, seconds: float) -> None:
        factor = math.exp(-seconds / MEMORY_SECONDS)
        with self._lock:
            faded = {who: taken * factor for who, taken in self._taken.items()}
            self._taken = {who: taken for who, taken in faded.items() if taken > FORGOTTEN_SECONDS}


def charge(in_lanes: Lanes, seconds: float) -> None:
    """Charge what a thread has computed for work in these lanes."""
    if ADDRESS in in_lanes and (scope := current_scope()) is not None:
        scope.get(ProcessorShares).charge(in_lanes[ADDRESS], seconds)


class _Line:
    """Work that waits, one after the other: each may bring its address above the level again."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.length = 0


class Measured(Generic[T]):
    """An awaitable whose time on the loop is charged to `who`, step by step.

    With `waits`, each step of those above the level waits, though not for as long as a model's time-outs: for work
    that holds nothing that others wait for.
    """

    def __init__(self, work: Awaitable[T], shares: ProcessorShares, who: str, *, waits: bool = False) -> None:
        self._work, self._shares, self._who, self._waits = work, shares, who, waits

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._work.__await__()
        step, value = steps.send, None
        while True:
            try:
                wanted = self._measured(step, value) if self._shares.is_measuring else step(value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                value = yield wanted
                step = steps.send
                if self._waits and (wait := self._shares.wait_of(self._who)):
                    yield from asyncio.sleep(wait).__await__()
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:
                step, value = steps.throw, error

    def _measured(self, step: Any, value: Any) -> Any:
        began = time.thread_time()
        try:
            return step(value)
        finally:
            self._shares.charge(self._who, time.thread_time() - began)
