"""A bound on the body of a request, whatever server reads it: `MAX_BODY_BYTES`.

Servers that hand a body on as it arrives read no more of it than is asked for here. Daphne reads all of it first:
`daphne_requests.py` has the same bound where it reads.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from agentchat import conf
from agentchat.core.log import get_logger

logger = get_logger("agentchat.server")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TEXT = b"Content Too Large\n"
_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_TEXT)), (b"connection", b"close")]


async def answer_in_bounds(
    application: Callable[..., Awaitable[Any]], scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    """Let the application answer an HTTP request, or answer 413 if its body is too large.

    A body without a length is cut off where it gets too large: for the application, its client has left.
    """
    limit = conf.app.max_body_bytes
    if limit is None:
        await application(scope, receive, send)
        return
    if _length_in(scope["headers"]) > limit:
        await _refuse(send)
        return
    received, has_begun = 0, False

    async def bounded_receive() -> Message:
        nonlocal received
        if received > limit:
            return {"type": "http.disconnect"}
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
        return message if received <= limit else {"type": "http.disconnect"}

    async def observed_send(message: Message) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    await application(scope, bounded_receive, observed_send)
    if received > limit and not has_begun:
        await _refuse(send)


def _length_in(headers: Any) -> int:
    lengths = [value for name, value in headers if name.lower() == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)


async def _refuse(send: Send) -> None:
    logger.info("a request was refused: its body is larger than MAX_BODY_BYTES")
    await send({"type": "http.response.start", "status": 413, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _TEXT})
