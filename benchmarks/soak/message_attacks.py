"""Attacks by what is said: messages that are laborious, answers to forms, and agents whose model is hostile."""

import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

from benchmarks.soak import bombs
from benchmarks.soak.attacker import Attack, Attacker, hello, message
from benchmarks.soak.raw_socket import RawSocket

_texts = itertools.cycle(bombs.texts())


async def bomb_messages(attacker: Attacker) -> str:
    """Send the next bomb, and wait for what the hostile model answers; then have it all again as a page would."""
    chat = await attacker.new_chat()
    with attacker.socket(chat) as socket:
        await socket.open()
        await socket.send(hello(html=True))
        await socket.send(message(next(_texts)))
        found = await _until(socket, "RUN_ERROR", "BLOCK", "rejected")
    with attacker.socket(chat) as socket:
        await socket.open()
        await socket.send(hello(html=True))
        await _until(socket, "RUN_STARTED", "TEXT_MESSAGE_START")
    await attacker.guest.get(f"/chat/{chat}/")
    return _told(found)


async def message_flood(attacker: Attacker) -> str:
    """Forty bombs in a row, more than an owner may send in a minute."""
    with attacker.socket(await attacker.chat()) as socket:
        await socket.open()
        await socket.send(hello())
        for _ in range(40):
            await socket.send(message(next(_texts)))
        return _told(await _until(socket, "rejected"))


async def hostile_tools(attacker: Attacker) -> str:
    """Let the hostile model call tools; approve of whatever is asked, with arguments of one's own."""
    chat = await attacker.new_chat("till")
    with attacker.socket(chat) as socket:
        await socket.open()
        await socket.send(hello(html=True))
        await socket.send(message("go on"))
        found = await _until(socket, "INPUT_REQUESTED", "RUN_FINISHED", "RUN_ERROR", "rejected")
        if "request" in found:
            arguments = {"to": "\u202e" * 5_000, "amount": 1, "N" * 20_000: bombs.wide(1_000)}
            await socket.send(_answer(found, {"decision": "approve", "arguments": arguments}))
            await socket.send(_answer(found, {"decision": "approve"}))
            found = await _until(socket, "RUN_FINISHED", "RUN_ERROR", "TOOL_CALL_RESULT")
    await attacker.guest.get(f"/chat/{chat}/")
    return _told(found)


async def form_bombs(attacker: Attacker) -> str:
    """Answer a form with what is laborious to check, several times."""
    with attacker.socket(await attacker.new_chat("survey")) as socket:
        await socket.open()
        await socket.send(hello(html=True))
        await socket.send(message("hello"))
        asked = found = await _until(socket, "INPUT_REQUESTED", "RUN_ERROR", "rejected")
        for value in _form_values() if "request" in asked else ():
            await socket.send(_answer(asked, value))
            found = await _until(socket, "rejected", "INPUT_ANSWERED")
        return _told(found)


def _form_values() -> Iterator[dict[str, Any]]:
    right = {"name": "Ada", "code": "a"}
    yield {**right, "code": "a" * 40 + "!"}
    yield {**right, "mail": "a" * 30_000 + "!"}
    yield {**right, "tags": [[index] for index in range(20_000)]}
    yield {**right, "tags": [f"t{index}" for index in range(8_000)] * 2}
    yield {**right, "rows": json.loads('[{"a":' * 400 + "1" + "}]" * 400)}
    yield {**right, "rows": [{}] * 30_000}
    yield {**right, **bombs.wide(3_200)}
    yield {f"key{index}": index for index in range(8_000)}
    yield {**right, "name": "x" * 60_000}


def _answer(asked: dict[str, Any], value: object) -> bytes:
    return json.dumps({"type": "answer", "id": str(uuid.uuid4()), "request": asked["request"], "value": value}).encode()


async def _until(socket: RawSocket, *types: str) -> dict[str, Any]:
    """The next frame of one of these types; an attacker acknowledges what comes, or would be too slow."""
    received = 0
    while True:
        for text in await socket.read():
            frame: dict[str, Any] = json.loads(text)
            received += len(text.encode())
            await socket.send(json.dumps({"type": "ack", "seq": frame.get("seq", 0), "bytes": received}).encode())
            if frame["type"] in types:
                return frame


def _told(frame: dict[str, Any]) -> str:
    return f"{frame['type']} {frame.get('code', '')}".strip()


ATTACKS: list[Attack] = [bomb_messages, message_flood, hostile_tools, form_bombs]
