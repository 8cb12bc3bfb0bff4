"""Publishing to subscribers: to the hub of this process directly, to other processes through the channel layer.

The layer may drop a message, so it carries only "there is an event with this number": the event itself is in the
database, which is polled every few seconds for those that were not notified. The same holds for direct messages to the
process that advances a run: stop it, look for its answer.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from agentchat.core.async_bridge import bridge_of
from agentchat.core.log import get_logger
from agentchat.infra.channel_layer import (
    Message,
    RelayLayer,
    event_saved,
    group_of,
    group_of_process,
    layer_between_processes,
)
from agentchat.infra.process import PROCESS
from agentchat.realtime.frames import Frame
from agentchat.realtime.hub import current_hub

logger = get_logger("agentchat.runs")

RETRY_SECONDS = 5.0  # in a command, until a layer that did not answer is tried again

DirectMessage = Literal["run.stop", "run.wake"]


async def publish(session_id: UUID, frames: Sequence[Frame]) -> None:
    """On the server's loop: events that were just saved. Never waits."""
    _publish(session_id, frames)


def publish_soon(session_id: UUID, frames: Sequence[Frame], loop: asyncio.AbstractEventLoop | None) -> None:
    """From a thread: publish on the server's loop. In a process without a server (a command), notify the others."""
    if not frames:
        return
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(_publish, session_id, frames)
    else:
        send_without_server(group_of(session_id), event_saved(session_id, frames[-1]["seq"], str(PROCESS)))


def send_direct_soon(process: str, kind: DirectMessage, run_id: int, loop: asyncio.AbstractEventLoop | None) -> None:
    """From a thread: a message about a run to the process that advances it, if that is another one.

    It may be lost: what is to be done must be in the database already, where that process finds it in a second or so.
    """
    if not process or process == PROCESS:
        return
    message: Message = {"type": kind, "run": run_id}
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(_send_direct, process, message)
    else:
        send_without_server(group_of_process(process), message)


def _publish(session_id: UUID, frames: Sequence[Frame]) -> None:
    if frames:
        hub = current_hub()
        hub.publish(session_id, frames)
        if hub.sender is not None:
            hub.sender.notify(session_id, frames[-1]["seq"])


def _send_direct(process: str, message: Message) -> None:
    if (sender := current_hub().sender) is not None:
        sender.send_direct(process, message)


_layer: RelayLayer | None = None


def send_without_server(group: str, message: Message) -> None:
    """In a command: send, on the one loop that this process keeps for such things, and wait for a second at most.

    `async_to_sync` would make a loop for each call, and a connection to Redis for each loop.
    """
    global _layer
    if (channel_layer := layer_between_processes()) is None:
        return
    if _layer is None or _layer.channel_layer is not channel_layer:
        _layer = RelayLayer(channel_layer)
    layer = _layer
    if layer.seconds_since_failure() < RETRY_SECONDS:
        return
    if bridge_of(None).run(lambda: layer.try_to_send(group, message)):
        layer.mark_recovered()
