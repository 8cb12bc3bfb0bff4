"""A stream over a bare websocket: one client, one agent function, text frames both ways.

`IOWebsockets.run_server_in_thread` serves agents without Django: to a script, a notebook, a page of your own. The text
is what a console shows, one frame for each `print`. `websocket_server` accepts and closes connections. Accounts, pages,
and chats that outlive the process need the Django app.

Built on the threading server of `websockets` and not on its asyncio server: agent functions may call the methods of
`.websocket`, and a `process_request` that blocks must not hold up other clients.
"""

import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NoReturn

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.server import ServerConnection

from agentchat.core.approvals import Approval, Decision, M
from agentchat.core.files import MessageText
from agentchat.errors import ConfigError, Disconnected
from agentchat.events import ChatEvent, TextMessageContent, TextMessageEnd
from agentchat.io.base import IOStream, check_addressee
from agentchat.io.connection_bridge import ConnectionBridge
from agentchat.io.limited_connection import LimitedConnection
from agentchat.io.websocket_server import WebsocketServer

SEND_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 1.0
END_SIGNAL = "TERMINATE"
MAX_UNREAD = 4 * 2**20  # characters of messages that `input` has not returned yet
MESSAGE_OVERHEAD = 100  # counted for each message, in addition to its characters
MAX_FRAME_CHARS = 128 * 1024  # many clients take no frame of more than 1 MiB


