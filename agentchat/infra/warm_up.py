"""What a process does beside its first work, so that later work does not wait for it."""

import gc
import importlib
import threading


def warm_up(module: str, *, is_server: bool) -> None:
    """Import `module`, which takes a second, in a thread: not while the first user waits. Return at once.

    In a server, all that is loaded by then stays for its life. It is taken out of the garbage collector's sight, which
    otherwise goes through hundreds of thousands of such objects at each full collection, and every thread waits for
    some 0.1 s, the loop's too.
    """
    threading.Thread(target=_load, args=(module, is_server), name="agentchat-warm-up", daemon=True).start()


def _load(module: str, is_server: bool) -> None:
    importlib.import_module(module)
    if is_server:
        gc.collect()
        gc.freeze()
