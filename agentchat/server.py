"""Where agentchat meets the server that runs it: start with it, and stop as it stops.

`serve(application)` wraps the ASGI application. Under Daphne, which has no ASGI lifespan, the start hangs on its
reactor, and SIGTERM and SIGINT are ours: runs are given away, sockets are told to come back, and then the process
leaves. Under other servers, lifespan does both. In any case the first websocket starts what nobody started before.

Waiting work so goes on after a restart before anybody visits. Nothing starts in `AppConfig.ready`, which also runs
under `migrate`.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.db import connection

from agentchat import conf
from agentchat.runs.database import patiently
from agentchat.runs.engines import engine
from agentchat.runs.runner import runner
from agentchat.sockets import LOOK_S, CloseCode, sockets

logger = logging.getLogger("agentchat.server")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]


def serve(application: Application) -> "Served":
    """The ASGI application with its runs: they start and stop with the server."""
    _hook_into_daphne()
    return Served(application)


class Served:
    """An ASGI application, and lifespan beside it."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        start()
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        _requests.add(request := object())
        try:
            await self.application(scope, receive, send)
        finally:
            _requests.discard(request)


_requests: set[object] = set()
_looking: asyncio.Task[None] | None = None


def start() -> None:
    """On the server's loop: start the keeper and the look-out for people who may not watch any more, once."""
    global _looking
    if runner.loop is not asyncio.get_running_loop():
        # It takes a second: not while the first person waits for the first word.
        slow = "agentchat.llm.openai" if runner.takes_runs else "agentchat.runs.engines.celery"
        threading.Thread(target=importlib.import_module, args=(slow,), daemon=True).start()
    runner.start()
    if _looking is None or _looking.done() or _looking.get_loop() is not asyncio.get_running_loop():
        _looking = asyncio.create_task(_look_out(), name="agentchat look-out")


async def stop() -> None:
    """Give away the runs, send the watchers away, let requests end. Takes DRAIN_S at most."""
    deadline = asyncio.get_running_loop().time() + conf.app.drain_s
    if _looking is not None:
        _looking.cancel()
    runner.is_draining = True
    await sockets.close_all(CloseCode.RESTART)
    await runner.drain(within=conf.app.drain_s)
    while _requests and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


def is_ready() -> dict[str, bool | str]:
    """What a load balancer wants to know: each part is True, or a sentence says what is wrong. Asks the database."""
    parts: dict[str, bool | str] = {"database": True, "keeper": True}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        logger.warning("the database does not answer", exc_info=True)
        parts["database"] = "the database does not answer"
    if runner.is_draining:
        parts["keeper"] = "the server is stopping"
    elif not runner.is_alive:
        parts["keeper"] = "the keeper of runs is not alive in this process"
    if runner.link is not None:
        parts["layer"] = "Redis does not answer" if runner.link.layer.is_away else True
    return parts | engine().parts()


async def _look_out() -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await patiently(sockets.look_again)
        except Exception:
            logger.exception("could not look up the visitors of open sockets; trying again")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


# --- Daphne ---------------------------------------------------------------------------------------------------------


def _hook_into_daphne() -> None:
    """If this process is Daphne's, start when its reactor runs. In any other, the reactor never runs."""
    if "daphne.server" not in sys.modules:
        return
    from twisted.internet import reactor

    reactor.callWhenRunning(_start_in_daphne)  # type: ignore[attr-defined]  # a module that is an object


def _start_in_daphne() -> None:
    # One turn later, when the reactor has put its own signal handlers in place and the loop runs.
    loop = asyncio.get_event_loop_policy().get_event_loop()
    loop.call_soon(lambda: loop.create_task(_begin_in_daphne()))


async def _begin_in_daphne() -> None:
    start()
    if threading.current_thread() is not threading.main_thread():
        return  # the autoreloader's child: it is killed, and leases do the rest
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: _asked_to_leave(loop))


_leaving = False


def _asked_to_leave(loop: asyncio.AbstractEventLoop) -> None:
    """A signal: leave in order. A second one: leave at once."""
    global _leaving
    if _leaving:
        os._exit(1)
    _leaving = True
    loop.call_soon_threadsafe(lambda: loop.create_task(_leave()))


async def _leave() -> None:
    logger.info("stopping: %d runs are given away", runner.advancing)
    try:
        await stop()
        await asyncio.sleep(0.05)  # the close frames are on their way
    except Exception:
        logger.exception("could not stop in order; leases will do the rest")
    finally:
        with contextlib.suppress(Exception):
            logging.shutdown()
        # A normal exit would join threads that a tool may hold for ever.
        os._exit(0)
