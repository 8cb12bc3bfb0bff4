"""A Celery worker that advances runs: its threads, and one event loop that takes the place of the server's.

Celery's threads wait for the tasks; what a run does happens where it always does: on the loop, and in threads that are
started from it. The supervisor runs on that loop too. So a worker claims waiting runs as soon as it starts, also
without a broker, and never advances more than MAX_RUNS, whether messages or the supervisor brought them.

A worker stops as a server does: it claims nothing more, releases its runs, and does not wait for a tool that never
ends. Only the pool "threads" is supported. In children of a fork, each would supervise and claim for itself.

A worker whose supervisor is stuck exits by itself, since nothing else would notice: Celery's main thread still answers
pings. The process manager starts another one.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import Any

from celery import bootsteps
from celery.concurrency.thread import TaskPool
from celery.signals import worker_shutdown, worker_shutting_down

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.infra.warm_up import warm_up
from agentchat.io.base import IOStream
from agentchat.runs.engines.celery import QUEUE, TASK, CeleryEngine
from agentchat.runs.runner import runner
from agentchat.runs.supervisor import STUCK_LEASES

logger = get_logger("agentchat.runs")

START_TIMEOUT_SECONDS = 10.0
EXIT_SECONDS = 1.5  # beyond DRAIN_S: what Celery has to tell its broker, which may not listen
WATCHDOG_SECONDS = 1.0  # how often a thread checks whether the supervisor is stuck
# How many checks in a row must find it stuck: when a frozen process goes on, its supervisor seems to be stuck until its
# next iteration.
STUCK_CHECKS = 5


class WorkerRuntime:
    """The event loop of this worker, in a thread, and the runs on it. `start` and `stop` are for the main thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._advancing: set[Future[None]] = set()
        self._draining: Future[list[int]] | None = None

    def start(self) -> None:
        """Start the loop and the supervisor. Return when it looks for work."""
        runner.is_worker = True
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="agentchat-loop", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_TIMEOUT_SECONDS)
        threading.Thread(target=_watch_supervisor, name="agentchat-watchdog", daemon=True).start()

    async def _start(self) -> None:
        warm_up("agentchat.llm.openai_client", is_server=True)
        runner.start()
        IOStream.begin_runs(runner)

    def advance(self, run_id: int) -> None:
        """In one of Celery's threads: advance the run, and wait for the end of that."""
        if self._loop is None:
            logger.warning("run %d is not advanced: this process is not a worker that advances runs", run_id)
            return
        advancing = asyncio.run_coroutine_threadsafe(runner.advance(run_id), self._loop)
        self._advancing.add(advancing)
        try:
            advancing.result()
        except CancelledError:
            pass  # the worker stops, and this run does not unwind: its lease will expire
        finally:
            self._advancing.discard(advancing)

    def begin_stop(self) -> None:
        """Begin to release the runs. Also from a signal handler: returns at once."""
        if self._loop is None or self._draining is not None:
            return
        runner.stop_claiming()
        within = conf.app.drain_s
        self._draining = asyncio.run_coroutine_threadsafe(runner.drain(within=within), self._loop)
        deadline = threading.Timer(within + EXIT_SECONDS, _exit_now)
        deadline.daemon = True
        deadline.start()

    def stop(self) -> list[int]:
        """Wait until the runs are released, DRAIN_S at most. Return those that another worker may claim now."""
        self.begin_stop()
        released: list[int] = []
        if self._draining is not None:
            try:
                released = self._draining.result(conf.app.drain_s + 1)
            except (CancelledError, Exception):
                logger.exception("could not release all runs cleanly; they are taken over when their leases expire")
        for advancing in list(self._advancing):
            advancing.cancel()  # Celery joins the threads that wait for these
        return released


def _watch_supervisor() -> None:
    """In a thread that needs neither the loop nor the database. Ends the process when the supervisor is stuck."""
    _wait_until_stuck()
    last_resort = threading.Timer(EXIT_SECONDS, os._exit, [1])  # logging itself may be what is stuck
    last_resort.daemon = True
    last_resort.start()
    logger.error(
        "the supervisor has been stuck for %g s: this worker exits, and another one takes over its runs",
        STUCK_LEASES * conf.app.lease_s,
    )
    _exit_now(1)


def _wait_until_stuck() -> None:
    checks = 0
    while checks < STUCK_CHECKS:
        time.sleep(WATCHDOG_SECONDS)
        checks = checks + 1 if runner.is_stuck else 0


runtime = WorkerRuntime()
advance = runtime.advance


class RunsStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Celery starts this after its threads and before it takes messages, and stops it between the two, too."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, worker: Any) -> bool:
        """Whether this worker takes messages about runs. The project's other workers stay as they are."""
        route = worker.app.amqp.router.route({"queue": QUEUE}, TASK)
        return getattr(route["queue"], "name", route["queue"]) in worker.app.amqp.queues.consume_from

    def create(self, worker: Any) -> "RunsStep":
        if worker.pool_cls is not TaskPool:
            sys.exit(
                f"Agents need a worker with threads, not {worker.pool_cls.__module__.rpartition('.')[2]}: "
                "start it with --pool threads, or set worker_pool = 'threads' in Celery's configuration."
            )
        if worker.concurrency != conf.app.max_runs:
            logger.warning(
                "this worker has %d threads, and AGENTCHAT['MAX_RUNS'] is %d: that many runs may advance here at once",
                worker.concurrency,
                conf.app.max_runs,
            )
        if worker.app.connection_for_read().transport_cls in ("redis", "rediss"):
            from agentchat.runs.engines.broker import survive_lost_connections  # redis need not be installed otherwise

            survive_lost_connections()
        return self

    def start(self, worker: Any) -> None:
        runtime.start()
        worker_shutting_down.connect(_on_shutting_down)
        worker_shutdown.connect(_on_shutdown)

    def stop(self, worker: Any) -> None:
        """No message arrives any more, and the threads are still there."""
        released = runtime.stop()
        logger.info("stopping: releasing %d runs", len(released))
        CeleryEngine().announce(released)  # the others need not wait for their supervisors

    terminate = stop


def _on_shutting_down(**_: Any) -> None:
    runtime.begin_stop()


def _on_shutdown(sender: Any = None, **_: Any) -> None:
    """Celery's last signal: everything is stopped. A normal exit would join threads that a tool may hold for ever."""
    _exit_now(getattr(sender, "exitcode", 0))


def _exit_now(code: int | None = 0) -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        logging.shutdown()
    os._exit(code or 0)
