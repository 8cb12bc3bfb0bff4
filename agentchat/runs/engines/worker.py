"""A worker of Celery that advances runs: its threads, and one event loop that plays the part of the server's.

Celery's threads wait for the tasks; what a run does happens where it always does: on the loop, and in threads that are
started from it. The keeper lives on that loop too. So a worker takes up waiting work as it starts, also without a
broker, and never advances more than MAX_RUNS, whether a message or the keeper brought them.

A worker leaves as a server does: it claims nothing more, gives its runs away, and does not wait for a tool that will
not end. Only the pool "threads" will do. In children of a fork, each would keep and claim for itself.

One whose keeper is stuck leaves by itself, since nobody would notice: Celery's main thread answers whoever asks. Its
supervisor starts another one.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as TooLate
from typing import Any

from celery import bootsteps
from celery.concurrency.thread import TaskPool
from celery.signals import worker_shutdown, worker_shutting_down

from agentchat import conf
from agentchat.runs.runner import STUCK_LEASES, runner

logger = logging.getLogger("agentchat.runs")

START_S = 10.0
LEAVE_S = 1.5  # beyond DRAIN_S: what Celery has to say to its broker, which may not listen
WATCH_S = 1.0  # so often a thread looks whether the keeper is stuck
SURE_AFTER = 5  # looks: when a frozen process goes on, its keeper seems to be stuck until it has come round


class Agents:
    """The event loop of this worker, in a thread, and the runs on it. `start` and `leave` are for the main thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._advancing: set[Future[None]] = set()
        self._given_away: Future[list[int]] | None = None

    def start(self) -> None:
        """Start the loop and the keeper. Return when it looks for work."""
        runner.is_worker = True
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="agentchat-loop", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(START_S)
        threading.Thread(target=_watch_the_keeper, name="agentchat-watch", daemon=True).start()

    async def _begin(self) -> None:
        # It takes a second: not while the first person waits for the first word.
        threading.Thread(target=importlib.import_module, args=("agentchat.llm.openai",), daemon=True).start()
        runner.start()

    def advance(self, run_id: int) -> None:
        """In one of Celery's threads: advance the run, and wait for the end of that."""
        if self._loop is None:
            logger.warning("run %d is not advanced: this process is no worker that advances runs", run_id)
            return
        advancing = asyncio.run_coroutine_threadsafe(runner.advance(run_id), self._loop)
        self._advancing.add(advancing)
        try:
            advancing.result()
        except CancelledError:
            pass  # the worker leaves, and this run does not unwind: its lease will end
        finally:
            self._advancing.discard(advancing)

    def begin_to_leave(self) -> None:
        """Give the runs away. Also from a signal's handler: returns at once."""
        if self._loop is None or self._given_away is not None:
            return
        runner.is_draining = True
        within = conf.app.drain_s
        self._given_away = asyncio.run_coroutine_threadsafe(runner.drain(within=within), self._loop)
        watchdog = threading.Timer(within + LEAVE_S, _leave_now)
        watchdog.daemon = True
        watchdog.start()

    def leave(self) -> list[int]:
        """Wait until the runs are given away, DRAIN_S at most. Return those that another worker may take now."""
        self.begin_to_leave()
        given_away: list[int] = []
        if self._given_away is not None:
            try:
                given_away = self._given_away.result(conf.app.drain_s + 1)
            except (TooLate, CancelledError, Exception):
                logger.exception("could not give all runs away in order; leases will do the rest")
        for advancing in list(self._advancing):
            advancing.cancel()  # Celery joins the threads that wait for these
        return given_away


def _watch_the_keeper() -> None:
    """In a thread that asks nothing of the loop, nor of the database. Ends the process when the keeper is stuck."""
    _wait_until_it_is_stuck()
    last_resort = threading.Timer(LEAVE_S, os._exit, [1])  # it may be the log in which all is stuck
    last_resort.daemon = True
    last_resort.start()
    logger.error(
        "the keeper of runs has not come round for %g s: this worker leaves, and another one takes its runs",
        STUCK_LEASES * conf.app.lease_s,
    )
    _leave_now(1)


def _wait_until_it_is_stuck() -> None:
    looks = 0
    while looks < SURE_AFTER:
        time.sleep(WATCH_S)
        looks = looks + 1 if runner.is_stuck else 0


agents = Agents()
advance = agents.advance


class AgentsStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Celery starts this after its threads and before it takes messages, and stops it in between, too."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, worker: Any) -> bool:
        """Whether this worker takes messages about runs. Others, of the same project, are as they were."""
        from agentchat.runs.engines.celery import QUEUE, TASK

        route = worker.app.amqp.router.route({"queue": QUEUE}, TASK)
        return getattr(route["queue"], "name", route["queue"]) in worker.app.amqp.queues.consume_from

    def create(self, worker: Any) -> "AgentsStep":
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
            from agentchat.runs.engines.broker import outlive_lost_connections  # redis need not be installed elsewhere

            outlive_lost_connections()
        return self

    def start(self, worker: Any) -> None:
        agents.start()
        worker_shutting_down.connect(_on_shutting_down)
        worker_shutdown.connect(_on_shutdown)

    def stop(self, worker: Any) -> None:
        """No message comes any more, and the threads are still there."""
        from agentchat.runs.engines.celery import CeleryEngine

        given_away = agents.leave()
        logger.info("stopping: %d runs are given away", len(given_away))
        CeleryEngine().announce(given_away)  # the others need not wait for their keepers

    terminate = stop


def _on_shutting_down(**_: Any) -> None:
    agents.begin_to_leave()


def _on_shutdown(sender: Any = None, **_: Any) -> None:
    """Celery's last word: all is stopped. A normal exit would join threads that a tool may hold for ever."""
    _leave_now(getattr(sender, "exitcode", 0))


def _leave_now(code: int | None = 0) -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        logging.shutdown()
    os._exit(code or 0)
