"""Threads of our own, because the usual pools do not fit a server of long runs.

The event loop's default executor has as many threads as cores plus four, so a few waiting agents would hold up
everybody; and `ThreadPoolExecutor` joins its threads at exit, so one tool that will not end hangs the server.
These threads are daemons, are made when wanted, and go after a while without work.
"""

import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async

P = ParamSpec("P")
R = TypeVar("R")

IDLE_S = 10.0


class DaemonPool(Executor):
    """An executor of at most `size()` daemon threads. What it cannot start at once waits in order.

    `at_end()` is called in a thread that goes, to give back what belongs to it.
    """

    def __init__(self, name: str, size: Callable[[], int], *, at_end: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._size = size
        self._at_end = at_end
        self._changed = threading.Condition()
        self._work: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0
        self._idle = 0
        self._lanes: dict[str, DaemonPool] = {}

    def lane(self, name: str) -> "DaemonPool":
        """As many threads again, for work that must never wait behind what this pool does. The same one each time."""
        with self._changed:
            if name not in self._lanes:
                self._lanes[name] = DaemonPool(f"{self._name}-{name}", self._size, at_end=self._at_end)
            return self._lanes[name]

    @property
    def busy(self) -> int:
        """Threads that are working now."""
        with self._changed:
            return self._threads - self._idle

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._changed:
            self._work.append((future, lambda: fn(*args, **kwargs)))
            if len(self._work) > self._idle and self._threads < self._size():
                self._threads += 1
                threading.Thread(target=self._serve, name=f"{self._name}-{self._threads}", daemon=True).start()
            else:
                self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to do: daemon threads end with the process."""

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The next piece of work, or None if there was none for a while: then this thread counts no more."""
        with self._changed:
            while not self._work:
                self._idle += 1
                woken = self._changed.wait(IDLE_S)
                self._idle -= 1
                if not woken and not self._work:
                    self._threads -= 1
                    return None
            return self._work.popleft()

    def _serve(self) -> None:
        while (item := self._next()) is not None:
            future, work = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            del item, future, work  # an idle thread must not keep the last run alive
        self._at_end()


def in_thread(pool: DaemonPool, function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """`function` as a coroutine function that calls it in a thread of the pool.

    Started like this, `async_to_sync` in the thread runs on the loop that awaits it.
    """
    executor = cast(ThreadPoolExecutor, pool)  # asgiref uses only submit()
    return sync_to_async(function, thread_sensitive=False, executor=executor)
