"""The open websockets of this process, and the two things that close them from outside.

The sockets of a user who signs out, is deactivated, changes the password or loses a permission are closed within a few
seconds; and a server that stops closes all of them, with a code that asks clients to reconnect.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from enum import IntEnum
from typing import Any, Protocol
from uuid import UUID

from agentchat import conf
from agentchat.actions.handovers import may_watch
from agentchat.core import registry
from agentchat.core.log import get_logger
from agentchat.infra.addresses import UNKNOWN
from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.loop_scope import owned
from agentchat.models import ChatSession
from agentchat.visitors import Visitor, visitors_of

logger = get_logger("agentchat.websocket.connections")

REVALIDATE_INTERVAL_SECONDS = 4.0  # how often the visitors of open sockets are looked up again


class CloseCode(IntEnum):
    """Why a socket is closed; each is sent after accepting, since a close before it is a bare 403 to a browser."""

    RESTART = 4012  # the server restarts, or has failed: reconnect (Daphne cannot send 1012)
    SIGN_IN = 4401
    NOT_FOUND = 4404  # it does not exist, or belongs to someone else
    TOO_SLOW = 4408
    TOO_MANY = 4429


VisitorFinder = Callable[[Collection[str]], dict[str, Visitor]]

FINDERS: dict[str, VisitorFinder] = {}
"""Who else has connections than those who have a browser's session, by how their `session_key` begins."""


class Connection(Protocol):
    """A consumer, or a stream of events over HTTP, as far as this module is concerned."""

    session_key: str
    session_id: UUID | None  # None: it shows the list of the visitor's chats
    visitor: Visitor
    is_of_staff: bool  # who read the chat of somebody else

    async def leave(self, code: CloseCode) -> None: ...


_Share = tuple[str, str]  # what kind of share, and whose


def _limits(visitor: Visitor) -> dict[_Share, int]:
    """How many sockets this visitor's may be, in each share that they are part of."""
    app = conf.app
    limits: dict[_Share, int] = {}
    if visitor.user is None and app.guest_sockets is not None:
        if visitor.address != UNKNOWN:
            limits["one address", visitor.address] = app.guest_sockets
        if app.guest_addresses is not None:
            limits["all guests", ""] = app.guest_sockets * app.guest_addresses
    return limits


class Connections:
    """All open sockets of this process that were admitted, and how many those have who share a limit.

    On the server's loop.
    """

    def __init__(self) -> None:
        self._open: dict[Connection, list[_Share]] = {}
        self._counts: Counter[_Share] = Counter()
        self._opening: set[Connection] = set()

    def begin(self, socket: Connection) -> bool:
        """Count a socket until it is known whose it is. Return False if this process has as many as it may."""
        self._opening.add(socket)
        count, limit = len(self._open) + len(self._opening), conf.app.max_sockets
        if count == limit + 1:
            logger.error("this process has %d websockets open, as many as MAX_SOCKETS allows: more are closed", limit)
        return count <= limit

    def add(self, socket: Connection) -> bool:
        """Admit a socket. Return False if it is a guest's, and they have as many as they may."""
        limits = _limits(socket.visitor)
        for share, limit in limits.items():
            if self._counts[share] >= limit:
                logger.info("a guest's socket is closed: %d of %s are open, as many as may be", limit, share[0])
                return False
        self._opening.discard(socket)
        self._open[socket] = list(limits)
        self._counts.update(limits.keys())
        return True

    def discard(self, socket: Connection) -> None:
        self._opening.discard(socket)
        for share in self._open.pop(socket, ()):
            self._counts[share] -= 1
            if not self._counts[share]:
                del self._counts[share]

    def __contains__(self, socket: object) -> bool:
        return socket in self._open

    async def close_all(self, code: CloseCode) -> None:
        for socket in list(self._open):
            try:
                await socket.leave(code)
            except Exception:
                logger.exception("a socket could not be closed")  # the others must be

    async def revalidate(self) -> None:
        """Close the sockets that their visitors could not open any more."""
        if not self._open:
            return
        admitted = {
            socket: (socket.session_key, socket.session_id, socket.visitor, socket.is_of_staff) for socket in self._open
        }
        refused = await in_read_thread(_refused)(set(admitted.values()))
        for socket, admission in admitted.items():
            if admission in refused and socket in self._open:
                await socket.leave(refused[admission])


def current_connections() -> Connections:
    """The open sockets of the server's loop."""
    return owned(Connections)


def may_view(agent_name: str, user: Any) -> bool:
    """Whether this user may read the agent's chats. Those of an agent that is not registered can be read."""
    agent = registry.find(agent_name)
    try:
        return agent is None or agent.is_open_to(user)
    except Exception:
        logger.exception("allow() of agent function %r failed; it is closed", agent_name)
        return False


# A session key, the chat session that is watched, who was admitted, and whether as staff.
Admission = tuple[str, UUID | None, Visitor, bool]


def _refused(admitted: Iterable[Admission]) -> dict[Admission, CloseCode]:
    """Those that would not be admitted now, and why."""
    admitted = list(admitted)
    now = _visitors_of({key for key, *_ in admitted})
    agents = dict(
        ChatSession.objects.filter(
            pk__in={session for _, session, *_ in admitted if session}, deleted_at=None
        ).values_list("pk", "agent")
    )
    refused: dict[Admission, CloseCode] = {}
    for admission in admitted:
        key, session_id, visitor, is_of_staff = admission
        if now[key] != visitor or not visitor.may_chat:
            refused[admission] = CloseCode.SIGN_IN
        elif session_id is None:
            continue
        elif session_id not in agents or not (
            may_watch(now[key].user, session_id) if is_of_staff else may_view(agents[session_id], now[key].user)
        ):
            refused[admission] = CloseCode.NOT_FOUND
    return refused


def _visitors_of(keys: set[str]) -> dict[str, Visitor]:
    found: dict[str, Visitor] = {}
    for prefix, find in FINDERS.items():
        found |= find({key for key in keys if key.startswith(prefix)})
    return found | visitors_of(keys - found.keys())
