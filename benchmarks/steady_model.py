"""A model that speaks at a steady pace, and remembers when it said what.

Served over HTTP on loopback, on the running event loop, as any service that speaks OpenAI's API. Each token is its
number and a space, so that whoever receives some of them, merged or not, knows which they are.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class SteadyModel:
    """Answers every request with `tokens` tokens, `per_second` of them. `said[name]` are the moments, on
    time.monotonic(); the name is the last word of what it was asked."""

    def __init__(self, tokens: int, per_second: float) -> None:
        self.tokens, self.per_second = tokens, per_second
        self.said: dict[str, list[float]] = {}
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["SteadyModel"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            request = json.loads(await reader.readexactly(length))
            name = str(request["messages"][-1]["content"]).split()[-1]
            writer.write(HEAD)
            await self._speak(writer, self.said.setdefault(name, []))
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()

    async def _speak(self, writer: asyncio.StreamWriter, said: list[float]) -> None:
        said.clear()
        begun = time.monotonic()
        for number in range(self.tokens):
            await asyncio.sleep(max(0.0, begun + number / self.per_second - time.monotonic()))
            said.append(time.monotonic())
            writer.write(_chunk({"content": f"{number} "}))
            await writer.drain()
        writer.write(_chunk({}, "stop") + b"data: [DONE]\n\n")
        await writer.drain()


def _chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "steady", "object": "chat.completion.chunk", "created": 0, "model": "steady", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
