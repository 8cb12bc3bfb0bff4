"""How the synchronous code of a run waits on the server's event loop, and how it is called off.

An agent's thread was started from that loop by `sync_to_async`, so `async_to_sync` in it runs there: no loop and no
thread are made for a call, and the LLM client's connections are shared by all runs of the process. Whoever waits here
holds no connection to the database, where there is a pool to give it back to.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from asgiref.sync import async_to_sync

from agentchat import conf
from agentchat.errors import ToolError, Unwound
from agentchat.runs.database import give_back_connections, give_back_if_pooled
from agentchat.runs.pool import DaemonPool, in_thread

logger = logging.getLogger("agentchat.runs")

T = TypeVar("T")

# Abandoned tools keep their threads until they end, so there may be more of them than runs.
TOOL_POOL = DaemonPool("agentchat-tool", lambda: 4 * conf.app.max_runs)

# The steps that wait for these tools, where a reply has several: not in the same pool, or they could fill it and wait.
STEP_POOL = DaemonPool("agentchat-step", lambda: 2 * conf.app.max_runs)

MAX_AT_ONCE = 8  # tool calls of one reply


class RunBridge:
    """The `agentchat.bridge.Bridge` of one advancing run. Once called off, nothing more can be waited for."""

    def __init__(self) -> None:
        self.reason: type[Unwound] | None = None
        self._streams: set[asyncio.Task[Any]] = set()

    def call_off(self, reason: type[Unwound]) -> None:
        """On the loop: unwind the run. A model's stream is closed at once; a tool that runs may end first."""
        self.reason = self.reason or reason
        for task in self._streams:
            task.cancel()

    def check(self) -> None:
        """Raise the reason if the run was called off: again and again, if the agent function swallows it."""
        if self.reason is not None:
            raise self.reason

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def made() -> T:
            with _no_exit():
                return await work()

        self.check()
        give_back_if_pooled()
        return async_to_sync(made)()

    def stream(self, work: Callable[[Callable[[str], None]], Coroutine[Any, Any, T]], tell: Callable[[str], None]) -> T:
        async def cancellable() -> T:
            self.check()
            task = asyncio.ensure_future(work(tell))
            self._streams.add(task)
            try:
                return await task
            except asyncio.CancelledError:
                if self.reason is None:
                    raise
                raise self.reason from None
            finally:
                self._streams.discard(task)

        self.check()
        give_back_if_pooled()
        return async_to_sync(cancellable)()

    def gather(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """Call several functions at the same time, in threads, and return their results in order.

        All of them end before the first error is raised.
        """

        async def limited(function: Callable[[], T], room: asyncio.Semaphore) -> T:
            async with room:
                return await in_thread(STEP_POOL, _with_connections_closed(function))()

        async def together() -> list[T | BaseException]:
            room = asyncio.Semaphore(MAX_AT_ONCE)
            return await asyncio.gather(*(limited(each, room) for each in functions), return_exceptions=True)

        self.check()
        give_back_if_pooled()
        results: list[T] = []
        for result in async_to_sync(together)():
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return results

    def call(self, function: Callable[[], T], *, timeout: float | None) -> T:
        async def limited() -> T:
            return await asyncio.wait_for(in_thread(TOOL_POOL, _with_connections_closed(function))(), timeout)

        self.check()
        give_back_if_pooled()
        return async_to_sync(limited)()


@contextmanager
def _no_exit() -> Iterator[None]:
    """A tool that wants to end the program fails instead: on its way over the server's loop it would end the server."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        raise ToolError(f"the program cannot be ended from here: {error!r}") from error


def _with_connections_closed(function: Callable[[], T]) -> Callable[[], T]:
    def work() -> T:
        try:
            with _no_exit():
                return function()
        finally:
            give_back_connections()

    return work
