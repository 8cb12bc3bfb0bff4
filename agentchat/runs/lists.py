"""The bell of the lists of chats: whoever shows an owner's chats hears that something in them has changed.

It says nothing but that; what has changed is in the database, where everybody who shows a list looks every few seconds
in any case. Listeners of this process are called directly, those of others through the channel layer, in a group whose
name is made of the owner and tells nobody who that is. A layer that does not answer costs nobody anything: ringing
never raises, and nothing waits for it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextvars import Context
from hashlib import sha256
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

from agentchat.errors import DatabaseAway
from agentchat.events import InputAnswered, InputRequested, RunError, RunFinished, RunStarted
from agentchat.models import ChatSession
from agentchat.runs.database import whole
from agentchat.runs.frames import Frame

logger = logging.getLogger("agentchat.runs")

DATABASE_S = 1.0  # so long the database may be away
LAYER_S = 2.0  # so long the channel layer may take
AGAIN_S = 5.0  # so long after a failure of the layer it is asked again

CHANGES = {each.type for each in (RunStarted, RunFinished, RunError, InputRequested, InputAnswered)}
"""The facts that change what a list says."""

Listener = Callable[[], None]


def group_of(owner_id: Any, guest_key: str) -> str:
    """The owner's name among listeners: a guest's key must not stand in a channel layer."""
    owner = f"guest {guest_key}" if owner_id is None else f"user {owner_id}"
    return f"chats.{sha256(owner.encode()).hexdigest()[:40]}"


class Bell:
    """The bell of this process. `start`, `listen` and `leave` on the server's loop; ringing from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: dict[str, set[Listener]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ear: asyncio.Task[None] | None = None
        self._channel = ""

    def start(self) -> None:
        """Belong to the running loop. A new one is a new life, in which nobody listens yet."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._listeners, self._tasks, self._ear, self._channel = loop, {}, set(), None, ""

    # --- listening -------------------------------------------------------------------------------------------------

    def listen(self, group: str, listener: Listener) -> None:
        """Call `listener`, on the loop, when the owner's chats have changed, until `leave`."""
        self.start()
        is_new = group not in self._listeners
        self._listeners.setdefault(group, set()).add(listener)
        if _layer() is None:
            return
        if self._ear is None or self._ear.done():
            self._ear = asyncio.get_running_loop().create_task(self._hear(), name="agentchat bell", context=Context())
        elif is_new and self._channel:
            self._soon(self._join(group))

    def leave(self, group: str, listener: Listener) -> None:
        listeners = self._listeners.get(group, set())
        listeners.discard(listener)
        if not listeners and self._listeners.pop(group, None) is not None and self._channel:
            self._soon(self._part(group))

    def heard(self, group: str) -> None:
        for listener in list(self._listeners.get(group, ())):
            listener()

    async def _hear(self) -> None:
        """Hear what other processes ring, for as long as anybody listens here."""
        while self._listeners:
            try:
                layer = _layer()
                if layer is None:
                    return
                self._channel = await asyncio.wait_for(layer.new_channel("chats"), LAYER_S)
                for group in list(self._listeners):
                    await self._join(group)
                while True:
                    self.heard((await layer.receive(self._channel))["group"])
            except Exception:
                self._channel = ""
                logger.warning("the channel layer is silent: lists of chats are looked up meanwhile", exc_info=True)
                await asyncio.sleep(AGAIN_S)

    async def _join(self, group: str) -> None:
        if (layer := _layer()) is not None:
            await asyncio.wait_for(layer.group_add(group, self._channel), LAYER_S)

    async def _part(self, group: str) -> None:
        if (layer := _layer()) is not None and group not in self._listeners:
            await asyncio.wait_for(layer.group_discard(group, self._channel), LAYER_S)

    # --- ringing ---------------------------------------------------------------------------------------------------

    def ring(self, owners: Iterable[str]) -> None:
        """From any thread, after the commit: these owners' chats (groups) have changed. Does not block, nor raise."""
        groups = list(owners)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring_here, groups)
        elif _layer() is not None:
            try:
                async_to_sync(self._ring_elsewhere)(groups)
            except RuntimeError:  # on a loop: whoever listens looks soon
                logger.debug("nobody could be told that a list has changed", exc_info=True)

    def _ring_here(self, groups: list[str]) -> None:
        for group in groups:
            self.heard(group)
        if _layer() is not None:
            self._soon(self._ring_elsewhere(groups))

    async def _ring_elsewhere(self, groups: list[str]) -> None:
        layer = _layer()
        try:
            for group in groups if layer is not None else ():
                await asyncio.wait_for(layer.group_send(group, {"type": "chats.rung", "group": group}), LAYER_S)
        except Exception as error:
            # Whoever shows a list looks into the database soon.
            logger.warning("the channel layer took no message about a list of chats: %r", error)

    def _soon(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(_quietly(work), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Any) -> None:
    try:
        await work
    except Exception as error:
        logger.warning("the channel layer did not answer: %r", error)


def _layer() -> Any:
    """The channel layer, if it reaches other processes."""
    layer = get_channel_layer()
    return None if isinstance(layer, InMemoryChannelLayer) else layer


bell = Bell()


def ring(owner_id: Any, guest_key: str = "") -> None:
    """This owner's chats have changed. From any thread, after the commit."""
    bell.ring([group_of(owner_id, guest_key)])


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
