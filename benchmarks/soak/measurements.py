"""What is measured: what honest guests notice, the server's memory, and how busy the machine is with other things."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import psutil


@dataclass(frozen=True, kw_only=True)
class Mark:
    """When something began: the phase, and time.monotonic()."""

    phase: str
    at: float


class Latencies:
    """Seconds by kind, and what failed, in the phase in which it began: what began under attack counts there, however
    much later it ends."""

    def __init__(self) -> None:
        self.phase = "warm-up"
        self.failures: dict[str, Counter[str]] = defaultdict(Counter)
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)

    def mark(self) -> Mark:
        """Now, for `add`."""
        return Mark(phase=self.phase, at=time.monotonic())

    def add(self, kind: str, began: Mark, ended: float | None = None) -> None:
        """`ended` is on time.monotonic(); without it: now."""
        self._seconds[began.phase, kind].append((time.monotonic() if ended is None else ended) - began.at)

    def failed(self, what: str) -> None:
        self.failures[self.phase][what] += 1

    def of(self, phase: str, kind: str) -> Sequence[float]:
        return self._seconds[phase, kind]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan


def memory_of(process: psutil.Process) -> float:
    """MB of a process and its children; what they share counts once."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # a child that has just ended
    return total / 1e6


def work(to_parent: Connection) -> None:
    """In a process of its own: do the same piece of work four times a second, and tell how much longer it took than its
    processor time. What else the machine does slows this down as much as the server."""
    while not to_parent.poll(0.25):
        began, cpu = time.perf_counter(), time.process_time()
        sum(range(1_000_000))
        to_parent.send((time.perf_counter() - began) / (time.process_time() - cpu))
