"""The objects of the server's event loop, which end with it.

The hub, the sockets, the link to other processes and their like belong to one event loop each. The scope of a loop owns
them: each is made when it is first asked for, and when another loop starts, its scope replaces the former one. So
nothing has to be reset, and nothing of an earlier loop can be reached. A server and a worker have one loop for their
whole life; tests have one after another.

The scope is started on its loop. It is looked up from any thread.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class LoopScope:
    """The objects of one event loop, at most one of each class."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._objects: dict[type, object] = {}

    def get(self, kind: type[T], make: Callable[[], T] | None = None) -> T:
        """The object of this class; made by `make`, or by the class itself, when it is first asked for."""
        found = self._objects.get(kind)
        if found is None:
            found = self._objects[kind] = (make or kind)()
        assert isinstance(found, kind)
        return found


_current: LoopScope | None = None


def start_scope() -> LoopScope:
    """The scope of the running loop. It is new if another loop has had one since, or none."""
    global _current
    loop = asyncio.get_running_loop()
    if _current is None or _current.loop is not loop:
        _current = LoopScope(loop)
    return _current


def current_scope() -> LoopScope | None:
    """The scope of the server's loop. None in a process that has no such loop (a command), or none any more."""
    return None if _current is None or _current.loop.is_closed() else _current


def owned(kind: type[T], make: Callable[[], T] | None = None) -> T:
    """The server's object of this class. On a loop, if none has been started yet."""
    return (current_scope() or start_scope()).get(kind, make)
