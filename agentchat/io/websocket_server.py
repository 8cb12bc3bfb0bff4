"""The server under `IOWebsockets.run_server_in_thread`: a thread for each client, from its handshake to its close.

A client is always told how it ended: 1000 when the agent function has returned, 1011 when it has failed, 1001 when the
server ends. The threads are daemons: an agent function that never returns does not keep the process alive.
"""

import contextvars
import inspect
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.server import ServerConnection, serve

from agentchat.errors import AgentChatError, ConfigError, Unwound
from agentchat.io.base import IOStream
from agentchat.io.tls import TurnTakingSocket

if TYPE_CHECKING:
    from agentchat.io.websockets import IOWebsockets

logger = logging.getLogger("agentchat.io")

CLOSE_S = 4.5  # for all clients together, once the server ends
POLITE_S = 3.0  # of these, until connections are broken off that have not ended by themselves


class WebsocketServer:
    """Listens as soon as it is made; raises OSError if it cannot. `options` are those of the library's `serve`."""

    def __init__(
        self,
        on_connect: "Callable[[IOWebsockets], Any]",
        open_stream: "Callable[[ServerConnection], IOWebsockets]",
        host: str,
        port: int,
        **options: Any,
    ) -> None:
        if inspect.iscoroutinefunction(on_connect):
            raise ConfigError(f"on_connect={on_connect} is async: it gets a thread of its own, make it a plain `def`")
        if ":" in host:
            options.setdefault("family", socket.AF_INET6)
        if options.get("ssl") is not None:
            options["ssl"].sslsocket_class = TurnTakingSocket
        self._on_connect = on_connect
        self._open_stream = open_stream
        self._context = contextvars.copy_context()
        self._clients: dict[IOWebsockets, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._server = serve(self._serve, host, port, **options)
        scheme = "ws" if options.get("ssl") is None else "wss"
        self.uri = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._server.socket.getsockname()[1]}"
        # The clients' threads are daemons because this one is.
        self._thread = threading.Thread(target=self._server.serve_forever, name="agentchat-websockets", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send all clients away and wait for their threads; for those that do not end, no longer than `CLOSE_S`."""
        start = time.monotonic()
        # Newer versions of the library wait in shutdown() for each client, without a limit.
        shutdown = threading.Thread(target=self._server.shutdown, name="agentchat-websockets-end", daemon=True)
        shutdown.start()
        with self._lock:
            self._closing = True
            clients = dict(self._clients)
        for stream in clients:
            stream.call_off()
            # Its own thread does the same, once the agent function has unwound; which may be busy with something else.
            threading.Thread(target=stream.websocket.close, args=(CloseCode.GOING_AWAY,), daemon=True).start()
        if remaining := _join(clients, until=start + POLITE_S):
            for stream in remaining:
                stream.break_off()
            remaining = _join(remaining, until=start + CLOSE_S)
        if remaining:
            logger.warning(
                "%d agent function(s) go on without a client; each ends at its next call on its stream",
                len(remaining),
            )
        for thread in (self._thread, shutdown):
            thread.join(max(0.0, start + CLOSE_S - time.monotonic()))

    # --- in a client's thread ----------------------------------------------------------------------------------------

    def _serve(self, websocket: ServerConnection) -> None:
        stream = self._open_stream(websocket)
        with self._lock:
            self._clients[stream] = threading.current_thread()
            closing = self._closing
        try:
            code = CloseCode.GOING_AWAY if closing else self._context.copy().run(self._talk, stream)
            websocket.close(code)
        finally:
            stream.call_off()  # threads that the agent function has left behind find nobody
            with self._lock:
                del self._clients[stream]

    def _talk(self, stream: "IOWebsockets") -> CloseCode:
        """Call the agent function; return how its client is told of the end."""
        try:
            with IOStream.set_default(stream):
                self._on_connect(stream)
        except (Unwound, ConnectionClosed) as end:
            logger.info("an agent function was unwound: %s", type(end).__name__)
            return CloseCode.GOING_AWAY
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            error_id = secrets.token_hex(4)
            words = error.kind_words if isinstance(error, AgentChatError) else AgentChatError.kind_words
            logger.exception("an agent function failed [%s]", error_id)
            with suppress(Unwound):
                stream.print(f"{words} [{error_id}]")
            return CloseCode.INTERNAL_ERROR
        return CloseCode.NORMAL_CLOSURE


def _join(clients: "dict[IOWebsockets, threading.Thread]", *, until: float) -> "dict[IOWebsockets, threading.Thread]":
    """Wait for the clients' threads; return those that have not ended in time."""
    for thread in clients.values():
        thread.join(max(0.0, until - time.monotonic()))
    return {stream: thread for stream, thread in clients.items() if thread.is_alive()}
