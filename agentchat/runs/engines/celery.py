"""Celery's engine: runs advance in workers. A web process only says which run is ready.

The message is a doorbell, as everywhere: who advances a run is decided by the claim in the database, so one that comes
twice does nothing, and one that is lost costs a second, until the keeper of a worker finds the run.

Here is the bell: the task, and how it is sent. What a worker is, beside Celery's own, is `worker`'s affair.
"""

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Any

from celery import current_app, shared_task
from celery.signals import celeryd_init

from agentchat.runs.engines import worker
from agentchat.runs.pool import DaemonPool
from agentchat.runs.runner import runner

logger = logging.getLogger("agentchat.runs")

TASK = "agentchat.advance_run"
QUEUE = "agentchat"

SEND_S = 1.0  # for a connection to the broker, and for each word on it: nobody waits for it longer than twice this
KNOWN_S = 1.0  # so long the answer to "is the broker there?" is good

# Sending waits for a network: never in the thread of a person's frame, and never on the loop.
SEND_POOL = DaemonPool("agentchat-bell", lambda: 1)
LOOK_POOL = DaemonPool("agentchat-broker", lambda: 1)


def _advance_run(run_id: int) -> None:
    """Advance the run, to the end of this advance. Ends at once if it is not ready, or its owner has enough running."""
    worker.advance(run_id)


# Late acknowledgement: a message whose worker dies is sent again. It will have been overtaken by a keeper.
advance_run = shared_task(
    name=TASK,
    serializer="json",
    ignore_result=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=0,
)(_advance_run)


class CeleryEngine:
    """Sends the task. One for each process."""

    def __init__(self) -> None:
        self._waiting: dict[int, None] = {}  # in order, each run once
        self._lock = threading.Lock()
        self._connection: Any = None  # kombu's
        self._is_failing = False
        self._looked_at = 0.0
        self._seen: bool | str = True

    def wake(self, run_id: int) -> None:
        if runner.loop is None or runner.loop.is_closed():
            return self.announce([run_id])  # a command: its threads end with it
        self._send_soon([run_id])

    def announce(self, run_ids: Iterable[int]) -> None:
        """Wake these runs, and wait until that is said: for a process that is about to end."""
        try:
            self._send_soon(run_ids).result(2 * SEND_S)
        except TooLate:
            logger.warning("the broker does not answer in %g s; the workers find the runs by themselves", 2 * SEND_S)

    def _send_soon(self, run_ids: Iterable[int]) -> "Future[None]":
        with self._lock:
            self._waiting |= dict.fromkeys(run_ids)
        return SEND_POOL.submit(self._send_all)

    def _send_all(self) -> None:
        """In the one thread that does this."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
                run_id = next(iter(self._waiting))
                del self._waiting[run_id]
            try:
                self._send(run_id)
            except Exception as error:
                with self._lock:
                    self._waiting.clear()  # all of these are found before the broker is back
                self._forget_connection()
                if not self._is_failing:  # it may be away for long: once is enough
                    logger.warning("the broker takes no messages (%r); the workers look for runs once a second", error)
                self._is_failing = True
                return
            if self._is_failing:
                logger.info("the broker takes messages again")
            self._is_failing = False

    def _send(self, run_id: int) -> None:
        if self._connection is None:
            self._connection = _connect()
        advance_run.apply_async((run_id,), queue=QUEUE, connection=self._connection, retry=False)

    def _forget_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()

    def parts(self) -> dict[str, bool | str]:
        """Whether the broker answers; asked once a second at most, however often this is called."""
        if time.monotonic() - self._looked_at >= KNOWN_S:
            try:
                self._seen = LOOK_POOL.submit(_look).result(2 * SEND_S)
            except TooLate:
                self._seen = "the broker does not answer"
            self._looked_at = time.monotonic()
        return {"broker": self._seen}


def _connect() -> Any:
    """A connection that gives up soon. It is made when it is first used."""
    impatience: dict[str, Any] = {"max_retries": 0, "interval_start": 0}
    if (current_app.conf.broker_url or "").startswith("redis"):
        impatience |= {"socket_connect_timeout": SEND_S, "socket_timeout": SEND_S, "retry_on_timeout": False}
    return current_app.connection_for_write(connect_timeout=SEND_S, transport_options=impatience)


def _look() -> bool | str:
    connection = _connect()
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=SEND_S)
    except Exception:
        logger.warning("the broker does not answer", exc_info=True)
        return "the broker does not answer"
    finally:
        connection.collect()
    return True


def _add_step(instance: Any, **_: Any) -> None:
    """A worker is being made: agents need a loop in it."""
    instance.app.steps["worker"].add(worker.AgentsStep)


celeryd_init.connect(_add_step)
