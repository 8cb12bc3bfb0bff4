"""What links this process to others: its ear and its voice, where the channel layer leads out of it.

With the layer in memory there is no link, and nothing of it costs anything.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

from agentchat.runs.ear import Ear, OwnersOf
from agentchat.runs.hub import Hub
from agentchat.runs.layer import Layer
from agentchat.runs.voice import Voice

FINISH_S = 1.0


class Link:
    """The ear and the voice of a process, on the running loop."""

    def __init__(
        self,
        hub: Hub,
        channel_layer: Any,
        *,
        owners_of: OwnersOf,
        words: Mapping[str, Callable[[Any], object]],
        on_return: Callable[[], None],
        **names: str,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._hub = hub
        self.layer = Layer(channel_layer)
        self.voice = Voice(self.layer, **names)
        self.ear = Ear(self.layer, hub, self.voice, owners_of=owners_of, words=words, on_return=on_return, **names)
        hub.ear, hub.voice = self.ear, self.voice
        self._tasks = [
            loop.create_task(self.ear.live(), name="agentchat ear", context=Context()),
            loop.create_task(self.voice.speak(), name="agentchat voice", context=Context()),
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
