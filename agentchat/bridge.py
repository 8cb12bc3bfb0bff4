"""How a synchronous agent waits for asynchronous work, and for slow tools.

An agent function is plain synchronous code in a thread; the LLM client and async tools need an event loop. Without a
server there is one loop for the process, in a daemon thread of its own: `ThreadBridge`; in a chat that a coroutine
began, it is that coroutine's (`from_this_loop`). A run has a bridge that uses the server's loop and can be cancelled
(`agentchat.runs`); it is found on the stream, as `stream.bridge`.
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

from agentchat.errors import Stopped

T = TypeVar("T")
D = TypeVar("D")


class Bridge(Protocol):
    """Each method blocks the calling thread until its work is done, and raises what the work raises."""

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on an event loop."""
        ...

    def stream(self, work: Callable[[Callable[[D], None]], Coroutine[Any, Any, T]], tell: Callable[[D], None]) -> T:
        """Run `work(tell_delta)` on an event loop; each delta that it tells arrives at `tell`, in order.

        All deltas have arrived when this returns or raises. `tell` must not block where the bridge is a run's: it is
        called on the loop. Here it is called in the calling thread.
        """
        ...

    def call(self, function: Callable[[], T], *, timeout: float | None) -> T:
        """Call a function in a thread of its own. Raise TimeoutError after `timeout` seconds: it may still run."""
        ...


class ThreadBridge:
    """An event loop in a daemon thread that is started at the first use; or one that runs already, somewhere else."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._lock = threading.Lock()
        self._loop = loop
        self._called_off = False
        self._waited_for: set[Future[Any]] = set()

    def call_off(self) -> None:
        """Let Stopped be raised wherever somebody waits, and wherever they would wait later. From any thread."""
        with self._lock:
            self._called_off = True
            waited_for = self._waited_for.copy()
        for future in waited_for:
            future.cancel()

    def runs_here(self) -> bool:
        """Whether this thread is the one that its loop needs: who waits here, waits for ever."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def _start_soon(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        with self._lock:
            if self._called_off:
                work.close()
                raise Stopped
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop).atexit = False
                threading.Thread(target=_run, args=[self._loop], name="agentchat-bridge", daemon=True).start()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._waited_for.add(future)
        future.add_done_callback(self._waited_for.discard)
        return future

    def _wait(self, future: "Future[T]") -> T:
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in this thread must end the request too
            if self._called_off:
                raise Stopped from None
            raise

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._wait(self._start_soon(work()))

    def stream(self, work: Callable[[Callable[[D], None]], Coroutine[Any, Any, T]], tell: Callable[[D], None]) -> T:
        # A slow listener blocks only its own thread: the loop never waits for `tell`.
        deltas: queue.SimpleQueue[D | None] = queue.SimpleQueue()
        future = self._start_soon(work(deltas.put))
        future.add_done_callback(lambda _: deltas.put(None))
        try:
            while (delta := deltas.get()) is not None:
                tell(delta)
        except BaseException:
            future.cancel()
            raise
        return self._wait(future)

    def call(self, function: Callable[[], T], *, timeout: float | None) -> T:
        if timeout is None:
            return function()
        return begin_in_thread(function).result(timeout)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Until the loop is stopped, because nobody has its bridge any more."""
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def begin_in_thread(function: Callable[[], T]) -> "Future[T]":
    """Call a function in a thread of its own, in a copy of this context; the thread is a daemon, it may never end."""
    result: Future[T] = Future()
    context = contextvars.copy_context()
    result.set_running_or_notify_cancel()  # whoever stops waiting does not end the thread

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
    """In a coroutine: what begins in this block, in threads too, does its waiting on this coroutine's loop."""
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
    if bridge.runs_here():  # synchronous code in a coroutine: its loop stands still until that is done
        bridge = ThreadBridge()
        _of_context.set(bridge)
    return bridge
