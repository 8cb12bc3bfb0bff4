"""How the synchronous code of a run waits on the server's event loop, and how it is cancelled.

An agent's thread was started from that loop by `sync_to_async`, so `async_to_sync` in it runs there: no loop and no
thread are made for a call, and all runs of the process share the LLM client's connections. Code that waits here holds
no database connection, where there is a pool to return it to.
"""

import asyncio
import functools
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from asgiref.sync import async_to_sync

from agentchat import conf
from agentchat.core.async_bridge import contained, limited
from agentchat.core.log import get_logger
from agentchat.errors import RunInterrupt
from agentchat.infra.database import close_connections, release_pooled_connections
from agentchat.infra.fair_queue import OWNER, TOOL, lanes
from agentchat.infra.loop_scope import owned
from agentchat.infra.processor_shares import Measured, ProcessorShares
from agentchat.infra.thread_pool import DaemonPool, in_thread

P = ParamSpec("P")
T = TypeVar("T")

logger = get_logger("agentchat.runs")

MAX_PARALLEL_CALLS = 8  # tool calls of one reply
GRACE_SECONDS = 1.0  # for a coroutine that is cancelled because its time is up; one that blocks is left behind then


def tool_threads() -> int:
    """Twice as many as the runs can use at once: a tool that does not end in time keeps its thread.

    Half of them at most for one tool, and a quarter for one owner: whatever these do, any other call has its thread at
    once.
    """
    return 2 * MAX_PARALLEL_CALLS * max(conf.app.max_runs, 8)


