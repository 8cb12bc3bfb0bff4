"""Telling those who look: the hub of this process directly, those of other processes through the channel layer.

The layer is a doorbell. It may drop a message, so it carries only "there is a fact with this number": the fact itself
is in the database, and whoever hears nothing looks there every few seconds.
"""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

from agentchat.runs.frames import Frame
from agentchat.runs.hub import hub

logger = logging.getLogger("agentchat.runs")


def group_of(session_id: UUID) -> str:
    """The channel layer's group of those who look at a chat session."""
    return f"chat.{session_id}"


async def publish(session_id: UUID, frames: Sequence[Frame]) -> None:
    """On the server's loop: facts that were just saved."""
    if frames:
        hub.tell(session_id, frames)
        await ring(session_id, frames[-1]["seq"])


async def ring(session_id: UUID, seq: int) -> None:
    """Tell other processes that there is a fact with this number."""
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        await layer.group_send(group_of(session_id), {"type": "chat.rung", "session": str(session_id), "seq": seq})
    except Exception:
        # The fact is saved, and found without the bell.
        logger.warning("the channel layer took no message for chat session %s", session_id, exc_info=True)


def publish_soon(session_id: UUID, frames: Sequence[Frame], loop: asyncio.AbstractEventLoop | None) -> None:
    """From a thread: publish on the server's loop. In a process without a server (a command), only ring."""
    if not frames:
        return
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(publish(session_id, frames)))
    elif not isinstance(get_channel_layer(), InMemoryChannelLayer):
        async_to_sync(ring)(session_id, frames[-1]["seq"])
