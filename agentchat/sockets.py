"""The open websockets of this process, and the two things that close them from outside.

Whoever signs out, is deactivated, changes the password or loses a permission is out of the open sockets within a few
seconds; and a server that stops sends everybody away with a code that says: come back.
"""

import logging
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Protocol
from uuid import UUID

from agentchat import registry
from agentchat.models import ChatSession
from agentchat.runs.runner import in_read_thread
from agentchat.visitors import Visitor, visitors_of

logger = logging.getLogger("agentchat.sockets")

LOOK_S = 4.0  # so often the visitors of open sockets are looked up again


class CloseCode(IntEnum):
    """Why a socket is closed; each is sent after accepting, since a close before it is a bare 403 to a browser."""

    RESTART = 4012  # the server restarts, or lost its footing: come back (1012 cannot be sent by Daphne)
    SIGN_IN = 4401
    NOT_FOUND = 4404  # not there, or not yours
    TOO_SLOW = 4408
    TOO_MANY = 4429


class Socket(Protocol):
    """A consumer, as far as this module knows it."""

    session_key: str
    session_id: UUID | None  # None: it looks at the list of the visitor's chats
    visitor: Visitor

    async def leave(self, code: CloseCode) -> None: ...


class Sockets:
    """All open sockets of this process that were let in. Lives on the server's loop."""

    def __init__(self) -> None:
        self._open: set[Socket] = set()

    def add(self, socket: Socket) -> None:
        self._open.add(socket)

    def discard(self, socket: Socket) -> None:
        self._open.discard(socket)

    def __contains__(self, socket: object) -> bool:
        return socket in self._open

    async def close_all(self, code: CloseCode) -> None:
        for socket in list(self._open):
            try:
                await socket.leave(code)
            except Exception:
                logger.exception("a socket could not be closed")  # the others must be

    async def look_again(self) -> None:
        """Close the sockets whose visitor is not the one any more who was let in."""
        if not self._open:
            return
        opened = {socket: (socket.session_key, socket.session_id, socket.visitor) for socket in self._open}
        gone = await in_read_thread(_gone)(set(opened.values()))
        for socket, facts in opened.items():
            if facts in gone and socket in self._open:
                await socket.leave(gone[facts])


def is_open(agent_name: str, user: Any) -> bool:
    """Whether this user may look at what the agent says. A chat of an agent that is not registered can be read."""
    agent = registry.find(agent_name)
    try:
        return agent is None or agent.is_open_to(user)
    except Exception:
        logger.exception("allow() of agent function %r failed; it is closed", agent_name)
        return False


Opened = tuple[str, UUID | None, Visitor]


def _gone(opened: Iterable[Opened]) -> dict[Opened, CloseCode]:
    opened = list(opened)
    now = visitors_of({key for key, _, _ in opened})
    agents = dict(
        ChatSession.objects.filter(
            pk__in={session for _, session, _ in opened if session}, deleted_at=None
        ).values_list("pk", "agent")
    )
    gone: dict[Opened, CloseCode] = {}
    for key, session_id, visitor in opened:
        if now[key] != visitor or not visitor.may_chat:
            gone[key, session_id, visitor] = CloseCode.SIGN_IN
        elif session_id is None:
            continue
        elif session_id not in agents or not is_open(agents[session_id], now[key].user):
            gone[key, session_id, visitor] = CloseCode.NOT_FOUND
    return gone


sockets = Sockets()
