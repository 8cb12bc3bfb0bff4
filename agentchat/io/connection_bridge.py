"""How an agent that serves one client waits, and how its waiting is cancelled when the client has disconnected.

Coroutines run on the event loop of the process (or of the chat that a coroutine started), as they do for a console, so
that all clients share the connections to the model; tools run in threads. This adds cancellation: once cancelled, the
bridge refuses all work.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from agentchat.core.async_bridge import begin_in_thread, bridge_of
from agentchat.errors import RunInterrupt

T = TypeVar("T")
D = TypeVar("D")


MAX_CALLS = 32
"""Tool calls of one client that have not ended. One whose time is up goes on in its thread, which nothing can end."""


class ConnectionBridge:
    """The `agentchat.core.async_bridge.Bridge` of one client."""

    def __init__(self) -> None:
        self.reason: type[RunInterrupt] | None = None
        self._cancelled: Future[None] = Future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls: set[Future[Any]] = set()
        self._lock = threading.Lock()

    def cancel(self, reason: type[RunInterrupt]) -> None:
        """Raise `reason` in all current and future calls. May be called from any thread, and more than once.

        The connection to a model is closed at once. A tool in a thread cannot be stopped, but its result is dropped.
        """
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            tasks = list(self._tasks)
        self._cancelled.set_result(None)
        for task in tasks:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def check(self) -> None:
        """Raise the reason if this was cancelled: every time, in case the agent function swallows it."""
        if self.reason is not None:
            raise self.reason

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None, tool: str = "") -> T:
        self.check()
        return bridge_of(None).run(lambda: self._until_cancelled(work), timeout=timeout)

    def stream(self, work: Callable[[Callable[[D], None]], Coroutine[Any, Any, T]], on_delta: Callable[[D], None]) -> T:
        self.check()
        return bridge_of(None).stream(lambda emit: self._until_cancelled(lambda: work(emit)), on_delta)

    def call(self, function: Callable[[], T], *, timeout: float | None, tool: str = "") -> T:
        self.check()
        result = self._begin(function)
        either: tuple[Future[Any], ...] = (result, self._cancelled)
        wait(either, timeout, FIRST_COMPLETED)
        self.check()
        return result.result(0)

    def _begin(self, function: Callable[[], T]) -> "Future[T]":
        """Call it in a thread. Raise TimeoutError at once if too many calls of this client have not ended."""
        with self._lock:
            if len(self._calls) >= MAX_CALLS:
                raise TimeoutError(f"no thread was free: {len(self._calls)} tool calls of this client have not ended")
            call = begin_in_thread(function)
            self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def call_from_loop(self, function: Callable[[], T]) -> T:
        self.check()
        return begin_in_thread(function).result()

    async def _until_cancelled(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(_know_outcome)
        with self._lock:
            self.check()
            self._tasks.add(task)
        try:
            return await work()
        except asyncio.CancelledError:
            self.check()
            raise
        finally:
            with self._lock:
                self._tasks.discard(task)


def _know_outcome(task: "asyncio.Task[Any]") -> None:
    """A thread that was unwound while it waited asks for no outcome any more, and the loop would log it as lost."""
    if not task.cancelled():
        task.exception()
