"""The channel layer, as far as it is to be trusted: with a time-out, and remembered while it does not answer.

Whoever sends through it waits a second at most, and once: after a failure nothing is tried any more until the ear
(which hears itself through the layer, or does not) says that it is back. An outage is one line in the log.

On one event loop, the server's.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger("agentchat.layer")

TIMEOUT_S = 1.0

Message = dict[str, Any]


def group_of(session_id: UUID) -> str:
    """The group of the processes in which somebody looks at a chat session."""
    return f"chat.{session_id}"


def group_of_process(process: str) -> str:
    """The group of one process, named as a run's `owner_process` has it."""
    return "process." + re.sub(r"[^a-zA-Z0-9.-]", "-", process)[-90:]


def rung(session_id: UUID, seq: int, process: str) -> Message:
    """A bell of a chat session: there is a fact with this number."""
    return {"type": "chat.rung", "session": str(session_id), "seq": seq, "process": process}


def list_rung(group: str, process: str = "") -> Message:
    """A bell of an owner's list of chats."""
    return {"type": "chats.rung", "what": group, "process": process}


def layer_between_processes() -> Any | None:
    """The default channel layer, if it leads out of this process."""
    layer = get_channel_layer()
    return None if isinstance(layer, InMemoryChannelLayer) else layer


class Layer:
    """A channel layer that may be away."""

    def __init__(self, channel_layer: Any) -> None:
        self.channel_layer = channel_layer
        self._lost_at: float | None = None

    @property
    def is_away(self) -> bool:
        return self._lost_at is not None

    def away_for(self) -> float:
        """Seconds since it failed last; infinite if it is not."""
        return math.inf if self._lost_at is None else time.monotonic() - self._lost_at

    async def send(self, group: str, message: Message) -> bool:
        """Send to a group. Return whether the layer took it; nothing is tried while it is away."""
        return not self.is_away and await self.try_to_send(group, message)

    async def try_to_send(self, group: str, message: Message) -> bool:
        """Send to a group, also while the layer is away: to find out whether it is back."""
        return await self._try(lambda: self.channel_layer.group_send(group, message))

    async def join(self, group: str, channel: str) -> bool:
        return await self._try(lambda: self.channel_layer.group_add(group, channel))

    async def part(self, group: str, channel: str) -> bool:
        return await self._try(lambda: self.channel_layer.group_discard(group, channel))

    async def new_channel(self) -> str | None:
        """A channel of this process; None while there is no layer to have it from."""
        made: list[str] = []

        async def make() -> None:
            made.append(await self.channel_layer.new_channel())

        return made[0] if await self._try(make) else None

    async def renew(self) -> None:
        """Forget all connections and channels of this process, and the task that receives: the next call makes them.

        channels_redis never starts that task again when it has ended. Other layers stay as they are, because their
        `flush` would take from other processes too what they have not heard yet.
        """
        if _is_flushed_for_itself(self.channel_layer):
            await self._try(lambda: self.channel_layer.flush())

    async def receive(self, channel: str) -> Message:
        """Wait for the next message, as long as it takes. Raises what the layer raises."""
        message: Message = await self.channel_layer.receive(channel)
        return message

    def lost(self, why: str) -> None:
        """It does not answer, or what it takes does not arrive."""
        was_away, self._lost_at = self.is_away, time.monotonic()
        if not was_away:
            logger.warning(
                "the channel layer is away: %s. Chats go on; those of other processes are looked up each second", why
            )

    def found(self) -> None:
        """It answers again."""
        if self.is_away:
            self._lost_at = None
            logger.warning("the channel layer is back")

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await work()
        except TimeoutError:
            self.lost(f"no answer within {TIMEOUT_S:g} s")
        except Exception as error:
            self.lost(f"{type(error).__name__}: {error}")
        else:
            return True
        return False


def _is_flushed_for_itself(channel_layer: Any) -> bool:
    return any(each.__module__ == "channels_redis.pubsub" for each in type(channel_layer).__mro__)
