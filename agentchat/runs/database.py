"""The database, which may be away for a moment: whole transactions made again, connections given back.

A backend may be terminated, the server restarted, its connections used up, a transaction chosen to end a deadlock. None
of it is a reason to fail: what was not committed is undone, so the whole transaction is made again, with pauses, until
a bound. If it was the acknowledgement of a commit that got lost, it was written nevertheless: nobody can tell, so every
transaction made through here must find, at another try, what an earlier one may have written.

Synchronous, in any thread but the event loop's; `patiently` alone is for the loop.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    InterfaceError,
    OperationalError,
    connections,
    reset_queries,
    transaction,
)

from agentchat.errors import DatabaseAway

logger = logging.getLogger("agentchat.runs")

T = TypeVar("T")

RUN_S = 15.0  # so long a run's thread tries: longer than a server takes to restart
PERSON_S = 3.0  # so long a person waits to hear that their message was taken

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0

# Classes of SQLSTATE that pass: connection lost, transaction undone (deadlock, serialization), out of resources (too
# many connections), operator (shutdown, starting up); and single ones: a lock not to be had, a server only to be read,
# a transaction that the server has ended because nothing happened in it, or because it took too long.
_PASSING_CLASSES = ("08", "40", "53", "57")
_LOCK_NOT_AVAILABLE = "55P03"
_PASSING_STATES = (_LOCK_NOT_AVAILABLE, "25006", "25P03", "25P04")
_DATABASE_DROPPED = "57P04"


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may well succeed in a moment."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state != _DATABASE_DROPPED and (state[:2] in _PASSING_CLASSES or state in _PASSING_STATES)
    if type(cause).__module__ == "sqlite3":
        return isinstance(error, OperationalError) and "locked" in str(error)
    # Without a state: no connection, a lost one, or none free in the pool.
    return isinstance(error, OperationalError | InterfaceError)


def is_held_up(error: BaseException) -> bool:
    """Whether it came of a lock that somebody else holds, and of nothing else."""
    return getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def wait_for_locks(seconds: float) -> None:
    """In a transaction, up to its end: wait so long at most for each lock. Beyond, raise an error that passes.

    Otherwise a transaction that stands still, in a process that is frozen, would hold a thread and a connection of
    each that wants the same row. Said for each transaction (0.15 ms), since a pooler in between, and the host's own
    work, share the connection. SQLite has its own bound.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"])


@contextmanager
def brief_locks(seconds: float) -> Iterator[None]:
    """A transaction that waits so long at most for each lock (`wait_for_locks`); so does one around it from then on."""
    with transaction.atomic():
        wait_for_locks(seconds)
        yield


def whole(transaction: Callable[[bool], T], *, within: float) -> T:
    """Return `transaction(again)`, made as often as it takes, for `within` seconds at most.

    `again` says that an earlier try may have been committed. Within a transaction of the caller's own it is made once:
    only the whole can be made again. Raise DatabaseAway when the time is over, and at once whatever does not pass.
    """
    if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
        return transaction(False)
    deadline = time.monotonic() + within
    for tries in itertools.count(1):
        try:
            return transaction(tries > 1)
        except Error as error:
            if not is_passing(error):
                raise
            pause = _pause(tries)
            if time.monotonic() + pause > deadline:
                raise DatabaseAway(
                    f"the database could not be used for {within:g} s, in {tries} tries: {error}"
                ) from error
            logger.warning("a transaction is made again in %.2f s: %s", pause, _first_line(error))
            _drop_connections()
            time.sleep(pause)
        finally:
            give_back_if_pooled()
    raise AssertionError("never reached")


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """On the event loop: await `read()` until the database is there. For readers who have nothing else to do."""
    for tries in itertools.count(1):
        try:
            return await read()
        except Error as error:
            if not is_passing(error):
                raise
            if tries == 1:
                logger.warning("the database does not answer; whoever reads waits for it: %s", _first_line(error))
            await asyncio.sleep(_pause(tries + 2))
    raise AssertionError("never reached")


def _pause(tries: int) -> float:
    """Seconds; not the same for everybody, or all come back at once."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [repr(error)])[0]


# --- connections ----------------------------------------------------------------------------------------------------


def give_back_if_pooled() -> None:
    """Give this thread's connections back to their pool: whoever waits for a model, a tool or a person needs none.

    Without a pool it would mean to connect anew, which costs more than a transaction: then they are kept.
    """
    for connection in connections.all(initialized_only=True):
        is_pooled = connection.connection is not None and connection.settings_dict["OPTIONS"].get("pool")
        if is_pooled and not connection.in_atomic_block:
            connection.close()


def give_back_connections() -> None:
    """Close this thread's database connections, or give them back; and, with DEBUG, forget what it has asked."""
    connections.close_all()
    reset_queries()


def _drop_connections() -> None:
    """Let go of this thread's connections, which may be broken."""
    for connection in connections.all(initialized_only=True):
        try:
            connection.close()
        except Error:
            connection.connection = None
