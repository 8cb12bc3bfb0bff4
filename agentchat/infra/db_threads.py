"""Threads for the server's own database work: what its event loop awaits instead of blocking.

While the database is down each piece of work occupies its thread for seconds. So there are separate pools: for what
users do, for what is only read, for claims, which may wait for a lock, and for the supervisor. None of them waits
behind another. One owner has at most half of the threads of the first two: nobody waits for all that another asks for.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.db import OperationalError, connections, reset_queries

from agentchat.infra.database import USER_TIMEOUT_SECONDS, release_pooled_connections
from agentchat.infra.fair_queue import OWNER
from agentchat.infra.thread_pool import DaemonPool, in_thread

T = TypeVar("T")

THREADS = 4
SHARES = {OWNER: lambda: THREADS // 2}

DB_POOL = DaemonPool("agentchat-db", lambda: THREADS, shares=SHARES, at_end=connections.close_all)


class DatabaseStatus:
    """Whether the database answers, as the supervisor of this process found it last. Any thread may read it."""

    is_down = False


database_status = DatabaseStatus()


def in_db_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """What a user does, in a thread of a small pool: a slow view elsewhere does not hold it up.

    Work that has waited here for longer than a user should is not tried any more while the database is down. Then, and
    where a connection pool has no free connection, OperationalError is raised.
    """
    return _in_pool(DB_POOL, function)


def in_read_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """The same for what is shown, exported or looked up: however much it is, no user's message waits behind it."""
    return _in_pool(DB_POOL.sub_pool("read", shares=SHARES), function)


def in_supervisor_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    return _in_pool(DB_POOL.sub_pool("supervisor"), function)


def in_claim_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """A claim may wait for a lock: neither leases nor users wait behind it."""
    return _in_pool(DB_POOL.sub_pool("claim"), function)


def in_chore_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """What the supervisor has done beside its own work, and which may wait for locks."""
    return _in_pool(DB_POOL.sub_pool("chores"), function)


def in_late_write_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """What runs save while their own threads do something else: see `runs/late_writes.py`."""
    return _in_pool(DB_POOL.sub_pool("late"), function)


def _in_pool(pool: DaemonPool, function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    async def call(*args: Any, **kwargs: Any) -> T:
        requested_at = time.monotonic()

        def work() -> T:
            if database_status.is_down and time.monotonic() - requested_at > USER_TIMEOUT_SECONDS:
                raise OperationalError(
                    f"the database is down, and no thread was free to try it for {USER_TIMEOUT_SECONDS:g} s"
                )
            for connection in connections.all(initialized_only=True):
                if connection.errors_occurred:
                    connection.close_if_unusable_or_obsolete()
            reset_queries()  # with DEBUG, Django keeps a thread's queries: no request ends here and clears them
            try:
                return function(*args, **kwargs)
            finally:
                release_pooled_connections()

        return await in_thread(pool, work)()

    return call
