"""The server's end of a websocket and of a response, as far as agentchat bounds what a client makes the server keep.

ASGI says nothing of it: `receive` hands out messages from a queue without a limit, and `send` may accept any number of
bytes that the client never reads. Servers that wait in `send` until the client has read, and read no more than the
application takes, need no such end. Daphne does neither; `daphne_websocket.py` and `daphne_responses.py` have it for
daphne.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol


class ClientConnection(Protocol):
    """On the server's loop."""

    @property
    def unsent(self) -> int:
        """Bytes that wait in this process for the client to read."""

    def limit(self, *, max_message_bytes: int, charge: Callable[[float], None]) -> None:
        """Before it is accepted: bound everything that its client makes the server keep and do.

        `charge` gets the seconds of a processor that reading from it takes.
        """

    def on_taken(self) -> None:
        """The consumer is done with the next message."""


connection_of_context: ContextVar[ClientConnection | None] = ContextVar("agentchat_client_connection", default=None)
"""The connection whose websocket application runs in this context; None under servers that need no such end."""


class ClientResponse(Protocol):
    """On the server's loop."""

    async def has_room(self) -> None:
        """Return when the client has read enough of what was sent for more to be sent, or has left."""


response_of_context: ContextVar[ClientResponse | None] = ContextVar("agentchat_client_response", default=None)
"""The response whose HTTP application runs in this context; None under servers that need no such end."""
