"""Attacks on a websocket itself: floods, frames that cannot be, and clients that do not read."""

import asyncio
import json
import os
import struct
import uuid
from collections.abc import Iterator

from websockets.frames import Opcode

from benchmarks.soak import bombs
from benchmarks.soak.attacker import Attack, Attacker, hello, message, outcome_of
from benchmarks.soak.raw_socket import RawSocket, frame

TINY_BUFFER = 4096  # bytes that the kernel keeps for a client that does not read
FRAMES_PER_SECOND = 38  # just below what one socket may send in the long run
FLOOD_BYTES = 64 * 1024 * 1024  # of one flood


async def _flood(attacker: Attacker, batch: bytes, *, reads: bool = True) -> str:
    """Write the batch again and again, as fast as the server takes it."""
    with attacker.socket(await attacker.chat(), receive_buffer=None if reads else TINY_BUFFER) as socket:
        await socket.open()
        await socket.send(hello())
        reading = asyncio.create_task(outcome_of(socket) if reads else asyncio.sleep(0, "closed"))
        try:
            for _ in range(FLOOD_BYTES // len(batch)):
                await socket.write(batch)
            return "took it all"
        except OSError:
            return await reading
        finally:
            await _end(reading)


async def _end(task: asyncio.Task[str]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ping_flood(attacker: Attacker) -> str:
    return await _flood(attacker, frame(b"p" * 100, Opcode.PING) * 500)


async def ping_flood_without_reading(attacker: Attacker) -> str:
    return await _flood(attacker, frame(b"p" * 125, Opcode.PING) * 500, reads=False)


async def pong_flood(attacker: Attacker) -> str:
    return await _flood(attacker, frame(b"", Opcode.PONG) * 2_000)


async def continuation_flood(attacker: Attacker) -> str:
    start = frame(b"{", Opcode.TEXT, fin=False)
    return await _flood(attacker, start + frame(b"", Opcode.CONT, fin=False) * 2_000)


async def frame_flood(attacker: Attacker) -> str:
    return await _flood(attacker, frame(b'{"type":"ping"}') * 100)


async def long_frame_flood(attacker: Attacker) -> str:
    return await _flood(attacker, frame(b'{"type":"stop","a":"' + b"x" * 400_000 + b'"}'))


# --- clients that do not read -----------------------------------------------------------------------------------------


async def rejections_never_read(attacker: Attacker) -> str:
    bad = json.dumps({"type": "stop", "あ" * 20_000: 1}, ensure_ascii=False).encode()
    return await _steadily(attacker, [bad])


async def answers_never_read(attacker: Attacker) -> str:
    return await _steadily(attacker, [b'{"type":"ping"}', b"[]", message(bombs.filled("what "))])


async def acknowledged_but_never_read(attacker: Attacker) -> str:
    lie = json.dumps({"type": "ack", "seq": 2**53 - 1, "bytes": 2**53 - 1}).encode()
    return await _steadily(attacker, [lie, message(bombs.filled("lie ")), b"not json"])


async def _steadily(attacker: Attacker, frames: list[bytes]) -> str:
    """Send frames at a rate that is allowed, and read nothing."""
    with attacker.socket(await attacker.chat(), receive_buffer=TINY_BUFFER) as socket:
        await socket.open()
        await socket.send(hello(html=True))
        sent = 0
        try:
            while True:
                await socket.send(frames[sent % len(frames)])
                sent += 1
                await asyncio.sleep(1 / FRAMES_PER_SECOND)
        except OSError:
            return "closed"


# --- frames that are not right ----------------------------------------------------------------------------------------


async def odd_frames(attacker: Attacker) -> str:
    """One connection for each that a websocket must not, or hardly ever, carry."""
    chat, outcomes = await attacker.chat(), []
    for bad in _odd_frames():
        with attacker.socket(chat) as socket:
            await socket.open()
            try:
                await socket.write(bad)
                await socket.write(frame(b"", Opcode.CLOSE))
            except OSError:
                pass  # closed before it was all there
            outcomes.append(await outcome_of(socket))
    return max(set(outcomes), key=outcomes.count)


def _odd_frames() -> Iterator[bytes]:
    yield b"\x81\x05hello"  # not masked
    yield b"\xf3\x80\0\0\0\0"  # reserved bits and opcode
    yield b"\x81\xff" + struct.pack(">Q", 2**62) + b"\0\0\0\0"  # a length that nobody has
    yield b"\x81\xff" + struct.pack(">Q", 200_000_000) + b"\0\0\0\0" + b"x" * 3_000_000
    yield frame(b"\xff\xfe\x00")  # no text
    yield frame(struct.pack(">H", 999), Opcode.CLOSE)
    yield frame(os.urandom(100_000), Opcode.BINARY)
    yield frame(b"x", Opcode.CONT)
    yield frame(b"a" * 200_000, Opcode.TEXT, fin=False) * 10
    yield frame(b"[" * 400_000)
    yield frame(b'{"type":"hello","after":' + b"9" * 60_000 + b"}")
    yield frame(json.dumps({"type": "stop", **{f"k{index}": index for index in range(20_000)}}).encode())
    yield frame(('{"type":' * 30_000).encode())
    yield frame(json.dumps({"type": "answer", "id": str(uuid.uuid4()), "request": "", "value": [[]] * 90_000}).encode())


async def actions_on_nothing(attacker: Attacker) -> str:
    """Whatever a page may ask for, about messages and runs that do not exist."""
    own = str(uuid.uuid4())
    frames: list[dict[str, object]] = [
        {"type": "retry", "id": own, "message": "m" * 100},
        {"type": "retry", "id": own},
        {"type": "edit", "id": own, "message": own, "text": bombs.filled("[a](")},
        {"type": "branch", "id": own, "run": 2**31 - 1},
        {"type": "feedback", "id": own, "message": "\u202e", "value": "up", "text": "x" * 2_000},
        {"type": "answer", "id": own, "request": "none", "value": bombs.wide(2_000)},
        {"type": "stop"},
        {"type": "hello", "after": 0},
    ]
    with attacker.socket(await attacker.chat()) as socket:
        await socket.open()
        reading = asyncio.create_task(outcome_of(socket))
        try:
            for index in range(200):
                await socket.send(json.dumps(frames[index % len(frames)]).encode())
                await asyncio.sleep(1 / FRAMES_PER_SECOND)
            return "answered"
        except OSError:
            return await reading
        finally:
            await _end(reading)


async def many_sockets(attacker: Attacker) -> str:
    """Open forty at once, of one guest; each catches up with everything."""
    chat = await attacker.chat()
    sockets = [attacker.socket(chat) for _ in range(40)]

    async def watch(socket: RawSocket) -> str:
        try:
            await socket.open()
            await socket.send(hello(html=True))
            return await asyncio.wait_for(outcome_of(socket), 4)
        except TimeoutError:
            return "open"
        except OSError:
            return "refused"

    try:
        outcomes = await asyncio.gather(*map(watch, sockets))
    finally:
        for socket in sockets:
            socket.close()
    return f"{sum(each == 'open' for each in outcomes)} of 40 open"


async def unknown_paths(attacker: Attacker) -> str:
    outcomes = []
    for path in ("/", "/ws/", "/ws/nothing/", f"/ws/chat/{uuid.uuid4()}/", "/ws/chat/x/", "/" + "a/" * 2_000, "/%00"):
        with RawSocket(attacker.guest, path) as socket:
            try:
                await socket.open()
                outcomes.append(await outcome_of(socket))
            except OSError:
                outcomes.append("refused")
    return max(set(outcomes), key=outcomes.count)


ATTACKS: list[Attack] = [
    ping_flood,
    ping_flood_without_reading,
    pong_flood,
    continuation_flood,
    frame_flood,
    long_frame_flood,
    rejections_never_read,
    answers_never_read,
    acknowledged_but_never_read,
    odd_frames,
    actions_on_nothing,
    many_sockets,
    unknown_paths,
]
