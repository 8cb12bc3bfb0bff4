"""A stream over a bare websocket: one client, one agent function, text frames both ways.

`IOWebsockets.run_server_in_thread` serves agents without Django: to a script, a notebook, a page of one's own. The text
is the console's, one frame for each `print`. Accepting clients and sending them away is `websocket_server`'s part;
accounts, pages, and chats that outlive the process are the Django app's.

Built on the threads of the library `websockets`, so that `.websocket` is a connection that synchronous code can use.
"""

import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.server import ServerConnection

from agentchat.errors import Disconnected
from agentchat.io.base import IOStream
from agentchat.io.connection_bridge import ConnectionBridge
from agentchat.io.websocket_server import WebsocketServer

SEND_TIMEOUT_S = 30.0
BEAT_S = 1.0
MOST_UNREAD = 4 * 2**20  # characters, of messages that nobody has asked for yet
EACH = 100  # what a message takes besides its characters


class IOWebsockets(IOStream):
    """The stream of one client. Once the client has left, every call on it raises Disconnected.

    A thread listens from the start: it keeps what the client says, notices at once when the client leaves, and then
    calls off what goes on for it, such as the answer of a model. May be used from several threads.
    """

    def __init__(self, websocket: ServerConnection, *, send_timeout: float = SEND_TIMEOUT_S) -> None:
        self.bridge = ConnectionBridge()
        self._websocket = websocket
        self._send_timeout = send_timeout
        self._sending = threading.Lock()
        self._sending_since: float | None = None
        self._said: deque[str] = deque()
        self._unread = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, name="agentchat-websocket-listener", daemon=True).start()

    @staticmethod
    @contextmanager
    def run_server_in_thread(
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        on_connect: Callable[["IOWebsockets"], Any],
        ssl_context: ssl.SSLContext | None = None,
        origins: Sequence[str | re.Pattern[str] | None] | None = None,
        send_timeout: float = SEND_TIMEOUT_S,
        **kwargs: Any,
    ) -> Iterator[str]:
        """Serve clients as long as the `with` block lasts, and give the server's URI.

        `on_connect(iostream)` is called for each client, in a thread of its own, with the client's stream as the
        default. Port 0 is a free one; the URI has it. `origins` lists the sites whose pages may connect, such as
        "https://example.org", and None for clients that are no browsers; without it, any page that a person has open
        may. A client that takes nothing for `send_timeout` seconds is cut off. Other arguments are those of
        `websockets.sync.server.serve`.

        Leaving the block closes the clients with 1001 and waits for their threads, up to 5 s. Raise OSError at once if
        the port is taken, ConfigError if `on_connect` is async.
        """
        server = WebsocketServer(
            on_connect,
            lambda websocket: IOWebsockets(websocket, send_timeout=send_timeout),
            host,
            port,
            ssl=ssl_context,
            origins=origins,
            **kwargs,
        )
        try:
            yield server.uri
        finally:
            server.close()

    @property
    def websocket(self) -> ServerConnection:
        """The connection: its `request`, its `remote_address`, frames of one's own. Its `recv` is this stream's."""
        return self._websocket

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Send one text frame, `end` included. Blocks while the client takes nothing, up to the send time-out."""
        # A lone surrogate would make the library break the connection off.
        frame = (sep.join(map(str, objects)) + end).encode("utf-8", "replace")
        with self._sending:
            self.bridge.check()
            self._sending_since = time.monotonic()
            try:
                self._websocket.send(frame, text=True)
            except ConnectionClosed:
                self.call_off()
                raise Disconnected from None
            finally:
                self._sending_since = None

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        """Send the prompt as a frame, if there is one, and return the next message that the client sends or has sent.

        Nothing here hides a password: that is the client's affair.
        """
        if prompt:
            self.print(prompt, end="")
        with self._changed:
            self._changed.wait_for(lambda: self._said or self.bridge.reason)
            self.bridge.check()
            message = self._said.popleft()
            self._unread -= len(message) + EACH
            return message

    def call_off(self) -> None:
        """From any thread: nobody listens any more. Whoever waits on this stream, or for a model, is unwound."""
        self.bridge.call_off(Disconnected)
        with self._changed:
            self._changed.notify_all()

    def break_off(self) -> None:
        """Break the connection without a word. A `print` that is stuck comes back."""
        with suppress(OSError):  # it is closed already
            self._websocket.socket.shutdown(socket.SHUT_RDWR)

    # --- in the listening thread --------------------------------------------------------------------------------------

    def _listen(self) -> None:
        # Always reading: the library notices that a client has left only where its messages end.
        with suppress(ConnectionClosed):
            while True:
                with suppress(TimeoutError):
                    self._take(self._websocket.recv(BEAT_S, decode=True))
                since = self._sending_since
                if since is not None and time.monotonic() - since > self._send_timeout:
                    self.break_off()
        self.call_off()

    def _take(self, message: str) -> None:
        with self._changed:
            self._said.append(message)
            self._unread += len(message) + EACH
            self._changed.notify_all()
            too_much = self._unread > MOST_UNREAD
        if too_much:
            self._websocket.close(CloseCode.POLICY_VIOLATION, "too much was said before it was asked for")
