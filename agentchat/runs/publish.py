"""Telling those who look: the hub of this process directly, those of other processes through the channel layer.

The layer is a doorbell. It may drop a message, so it carries only "there is a fact with this number": the fact itself
is in the database, and whoever hears nothing looks there every few seconds. The same holds for words to the process
that advances a run: stop it, look for its answer.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from agentchat.bridge import bridge_of
from agentchat.runs.frames import Frame
from agentchat.runs.hub import hub
from agentchat.runs.layer import Layer, Message, group_of, group_of_process, layer_between_processes, rung
from agentchat.runs.process import PROCESS

logger = logging.getLogger("agentchat.runs")

TRY_AGAIN_S = 5.0  # in a command, a layer that is away is tried again

Word = Literal["run.stop", "run.nudge"]


async def publish(session_id: UUID, frames: Sequence[Frame]) -> None:
    """On the server's loop: facts that were just saved. Waits for nobody."""
    _publish(session_id, frames)


def publish_soon(session_id: UUID, frames: Sequence[Frame], loop: asyncio.AbstractEventLoop | None) -> None:
    """From a thread: publish on the server's loop. In a process without a server (a command), only ring."""
    if not frames:
        return
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(_publish, session_id, frames)
    else:
        send_without_server(group_of(session_id), rung(session_id, frames[-1]["seq"], str(PROCESS)))


def tell_owner_soon(process: str, word: Word, run_id: int, loop: asyncio.AbstractEventLoop | None) -> None:
    """From a thread: a word about a run to the process that advances it, if it is another one.

    It may be lost: what is to be done must be in the database already, where that process finds it in a second or so.
    """
    if not process or process == PROCESS:
        return
    message: Message = {"type": word, "what": run_id}
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(_tell, process, message)
    else:
        send_without_server(group_of_process(process), message)


def _publish(session_id: UUID, frames: Sequence[Frame]) -> None:
    if frames:
        hub.tell(session_id, frames)
        if hub.voice is not None:
            hub.voice.ring(session_id, frames[-1]["seq"])


def _tell(process: str, message: Message) -> None:
    if hub.voice is not None:
        hub.voice.tell(process, message)


_layer: Layer | None = None


def send_without_server(group: str, message: Message) -> None:
    """In a command: send, on the one loop that this process keeps for such things, and wait for a second at most.

    `async_to_sync` would make a loop for each call, and a connection to Redis for each loop.
    """
    global _layer
    if (channel_layer := layer_between_processes()) is None:
        return
    if _layer is None or _layer.channel_layer is not channel_layer:
        _layer = Layer(channel_layer)
    layer = _layer
    if layer.away_for() < TRY_AGAIN_S:
        return
    if bridge_of(None).run(lambda: layer.try_to_send(group, message)):
        layer.found()
