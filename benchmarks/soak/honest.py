"""Honest guests: each asks a question, reads the answer as it is written, thinks, and asks the next.

Half of them talk to the assistant, half to the weather desk, which calls a tool before it answers. Each has the page's
two websockets open. A new chat comes after some turns, and begins with its page.
"""

import asyncio
import json
import random
import time
import uuid
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.soak.guests import Guest, address_of
from benchmarks.soak.measurements import Latencies, Mark

TURNS_OF_A_CHAT = 4
SECONDS_OF_A_TURN = 18.0
PING_SECONDS = 2.0
WAIT_SECONDS = 60  # for anything; then it has failed
FAILURE_CHARS = 100
ACK_BYTES = 32 * 1024


class HonestGuest:
    """One user with one page open. `latencies` gets what they notice, and what fails."""

    def __init__(self, url: str, number: int, latencies: Latencies) -> None:
        self._guest = Guest(url, address_of(number))
        self._agent = ("assistant", "weather")[number % 2]
        self._random = random.Random(number)
        self._latencies = latencies

    async def run(self) -> None:
        """Chat until cancelled."""
        try:
            await asyncio.sleep(self._random.uniform(0, SECONDS_OF_A_TURN))
            turns = self._random.randint(1, TURNS_OF_A_CHAT)  # so that they do not all begin their chats at once
            while True:
                try:
                    await self._one_chat(turns)
                    turns = TURNS_OF_A_CHAT
                except Exception as error:
                    while isinstance(error, ExceptionGroup):
                        error = error.exceptions[0]
                    self._latencies.failed(f"{self._agent}: {type(error).__name__}: {error}"[:FAILURE_CHARS])
                    await asyncio.sleep(1)
        finally:
            await self._guest.close()

    async def _one_chat(self, turns: int) -> None:
        chat = await self._guest.new_chat(self._agent)
        opened = self._latencies.mark()
        response = await self._guest.get(f"/chat/{chat}/")
        self._latencies.add("page", opened)
        if response.status_code != 200:
            raise ConnectionError(f"the page of a chat: {response.status_code}")
        async with (
            self._socket(f"/ws/chat/{chat}/") as socket,
            self._socket("/ws/chats/") as chats,
            asyncio.TaskGroup() as group,
        ):
            await socket.send('{"type":"hello","after":0,"html":true}')
            await chats.send('{"type":"hello","after":0}')
            page = _Page(socket, self._latencies)
            tasks = [group.create_task(each) for each in (page.read(), page.ping(), _Page(chats).read())]
            for number in range(turns):
                began = time.monotonic()
                await page.turn(number, called="tool answer" if self._agent == "weather" else "first word")
                spent = time.monotonic() - began
                await asyncio.sleep(max(0.5, SECONDS_OF_A_TURN * self._random.uniform(0.7, 1.3) - spent))
            for task in tasks:
                task.cancel()

    def _socket(self, path: str) -> Any:
        return connect(
            self._guest.url.replace("http", "ws", 1) + path,
            origin=self._guest.url,  # type: ignore[arg-type]  # its own name for a str
            additional_headers={"Cookie": self._guest.cookie},
            local_addr=(self._guest.address, 0),
            compression=None,
            proxy=None,
            max_size=None,
            ping_interval=None,
            open_timeout=WAIT_SECONDS,
            close_timeout=1,
        )


class _Page:
    """What one websocket of a page receives, with the moment of each frame."""

    def __init__(self, socket: ClientConnection, latencies: Latencies | None = None) -> None:
        self._socket, self._latencies = socket, latencies
        self._frames: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()
        self._pinged: Mark | None = None

    async def read(self) -> None:
        """Receive, and acknowledge, until cancelled."""
        received = acknowledged = seq = 0
        async for text in self._socket:
            now, frame = time.monotonic(), json.loads(text)
            received += len(text.encode() if isinstance(text, str) else text)
            seq = frame.get("seq", seq)
            if received - acknowledged > ACK_BYTES:
                acknowledged = received
                await self._socket.send(json.dumps({"type": "ack", "seq": seq, "bytes": received}))
            if self._latencies is None:
                continue
            if frame["type"] == "pong" and self._pinged is not None:
                self._latencies.add("ping", self._pinged, now)
                self._pinged = None
            else:
                self._frames.put_nowait((now, frame))
        raise ConnectionError(f"the server closed with {self._socket.close_code}")

    async def ping(self) -> None:
        assert self._latencies is not None
        while True:
            await asyncio.sleep(PING_SECONDS)
            if self._pinged is not None and time.monotonic() - self._pinged.at > WAIT_SECONDS:
                raise TimeoutError("no pong")
            if self._pinged is None:
                self._pinged = self._latencies.mark()
                await self._socket.send('{"type":"ping"}')

    async def turn(self, number: int, *, called: str) -> None:
        """Ask, and return at the end of the answer."""
        assert self._latencies is not None
        own, answer, sent = str(uuid.uuid4()), None, self._latencies.mark()
        await self._socket.send(json.dumps({"type": "send", "id": own, "text": f"{number}: what now?"}))
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                at, frame = await self._frames.get()
                match frame["type"], frame.get("messageId"):
                    case (("rejected" | "RUN_ERROR"), _):
                        raise ConnectionError(f"{frame['type']} {frame['code']}")
                    case "TEXT_MESSAGE_END", message if message == own:
                        self._latencies.add("own message", sent, at)
                    case "TEXT_MESSAGE_CONTENT", message if answer is None:
                        answer = message
                        self._latencies.add(called, sent, at)
                    case "TEXT_MESSAGE_END", message if message == answer:
                        self._latencies.add("answer", sent, at)
                        return
