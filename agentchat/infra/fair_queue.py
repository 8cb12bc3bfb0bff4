"""Whose work is next, where several share a number of places.

Work stands in lanes: that of its owner, and where it is a tool's call, that of the tool. A lane has at most its share
of the places, so what one owner does never takes the last ones. Among those who wait, the owner with the least at work
is next, and each waits behind their own work only.

The lanes are those of the context in which work is handed in (`lanes`); work without an owner is the server's own.
Not thread-safe by itself: its user holds a lock.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")

Lanes = Mapping[str, str]
"""The name of a lane for each of its kinds, such as {"owner": "user 5", "tool": "search"}."""

OWNER, TOOL, ADDRESS = "owner", "tool", "address"

_current: ContextVar[Lanes] = ContextVar("agentchat_lanes")


def current_lanes() -> Lanes:
    return _current.get({})


def enter_lanes(**names: str) -> None:
    """From here on, work of this context, and of those copied from it, stands in these lanes too."""
    _current.set({**current_lanes(), **names})


@contextmanager
def lanes(**names: str) -> Iterator[None]:
    """The same for a block."""
    token = _current.set({**current_lanes(), **names})
    try:
        yield
    finally:
        _current.reset(token)


class FairQueue(Generic[T]):
    """Items that wait for a place, and the number of places taken in each lane.

    `size()` is the number of places. `shares` says how many of them one lane of a kind may take; kinds that are not in
    it are not limited.
    """

    def __init__(self, size: Callable[[], int], shares: Mapping[str, Callable[[], int]] | None = None) -> None:
        self._size = size
        self._shares = shares or {}
        self._waiting: dict[str, deque[tuple[T, Lanes]]] = {}  # by owner, the one that was served last at the end
        self._taken: Counter[tuple[str, str]] = Counter()
        self.at_work = 0

    def add(self, item: T, in_lanes: Lanes) -> None:
        self._waiting.setdefault(in_lanes.get(OWNER, ""), deque()).append((item, in_lanes))

    def remove(self, item: object) -> None:
        """The item is not wanted any more. It may have been taken."""
        for owner, entries in self._waiting.items():
            for entry in entries:
                if entry[0] is item:
                    entries.remove(entry)
                    self._tidy(owner)
                    return

    def take(self) -> tuple[T, Lanes] | None:
        """The next item, which has a place from now on until `done`; None if none may have one."""
        if not self._waiting or self.at_work >= self._size():
            return None
        for owner in sorted(self._waiting, key=lambda owner: self._taken[OWNER, owner]):
            if self._is_full(OWNER, owner):
                continue
            entries = self._waiting[owner]
            for entry in entries:
                if not any(self._is_full(kind, name) for kind, name in entry[1].items()):
                    entries.remove(entry)
                    del self._waiting[owner]
                    if entries:
                        self._waiting[owner] = entries
                    self._count(entry[1], 1)
                    return entry
        return None

    def done(self, in_lanes: Lanes) -> None:
        """Work in these lanes has given its place back."""
        self._count(in_lanes, -1)

    def taken(self, kind: str, name: str) -> int:
        """How many places the lane has now."""
        return self._taken[kind, name]

    def _count(self, in_lanes: Lanes, change: int) -> None:
        self.at_work += change
        for lane in {OWNER: "", **in_lanes}.items():
            self._taken[lane] += change
            if not self._taken[lane]:
                del self._taken[lane]

    def _is_full(self, kind: str, name: str) -> bool:
        share = self._shares.get(kind)
        return share is not None and self._taken[kind, name] >= share()

    def _tidy(self, owner: str) -> None:
        if not self._waiting[owner]:
            del self._waiting[owner]
