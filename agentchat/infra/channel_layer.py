"""The channel layer, as far as it can be relied on: with a time-out, and with a memory of its outages.

A caller waits a second at most, and once: after a failure nothing is tried any more until the relay's receiver, whose
heartbeats go through the layer, finds that it has recovered. An outage is one line in the log.

On one event loop, the server's.
"""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from channels.layers import InMemoryChannelLayer, get_channel_layer

from agentchat.core.log import get_logger

logger = get_logger("agentchat.layer")

TIMEOUT_SECONDS = 1.0

Message = dict[str, Any]

EVENT_SAVED = "chat.event_saved"
CHAT_LIST_CHANGED = "chat_list.changed"


def group_of(session_id: UUID) -> str:
    """The group of the processes in which a chat session is watched."""
    return f"chat.{session_id}"


def group_of_process(process: str) -> str:
    """The group of one process, named as a run's `owner_process` has it."""
    return "process." + re.sub(r"[^a-zA-Z0-9.-]", "-", process)[-90:]


def event_saved(session_id: UUID, seq: int, process: str) -> Message:
    """A notification of a chat session: there is an event with this number."""
    return {"type": EVENT_SAVED, "session": str(session_id), "seq": seq, "process": process}


def chat_list_changed(group: str, process: str = "") -> Message:
    """A notification of an owner's list of chats."""
    return {"type": CHAT_LIST_CHANGED, "list": group, "process": process}


def layer_between_processes() -> Any | None:
    """The default channel layer, if it leads out of this process."""
    layer = get_channel_layer()
    return None if isinstance(layer, InMemoryChannelLayer) else layer


class RelayLayer:
    """A channel layer that may be down."""

    def __init__(self, channel_layer: Any) -> None:
        self.channel_layer = channel_layer
        self._down_since: float | None = None

    @property
    def is_down(self) -> bool:
        return self._down_since is not None

    def seconds_since_failure(self) -> float:
        """Seconds since it failed last; infinite if it is not down."""
        return math.inf if self._down_since is None else time.monotonic() - self._down_since

    async def send(self, group: str, message: Message) -> bool:
        """Send to a group. Return whether the layer took it; nothing is tried while it is down."""
        return not self.is_down and await self.try_to_send(group, message)

    async def try_to_send(self, group: str, message: Message) -> bool:
        """Send to a group, even while the layer is down: to find out whether it has recovered."""
        return await self._try(lambda: self.channel_layer.group_send(group, message))

    async def join(self, group: str, channel: str) -> bool:
        return await self._try(lambda: self.channel_layer.group_add(group, channel))

    async def leave(self, group: str, channel: str) -> bool:
        return await self._try(lambda: self.channel_layer.group_discard(group, channel))

    async def new_channel(self) -> str | None:
        """A channel of this process; None while the layer cannot give one."""
        made: list[str] = []

        async def make() -> None:
            made.append(await self.channel_layer.new_channel())

        return made[0] if await self._try(make) else None

    async def renew(self) -> None:
        """Forget all connections and channels of this process, and the task that receives: the next call makes them.

        channels_redis never starts that task again when it has ended. Other layers stay as they are, because their
        `flush` would also take from other processes what they have not received yet.
        """
        if _flushes_only_itself(self.channel_layer):
            await self._try(lambda: self.channel_layer.flush())

    async def receive(self, channel: str) -> Message:
        """Wait for the next message, as long as it takes. Raises what the layer raises."""
        message: Message = await self.channel_layer.receive(channel)
        return message

    def mark_down(self, why: str) -> None:
        """It does not answer, or does not deliver what it takes."""
        was_down, self._down_since = self.is_down, time.monotonic()
        if not was_down:
            logger.warning(
                "the channel layer is unavailable: %s. Chats continue; those of other processes are polled each second",
                why,
            )

    def mark_recovered(self) -> None:
        """It answers again."""
        if self.is_down:
            self._down_since = None
            logger.warning("the channel layer is available again")

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await work()
        except TimeoutError:
            self.mark_down(f"no answer within {TIMEOUT_SECONDS:g} s")
        except Exception as error:
            self.mark_down(f"{type(error).__name__}: {error}")
        else:
            return True
        return False


def _flushes_only_itself(channel_layer: Any) -> bool:
    return any(each.__module__ == "channels_redis.pubsub" for each in type(channel_layer).__mro__)
