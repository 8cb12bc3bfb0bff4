"""Celery's engine: runs advance in workers. A web process only sends which run is ready.

The message is a notification, no more: the claim in the database decides who advances a run. A message that arrives
twice does nothing, and one that is lost costs a second, until the supervisor of a worker finds the run.

This is the sending side. The task is in `celery_task`, and what a worker has besides Celery's own parts in `worker`.
"""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from celery import current_app

from agentchat.core.log import get_logger
from agentchat.infra.thread_pool import DaemonPool
from agentchat.runs.runner import runner

logger = get_logger("agentchat.runs")

TASK = "agentchat.advance_run"
QUEUE = "agentchat"

# For a connection to the broker, and for each command on it: nothing waits for it longer than twice this.
BROKER_TIMEOUT_SECONDS = 1.0
STATUS_SECONDS = 1.0  # how long the answer to "is the broker there?" holds

# Sending waits for a network: never in the thread of a user's frame, and never on the loop.
SEND_POOL = DaemonPool("agentchat-send", lambda: 1)
STATUS_POOL = DaemonPool("agentchat-broker", lambda: 1)

NO_ANSWER = "the broker does not answer"


class CeleryEngine:
    """Sends the task. One for each process."""

    def __init__(self) -> None:
        self._pending: dict[int, None] = {}  # in order, each run once
        self._lock = threading.Lock()
        self._connection: Any = None  # kombu's
        self._is_failing = False
        self._checked_at = 0.0
        self._status: bool | str = True

    def wake(self, run_id: int) -> None:
        if runner.loop is None or runner.loop.is_closed():
            return self.announce([run_id])  # a command: its threads end with it
        self._send_soon([run_id])

    def announce(self, run_ids: Iterable[int]) -> None:
        """Wake these runs, and wait until the messages are sent: for a process that is about to end."""
        try:
            self._send_soon(run_ids).result(2 * BROKER_TIMEOUT_SECONDS)
        except TimeoutError:
            logger.warning(
                "the broker did not answer within %g s; the workers find the runs by themselves",
                2 * BROKER_TIMEOUT_SECONDS,
            )

    def _send_soon(self, run_ids: Iterable[int]) -> "Future[None]":
        with self._lock:
            self._pending |= dict.fromkeys(run_ids)
        return SEND_POOL.submit(self._send_all)

    def _send_all(self) -> None:
        """In the one thread that sends."""
        while True:
            with self._lock:
                if not self._pending:
                    return
                run_id = next(iter(self._pending))
                del self._pending[run_id]
            try:
                self._send(run_id)
            except Exception as error:
                with self._lock:
                    self._pending.clear()  # supervisors find all of these before the broker is back
                self._forget_connection()
                if not self._is_failing:  # an outage may be long: one line is enough
                    logger.warning(
                        "the broker accepts no messages (%r); the workers poll for runs once a second", error
                    )
                self._is_failing = True
                return
            if self._is_failing:
                logger.info("the broker accepts messages again")
            self._is_failing = False

    def _send(self, run_id: int) -> None:
        if self._connection is None:
            self._connection = _connect()
        current_app.send_task(
            TASK,
            (run_id,),
            queue=QUEUE,
            connection=self._connection,
            retry=False,
            serializer="json",
            ignore_result=True,
        )

    def _forget_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()

    def parts(self) -> dict[str, bool | str]:
        """Whether the broker answers; asked once a second at most, however often this is called."""
        if time.monotonic() - self._checked_at >= STATUS_SECONDS:
            try:
                self._status = STATUS_POOL.submit(_status).result(2 * BROKER_TIMEOUT_SECONDS)
            except TimeoutError:
                self._status = NO_ANSWER
            self._checked_at = time.monotonic()
        return {"broker": self._status}


def _connect() -> Any:
    """A connection that gives up soon. It is made when it is first used."""
    options: dict[str, Any] = {"max_retries": 0, "interval_start": 0}
    if (current_app.conf.broker_url or "").startswith("redis"):
        options |= {
            "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
            "socket_timeout": BROKER_TIMEOUT_SECONDS,
            "retry_on_timeout": False,
        }
    return current_app.connection_for_write(connect_timeout=BROKER_TIMEOUT_SECONDS, transport_options=options)


def _status() -> bool | str:
    connection = _connect()
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)
    except Exception:
        logger.warning(NO_ANSWER, exc_info=True)
        return NO_ANSWER
    finally:
        connection.collect()
    return True
