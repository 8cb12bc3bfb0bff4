"""What this process receives from others through the channel layer: notifications, deltas, and direct messages.

There is one receiver for each process, with one channel. It is a member of the group of each chat session and each list
of chats that is watched here, and of the group of the process itself. What it receives of chat sessions goes straight
to the hub.

Each second it sends itself a heartbeat through the layer. If that does not arrive, the layer is unavailable, whatever
the reason: a Redis that is dead, frozen, restarted, or a connection that both ends think is open. Then the watched chat
sessions are polled each second. When a heartbeat arrives again, it rejoins all groups, has all watched chat sessions
polled, and requests the text so far of what is being written. A layer that goes on taking heartbeats and delivers none
may never recover (channels_redis has lost the task that receives): the receiver restarts with new connections.

On the server's event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any
from uuid import UUID

from agentchat.core.log import get_logger
from agentchat.infra.channel_layer import (
    CHAT_LIST_CHANGED,
    EVENT_SAVED,
    Message,
    RelayLayer,
    group_of,
    group_of_process,
)
from agentchat.infra.process import PROCESS
from agentchat.realtime.hub import Hub
from agentchat.realtime.relay.remote_messages import DeltaMessage, apply_delta, has_gap
from agentchat.realtime.relay.sender import RelaySender

logger = get_logger("agentchat.layer")

HEARTBEAT_SECONDS = 1.0
HEARTBEAT_UNAVAILABLE_SECONDS = 0.25  # while the layer is unavailable
MAX_UNDELIVERED = 40  # heartbeats in a row that were taken and did not arrive: ten seconds
REQUEST_SECONDS = 1.0  # between two requests for what is missing of the messages of a chat session
MAX_SESSIONS = 500  # in one request

HEARTBEAT = "process.heartbeat"
TEXT_REQUESTED = "chat.text_requested"

OwnersOf = Callable[[Collection[UUID]], Awaitable[Mapping[UUID, str]]]


class RelayReceiver:
    """Receives for one process. `run()` ends when the connections have to be renewed; call it again.

    `owners_of` finds the processes that advance the runs of chat sessions, `on_direct` has a callback for each type of
    direct message about a run, `on_list` takes the group of a list of chats that has changed, and `on_recovery` is
    called when the layer is available again.
    """

    def __init__(
        self,
        layer: RelayLayer,
        hub: Hub,
        sender: RelaySender,
        *,
        owners_of: OwnersOf,
        on_direct: Mapping[str, Callable[[int], object]],
        on_list: Callable[[str], None],
        on_recovery: Callable[[], None],
        process: str = PROCESS,
    ) -> None:
        self._layer, self._hub, self._sender = layer, hub, sender
        self._owners_of, self._on_direct, self._on_list, self._on_recovery = owners_of, on_direct, on_list, on_recovery
        self._process = str(process)
        self._channel = ""
        self._wanted: set[str] = set()  # groups
        self._joined: set[str] = set()
        self._membership = asyncio.Lock()
        self._incomplete: set[UUID] = set()
        self._last_sent = self._last_received = 0  # numbers of heartbeats
        self._is_subscribed = True  # as far as we know
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_connected(self) -> bool:
        """Whether a heartbeat has arrived lately."""
        return self._last_received > 0 and not self._layer.is_down

    # --- groups ----------------------------------------------------------------------------------------------------

    async def join(self, session_id: UUID) -> None:
        """A chat session is watched now. Return when its notifications are received, or cannot be: in a second at most.

        Events that are saved before may not be received; the subscriber reads them.
        """
        self._wanted.add(group := group_of(session_id))
        if await self._join(group):
            self._soon(self._request_texts([session_id]))

    def leave(self, session_id: UUID) -> None:
        """It is not watched any more."""
        self.leave_list(group_of(session_id))

    def join_list(self, group: str) -> None:
        """A list of chats is watched now. Returns at once: the list is read again soon in any case."""
        self._wanted.add(group)
        self._soon(self._join(group))

    def leave_list(self, group: str) -> None:
        self._wanted.discard(group)
        self._soon(self._leave(group))

    @property
    def _can_join(self) -> bool:
        return bool(self._channel) and not self._layer.is_down

    async def _join(self, group: str) -> bool:
        """Join, if the group is still wanted and not joined. If the layer is unavailable, its recovery does it."""
        async with self._membership:
            is_new = group in self._wanted and group not in self._joined
            if not is_new or not self._can_join or not await self._layer.join(group, self._channel):
                return False
            self._joined.add(group)
            return True

    async def _leave(self, group: str) -> None:
        async with self._membership:
            is_left = group in self._joined and group not in self._wanted
            if is_left and self._can_join and await self._layer.leave(group, self._channel):
                self._joined.discard(group)

    # --- running ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Receive, until the connections have to be renewed, which the next call does."""
        if self._channel:
            self._layer.mark_down("the receiver of this process restarts")
            await self._layer.renew()
            self._channel = ""
            self._joined.clear()
        while (channel := await self._layer.new_channel()) is None:
            await asyncio.sleep(HEARTBEAT_SECONDS)
        self._channel = channel
        parts = [asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._send_heartbeats())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                if not part.cancelled():
                    part.result()
        finally:
            for task in (*parts, *self._tasks):
                task.cancel()

    async def _receive(self) -> None:
        while True:
            try:
                message = await self._layer.receive(self._channel)
            except Exception as error:
                self._layer.mark_down(f"{type(error).__name__}: {error}")
                await asyncio.sleep(HEARTBEAT_UNAVAILABLE_SECONDS)
                continue
            try:
                self._handle(message)
            except Exception:
                logger.exception("a message from another process could not be handled: %.200r", message)

    async def _send_heartbeats(self) -> None:
        """Until the layer is found to deliver nothing that it takes."""
        me, undelivered = group_of_process(self._process), 0
        await self._layer.join(me, self._channel)
        while undelivered < MAX_UNDELIVERED:
            self._last_sent += 1
            heartbeat = {"type": HEARTBEAT, "number": self._last_sent}
            taken = await self._layer.try_to_send(me, heartbeat)
            await asyncio.sleep(HEARTBEAT_UNAVAILABLE_SECONDS if self._layer.is_down else HEARTBEAT_SECONDS)
            if not taken or self._last_received >= self._last_sent - 1:
                undelivered = 0
            else:
                undelivered += 1
                self._layer.mark_down("what it is given does not come back")
                self._is_subscribed = False
            if self._layer.is_down and taken:
                await self._layer.leave(me, self._channel)
            if self._layer.is_down:
                await self._layer.join(me, self._channel)
        logger.warning("the channel layer accepts messages but delivers none: this process reconnects")

    def _on_heartbeat(self, number: int) -> None:
        is_first, self._last_received = self._last_received == 0, number
        if number >= self._last_sent - 1 and (is_first or self._layer.is_down):
            self._layer.mark_recovered()
            self._soon(self._recover())

    async def _recover(self) -> None:
        """The layer is available: rejoin the groups that are wanted, and make up for what was missed."""
        async with self._membership:
            for group in self._joined - self._wanted:  # left while the layer was unavailable
                if self._layer.is_down or not await self._layer.leave(group, self._channel):
                    return
            self._joined.clear()
            for group in list(self._wanted):
                if not self._is_subscribed:
                    await self._layer.leave(group, self._channel)
                if self._layer.is_down or not await self._layer.join(group, self._channel):
                    return
                self._joined.add(group)
            self._is_subscribed = True
        self._sender.resume()
        self._on_recovery()
        await self._request_texts(self._hub.watched())

    # --- messages --------------------------------------------------------------------------------------------------

    def _handle(self, message: Message) -> None:
        kind = message["type"]
        if kind == HEARTBEAT:
            self._on_heartbeat(message["number"])
        elif kind == TEXT_REQUESTED:
            for session_id in map(UUID, message["sessions"]):
                for each in self._hub.local_messages(session_id):
                    self._sender.send_text_so_far(message["process"], session_id, each)
        elif kind in self._on_direct:
            self._on_direct[kind](message["run"])
        elif kind not in (EVENT_SAVED, CHAT_LIST_CHANGED, DeltaMessage.TYPE):
            logger.warning("another process sent %r, which this version does not know", kind)
        elif message["process"] != self._process:
            self._handle_published(kind, message)

    def _handle_published(self, kind: str, message: Message) -> None:
        """What another process has published to a group."""
        if kind == EVENT_SAVED:
            self._hub.notify(UUID(message["session"]), message["seq"])
        elif kind == CHAT_LIST_CHANGED:
            self._on_list(message["list"])
        elif apply_delta(self._hub, delta := DeltaMessage.of(message)):
            self._on_gap(delta)

    # --- the text so far -------------------------------------------------------------------------------------------

    async def _request_texts(self, session_ids: list[UUID]) -> None:
        """Request what is being written in these chat sessions from the processes that advance their runs."""
        try:
            owners = await self._owners_of(session_ids) if session_ids else {}
        except Exception:
            logger.exception("could not find out which process writes; its text appears with the next delta")
            return
        by_process: dict[str, list[UUID]] = {}
        for session_id, process in owners.items():
            by_process.setdefault(process, []).append(session_id)
        for process, theirs in by_process.items():
            self._request(process, theirs)

    def _request(self, process: str, session_ids: list[UUID]) -> None:
        if process == self._process:
            return
        for start in range(0, len(session_ids), MAX_SESSIONS):
            some = [str(each) for each in session_ids[start : start + MAX_SESSIONS]]
            self._sender.send_direct(process, {"type": TEXT_REQUESTED, "sessions": some, "process": self._process})

    def _on_gap(self, delta: DeltaMessage) -> None:
        if delta.session_id not in self._incomplete:
            self._incomplete.add(delta.session_id)
            self._soon(self._fill_gaps(delta.session_id, delta.process))

    async def _fill_gaps(self, session_id: UUID, process: str) -> None:
        """Request until nothing is missing, or nothing more arrives; what arrives then starts this again."""
        try:
            while has_gap(self._hub, session_id):
                self._request(process, [session_id])
                await asyncio.sleep(REQUEST_SECONDS)
        finally:
            self._incomplete.discard(session_id)

    def _soon(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