TOOL_SHARES = {OWNER: lambda: tool_threads() // 4, TOOL: lambda: tool_threads() // 2}
TOOL_POOL = DaemonPool("agentchat-tool", tool_threads, shares=TOOL_SHARES)

# The steps that wait for these tools, where a reply has several: in the same pool they could fill it, and then wait.
# A run has MAX_PARALLEL_CALLS of them at most, and the number of runs is limited: this pool has no limit of its own.
STEP_POOL = DaemonPool("agentchat-step", lambda: sys.maxsize)

# Agents' code that a coroutine of the agent waits for. Calls may be nested, and each waits for the next one: so this
# pool has no limit of its own. The number of runs is limited.
AWAITED_POOL = DaemonPool("agentchat-awaited", lambda: sys.maxsize)


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def on_loop(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is called on that event loop."""
    return running_loop() is loop


def outside_event_loops(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method of a run's stream, for coroutines too: it is done in another thread, and blocks their event loop.

    What an agent function awaits in a run comes one after the other, so that its steps have the same order again.
    """

    @functools.wraps(method)
    def anywhere(stream: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        here = running_loop()
        if here is None or here is stream.bridge.loop:  # the server's own loop must not be blocked
            return method(stream, *args, **kwargs)
        result: T = stream.bridge.call_from_loop(lambda: method(stream, *args, **kwargs))
        return result

    return anywhere


class RunBridge:
    """The `core.async_bridge.Bridge` of one advancing run. Once cancelled, nothing more can be waited for.

    `owner`: whose run it is, for the share of the threads (`infra/fair_queue.py`).
    """

    def __init__(self, owner: str = "") -> None:
        self._owner = owner
        self.reason: type[RunInterrupt] | None = None
        self._streams: set[asyncio.Task[Any]] = set()
        self.loop = async_to_sync(_running_loop)()

    def cancel(self, reason: type[RunInterrupt]) -> None:
        """On the loop: unwind the run. A model's stream is closed at once; a tool that runs may finish first."""
        self.reason = self.reason or reason
        for task in self._streams:
            task.cancel()

    def check(self) -> None:
        """Raise the reason if the run was cancelled: again and again, if the agent function swallows it."""
        if self.reason is not None:
            raise self.reason

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None, tool: str = "") -> T:
        """On an event loop of its own, in another thread: a site's coroutine may block, and wait for agents itself."""

        def alone() -> T:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                return runner.run(limited(work, timeout))

        return self.call(alone, timeout=None if timeout is None else timeout + GRACE_SECONDS, tool=tool)

    def stream(
        self, work: Callable[[Callable[[str], None]], Coroutine[Any, Any, T]], on_delta: Callable[[str], None]
    ) -> T:
        async def measured() -> T:
            return await Measured(work(on_delta), owned(ProcessorShares), self._owner, waits=True)

        async def cancellable() -> T:
            self.check()
            task = asyncio.create_task(measured())
            self._streams.add(task)
            try:
                return await task
            except asyncio.CancelledError:
                if self.reason is None:
                    raise
                raise self.reason from None
            finally:
                self._streams.discard(task)

        return self._wait(cancellable)

    def gather(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """Call several functions at the same time, in threads, and return their results in order.

        All of them end before the first error is raised.
        """

        async def limited(function: Callable[[], T], slots: asyncio.Semaphore) -> T:
            async with slots:
                return await in_thread(STEP_POOL, _with_connections_closed(function))()

        async def all_of_them() -> list[T | BaseException]:
            slots = asyncio.Semaphore(MAX_PARALLEL_CALLS)
            return await asyncio.gather(*(limited(each, slots) for each in functions), return_exceptions=True)

        results: list[T] = []
        for result in self._wait(all_of_them):
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return results

    def call(self, function: Callable[[], T], *, timeout: float | None, tool: str = "") -> T:
        call = BridgedCall(function, tool)

        async def in_time() -> T:
            try:
                with lanes(**{OWNER: self._owner, TOOL: tool}):
                    return await asyncio.wait_for(in_thread(TOOL_POOL, call)(), timeout)
            except TimeoutError:
                if call.has_ended:  # it is the tool's own
                    raise
                if call.has_started:
                    call.leave_behind()
                    raise
                by_tool, by_owner = TOOL_POOL.taken(TOOL, tool), TOOL_POOL.taken(OWNER, self._owner)
                text = (
                    f"no thread was free within {timeout:g} s: {TOOL_POOL.busy} tool calls have not ended, "
                    f"{by_tool} of them of {tool!r} and {by_owner} of this user"
                )
                logger.error("tool %r was not called: %s", tool, text)
                raise TimeoutError(text) from None

        return self._wait(in_time)

    def call_from_loop(self, function: Callable[[], T]) -> T:
        # Over the server's loop, so that `async_to_sync` in the other thread runs there, too. The outcome takes no part
        # in that: an interrupt that unwinds the run, or SystemExit, belongs to the agent's thread and not to the loop.
        outcome: Future[T] = Future()

        def work() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:
                outcome.set_exception(error)
            finally:
                close_connections()

        asyncio.run_coroutine_threadsafe(in_thread(AWAITED_POOL, work)(), self.loop).result()
        return outcome.result()

    def _wait(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Block this thread until the coroutine has ended on the server's loop."""
        self.check()
        release_pooled_connections()
        return async_to_sync(work)()


class BridgedCall(Generic[T]):
    """A call in a thread of TOOL_POOL. Its time may be up before it ends: then it is left behind, with its thread."""

    def __init__(self, function: Callable[[], T], tool: str) -> None:
        self.has_started = self.has_ended = False
        self._function = function
        self._tool = tool
        self._left_behind: float | None = None

    def __call__(self) -> T:
        self.has_started = True
        try:
            with contained("a tool"):
                return self._function()
        finally:
            close_connections()
            self.has_ended = True
            if self._left_behind is not None:
                seconds = time.monotonic() - self._left_behind
                logger.info("tool %r has ended, %.0f s after its time was up", self._tool, seconds)

    def leave_behind(self) -> None:
        self._left_behind = time.monotonic()
        logger.warning(
            "tool %r goes on after its time, in its thread; %d threads are at work for tools now, %d for this one",
            self._tool,
            TOOL_POOL.busy,
            TOOL_POOL.taken(TOOL, self._tool),
        )


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _with_connections_closed(function: Callable[[], T]) -> Callable[[], T]:
    def work() -> T:
        try:
            with contained("a tool"):
                return function()
        finally:
            close_connections()

    return work
