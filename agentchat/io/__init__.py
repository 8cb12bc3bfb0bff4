"""Streams: where an agent's words go, and where a person's come from.

    base.py      the protocols, and which stream is the default
    console.py   the terminal
    classic.py   an event as AutoGen 0.2 would print it

`agentchat.runs` has the stream of a run. Streams know events, and nothing of agents, models or tools.
"""

from agentchat.io.base import InputStream, IOStream, OutputStream
from agentchat.io.console import IOConsole

__all__ = ["IOConsole", "IOStream", "InputStream", "OutputStream"]

IOStream.set_global_default(IOConsole())
