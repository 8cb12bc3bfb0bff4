"""The body of a response is handed to the server as fast as its client reads it, whatever server sends it.

Servers that wait in `send` until the client reads do so by themselves. Daphne keeps all that it is given: a client that
asks for a long file and reads nothing would have the whole of it generated into this process's memory.
`daphne_responses.py` says how much of it waits.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from agentchat.infra.client_connection import response_of_context

PIECE = 64 * 1024  # bytes that are handed over at once

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def paced(send: Send) -> Send:
    """`send`, which also waits until the client has read. On the server's loop, in the context of the request."""
    client = response_of_context.get()
    if client is None:
        return send

    async def send_as_read(message: Message) -> None:
        if message["type"] == "http.response.body":
            rest = memoryview(message.get("body", b""))
            while len(rest) > PIECE:
                await send({"type": "http.response.body", "body": bytes(rest[:PIECE]), "more_body": True})
                await client.has_room()
                rest = rest[PIECE:]
            message = {**message, "body": bytes(rest)}
        await send(message)
        await client.has_room()

    return send_as_read
