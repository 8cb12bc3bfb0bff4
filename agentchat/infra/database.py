"""The database, which may be down for a moment: whole transactions are retried, connections released.

A backend may be terminated, the server restarted, its connections used up, a transaction chosen to end a deadlock. None
of this is a reason to fail: what was not committed is rolled back, so the whole transaction is made again, with pauses,
for a limited time. If only the acknowledgement of a commit was lost, it was written nevertheless. That cannot be told,
so a retry of any transaction made through here must find what an earlier try may have written.

Which of the project's databases it is, DATABASE_ROUTERS say: `alias()` asks them, and every transaction is one of that
database. Synchronous, in any thread but the event loop's; `retry_until_available` alone is for the loop.
"""

import asyncio
import itertools
import random
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from django.apps import apps
from django.db import Error, InterfaceError, OperationalError, connections, reset_queries, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from agentchat.core.log import get_logger
from agentchat.errors import DatabaseUnavailable
from agentchat.infra.write_queue import QueueTimeout, WriteQueue

logger = get_logger("agentchat.runs")

T = TypeVar("T")

RUN_TIMEOUT_SECONDS = 15.0  # how long a run's thread retries: longer than a server takes to restart
USER_TIMEOUT_SECONDS = 3.0  # how long a user waits to hear that a message was saved

# How long a transaction waits for another process's writer on SQLite, until it is tried again.
TRY_SECONDS = 1.0

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 1.0

# Classes of SQLSTATE that are transient: connection lost, transaction rolled back (deadlock, serialization), out of
# resources (too many connections, a full disk), operator intervention (shutdown, starting up), errors of the server's
# disk; and single ones: a lock that is not
# available, a read-only server, a transaction that the server has ended because it was idle or took too long.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_LOCK_NOT_AVAILABLE = "55P03"
_TRANSIENT_STATES = (_LOCK_NOT_AVAILABLE, "25006", "25P03", "25P04")
_DATABASE_DROPPED = "57P04"

# SQLite's primary result codes of the same: another writer; a disk that is read-only, fails, is full, or is not there.
_TRANSIENT_SQLITE = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN),
}


