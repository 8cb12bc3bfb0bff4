"""Where agentchat meets the server that runs it: start with it, and stop as it stops.

`serve(application)` wraps the ASGI application. Under Daphne, which has no ASGI lifespan, its reactor calls the start,
and this module handles SIGTERM and SIGINT: runs are released, sockets are closed with a code that asks clients to
reconnect, and then the process exits. Under other servers, lifespan does both. In any case the first websocket starts
what has not been started before.

So waiting work goes on after a restart without a visit. Nothing starts in `AppConfig.ready`, which also runs under
`migrate`.
"""

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import partial
from typing import Any

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.infra.addresses import address_of_scope
from agentchat.infra.database import connection, retry_until_available
from agentchat.infra.fair_queue import enter_lanes
from agentchat.infra.loop_scope import owned
from agentchat.infra.processor_shares import Measured, ProcessorShares
from agentchat.infra.request_bodies import answer_in_bounds
from agentchat.infra.request_limit import RequestLimit
from agentchat.infra.response_bodies import paced
from agentchat.infra.warm_up import warm_up
from agentchat.io.base import IOStream
from agentchat.runs.engines import engine
from agentchat.runs.runner import runner
from agentchat.websocket.connections import REVALIDATE_INTERVAL_SECONDS, CloseCode, current_connections

logger = get_logger("agentchat.server")

# After this time a thread that computes hands the processor on, to the server's loop or another thread: everybody's
# frames would wait for several times Python's own 5 ms while pages are made.
SWITCH_SECONDS = 0.001
RELOAD_SECONDS = 2.0  # how long the autoreloader waits for runs to unwind: its user waits, too

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]


def serve(application: Application) -> "Served":
    """The ASGI application with its runs: they start and stop with the server."""
    _hook_into_daphne()
    return Served(application)


class ServerRuntime:
    """What the server itself keeps for its loop, whose scope owns it (`infra/loop_scope.py`)."""

    def __init__(self) -> None:
        self.requests: set[object] = set()  # HTTP requests that have not ended
        self.revalidator: asyncio.Task[None] | None = None

    def start_revalidator(self) -> None:
        if self.revalidator is None or self.revalidator.done():
            self.revalidator = asyncio.create_task(_revalidate(), name="agentchat session revalidator")


class Served:
    """An ASGI application that starts agentchat, and answers lifespan."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        start()
        enter_lanes(address=(address := address_of_scope(scope)))
        await Measured(self._answer(scope, receive, send), owned(ProcessorShares), address)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        requests = owned(ServerRuntime).requests
        requests.add(request := object())
        try:
            in_line = partial(owned(RequestLimit).answer, self.application)
            await answer_in_bounds(in_line, scope, receive, paced(send))
        finally:
            requests.discard(request)


def start(*, is_server: bool = False) -> None:
    """On the server's loop: start the supervisor of runs and the session revalidator, once."""
    if runner.loop is not asyncio.get_running_loop():
        slow = "agentchat.llm.openai_client" if runner.takes_runs else "agentchat.runs.engines.celery"
        warm_up(slow, is_server=is_server)
    runner.start()
    owned(ServerRuntime).start_revalidator()


def _start_as_server() -> None:
    """Start, in a process that is a server as long as it lives: known before its first request."""
    start(is_server=True)
    sys.setswitchinterval(SWITCH_SECONDS)
    if runner.takes_runs:
        IOStream.begin_runs(runner)


async def stop(*, within: float | None = None) -> None:
    """Release the runs, close the sockets, let requests end. Takes `within` seconds at most; the default is DRAIN_S."""
    within = conf.app.drain_s if within is None else within
    deadline = asyncio.get_running_loop().time() + within
    runtime = owned(ServerRuntime)
    if runtime.revalidator is not None:
        runtime.revalidator.cancel()
    await _close_sockets()
    await runner.drain(within=within)
    while runtime.requests and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


def is_ready() -> dict[str, bool | str]:
    """For a load balancer: each part is True, or a sentence says what is wrong. Queries the database."""
    parts: dict[str, bool | str] = {"database": True, "supervisor": True}
    try:
        with connection().cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        logger.warning("the database does not answer", exc_info=True)
        parts["database"] = "the database does not answer"
    if runner.is_draining:
        parts["supervisor"] = "the server is stopping"
    elif not runner.is_alive:
        parts["supervisor"] = "the supervisor of runs is not alive in this process"
    if runner.link is not None:
        parts["layer"] = "Redis does not answer" if runner.link.layer.is_down else True
    return parts | engine().parts()


