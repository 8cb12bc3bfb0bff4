"""A websocket connection whose client cannot keep the server busy with frames that are no messages.

Messages are limited by the stream (`websockets.py`), which sees neither pings nor the fragments of a message.
"""

import socket
import time
from contextlib import suppress
from typing import Any

from websockets.frames import Frame
from websockets.sync.server import ServerConnection

from agentchat.core.token_bucket import TokenBucket

FRAMES_BURST, FRAMES_PER_SECOND = 480.0, 80.0  # of any kind: messages, fragments, pings, pongs
TOO_MANY = 4429


class LimitedConnection(ServerConnection):
    """Counts frames in the thread that receives them. A client that sends too many is closed with 4429.

    Whatever is sent blocks the thread that sends it until the client reads: who has the connection looks at
    `sending_since`, and breaks it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.sending_since: float | None = None
        """When the client was first to read what it has not read yet (`time.monotonic()`); None: it has read all."""
        self._frames = TokenBucket(burst=FRAMES_BURST, per_second=FRAMES_PER_SECOND)
        self._is_refused = False
        super().__init__(*arguments, **options)

    def send_data(self) -> None:
        """Called by the library for everything that is sent: messages, and the answers to pings too."""
        self.sending_since = time.monotonic()
        try:
            super().send_data()
        finally:
            self.sending_since = None

    def process_event(self, event: Any) -> None:
        """Called by the library for each frame, and before for the request of the handshake."""
        if self._is_refused:
            return
        if not isinstance(event, Frame) or self._frames.allows(1, now=time.monotonic()):
            super().process_event(event)
            return
        self._is_refused = True
        with suppress(OSError), self.protocol_mutex:
            self.protocol.fail(TOO_MANY, "too many frames")
            self.send_data()
            self.socket.shutdown(socket.SHUT_RDWR)  # nothing more is read, and the close frame still arrives
