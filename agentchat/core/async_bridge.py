"""How a synchronous agent waits for asynchronous work, and for slow tools.

An agent function is plain synchronous code in a thread; the LLM client and async tools need an event loop. Without a
server there is one loop for the process, in a daemon thread of its own: `ThreadBridge`; in a chat that a coroutine
started, it is that coroutine's (`from_this_loop`). A run has a bridge that uses the server's loop and can be cancelled
(`agentchat.runs`); it is an attribute of the stream, `stream.bridge`.
"""

import asyncio
import contextvars
import queue
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from agentchat.errors import Cancelled, RunInterrupt, ToolError

T = TypeVar("T")
D = TypeVar("D")


class Bridge(Protocol):
    """Each method blocks the calling thread until its work is done, and raises what the work raises."""

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None, tool: str = "") -> T:
        """Run a coroutine on an event loop. Raise TimeoutError after `timeout` seconds.

        `tool` is the name of the tool that is called, if one is: its calls share what threads there are for it.
        """
        ...

    def stream(self, work: Callable[[Callable[[D], None]], Coroutine[Any, Any, T]], on_delta: Callable[[D], None]) -> T:
        """Run `work(emit)` on an event loop; `on_delta` is called with each delta that `work` emits, in order.

        All deltas have arrived when this returns or raises. `on_delta` must not block where the bridge is a run's: it
        is called on the loop. Here it is called in the calling thread.
        """
        ...

    def call(self, function: Callable[[], T], *, timeout: float | None, tool: str = "") -> T:
        """Call a function in a thread of its own. Raise TimeoutError after `timeout` seconds: it may still run.

        `tool`: as for `run`.
        """
        ...

    def call_from_loop(self, function: Callable[[], T]) -> T:
        """Call synchronous agent code from a coroutine in the agent's own thread, and block that thread's loop.

        The code runs in another thread, because it must not run within a running event loop: it waits itself.
        """
        ...


class ThreadBridge:
    """An event loop in a daemon thread that is started at the first use; or one that runs already, somewhere else."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._lock = threading.Lock()
        self._loop = loop
        self._cancelled = False
        self._pending: set[Future[Any]] = set()

    def cancel(self) -> None:
        """Raise Cancelled in all threads that wait here, now or later. From any thread."""
        with self._lock:
            self._cancelled = True
            pending = self._pending.copy()
        for future in pending:
            future.cancel()

    def runs_here(self) -> bool:
        """Whether its loop runs in this thread: to wait for it here would be a deadlock."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _schedule(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        with self._lock:
            if self._cancelled:
                work.close()
                raise Cancelled
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop).atexit = False
                threading.Thread(target=_run, args=[self._loop], name="agentchat-bridge", daemon=True).start()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def _wait(self, future: "Future[T]") -> T:
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in this thread must end the request too
            if self._cancelled:
                raise Cancelled from None
            raise

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None, tool: str = "") -> T:
        return self._wait(self._schedule(limited(work, timeout)))

    def stream(self, work: Callable[[Callable[[D], None]], Coroutine[Any, Any, T]], on_delta: Callable[[D], None]) -> T:
        # A slow `on_delta` blocks only the calling thread, never the loop.
        deltas: queue.SimpleQueue[D | None] = queue.SimpleQueue()
        future = self._schedule(work(deltas.put))
        future.add_done_callback(lambda _: deltas.put(None))
        try:
            while (delta := deltas.get()) is not None:
                on_delta(delta)
        except BaseException:
            future.cancel()
            raise
        return self._wait(future)

    def call(self, function: Callable[[], T], *, timeout: float | None, tool: str = "") -> T:
        if timeout is None:
            return function()
        return begin_in_thread(function).result(timeout)

    def call_from_loop(self, function: Callable[[], T]) -> T:
        return begin_in_thread(function).result()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run until the loop is stopped, when its bridge is garbage-collected."""
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Around code that is not ours, in a thread that someone waits for: whatever it raises arrives there, as an error.

    An event loop ends with a SystemExit or KeyboardInterrupt, a future takes no StopIteration, and no handler expects
    a GeneratorExit. What unwinds a run, or cancels a task, passes as it is.
    """
    try:
        yield
    except (RunInterrupt, asyncio.CancelledError):
        raise
    except (SystemExit, KeyboardInterrupt) as error:
        raise ToolError(f"{what} cannot exit the program: {error!r}") from error
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
            raise
        raise ToolError(f"{what} raised {error!r}") from error


async def limited(work: Callable[[], Coroutine[Any, Any, T]], timeout: float | None) -> T:
    return await asyncio.wait_for(work(), timeout)


def begin_in_thread(function: Callable[[], T]) -> "Future[T]":
    """Call a function in a thread of its own, in a copy of this context; the thread is a daemon, it may never end."""
    result: Future[T] = Future()
    context = contextvars.copy_context()
    result.set_running_or_notify_cancel()  # cancelling the future cannot end the thread

    def work() -> None:
        try:
            result.set_result(context.run(function))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, name="agentchat-tool", daemon=True).start()
    return result


_default = ThreadBridge()
_of_context: ContextVar[ThreadBridge | None] = ContextVar("agentchat_bridge", default=None)


@contextmanager
def from_this_loop() -> Iterator[ThreadBridge]:
    """In a coroutine: agents that are started in this block, in threads too, wait on this coroutine's loop."""
    bridge = ThreadBridge(asyncio.get_running_loop())
    token = _of_context.set(bridge)
    try:
        yield bridge
    finally:
        _of_context.reset(token)


def bridge_of(stream: object) -> Bridge:
    """The stream's own bridge, else that of this context, else the process's."""
    own: Bridge | None = getattr(stream, "bridge", None)
    if own is not None:
        return own
    bridge = _of_context.get() or _default
    if bridge.runs_here():  # synchronous code in a coroutine, which blocks its loop
        bridge = ThreadBridge()
        _of_context.set(bridge)
    return bridge
