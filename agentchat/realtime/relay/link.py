"""The link of this process to others: its receiver and its sender, where the channel layer leads out of the process.

With the layer in memory there is no link, and nothing of it costs anything. A receiver or a sender that fails is
restarted: a process that receives nothing any more, or sends nothing, would seem to be healthy.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import Any

from agentchat.core.log import get_logger
from agentchat.infra.channel_layer import RelayLayer
from agentchat.realtime.hub import Hub
from agentchat.realtime.relay.receiver import OwnersOf, RelayReceiver
from agentchat.realtime.relay.sender import RelaySender

logger = get_logger("agentchat.layer")

FINISH_SECONDS = 1.0  # for what is still to be sent when the link closes
RESTART_SECONDS = 1.0  # before a receiver or a sender that has failed is restarted


class RelayLink:
    """The receiver and the sender of a process, on the running loop."""

    def __init__(
        self,
        hub: Hub,
        channel_layer: Any,
        *,
        owners_of: OwnersOf,
        on_direct: Mapping[str, Callable[[int], object]],
        on_list: Callable[[str], None],
        on_recovery: Callable[[], None],
        **names: str,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._hub = hub
        self.layer = RelayLayer(channel_layer)
        self.sender = RelaySender(self.layer, **names)
        self.receiver = RelayReceiver(
            self.layer,
            hub,
            self.sender,
            owners_of=owners_of,
            on_direct=on_direct,
            on_list=on_list,
            on_recovery=on_recovery,
            **names,
        )
        hub.receiver, hub.sender = self.receiver, self.sender
        self._tasks = [
            loop.create_task(
                _keep_running("receiver", self.receiver.run), name="agentchat receiver", context=Context()
            ),
            loop.create_task(_keep_running("sender", self.sender.run), name="agentchat sender", context=Context()),
        ]

    @property
    def is_connected(self) -> bool:
        """Whether this process receives what others send."""
        return self.receiver.is_connected

    async def close(self) -> None:
        """Send what is left to be sent, and receive nothing more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.sender.finish(), FINISH_SECONDS)
        if self._hub.sender is self.sender:
            self._hub.receiver = self._hub.sender = None
        for task in self._tasks:
            task.cancel()


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run it again whenever it ends, until this is cancelled."""
    while True:
        try:
            await run()
        except Exception:
            logger.exception("the %s of this process has failed and is restarting", name)
        await asyncio.sleep(RESTART_SECONDS)
