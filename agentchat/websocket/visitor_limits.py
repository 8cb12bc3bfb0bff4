"""What one visitor may do with all their sockets together, in this process.

The limits of one socket alone would allow whatever many of them do. Guests who own nothing yet have no identity: what
one address may do is limited elsewhere.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Protocol

from agentchat.core.token_bucket import TokenBucket
from agentchat.infra.client_connection import ClientConnection
from agentchat.infra.loop_scope import owned
from agentchat.visitors import Visitor

MAX_SOCKETS = 60  # open at a time: two for each page
FRAMES_BURST, FRAMES_PER_SECOND = 960.0, 160.0  # four times what one socket may send
FRAMES_OF_AN_OPENING = 10  # that opening a socket counts as: 16 a second
MAX_UNSENT = 8 * 2**20  # bytes that clients have not read
SMALL_UNSENT = 128 * 1024  # bytes that each socket may have in any case
MAX_REMEMBERED = 1_000  # visitors without a socket


class Socket(Protocol):
    """A consumer, as far as this module is concerned."""

    server_end: ClientConnection | None


class VisitorSockets:
    """The open sockets of one visitor. `on_change` is called when the first one opens, and when the last one closes."""

    def __init__(self, on_change: Callable[["VisitorSockets"], None] = lambda _: None) -> None:
        self.sockets: set[Socket] = set()
        self.frames = TokenBucket(burst=FRAMES_BURST, per_second=FRAMES_PER_SECOND)
        self._on_change = on_change

    def admits(self, socket: Socket, *, now: float) -> bool:
        """Count a socket that was opened. False: there are too many, or too many were opened lately."""
        if not self.frames.allows(FRAMES_OF_AN_OPENING, now=now) or len(self.sockets) >= MAX_SOCKETS:
            return False
        self.sockets.add(socket)
        if len(self.sockets) == 1:
            self._on_change(self)
        return True

    def discard(self, socket: Socket) -> None:
        """Count a socket no longer, if it was admitted."""
        if socket in self.sockets:
            self.sockets.discard(socket)
            if not self.sockets:
                self._on_change(self)

    def may_send(self, socket: Socket) -> bool:
        """Whether there is room for what this socket's client has not read."""
        own = _unsent(socket)
        return own <= SMALL_UNSENT or sum(map(_unsent, self.sockets)) <= MAX_UNSENT


class VisitorLimits:
    """The sockets of all visitors of this process, on the server's loop."""

    def __init__(self) -> None:
        self._present: dict[Hashable, VisitorSockets] = {}
        self._absent: dict[Hashable, VisitorSockets] = {}  # who reconnects finds the limit that they left

    def of(self, visitor: Visitor) -> VisitorSockets:
        key = (visitor.user.pk if visitor.user is not None else None, visitor.guest_key)
        if key == (None, ""):
            return VisitorSockets()
        if (found := self._present.get(key) or self._absent.get(key)) is None:
            found = VisitorSockets(partial(self._sort, key))
            self._sort(key, found)
        return found

    def _sort(self, key: Hashable, visitor: VisitorSockets) -> None:
        """Put them where they belong; the one that has been absent for the longest time is forgotten."""
        if visitor.sockets:
            self._absent.pop(key, None)
            self._present[key] = visitor
            return
        self._present.pop(key, None)
        self._absent[key] = visitor
        if len(self._absent) > MAX_REMEMBERED:
            del self._absent[next(iter(self._absent))]


def current_visitor_limits() -> VisitorLimits:
    """The limits of the server's loop."""
    return owned(VisitorLimits)


def _unsent(socket: Socket) -> int:
    return socket.server_end.unsent if socket.server_end is not None else 0
