"""What links this process to others: its ear and its voice, where the channel layer leads out of it.

With the layer in memory there is no link, and nothing of it costs anything. Whatever ends the ear or the voice, another
life of it begins: a process that hears nothing any more, or says nothing, would look as if it were well.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import Any

from agentchat.runs.ear import Ear, OwnersOf
from agentchat.runs.hub import Hub
from agentchat.runs.layer import Layer
from agentchat.runs.voice import Voice

logger = logging.getLogger("agentchat.layer")

FINISH_S = 1.0
AGAIN_S = 1.0  # between two lives


class Link:
    """The ear and the voice of a process, on the running loop."""

    def __init__(
        self,
        hub: Hub,
        channel_layer: Any,
        *,
        owners_of: OwnersOf,
        words: Mapping[str, Callable[[Any], object]],
        on_list: Callable[[str], None],
        on_return: Callable[[], None],
        **names: str,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._hub = hub
        self.layer = Layer(channel_layer)
        self.voice = Voice(self.layer, **names)
        self.ear = Ear(
            self.layer,
            hub,
            self.voice,
            owners_of=owners_of,
            words=words,
            on_list=on_list,
            on_return=on_return,
            **names,
        )
        hub.ear, hub.voice = self.ear, self.voice
        self._tasks = [
            loop.create_task(_live("ear", self.ear.live), name="agentchat ear", context=Context()),
            loop.create_task(_live("voice", self.voice.speak), name="agentchat voice", context=Context()),
        ]

    @property
    def is_away(self) -> bool:
        """Whether other processes cannot be heard now."""
        return not self.ear.hears

    async def close(self) -> None:
        """Say what is left to be said, and hear nothing more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.voice.finish(), FINISH_S)
        if self._hub.voice is self.voice:
            self._hub.ear = self._hub.voice = None
        for task in self._tasks:
            task.cancel()


async def _live(name: str, life: Callable[[], Awaitable[None]]) -> None:
    """One life after another, until this is cancelled."""
    while True:
        try:
            await life()
        except Exception:
            logger.exception("the %s of this process has failed, and begins anew", name)
        await asyncio.sleep(AGAIN_S)
