"""How many of agentchat's pages are made at once, and whose is next.

Django makes each page in a thread of its own, and the threads of a process share one processor: pages that one client
asks for by the dozen would make everybody else's as many times slower, and the server's loop too. So a request for a
page takes one of a few places; those that change something have their own, since they may wait for the database. The
client with the least at work is next, and no address has more than its share. While the loop lags, addresses that take
more of the processor than others wait before that (`processor_shares.py`). Requests wait without a thread, and a client
that has too many waiting is refused, or one that would wait too long.

A place is held from the moment when the request's body is there until the response begins: neither a slow upload nor a
download occupies one. A view that says that it holds no thread needs none. Requests from addresses that are not known
(`addresses.py`) are served in turn, as if each came from an address of its own. Other pages of the same project, which
may be slow for reasons of their own, take no places; nor do health checks.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any

from django.urls import Resolver404, resolve

from agentchat.infra.addresses import UNKNOWN, address_of_scope
from agentchat.infra.fair_queue import OWNER, FairQueue, Lanes
from agentchat.infra.loop_scope import owned
from agentchat.infra.processor_shares import ProcessorShares

PLACES = 4
"""Requests at work, of those that only read and of the others."""
SHARE = 2
"""Places that one address may have."""
MAX_REQUESTS = 64
"""Requests that one address may have at work and in the line."""
RETRY_AFTER_SECONDS = 5
HEALTH_CHECKS = ("healthz", "readyz")
HOLDS_NO_THREAD = "holds_no_thread"
"""The attribute of an async view that may wait for long, and has limits of its own."""

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]


class RequestLimit:
    """The places of the server's loop, and how many requests each address has."""

    def __init__(self) -> None:
        self._reading, self._writing = _Places(), _Places()
        self._requests: Counter[str] = Counter()
        self._numbers = itertools.count()

    async def answer(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer an HTTP request when it is its turn."""
        if not _is_limited(scope):
            await application(scope, receive, send)
            return
        address = address_of_scope(scope)
        if address != UNKNOWN and self._requests[address] >= MAX_REQUESTS:
            await _refuse(send)
            return
        self._requests[address] += 1
        places = self._reading if scope["method"] in ("GET", "HEAD") else self._writing
        lane = address if address != UNKNOWN else f"request {next(self._numbers)}"
        turn = _Turn(places, {OWNER: lane}, partial(owned(ProcessorShares).admits, address), receive, send)
        try:
            await application(scope, turn.receive, turn.send)
            if turn.is_refused:
                await _refuse(send)
        finally:
            turn.end()
            self._requests[address] -= 1
            if not self._requests[address]:
                del self._requests[address]


class _Places:
    """Places that requests wait for, on one event loop."""

    def __init__(self) -> None:
        self._places: FairQueue[asyncio.Future[None]] = FairQueue(lambda: PLACES, {OWNER: lambda: SHARE})

    async def take(self, in_lanes: Lanes) -> None:
        """Wait for a place. It is the caller's until `give_back`."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._places.add(granted, in_lanes)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(in_lanes)
            else:
                self._places.remove(granted)
            raise

    def give_back(self, in_lanes: Lanes) -> None:
        self._places.done(in_lanes)
        self._grant()

    def _grant(self) -> None:
        while (entry := self._places.take()) is not None:
            granted, in_lanes = entry
            if granted.done():  # cancelled, and about to leave the line
                self._places.done(in_lanes)
            else:
                granted.set_result(None)


class _Turn:
    """One request: it waits for its place, has it, and is over, in this order."""

    def __init__(
        self, places: _Places, in_lanes: Lanes, admits: Callable[[], Awaitable[bool]], receive: Receive, send: Send
    ) -> None:
        self._places, self._in_lanes, self._admits = places, in_lanes, admits
        self._receive, self._send = receive, send
        self.is_refused = False
        self._has_place = False
        self._over = asyncio.Event()
        self._next: asyncio.Task[Message] | None = None  # what comes after the body: the client leaves

    async def receive(self) -> Message:
        if self._next is not None:
            # A page that is being made is not given up when its client leaves: its thread would go on without a place.
            await self._over.wait()
            return await asyncio.shield(self._next)
        message = await self._receive()
        if message["type"] != "http.request" or message.get("more_body", False):
            return message
        self._next = asyncio.ensure_future(self._receive())
        waiting = asyncio.ensure_future(self._take_place())
        try:
            await asyncio.wait({waiting, self._next}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._leave(waiting)
            raise
        if not waiting.done():
            await self._leave(waiting)
            return self._next.result()
        self._has_place = waiting.result()
        if not self._has_place:
            self.is_refused = True
            return {"type": "http.disconnect"}
        return message

    async def _take_place(self) -> bool:
        if not await self._admits():
            return False
        await self._places.take(self._in_lanes)
        return True

    async def _leave(self, waiting: asyncio.Task[bool]) -> None:
        """Leave the line; or the place, if it has come in the same moment."""
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            if await waiting:
                self._places.give_back(self._in_lanes)

    async def send(self, message: Message) -> None:
        self._give_back()
        await self._send(message)

    def end(self) -> None:
        self._give_back()
        if self._next is not None:
            self._next.cancel()

    def _give_back(self) -> None:
        self._over.set()
        if self._has_place:
            self._has_place = False
            self._places.give_back(self._in_lanes)


def _is_limited(scope: Scope) -> bool:
    """Whether it is a request for one of agentchat's pages."""
    try:
        found = resolve(scope["path"].removeprefix(scope.get("root_path", "")))
    except Resolver404:
        return False
    is_ours = "agentchat" in found.app_names and found.url_name not in HEALTH_CHECKS
    return is_ours and not getattr(found.func, HOLDS_NO_THREAD, False)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    body = b"Too many requests from your address are waiting already. Please try again in a few seconds.\n"
    await send({"type": "http.response.body", "body": body})
