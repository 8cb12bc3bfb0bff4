"""A gate that holds a scripted answer back until the test opens it."""

import asyncio
import math
import threading


class Gate:
    """Chunks up to a number may pass; the others wait on the server's loop, until a test opens it from its thread."""

    def __init__(self) -> None:
        self._may_pass: float = math.inf
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def hold(self, *, after: int) -> None:
        """Let this many chunks pass, and no more."""
        with self._changed:
            self._may_pass = after

    def open(self, chunks: int | None = None) -> None:
        """Let this many more chunks pass, or all."""
        with self._changed:
            self._may_pass = math.inf if chunks is None else self._may_pass + chunks
            for position, future in self._waiting:
                if position < self._may_pass:
                    future.get_loop().call_soon_threadsafe(_wake, future)
            self._waiting = [(position, future) for position, future in self._waiting if position >= self._may_pass]

    def wait_until_holding(self, timeout: float) -> bool:
        """Block until a chunk waits here; false if none does within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting), timeout)

    async def let_pass(self, position: int) -> None:
        """Wait until the chunk at this position, counted from 0, may pass."""
        with self._changed:
            if position < self._may_pass:
                return
            entry = (position, asyncio.get_running_loop().create_future())
            self._waiting.append(entry)
            self._changed.notify_all()
        try:
            await entry[1]
        finally:
            with self._changed:
                if entry in self._waiting:
                    self._waiting.remove(entry)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
