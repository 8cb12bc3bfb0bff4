"""What this process hears from others through the channel layer: bells, deltas, and words to this process.

One ear for each process, with one channel. It is a member of the group of each chat session and each list of chats that
somebody looks at here, and of the group of the process itself. What it hears of chat sessions goes straight to the hub.

Each second it calls itself through the layer. If it does not hear that, the layer is away, whatever the
reason: a Redis that is dead, frozen, restarted, or a connection that both ends think is open. Then the keeper looks up
the watched chat sessions each second. When it hears itself again, it joins all groups once more, has all watched chat
sessions looked up, and asks for the text so far of what is being written. A layer that goes on taking its calls and
brings none back may never mend itself (channels_redis has lost the task that receives): the ear begins anew with it.

On the server's event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from agentchat.runs.hub import Hub
from agentchat.runs.layer import Layer, Message, group_of, group_of_process
from agentchat.runs.mirrors import Piece, has_gap, hear
from agentchat.runs.process import PROCESS
from agentchat.runs.voice import Voice

logger = logging.getLogger("agentchat.layer")

CALL_S = 1.0  # between two calls to itself
CALL_AWAY_S = 0.25  # the same, while the layer is away
DEAF_CALLS = 40  # so many calls in a row may be taken and not come back: ten seconds
ASK_AGAIN_S = 1.0  # between two questions for what is missing of the messages of a chat session
SESSIONS_AT_ONCE = 500  # in one question

OwnersOf = Callable[[Collection[UUID]], Awaitable[Mapping[UUID, str]]]


class Ear:
    """Hears for one process. `live()` is its life; when it ends, another one may begin.

    `owners_of` finds the processes that advance the runs of chat sessions, `words` says what to do with which word to
    this process, `on_list` takes the group of a list of chats that somebody rings for, and `on_return` is called when
    the layer is back.
    """

    def __init__(
        self,
        layer: Layer,
        hub: Hub,
        voice: Voice,
        *,
        owners_of: OwnersOf,
        words: Mapping[str, Callable[[Any], object]],
        on_list: Callable[[str], None],
        on_return: Callable[[], None],
        process: str = PROCESS,
    ) -> None:
        self._layer, self._hub, self._voice = layer, hub, voice
        self._owners_of, self._words, self._on_list, self._on_return = owners_of, words, on_list, on_return
        self._process = str(process)
        self._channel = ""
        self._wanted: set[str] = set()  # groups
        self._joined: set[str] = set()
        self._changing = asyncio.Lock()
        self._missing: set[UUID] = set()
        self._called = self._heard = 0
        self._is_subscribed = True  # as far as we know
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def hears(self) -> bool:
        """Whether it has heard itself lately."""
        return self._heard > 0 and not self._layer.is_away

    # --- what the hub wants to hear --------------------------------------------------------------------------------

    async def join(self, session_id: UUID) -> None:
        """Somebody looks at this chat session now. Returns when its bells are heard, or cannot be: in a second at most.

        Facts that are saved before may not be heard; the watcher reads them.
        """
        self._wanted.add(group := group_of(session_id))
        if await self._join(group):
            self._soon(self._ask_owners([session_id]))

    def leave(self, session_id: UUID) -> None:
        """Nobody looks at it any more."""
        self.leave_list(group_of(session_id))

    def join_list(self, group: str) -> None:
        """Somebody looks at this list of chats now. Waits for nothing: the list is read again soon in any case."""
        self._wanted.add(group)
        self._soon(self._join(group))

    def leave_list(self, group: str) -> None:
        self._wanted.discard(group)
        self._soon(self._part(group))

    @property
    def _can_join(self) -> bool:
        return bool(self._channel) and not self._layer.is_away

    async def _join(self, group: str) -> bool:
        """Join, if we are still to be there and are not. If the layer is away, its return does it."""
        async with self._changing:
            is_new = group in self._wanted and group not in self._joined
            if not is_new or not self._can_join or not await self._layer.join(group, self._channel):
                return False
            self._joined.add(group)
            return True

    async def _part(self, group: str) -> None:
        async with self._changing:
            is_left = group in self._joined and group not in self._wanted
            if is_left and self._can_join and await self._layer.part(group, self._channel):
                self._joined.discard(group)

    # --- its life --------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Until the layer has to be begun anew with, which the next life does."""
        if self._channel:
            self._layer.lost("the ear of this process begins anew")
            await self._layer.renew()
            self._channel = ""
            self._joined.clear()
        while (channel := await self._layer.new_channel()) is None:
            await asyncio.sleep(CALL_S)
        self._channel = channel
        parts = [asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._call_itself())]
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
                self._layer.lost(f"{type(error).__name__}: {error}")
                await asyncio.sleep(CALL_AWAY_S)
                continue
            try:
                self._take(message)
            except Exception:
                logger.exception("a message from another process could not be understood: %.200r", message)

    async def _call_itself(self) -> None:
        """Until the layer is found to bring nothing that it takes."""
        me, unheard = group_of_process(self._process), 0
        await self._layer.join(me, self._channel)
        while unheard < DEAF_CALLS:
            self._called += 1
            call = {"type": "ear.call", "number": self._called}
            taken = await self._layer.try_to_send(me, call)
            await asyncio.sleep(CALL_AWAY_S if self._layer.is_away else CALL_S)
            if not taken or self._heard >= self._called - 1:
                unheard = 0
            else:
                unheard += 1
                self._layer.lost("what it is given does not come back")
                self._is_subscribed = False
            if self._layer.is_away and taken:
                await self._layer.part(me, self._channel)
            if self._layer.is_away:
                await self._layer.join(me, self._channel)
        logger.warning("the channel layer takes what it is given and brings nothing: this process begins anew with it")

    def _heard_itself(self, number: int) -> None:
        first, self._heard = self._heard == 0, number
        if number >= self._called - 1 and (first or self._layer.is_away):
            self._layer.found()
            self._soon(self._return())

    async def _return(self) -> None:
        """The layer is there: be where we want to be, and make up for what was missed."""
        async with self._changing:
            for group in self._joined - self._wanted:  # left while the layer was away
                if self._layer.is_away or not await self._layer.part(group, self._channel):
                    return
            self._joined.clear()
            for group in list(self._wanted):
                if not self._is_subscribed:
                    await self._layer.part(group, self._channel)
                if self._layer.is_away or not await self._layer.join(group, self._channel):
                    return
                self._joined.add(group)
            self._is_subscribed = True
        self._voice.resume()
        self._on_return()
        await self._ask_owners(self._hub.watched())

    # --- what it hears ---------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        match message["type"]:
            case "chat.rung":
                if message["process"] != self._process:
                    self._hub.ring(UUID(message["session"]), message["seq"])
            case "chats.rung":
                if message["process"] != self._process:
                    self._on_list(message["what"])
            case Piece.TYPE:
                if message["process"] != self._process and hear(self._hub, piece := Piece.of(message)):
                    self._miss(piece)
            case "chat.asked":
                for session_id in map(UUID, message["sessions"]):
                    for writing in self._hub.written_here(session_id):
                        self._voice.say_so_far(message["process"], session_id, writing)
            case "ear.call":
                self._heard_itself(message["number"])
            case word if word in self._words:
                self._words[word](message["what"])
            case other:
                logger.warning("another process says %r, which this version does not know", other)

    # --- the text so far -------------------------------------------------------------------------------------------

    async def _ask_owners(self, session_ids: list[UUID]) -> None:
        """Ask the processes that advance the runs of these chat sessions for what is being written in them."""
        try:
            owners = await self._owners_of(session_ids) if session_ids else {}
        except Exception:
            logger.exception("could not find out who writes; what is being written shows when it goes on")
            return
        by_process: dict[str, list[UUID]] = {}
        for session_id, process in owners.items():
            by_process.setdefault(process, []).append(session_id)
        for process, theirs in by_process.items():
            self._ask(process, theirs)

    def _ask(self, process: str, session_ids: list[UUID]) -> None:
        if process == self._process:
            return
        for start in range(0, len(session_ids), SESSIONS_AT_ONCE):
            some = [str(each) for each in session_ids[start : start + SESSIONS_AT_ONCE]]
            self._voice.tell(process, {"type": "chat.asked", "sessions": some, "process": self._process})

    def _miss(self, piece: Piece) -> None:
        if piece.session_id not in self._missing:
            self._missing.add(piece.session_id)
            self._soon(self._fill_gaps(piece.session_id, piece.process))

    async def _fill_gaps(self, session_id: UUID, process: str) -> None:
        """Ask until nothing is missing, or nothing more is heard; what comes then begins it anew."""
        try:
            while has_gap(self._hub, session_id):
                self._ask(process, [session_id])
                await asyncio.sleep(ASK_AGAIN_S)
        finally:
            self._missing.discard(session_id)

    def _soon(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