class IOWebsockets(IOStream):
    """The stream of one client. Once the client has disconnected, every call on it raises Disconnected.

    A thread receives from the start: it queues messages, notices at once when the client disconnects, and then cancels
    what runs for it, such as a request to a model. The stream may be used from several threads.
    """

    def __init__(
        self,
        websocket: LimitedConnection,
        *,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
        whole_messages: bool = False,
    ) -> None:
        self.bridge = ConnectionBridge()
        self._websocket = websocket
        self._whole_messages = whole_messages
        self._held: dict[str, str] = {}  # by the id of a message: the beginning of an end signal, perhaps
        self._send_timeout = send_timeout
        self._sending = threading.Lock()
        self._received: deque[str] = deque()
        self._unread = 0
        self._condition = threading.Condition()
        threading.Thread(target=self._receive, name="agentchat-websocket-receiver", daemon=True).start()

    @staticmethod
    @contextmanager
    def run_server_in_thread(
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        on_connect: Callable[["IOWebsockets"], Any],
        ssl_context: ssl.SSLContext | None = None,
        origins: Sequence[str | re.Pattern[str] | None] | None = None,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
        whole_messages: bool = False,
        **kwargs: Any,
    ) -> Iterator[str]:
        """Serve clients for the duration of the `with` block, which gets the server's URI.

        `on_connect(iostream)` is called for each client, in a thread of its own, with the client's stream as the
        default. Port 0 selects a free port, which is in the URI. `origins` lists the sites whose pages may connect,
        such as "https://example.org", and None for clients other than browsers; without it, every page that a user has
        open may. A client that does not read for `send_timeout` seconds is disconnected, one that sends
        too many frames is closed with 4429, and one more than `MAX_CLIENTS` with 1013. With `whole_messages` each
        streamed message is sent once more when it is complete, as one frame, as AutoGen 0.2 does. Other arguments are
        those of `websockets.sync.server.serve`.

        Leaving the block closes all connections with 1001 and waits for their threads, up to 5 s. Raise OSError at once
        if the port is in use, ConfigError if `on_connect` is async, a generator, or takes anything but the
        stream.
        """
        server = WebsocketServer(
            on_connect,
            lambda websocket: IOWebsockets(websocket, send_timeout=send_timeout, whole_messages=whole_messages),
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
        """The connection, for its `request` and `remote_address`, or to send frames; `recv` is for the stream alone."""
        return self._websocket

    def send(self, event: ChatEvent) -> None:
        """Send an event as text. `END_SIGNAL` is never divided between frames: classic clients wait for it in one."""
        match event:
            case TextMessageContent(message_id=id_, offset=offset, delta=delta):
                before = self._held.pop(id_, "")
                text = before + delta if offset else delta  # a restarted answer begins at 0 again
                held = _beginning_of_signal(text)
                if held:
                    self._held[id_] = held
                if ready := text.removesuffix(held):
                    self.print(ready, end="", flush=True)
            case TextMessageEnd(message_id=id_, content=content):
                if held := self._held.pop(id_, ""):
                    self.print(held, end="", flush=True)
                if self._whole_messages and content:
                    self.print()
                    self.print(content, flush=True)
                super().send(event)
            case _:
                super().send(event)

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Send one text frame, `end` included; more than one if it is very long (`MAX_FRAME_CHARS`).

        Blocks while the client does not read, up to the send timeout.
        """
        text = sep.join(map(str, objects)) + end
        with self._sending:
            for frame in _frames(text):
                self._send_frame(frame)

    def _send_frame(self, text: str) -> None:
        self.bridge.check()
        try:
            # A lone surrogate would make the library drop the connection.
            self._websocket.send(text.encode("utf-8", "replace"), text=True)
        except ConnectionClosed:
            self.cancel()
            raise Disconnected from None

    def input(
        self, prompt: str = "", *, password: bool = False, name: str | None = None, **addressee: Any
    ) -> MessageText:
        """Send the prompt as a frame, unless it is empty, and return the next message of the client.

        Messages that arrived earlier are returned first. Hiding a password is up to the client. Raise ConfigError if
        somebody else is to be asked: nobody else is there.
        """
        if check_addressee(**addressee):
            raise ConfigError("input(to=…): a bare websocket has nobody but its client to ask")
        if prompt:
            self.print(prompt, end="")
        with self._condition:
            self._condition.wait_for(lambda: self._received or self.bridge.reason)
            self.bridge.check()
            message = MessageText(self._received.popleft())
            self._unread -= len(message) + MESSAGE_OVERHEAD
        if not password:
            self.remember("user", message)
        return message

    def ask(self, prompt: str, schema: type[M], **options: Any) -> M:
        """See `IOStream.ask`; raise ConfigError as `input` does."""
        if options.get("to") is not None:
            raise ConfigError("ask(to=…): a bare websocket has nobody but its client to ask")
        return super().ask(prompt, schema, **options)

    def approve(self, approval: Approval) -> Decision:
        """See `IOStream.approve`; raise ConfigError as `input` does."""
        if approval.delegation is not None:
            raise ConfigError(f"tool {approval.tool!r} has to=, and a bare websocket has nobody but its client to ask")
        return super().approve(approval)

    def wait_for(self, name: str, timeout: float | timedelta | None = None) -> NoReturn:
        """Raise ConfigError: the client must not be the one who says that something has happened."""
        raise ConfigError(f"wait_for({name!r}): there are signals in chat sessions only, and not for a bare websocket")

    def wait_for_row(self, model: Any, *, timeout: float | timedelta | None = None, **lookups: Any) -> NoReturn:
        """Raise ConfigError: nobody would look for the row."""
        raise ConfigError("wait_for_row(): rows are waited for in chat sessions only, and not for a bare websocket")

    def hand_over(self, *, to: Any, summary: str = "", timeout: float | timedelta | None = None) -> NoReturn:
        """Raise ConfigError: the client must not be the one who speaks for staff."""
        raise ConfigError("hand_over(): staff answer in chat sessions only, and not behind a bare websocket")

    def cancel(self) -> None:
        """Raise Disconnected in all current and future calls on the stream. May be called from any thread."""
        self.bridge.cancel(Disconnected)
        with self._condition:
            self._condition.notify_all()

    def abort(self) -> None:
        """Break the TCP connection, without a closing handshake. A blocked `print` raises Disconnected."""
        with suppress(OSError):  # already closed
            self._websocket.socket.shutdown(socket.SHUT_RDWR)

    # --- in the receiving thread -------------------------------------------------------------------------------------

    def _receive(self) -> None:
        # Always read: the library notices a disconnect only after all messages before it have been read.
        with suppress(ConnectionClosed):
            while True:
                with suppress(TimeoutError):
                    self._store(self._websocket.recv(POLL_SECONDS, decode=True))
                since = self._websocket.sending_since
                if since is not None and time.monotonic() - since > self._send_timeout:
                    self.abort()
        self.cancel()

    def _store(self, message: str) -> None:
        with self._condition:
            self._received.append(message)
            self._unread += len(message) + MESSAGE_OVERHEAD
            self._condition.notify_all()
            too_much = self._unread > MAX_UNREAD
        if too_much:
            self._websocket.close(CloseCode.POLICY_VIOLATION, "too many unread messages")


def _frames(text: str) -> Iterator[str]:
    """A text in frames. None of them ends within an end signal."""
    start = 0
    while len(text) - start > MAX_FRAME_CHARS:
        piece = text[start : start + MAX_FRAME_CHARS]
        piece = piece.removesuffix(_beginning_of_signal(piece))
        yield piece
        start += len(piece)
    yield text[start:]


def _beginning_of_signal(text: str) -> str:
    """The end of a text that may go on as `END_SIGNAL`; "" if it is complete, or there is none."""
    for length in range(len(END_SIGNAL), 0, -1):
        if text.endswith(END_SIGNAL[:length]):
            return "" if length == len(END_SIGNAL) else text[-length:]
    return ""
