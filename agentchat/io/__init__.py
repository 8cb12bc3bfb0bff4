"""Streams: where agents write to, and where users' answers come from.

    base.py             the protocols, and which stream is the default
    console.py          the terminal
    websockets.py       a client at the other end of a websocket, with the server for it
    autogen_format.py   an event as AutoGen 0.2 would print it

`agentchat.runs` has the stream of a run. Streams know events, but not agents, models or tools.
"""

from typing import TYPE_CHECKING, Any

from agentchat.io.base import InputStream, IOStream, OutputStream
from agentchat.io.console import IOConsole

if TYPE_CHECKING:
    from agentchat.io.websockets import IOWebsockets as IOWebsockets

__all__ = ["IOConsole", "IOStream", "IOWebsockets", "InputStream", "OutputStream"]

IOStream._console = IOConsole()
IOStream.set_global_default(IOStream._console)


def __getattr__(name: str) -> Any:
    # Late: a console does not need the library.
    if name == "IOWebsockets":
        from agentchat.io.websockets import IOWebsockets

        return IOWebsockets
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