def alias() -> str:
    """The key in DATABASES of the database that has our tables."""
    return router.db_for_write(apps.get_model("agentchat", "ChatSession"))


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the database that has our tables."""
    return connections[alias()]


@contextmanager
def atomic(*, lock_timeout: float | None = None) -> Iterator[None]:
    """A transaction in the database that has our tables, which need not be the default one.

    On SQLite it begins with the only lock that there is: in this process's queue of writers, then against others.
    `lock_timeout` limits in seconds how long either takes; a transient error is raised then. Within `retry_transaction`
    the queue has no limit, and others are waited for again and again.
    """
    database = connection()
    if database.vendor != "sqlite" or database.in_atomic_block:
        with transaction.atomic(using=database.alias):
            yield
        return
    is_retried = _thread.queued is not None
    with (
        _turn(None if is_retried else lock_timeout),
        _busy_timeout(database, TRY_SECONDS if is_retried else lock_timeout),
        transaction.atomic(using=database.alias),
    ):
        yield


@contextmanager
def in_background() -> Iterator[None]:
    """The transactions within are begun after those for which a user waits."""
    before, _thread.in_background = _thread.in_background, True
    try:
        yield
    finally:
        _thread.in_background = before


class _Thread(threading.local):
    """What this thread does: `queued` is how long it has waited in the queue, in seconds; None if it does not retry."""

    in_background = False
    queued: float | None = None


_thread = _Thread()
_writers = WriteQueue()


@contextmanager
def _turn(timeout: float | None) -> Iterator[None]:
    begun = time.monotonic()
    with ExitStack() as stack:
        try:
            stack.enter_context(_writers.turn(in_background=_thread.in_background, timeout=timeout))
        except QueueTimeout as error:
            raise OperationalError(f"database is locked: {_writers.waiting} writers of this process wait") from error
        if _thread.queued is not None:
            _thread.queued += time.monotonic() - begun
        yield


@contextmanager
def _busy_timeout(database: BaseDatabaseWrapper, seconds: float | None) -> Iterator[None]:
    """On SQLite: how long a statement waits for another writer; None: as the connection does otherwise."""
    if seconds is None:
        yield
        return
    database.ensure_connection()
    _set_busy_timeout(database, seconds)
    try:
        yield
    finally:
        _set_busy_timeout(database, database.settings_dict["OPTIONS"].get("timeout", 5.0))


def _set_busy_timeout(database: BaseDatabaseWrapper, seconds: float) -> None:
    if database.connection is not None:
        database.connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction is likely to succeed in a moment."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state != _DATABASE_DROPPED and (state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES)
    if type(cause).__module__ == "sqlite3":
        code = getattr(cause, "sqlite_errorcode", None)  # not of errors that Python raises itself
        is_known = "locked" in str(error) if code is None else code & 0xFF in _TRANSIENT_SQLITE
        return isinstance(error, OperationalError) and is_known
    # Without a state: no connection, a lost one, or none free in the pool.
    return isinstance(error, OperationalError | InterfaceError)


def is_lock_timeout(error: BaseException) -> bool:
    """Whether the cause is a lock that another transaction holds, and nothing else."""
    is_busy = isinstance(error, OperationalError) and str(error).startswith("database is locked")
    return is_busy or getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def set_lock_timeout(seconds: float) -> None:
    """In a transaction, until its end: wait this long at most for each lock. Then raise a transient error.

    Otherwise a stuck transaction, in a frozen process, would occupy a thread and a connection of every process that
    wants the same row. Set for each transaction (0.15 ms), since a pooler in between and the host's own code share the
    connection. On SQLite the only lock is taken when a transaction begins: see `atomic`.
    """
    if connection().vendor == "postgresql":
        with connection().cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"])


@contextmanager
def lock_timeout(seconds: float) -> Iterator[None]:
    """A transaction that waits at most this long for each lock, as does one around it from then on."""
    with atomic(lock_timeout=seconds):
        set_lock_timeout(seconds)
        yield


def in_transaction() -> bool:
    """Whether this thread is within a `transaction.atomic()`, of any database."""
    return any(each.in_atomic_block for each in connections.all(initialized_only=True))


def retry_transaction(transaction: Callable[[bool], T], *, timeout: float) -> T:
    """Return `transaction(is_retry)`, made as often as it takes, for `timeout` seconds at most.

    `is_retry` says that an earlier try may have been committed. Within a transaction of the caller's own it is made
    once: only the outermost can be retried. Raise DatabaseUnavailable when the time is up, and other errors at once.

    What counts is the time in which nothing could be written: waiting until the other writers of this process have
    written does not.
    """
    if in_transaction():
        return transaction(False)
    before, _thread.queued = _thread.queued, 0.0
    try:
        return _retry(transaction, timeout)
    finally:
        _thread.queued = before


def _retry(transaction: Callable[[bool], T], timeout: float) -> T:
    begun = time.monotonic()
    for tries in itertools.count(1):
        try:
            return transaction(tries > 1)
        except Error as error:
            if not is_transient(error):
                raise
            pause = _pause(tries)
            if time.monotonic() - begun - (_thread.queued or 0.0) + pause > timeout:
                raise DatabaseUnavailable(
                    f"the database could not be used for {timeout:g} s, in {tries} tries: {error}"
                ) from error
            logger.warning("retrying a transaction in %.2f s: %s", pause, _first_line(error))
            if not is_lock_timeout(error):
                _drop_connections()
            time.sleep(pause)
        finally:
            release_pooled_connections()
    raise AssertionError("never reached")


async def retry_until_available(read: Callable[[], Awaitable[T]]) -> T:
    """On the event loop: await `read()` until the database answers. For readers that have nothing else to do."""
    for tries in itertools.count(1):
        try:
            return await read()
        except Error as error:
            if not is_transient(error):
                raise
            if tries == 1:
                logger.warning("the database does not answer; readers wait for it: %s", _first_line(error))
            await asyncio.sleep(_pause(tries + 2))
    raise AssertionError("never reached")


def _pause(tries: int) -> float:
    """Seconds; with jitter, or all processes would come back at once."""
    return min(MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS * 2.0 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [repr(error)])[0]


# --- connections ----------------------------------------------------------------------------------------------------


def release_pooled_connections() -> None:
    """Return this thread's connections to their pool: while it waits for a model, a tool or a user it needs none.

    Without a pool they are kept: it would have to reconnect, which costs more than a transaction.
    """
    for each in connections.all(initialized_only=True):
        is_pooled = each.connection is not None and each.settings_dict["OPTIONS"].get("pool")
        if is_pooled and not each.in_atomic_block:
            each.close()


def close_connections() -> None:
    """Close this thread's database connections, or return them; and, with DEBUG, clear its log of queries."""
    connections.close_all()
    reset_queries()


def _drop_connections() -> None:
    """Discard this thread's connections, which may be broken."""
    for each in connections.all(initialized_only=True):
        try:
            each.close()
        except Error:
            each.connection = None
