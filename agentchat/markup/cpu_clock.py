"""The processor time of one piece of work, without what others made of it.

Python's full garbage collection may take 0.1 s, in whichever thread happens to allocate the last straw: it is the
process's time, not that thread's.
"""

import gc
import threading
from time import thread_time

_FULL = 2  # the oldest generation: all objects are looked at


class _Collections(threading.local):
    seconds = 0.0  # in which this thread ran full collections
    began = 0.0


_collections = _Collections()


def cpu_seconds() -> float:
    """Processor time of this thread so far, without full garbage collections. Differences have a meaning."""
    return thread_time() - _collections.seconds


def _on_collection(phase: str, details: dict[str, int]) -> None:
    if details["generation"] != _FULL:
        return
    if phase == "start":
        _collections.began = thread_time()
    else:
        _collections.seconds += thread_time() - _collections.began


gc.callbacks.append(_on_collection)
