"""The bell of the lists of chats: whoever shows an owner's chats hears that something in them has changed.

It says nothing but that; what has changed is in the database, where everybody who shows a list looks every few seconds
in any case. Listeners of this process are called directly. To other processes it is said by the voice and heard by the
ear (voice.py, ear.py), like everything else, in a group whose name is made of the owner and tells nobody who that is.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any
from uuid import UUID

from agentchat.errors import DatabaseAway
from agentchat.events import InputAnswered, InputRequested, RunError, RunFinished, RunStarted
from agentchat.models import ChatSession
from agentchat.runs.database import whole
from agentchat.runs.frames import Frame
from agentchat.runs.hub import Hub, hub
from agentchat.runs.layer import list_rung
from agentchat.runs.publish import send_without_server

logger = logging.getLogger("agentchat.runs")

DATABASE_S = 1.0  # so long the database may be away

CHANGES = {each.type for each in (RunStarted, RunFinished, RunError, InputRequested, InputAnswered)}
"""The facts that change what a list says."""

Listener = Callable[[], None]


def group_of(owner_id: Any, guest_key: str) -> str:
    """The owner's name among listeners: a guest's key must not stand in a channel layer."""
    owner = f"guest {guest_key}" if owner_id is None else f"user {owner_id}"
    return f"chats.{sha256(owner.encode()).hexdigest()[:40]}"


class Bell:
    """Who listens in this process. Everything on the server's loop, but `ring`, which is for any thread."""

    def __init__(self, at: Hub = hub) -> None:
        self._hub = at  # its ear and its voice lead to other processes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: dict[str, set[Listener]] = {}

    def start(self) -> None:
        """Belong to the running loop. A new one is a new life, in which nobody listens yet."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._listeners = loop, {}

    def listen(self, group: str, listener: Listener) -> None:
        """Call `listener` when the owner's chats have changed, until `leave`."""
        self.start()
        is_new = group not in self._listeners
        self._listeners.setdefault(group, set()).add(listener)
        if is_new and self._hub.ear is not None:
            self._hub.ear.join_list(group)

    def leave(self, group: str, listener: Listener) -> None:
        listeners = self._listeners.get(group, set())
        listeners.discard(listener)
        if not listeners and self._listeners.pop(group, None) is not None and self._hub.ear is not None:
            self._hub.ear.leave_list(group)

    def heard(self, group: str) -> None:
        """Somebody has rung, here or in another process."""
        for listener in list(self._listeners.get(group, ())):
            listener()

    def ring(self, group: str) -> None:
        """This owner's chats have changed: after the commit, from any thread. Waits for nobody.

        In a process without a server (a command), the layer may take a second, and is not asked again for a while.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring, group)
        else:
            send_without_server(group, list_rung(group))

    def _ring(self, group: str) -> None:
        self.heard(group)
        if self._hub.voice is not None:
            self._hub.voice.ring_list(group)


bell = Bell()


def ring(owner_id: Any, guest_key: str = "") -> None:
    """This owner's chats have changed. From any thread, after the commit."""
    bell.ring(group_of(owner_id, guest_key))


def ring_for(session_id: UUID, frames: Iterable[Frame] | None = None) -> None:
    """The owner's list has changed by this chat session; `frames` are what was saved: not every fact changes it.

    Asks the database: not on the loop. Never raises for one that is away: whoever shows a list looks soon.
    """
    if frames is not None and not any(frame["type"] in CHANGES for frame in frames):
        return
    owners = ChatSession.objects.filter(pk=session_id).values_list("owner_id", "guest_key")
    try:
        owner = whole(lambda again: owners.first(), within=DATABASE_S)
    except DatabaseAway as error:
        logger.warning("nobody is told that a list of chats has changed: %s", error)
        return
    if owner is not None:
        ring(*owner)
