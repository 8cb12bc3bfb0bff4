"""How a synchronous agent waits for asynchronous work, and for slow tools.

An agent function is plain synchronous code in a thread; the LLM client and async tools need an event loop. Without a
server there is one loop for the process, in a daemon thread of its own: `ThreadBridge`. A run has a bridge that uses
the server's loop and can be cancelled (`agentchat.runs`); it is found on the stream, as `stream.bridge`.
"""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Bridge(Protocol):
    """Each method blocks the calling thread until its work is done, and raises what the work raises."""

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on an event loop."""
        ...

    def stream(self, work: Callable[[Callable[[str], None]], Coroutine[Any, Any, T]], tell: Callable[[str], None]) -> T:
        """Run `work(tell_delta)` on an event loop; each delta that it tells arrives at `tell`, in order.

        All deltas have arrived when this returns or raises. `tell` must not block where the bridge is a run's: it is
        called on the loop. Here it is called in the calling thread.
        """
        ...

    def call(self, function: Callable[[], T], *, timeout: float | None) -> T:
        """Call a function in a thread of its own. Raise TimeoutError after `timeout` seconds: it may still run."""
        ...


class ThreadBridge:
    """One event loop for the process, in a daemon thread that is started at the first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def _start_soon(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="agentchat-bridge", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @staticmethod
    def _wait(future: "Future[T]") -> T:
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in this thread must end the request too
            raise

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._wait(self._start_soon(work()))

    def stream(self, work: Callable[[Callable[[str], None]], Coroutine[Any, Any, T]], tell: Callable[[str], None]) -> T:
        # A slow listener blocks only its own thread: the loop never waits for `tell`.
        deltas: queue.SimpleQueue[str | None] = queue.SimpleQueue()
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
        result: Future[T] = Future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                result.set_result(context.run(function))
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=work, name="agentchat-tool", daemon=True).start()
        return result.result(timeout)


_default = ThreadBridge()


def bridge_of(stream: object) -> Bridge:
    """The stream's own bridge, or the process's."""
    return getattr(stream, "bridge", None) or _default
