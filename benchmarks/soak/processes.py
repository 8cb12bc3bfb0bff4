"""Processes of their own for the models and the hostile guests, so that nobody waits for them."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

_spawn = multiprocessing.get_context("spawn")


@contextmanager
def child(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """A process that gets a connection to this one, and ends with the block or when this process is gone."""
    here, there = _spawn.Pipe()
    process = _spawn.Process(target=_run, args=(target, there, *arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def _run(target: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and hangs up
    with suppress(EOFError, BrokenPipeError):  # it has
        target(*arguments)