async def _revalidate() -> None:
    while True:
        await asyncio.sleep(REVALIDATE_INTERVAL_SECONDS)
        try:
            await retry_until_available(current_connections().revalidate)
        except Exception:
            logger.exception("could not look up the visitors of open sockets; trying again")


# --- servers with lifespan ------------------------------------------------------------------------------------------


async def _lifespan(receive: Receive, send: Send) -> None:
    with contextlib.ExitStack() as until_shutdown:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                _start_as_server()
                until_shutdown.enter_context(_sockets_closed_at_signals(asyncio.get_running_loop()))
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await stop()
                IOStream.end_runs(runner)
                await send({"type": "lifespan.shutdown.complete"})
                return


@contextlib.contextmanager
def _sockets_closed_at_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """At SIGTERM and SIGINT, close the sockets, and those that still come, and then do what the server does.

    uvicorn ends lifespan when its connections have ended, and tells those that are open to end. It does not tell a
    client that comes back at this moment, and would wait for it.
    """
    replaced = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            if callable(server_handler := signal.getsignal(number)):
                handler = partial(_on_server_signal, loop, server_handler)
                signal.signal(number, handler)
                replaced.append((number, handler, server_handler))
    try:
        yield
    finally:
        for number, handler, server_handler in replaced:
            if signal.getsignal(number) is handler:
                signal.signal(number, server_handler)


def _on_server_signal(
    loop: asyncio.AbstractEventLoop, server_handler: Callable[[int, Any], Any], number: int, frame: Any
) -> None:
    loop.call_soon_threadsafe(lambda: loop.create_task(_close_sockets()))
    server_handler(number, frame)


async def _close_sockets() -> None:
    runner.stop_claiming()
    await current_connections().close_all(CloseCode.RESTART)


# --- Daphne ---------------------------------------------------------------------------------------------------------


def _hook_into_daphne() -> None:
    """If this process is Daphne's, bound its connections, and start when its reactor runs. In others, it never runs."""
    if "daphne.server" not in sys.modules:
        return
    from twisted.internet import reactor

    from agentchat.infra import daphne_requests, daphne_websocket

    daphne_websocket.install()
    daphne_requests.install()
    reactor.callWhenRunning(_start_in_daphne)


def _start_in_daphne() -> None:
    # One turn later, when the reactor has put its own signal handlers in place and the loop runs.
    loop = asyncio.get_event_loop_policy().get_event_loop()
    loop.call_soon(lambda: loop.create_task(_start_on_loop()))


async def _start_on_loop() -> None:
    _start_as_server()
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        # The autoreloader has the main thread, and ends the process when a file has changed.
        atexit.register(_stop_before_reload, loop)
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: _on_signal(loop))


def _stop_before_reload(loop: asyncio.AbstractEventLoop) -> None:
    """In the main thread, as the process exits: hand the runs over, so that the next process goes on at once."""
    stopping = asyncio.run_coroutine_threadsafe(stop(within=RELOAD_SECONDS), loop)
    try:
        stopping.result(timeout=2 * RELOAD_SECONDS)
    except Exception as error:
        logger.warning("runs could not be released; they are taken over when their leases expire: %r", error)


_is_exiting = False


def _on_signal(loop: asyncio.AbstractEventLoop) -> None:
    """A first signal: exit in order. A second one: exit at once."""
    global _is_exiting
    if _is_exiting:
        os._exit(1)
    _is_exiting = True
    loop.call_soon_threadsafe(lambda: loop.create_task(_exit()))


async def _exit() -> None:
    logger.info("stopping: releasing %d runs", runner.advancing)
    try:
        await stop()
        await asyncio.sleep(0.05)  # the close frames are on their way
    except Exception:
        logger.exception("could not stop cleanly; runs are taken over when their leases expire")
    finally:
        with contextlib.suppress(Exception):
            logging.shutdown()
        # A normal exit would join threads that a tool may occupy forever.
        os._exit(0)
