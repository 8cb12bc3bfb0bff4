"""How an agent that talks to one client waits, and how its waiting is called off when the client has left.

The work is done where a console's is: on the process's event loop (or on that of a chat which a coroutine began), so
that all clients share the connections to the model, and tools in threads. What this adds is the end: once called off,
nothing can be waited for any more.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from agentchat.bridge import begin_in_thread, bridge_of
from agentchat.errors import Unwound

T = TypeVar("T")
D = TypeVar("D")


class ConnectionBridge:
    """The `agentchat.bridge.Bridge` of one client."""

    def __init__(self) -> None:
        self.reason: type[Unwound] | None = None
        self._called_off: Future[None] = Future()
        self._working: set[asyncio.Task[Any]] = set()
        self._lock = threading.Lock()

    def call_off(self, reason: type[Unwound]) -> None:
        """From any thread: let `reason` be raised wherever somebody waits, and wherever they would wait later.

        A model's connection is closed at once. A tool in a thread cannot be ended: nobody waits for it any more.
        """
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            working = list(self._working)
        self._called_off.set_result(None)
        for task in working:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def check(self) -> None:
        """Raise the reason if this was called off: again and again, if the agent function swallows it."""
        if self.reason is not None:
            raise self.reason

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self.check()
        return bridge_of(None).run(lambda: self._until_called_off(work))

    def stream(self, work: Callable[[Callable[[D], None]], Coroutine[Any, Any, T]], tell: Callable[[D], None]) -> T:
        self.check()
        return bridge_of(None).stream(lambda tell_delta: self._until_called_off(lambda: work(tell_delta)), tell)

    def call(self, function: Callable[[], T], *, timeout: float | None) -> T:
        self.check()
        result = begin_in_thread(function)
        either: tuple[Future[Any], ...] = (result, self._called_off)
        wait(either, timeout, FIRST_COMPLETED)
        self.check()
        return result.result(0)

    async def _until_called_off(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        with self._lock:
            self.check()
            self._working.add(task)
        try:
            return await work()
        except asyncio.CancelledError:
            self.check()
            raise
        finally:
            with self._lock:
                self._working.discard(task)
