"""Thread pools of our own, because the usual ones do not fit a server of long runs.

The event loop's default executor has four threads more than there are cores, so a few waiting agents would block all
other work; and `ThreadPoolExecutor` joins its threads at exit, so one tool that never ends would hang the server. These
threads are daemons, are started when needed, and end after a while without work.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async

from agentchat.core.log import get_logger
from agentchat.infra.fair_queue import FairQueue, Lanes, current_lanes
from agentchat.infra.processor_shares import charge

logger = get_logger("agentchat.runs")

P = ParamSpec("P")
R = TypeVar("R")

IDLE_SECONDS = 10.0


class DaemonPool(Executor):
    """An executor of at most `size()` daemon threads. Work that cannot start at once waits, fairly (`fair_queue.py`).

    `shares` says how many of the threads one owner, or one tool, may have. `at_end()` is called in a thread that ends,
    to release what belongs to it.
    """

    def __init__(
        self,
        name: str,
        size: Callable[[], int],
        *,
        shares: Mapping[str, Callable[[], int]] | None = None,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._size = size
        self._at_end = at_end
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._sleeping: list[threading.Condition] = []  # one for each thread, in the order in which they fell asleep
        self._queue: FairQueue[_Work] = FairQueue(size, shares)
        self._granted: deque[tuple[_Work, Lanes]] = deque()  # each has a place, and waits for its thread only
        self._at_work: dict[int, Future[Any]] = {}  # what each thread took, until it comes back
        self._threads = 0
        self._idle = 0
        self._ending = 0  # threads that do no work any more
        self._releasing = 0  # callers of release()
        self._sub_pools: dict[str, DaemonPool] = {}

    def sub_pool(self, name: str, *, shares: Mapping[str, Callable[[], int]] | None = None) -> "DaemonPool":
        """A pool of the same size, for work that must never wait behind this pool's. The same one for the same name."""
        with self._lock:
            if name not in self._sub_pools:
                self._sub_pools[name] = DaemonPool(
                    f"{self._name}-{name}", self._size, shares=shares, at_end=self._at_end
                )
            return self._sub_pools[name]

    def release(self, *, within: float = IDLE_SECONDS) -> None:
        """End the threads that have nothing to do, and wait until what belongs to them is released.

        Those whose work is done, and which are on their way back, are among them.
        """
        with self._lock:
            self._releasing += 1
            for thread in self._sleeping:
                thread.notify()
            self._ended.wait_for(lambda: not (self._idle or self._ending or self._is_returning()), within)
            self._releasing -= 1
            sub_pools = list(self._sub_pools.values())
        for pool in sub_pools:
            pool.release(within=within)

    def _is_returning(self) -> bool:
        return any(work.done() for work in self._at_work.values())

    @property
    def busy(self) -> int:
        """Threads that are working now."""
        with self._lock:
            return self._threads - self._idle

    def taken(self, kind: str, name: str) -> int:
        """How many threads work for this lane now, such as ("owner", "user 5")."""
        with self._lock:
            return self._queue.taken(kind, name)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        work = _Work(lambda: fn(*args, **kwargs))
        work.add_done_callback(self._forget)
        with self._lock:
            self._queue.add(work, current_lanes())
            self._grant()
        return work

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to do: daemon threads end with the process."""

    def _forget(self, work: "Future[Any]") -> None:
        """If nobody waits for it any more, it leaves the line."""
        if work.cancelled():
            with self._lock:
                self._queue.remove(work)

    def _grant(self) -> None:
        """Give the places that are free to those who are next."""
        while (entry := self._queue.take()) is not None:
            self._granted.append(entry)
            if len(self._granted) <= self._idle:
                if self._sleeping:  # otherwise one that was woken has not come yet
                    self._sleeping.pop().notify()
            elif not self._start_thread() and not self._threads:  # otherwise one of its threads comes to it
                work, in_lanes = self._granted.pop()
                self._queue.done(in_lanes)
                work.set_exception(RuntimeError(f"no thread can be started ({self._name}): the system has a limit"))

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._serve, name=f"{self._name}-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.error("%s: %d threads are at work, and no more can be started: %s", self._name, self._threads, error)
            return False
        self._threads += 1
        return True

    def _next(self) -> "tuple[_Work, Lanes] | None":
        """The next piece of work, or None if there was none for a while: then this thread is not counted any more."""
        with self._lock:
            self._at_work.pop(threading.get_ident(), None)
            self._ended.notify_all()
            while not self._granted:
                woken = False
                if not self._releasing:
                    woken = self._sleep()
                if not self._granted and (self._releasing or not woken):
                    self._threads -= 1
                    self._ending += 1
                    return None
            self._at_work[threading.get_ident()] = self._granted[0][0]
            return self._granted.popleft()

    def _sleep(self) -> bool:
        """Wait for work, with the lock. Return whether there was some before the time was up.

        Whoever fell asleep last is woken first. In turn, each thread of a busy minute would be woken once in a while,
        however little there is to do, and would keep its stack and its connection for ever.
        """
        mine = threading.Condition(self._lock)
        self._idle += 1
        self._sleeping.append(mine)
        woken = mine.wait(IDLE_SECONDS)
        self._idle -= 1
        if mine in self._sleeping:
            self._sleeping.remove(mine)
        return woken

    def _serve(self) -> None:
        while (entry := self._next()) is not None:
            work, in_lanes = entry
            began = time.thread_time()
            work.do()
            charge(in_lanes, time.thread_time() - began)
            del entry, work  # an idle thread must not keep the last run alive
            with self._lock:
                self._queue.done(in_lanes)
                self._grant()
        try:
            self._at_end()
        finally:
            with self._lock:
                self._ending -= 1
                self._ended.notify_all()


class _Work(Future[Any]):
    """A call that a thread makes, and its outcome."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self._call: Callable[[], Any] | None = call

    def do(self) -> None:
        call, self._call = self._call, None  # what holds the outcome must not keep the run alive
        if call is None or not self.set_running_or_notify_cancel():
            return
        try:
            self.set_result(call())
        except BaseException as error:
            self.set_exception(error)


def in_thread(pool: DaemonPool, function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """`function` as a coroutine function that calls it in a thread of the pool.

    Started like this, `async_to_sync` in the thread runs on the loop that awaits it.
    """
    executor = cast(ThreadPoolExecutor, pool)  # asgiref uses only submit()
    return sync_to_async(function, thread_sensitive=False, executor=executor)
