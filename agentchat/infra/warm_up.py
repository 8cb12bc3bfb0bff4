"""What a process does beside its first work, so that later work does not wait for it."""

import gc
import importlib
import threading

# New objects before a collection, and collections before one of the next generation. With Python's own, a hundred turns
# at once have seven full collections of 40 ms each; with these, one in several hundred turns.
GC_THRESHOLDS = (5_000, 10, 20)


def warm_up(module: str, *, is_server: bool) -> None:
    """Import `module`, which takes a second, in a thread: not while the first user waits. Return at once.

    In a server, all that is loaded by then stays for its life. It is taken out of the garbage collector's sight, which
    otherwise goes through hundreds of thousands of such objects at each full collection, and every thread waits for
    some 0.1 s, the loop's too. Of the rest, full collections come less often.
    """
    threading.Thread(target=_load, args=(module, is_server), name="agentchat-warm-up", daemon=True).start()


def _load(module: str, is_server: bool) -> None:
    importlib.import_module(module)
    if is_server:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
