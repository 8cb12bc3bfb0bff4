"""The writers of this process take turns on SQLite, which has one writer at a time.

SQLite itself lets whoever waits for another writer try again and again, with growing pauses, and the one that is lucky
is next: of a hundred threads some wait for longer than anyone should, on a busy machine until they give up. Here they
queue, in the order in which they came. Those in whose place a user waits go before those that may be BACKGROUND_SECONDS
late, and nobody waits for ever: who has waited for that long goes before all who come later.

A turn is a courtesy and not a lock: what keeps two writers apart is SQLite, which other processes, and other code of
this one, use as well. So a turn is taken from a thread that holds it for longer than MAX_TURN_SECONDS: a thread that
stands still holds up nobody for longer.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

BACKGROUND_SECONDS = 2.0
MAX_TURN_SECONDS = 3.0


class QueueTimeout(Exception):
    """No turn within the time that the caller can wait."""


class _Waiter:
    def __init__(self, order: tuple[float, int]) -> None:
        self.order = order
        self.called = threading.Event()

    def __lt__(self, other: "_Waiter") -> bool:
        return self.order < other.order


class WriteQueue:
    """For any threads. A thread that has a turn must not ask for another one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []  # a heap
        self._numbers = itertools.count()
        self._holder: _Waiter | None = None
        self._held_since = 0.0

    @contextmanager
    def turn(self, *, in_background: bool = False, timeout: float | None = None) -> Iterator[None]:
        """Wait for the turn, and have it. Raise QueueTimeout if it has not come within `timeout` seconds."""
        mine = self._join(in_background)
        try:
            self._wait(mine, None if timeout is None else time.monotonic() + timeout)
            yield
        finally:
            self._leave(mine)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        with self._lock:
            return len(self._waiting)

    def _join(self, in_background: bool) -> _Waiter:
        with self._lock:
            order = time.monotonic() + (BACKGROUND_SECONDS if in_background else 0.0)
            mine = _Waiter((order, next(self._numbers)))
            heapq.heappush(self._waiting, mine)
            if self._holder is None:
                self._call_next()
            return mine

    def _wait(self, mine: _Waiter, deadline: float | None) -> None:
        while not mine.called.is_set():
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise QueueTimeout
            with self._lock:
                overdue_at = self._held_since + MAX_TURN_SECONDS
                if self._holder is not None and now >= overdue_at:
                    self._call_next()
                    continue
            mine.called.wait(max(0.0, min(overdue_at, deadline or overdue_at) - now))

    def _leave(self, mine: _Waiter) -> None:
        with self._lock:
            if self._holder is mine:
                self._call_next()
            elif not mine.called.is_set():  # otherwise the turn was taken from it
                self._waiting.remove(mine)
                heapq.heapify(self._waiting)

    def _call_next(self) -> None:
        """With the lock."""
        self._holder = heapq.heappop(self._waiting) if self._waiting else None
        self._held_since = time.monotonic()
        if self._holder is not None:
            self._holder.called.set()
