"""Streams: where an agent's words go, and where a person's come from.

    base.py         the protocols, and which stream is the default
    console.py      the terminal
    websockets.py   a client at the other end of a websocket, with the server for it
    classic.py      an event as AutoGen 0.2 would print it

`agentchat.runs` has the stream of a run. Streams know events, and nothing of agents, models or tools.
"""

from typing import TYPE_CHECKING, Any

from agentchat.io.base import InputStream, IOStream, OutputStream
from agentchat.io.console import IOConsole

if TYPE_CHECKING:
    from agentchat.io.websockets import IOWebsockets as IOWebsockets

__all__ = ["IOConsole", "IOStream", "IOWebsockets", "InputStream", "OutputStream"]

IOStream.set_global_default(IOConsole())


def __getattr__(name: str) -> Any:
    # Late: a console need not wait for the library.
    if name == "IOWebsockets":
        from agentchat.io.websockets import IOWebsockets

        return IOWebsockets
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
