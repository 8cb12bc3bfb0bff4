"""Attacks over HTTP: bodies, slow clients, guesses, races, and pages of chats that are full of bombs."""

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2

from benchmarks.soak import bombs
from benchmarks.soak.attacker import Attack, Attacker, hello, message

BODY_BYTES = 64 * 1024 * 1024


async def readers_of_pages(attacker: Attacker) -> str:
    """Put bombs into a chat, share it, and look at it in every way, several times at once."""
    chat = await attacker.chat()
    with attacker.socket(chat) as socket:
        await socket.open()
        await socket.send(hello())
        with suppress(OSError):
            await socket.send(message(attacker.random.choice(bombs.texts())))
            await socket.read()
    guest = attacker.guest
    await guest.post(f"/chat/{chat}/share/")
    links = re.findall(r"/share/[\w-]{20,}/", (await guest.get(f"/chat/{chat}/share/")).text)
    paths = [f"/chat/{chat}/", f"/embed/chat/{chat}/", "/chat/my-data/download", "/chat/?q=" + "a" * 3_000]
    paths += [f"/chat/{chat}/{each}" for each in ("events", "earlier?before=999", "export.md", "export.json")]
    return await _statuses(guest.get(path) for path in [*paths, *links[:1] * 6])


async def sign_in_guesses(attacker: Attacker) -> str:
    guess = {"username": "admin", "password": "x" * 3_000}
    return await _statuses(attacker.guest.post("/accounts/login/", **guess) for _ in range(10))


async def races(attacker: Attacker) -> str:
    """Delete, share, rename and delete everything, all at once."""
    chats = [await attacker.new_chat() for _ in range(2)]
    guest = attacker.guest
    calls: list[Awaitable[httpx2.Response]] = []
    for chat in chats:
        calls += [guest.post(f"/chat/{chat}/share/") for _ in range(6)]
        calls += [guest.post(f"/chat/{chat}/rename/", title="\u202e" * 200), guest.post(f"/chat/{chat}/delete/")]
        calls += [guest.post("/chat/my-data/delete/", confirm="on"), guest.get(f"/chat/{chat}/")]
    outcome = await _statuses(calls)
    guest.forget()
    return outcome


async def many_new_guests(attacker: Attacker) -> str:
    """As many chats as there may be, each of a guest who has never been here."""
    outcomes: Counter[str] = Counter()
    for _ in range(20):
        attacker.guest.forget()
        response = await attacker.guest.post("/chat/", agent="parrot")
        outcomes[str(response.status_code)] += 1
    return _most(outcomes)


async def odd_requests(attacker: Attacker) -> str:
    guest = attacker.guest
    return await _statuses(
        [
            guest.get("/chat/?before=" + "9" * 3_000),
            guest.get(f"/chat/{uuid.uuid4()}/"),
            guest.get("/%00%ff/" + "x" * 3_000),
            guest.get("/share/" + "a" * 3_000 + "/"),
            guest.post("/chat/", agent="\x00" * 1_000),
            guest.post("/language/", language="../../etc", next="//elsewhere.example"),
            guest.request("POST", "/chat/", content=b"&".join(b"f%d=1" % index for index in range(50_000))),
            guest.request("GET", "/chat/", headers={"Accept-Language": "de;q=" + "0" * 4_000}),
        ]
    )


async def _statuses(calls: Iterable[Awaitable[httpx2.Response]]) -> str:
    """Do all at once; which status came most."""
    outcomes: Counter[str] = Counter()
    for response in await asyncio.gather(*calls, return_exceptions=True):
        outcomes[str(response.status_code) if isinstance(response, httpx2.Response) else "no answer"] += 1
    return _most(outcomes)


def _most(outcomes: Counter[str]) -> str:
    """The failures of the server if there are some, or what came most."""
    broken = [status for status in outcomes if status.startswith("5")]
    return broken[0] if broken else outcomes.most_common(1)[0][0]


# --- below HTTP -----------------------------------------------------------------------------------------------------


async def large_body(attacker: Attacker) -> str:
    return await _raw(attacker, f"Content-Length: {BODY_BYTES}\r\n\r\n".encode(), BODY_BYTES)


async def large_chunked_body(attacker: Attacker) -> str:
    return await _raw(attacker, b"Transfer-Encoding: chunked\r\n\r\n", BODY_BYTES, is_chunked=True)


async def slow_body(attacker: Attacker) -> str:
    return await _raw(attacker, b"Content-Length: 1000\r\n\r\n", 1_000, pause=0.5)


async def slow_headers(attacker: Attacker) -> str:
    return await _raw(attacker, b"X-Header: ", 1_000, pause=0.5)


async def _raw(attacker: Attacker, head: bytes, size: int, *, pause: float = 0, is_chunked: bool = False) -> str:
    """Post a body until the server has had enough. Return the status."""
    address = urlsplit(attacker.guest.url)
    reader, writer = await asyncio.open_connection(
        address.hostname, address.port, local_addr=(attacker.guest.address, 0), limit=65_536
    )
    answer = asyncio.create_task(reader.readline())
    piece = b"a" if pause else b"a" * 65_536
    data = b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece
    try:
        writer.write(f"POST /chat/ HTTP/1.1\r\nHost: {address.netloc}\r\n".encode() + head)
        for _ in range(size // len(piece)):
            if answer.done():
                break
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause)
        return (await answer).decode("latin-1")[9:12] or "closed"
    except OSError:
        return (answer.result().decode("latin-1")[9:12] if answer.done() and not answer.exception() else "") or "closed"
    finally:
        answer.cancel()
        writer.transport.abort()


async def pipelined_requests(attacker: Attacker) -> str:
    """Thousands of requests on one connection, with no answer read."""
    address = urlsplit(attacker.guest.url)
    _, writer = await asyncio.open_connection(
        address.hostname, address.port, local_addr=(attacker.guest.address, 0), limit=1_024
    )
    try:
        for _ in range(2_000):
            writer.write(f"GET /chat/ HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
            await writer.drain()
        await asyncio.sleep(2)
        return "took it all"
    except OSError:
        return "closed"
    finally:
        writer.transport.abort()


ATTACKS: list[Attack] = [
    readers_of_pages,
    sign_in_guesses,
    races,
    many_new_guests,
    odd_requests,
    large_body,
    large_chunked_body,
    slow_body,
    slow_headers,
    pipelined_requests,
]
