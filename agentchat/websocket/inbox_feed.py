"""How much waits in the inboxes of the users whose pages are open: the sockets of their lists of chats show it.

One `InboxFeed` is for all sockets of a process. It reads what is open in all chats when it is notified of a change, at
most twice a second, and every few seconds in any case, since permissions change without a notification. What that costs
depends on how much is open and not on how many users there are.
"""

import asyncio
from contextvars import Context
from typing import Any, Protocol

from agentchat.actions.staff_inbox import InboxState, read_board
from agentchat.core.log import get_logger
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.loop_scope import current_scope, owned
from agentchat.realtime.chat_list import INBOX_GROUP, current_notifier
from agentchat.visitors import Visitor

logger = get_logger("agentchat.websocket.connections")

MIN_INTERVAL_SECONDS = 0.5  # between two reads
REFRESH_INTERVAL_SECONDS = 10.0  # how often it is read without a notification


class InboxSocket(Protocol):
    """A socket, as far as this feed is concerned."""

    async def show_inbox(self, state: InboxState | None) -> None: ...


class InboxFeed:
    """On the server's loop, but for `state_of`, which is for any thread."""

    def __init__(self) -> None:
        self._sockets: dict[Any, set[InboxSocket]] = {}  # by the user's key
        self._states: dict[Any, InboxState] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def join(self, visitor: Visitor, socket: InboxSocket) -> None:
        """Show the socket how much waits for its user, until `leave`. Guests have no inbox."""
        if visitor.user is None:
            return
        key = visitor.user.pk
        self._sockets.setdefault(key, set()).add(socket)
        if key not in self._states:
            self._changed.set()
        if self._task is None:
            current_notifier().subscribe(INBOX_GROUP, self._changed.set)
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._run(), name="agentchat inboxes", context=Context())

    def leave(self, visitor: Visitor, socket: InboxSocket) -> None:
        key = visitor.user.pk if visitor.user is not None else None
        sockets = self._sockets.get(key, set())
        sockets.discard(socket)
        if not sockets:
            self._sockets.pop(key, None)
            self._states.pop(key, None)
        if not self._sockets and self._task is not None:
            current_notifier().unsubscribe(INBOX_GROUP, self._changed.set)
            self._task.cancel()
            self._task = None

    def state_of(self, visitor: Visitor) -> InboxState | None:
        """How much waits for this visitor; None if it is not known yet, or they are a guest."""
        return None if visitor.user is None else self._states.get(visitor.user.pk)

    async def _run(self) -> None:
        while True:
            self._changed.clear()  # before reading: what changes from here on is read again
            try:
                states = await retry_until_available(lambda: in_read_thread(_read)(list(self._sockets)))
                self._states = {key: state for key, state in states.items() if key in self._sockets}
                for key, state in list(self._states.items()):
                    for socket in list(self._sockets.get(key, ())):
                        await socket.show_inbox(state)
            except Exception:
                logger.exception("the inboxes could not be read; trying again soon")
            await asyncio.sleep(MIN_INTERVAL_SECONDS)
            try:
                await asyncio.wait_for(self._changed.wait(), REFRESH_INTERVAL_SECONDS - MIN_INTERVAL_SECONDS)
            except TimeoutError:
                continue


def current_inbox_feed() -> InboxFeed:
    """The feed of the server's loop."""
    return owned(InboxFeed)


def known_state(visitor: Visitor) -> InboxState | None:
    """How much waits for this visitor, as their open pages show it. A page asks the database for nothing more."""
    scope = current_scope()
    return None if scope is None else scope.get(InboxFeed).state_of(visitor)


def _read(keys: list[Any]) -> dict[Any, InboxState]:
    return read_board().states_of(keys)
