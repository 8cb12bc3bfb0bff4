"""The server behind `IOWebsockets.run_server_in_thread`: a thread for each client, from the handshake to the close.

The close code tells a client how it ended: 1000 if the agent function has returned, 1011 if it has failed, 1001 if the
server was closed, 1013 if there are too many others. The threads are daemons: an agent function that never returns does
not keep the process alive.
"""

import contextvars
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.server import ServerConnection, serve

from agentchat.core.agent_functions import call_agent_function, check_agent_function
from agentchat.core.execution_scope import execution_scope
from agentchat.core.log import get_logger
from agentchat.core.per_run import own_objects
from agentchat.errors import AgentChatError, RunInterrupt
from agentchat.io.base import IOStream
from agentchat.io.limited_connection import LimitedConnection
from agentchat.io.tls import SerializedSSLSocket

logger = get_logger("agentchat.io")

MAX_CLIENTS = 500  # at a time; each has three threads
CLOSE_SECONDS = 4.5  # for closing the server and all connections
GRACE_SECONDS = 3.0  # of these, before connections that are still open are aborted


class ClientStream(IOStream, Protocol):
    """The stream of one client, as the server needs it."""

    @property
    def websocket(self) -> ServerConnection: ...

    def cancel(self) -> None:
        """Raise Disconnected in all current and future calls on the stream."""
        ...

    def abort(self) -> None:
        """Break the TCP connection."""
        ...


class WebsocketServer:
    """Listens once it is created, or raises OSError. `options` are those of `websockets.sync.server.serve`."""

    def __init__(
        self,
        on_connect: Callable[[Any], Any],
        open_stream: Callable[[LimitedConnection], ClientStream],
        host: str,
        port: int,
        **options: Any,
    ) -> None:
        self._title = f"on_connect={on_connect}"
        check_agent_function(on_connect, self._title)
        if ":" in host:
            options.setdefault("family", socket.AF_INET6)
        if options.get("ssl") is not None:
            options["ssl"].sslsocket_class = SerializedSSLSocket
        self._on_connect = on_connect
        self._open_stream = open_stream
        self._context = contextvars.copy_context()
        self._clients: dict[ClientStream, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._server = serve(self._serve, host, port, create_connection=LimitedConnection, **options)
        scheme = "ws" if options.get("ssl") is None else "wss"
        self.uri = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._server.socket.getsockname()[1]}"
        # The clients' threads inherit `daemon` from this one.
        self._thread = threading.Thread(target=self._server.serve_forever, name="agentchat-websockets", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close all connections, and wait for their threads, but no longer than `CLOSE_SECONDS`."""
        start = time.monotonic()
        # From version 17 on, the library closes connections itself in shutdown(), but waits without a limit.
        shutdown = threading.Thread(target=self._server.shutdown, name="agentchat-websockets-end", daemon=True)
        shutdown.start()
        with self._lock:
            self._closing = True
            clients = dict(self._clients)
        for stream in clients:
            stream.cancel()
            # Its own thread closes it once the agent function has returned, which may be busy with something else.
            threading.Thread(target=stream.websocket.close, args=(CloseCode.GOING_AWAY,), daemon=True).start()
        if remaining := _join(clients, until=start + GRACE_SECONDS):
            for stream in remaining:
                stream.abort()
            remaining = _join(remaining, until=start + CLOSE_SECONDS)
        if remaining:
            logger.warning(
                "%d agent function(s) still run without a client; each ends at its next call on its stream",
                len(remaining),
            )
        for thread in (self._thread, shutdown):
            thread.join(max(0.0, start + CLOSE_SECONDS - time.monotonic()))

    # --- in a client's thread ----------------------------------------------------------------------------------------

    def _serve(self, websocket: ServerConnection) -> None:
        assert isinstance(websocket, LimitedConnection)
        with self._lock:
            is_one_too_many = len(self._clients) >= MAX_CLIENTS
            if not is_one_too_many:
                stream = self._open_stream(websocket)
                self._clients[stream] = threading.current_thread()
            closing = self._closing
        if is_one_too_many:
            websocket.close(CloseCode.TRY_AGAIN_LATER, "too many clients")
            return
        try:
            code = CloseCode.GOING_AWAY if closing else self._context.copy().run(self._call_agent, stream)
            websocket.close(code)
        finally:
            stream.cancel()  # for threads that the agent function has left behind
            with self._lock:
                del self._clients[stream]

    def _call_agent(self, stream: ClientStream) -> CloseCode:
        """Call the agent function, and return the close code for its client."""
        try:
            with IOStream.set_default(stream), own_objects(), execution_scope():
                call_agent_function(self._on_connect, stream, self._title)
        except (RunInterrupt, ConnectionClosed) as end:
            logger.info("an agent function was unwound: %s", type(end).__name__)
            return CloseCode.GOING_AWAY
        except BaseException as error:  # whatever it raises: its client is told, and this thread ends here
            error_id = secrets.token_hex(4)
            words = error.user_message if isinstance(error, AgentChatError) else AgentChatError.user_message
            logger.exception("an agent function failed [%s]", error_id)
            with suppress(RunInterrupt):
                stream.print(f"{words} [{error_id}]")
            return CloseCode.INTERNAL_ERROR
        return CloseCode.NORMAL_CLOSURE


def _join(clients: dict[ClientStream, threading.Thread], *, until: float) -> dict[ClientStream, threading.Thread]:
    """Wait for the threads of clients; return those that have not ended in time."""
    for thread in clients.values():
        thread.join(max(0.0, until - time.monotonic()))
    return {stream: thread for stream, thread in clients.items() if thread.is_alive()}
