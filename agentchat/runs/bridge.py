"""How the synchronous code of a run waits on the server's event loop, and how it is called off.

An agent's thread was started from that loop by `sync_to_async`, so `async_to_sync` in it runs there: no loop and no
thread are made for a call, and the LLM client's connections are shared by all runs of the process.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.db import connections

from agentchat import conf
from agentchat.errors import Unwound
from agentchat.runs.pool import DaemonPool, in_thread

logger = logging.getLogger("agentchat.runs")

T = TypeVar("T")

# Abandoned tools keep their threads until they end, so there may be more of them than runs.
TOOL_POOL = DaemonPool("agentchat-tool", lambda: 4 * conf.app.max_runs)


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
        self.check()
        return async_to_sync(work)()

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
        return async_to_sync(cancellable)()

    def call(self, function: Callable[[], T], *, timeout: float | None) -> T:
        def work() -> T:
            try:
                return function()
            finally:
                connections.close_all()

        async def limited() -> T:
            return await asyncio.wait_for(in_thread(TOOL_POOL, work)(), timeout)

        self.check()
        return async_to_sync(limited)()
