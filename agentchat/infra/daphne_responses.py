"""Daphne's HTTP responses, with a bound on what waits for a client that does not read.

Daphne writes a response into a buffer without an end. Twisted says when the operating system takes no more of it:
`response_bodies.py` hands over nothing then, so that one piece waits and not a file. A client that takes nothing for
`STALLED_SECONDS` is disconnected. (Between two responses Twisted limits the time itself.)
"""

import asyncio
from collections.abc import Callable
from typing import Any

from agentchat.core.log import get_logger

logger = get_logger("agentchat.server")

STALLED_SECONDS = 60.0  # for 128 KB at most: enough for 18 kbit/s


class PacedResponse:
    """What Twisted calls a push producer. On the reactor's thread, which is that of the server's loop."""

    def __init__(self, reactor: Any, disconnect: Callable[[], None]) -> None:
        self._reactor = reactor
        self._disconnect: Callable[[], None] | None = disconnect
        self._room = asyncio.Event()
        self._room.set()
        self._timer: Any = None
        self.was_full = False  # at some time: the client reads more slowly than it is answered, if at all

    async def has_room(self) -> None:
        await self._room.wait()

    def pauseProducing(self) -> None:
        """Twisted's buffer is full."""
        self.was_full = True
        self._room.clear()
        if self._timer is None:
            self._timer = self._reactor.callLater(STALLED_SECONDS, self._stalled)

    def resumeProducing(self) -> None:
        """Twisted's buffer is empty."""
        self._room.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stopProducing(self) -> None:
        """The response is complete, or its connection is lost."""
        self.resumeProducing()
        self._disconnect = None  # the request needs no collector to be freed

    def _stalled(self) -> None:
        self._timer = None
        logger.info("disconnecting a client: it has read nothing of a response for %d s", STALLED_SECONDS)
        if self._disconnect is not None:
            self._disconnect()
