"""Django's database, changed for one test in this process: another server, other threads, another pool."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from agentchat import conf
from agentchat.infra import db_threads
from agentchat.infra.thread_pool import DaemonPool
from agentchat.runs import async_bridge, runner
from chatsite.databases import databases


@contextmanager
def using(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database at `url` is Django's, as `chatsite.settings` would set it up, in this thread and in all new ones.

    A thread keeps what it has of a database; so the pools of threads are new ones meanwhile.
    """
    before, pools = connections["default"], dict(DatabaseWrapper._connection_pools)
    settings = connections.configure_settings(databases(url, otherwise=Path("unused")))
    monkeypatch.setitem(connections.settings, "default", settings["default"])
    del connections["default"]
    DatabaseWrapper._connection_pools.clear()
    monkeypatch.setattr(runner, "RUN_POOL", DaemonPool("test-run", lambda: conf.app.max_runs))
    monkeypatch.setattr(db_threads, "DB_POOL", DaemonPool("test-db", lambda: 4, at_end=connections.close_all))
    monkeypatch.setattr(async_bridge, "TOOL_POOL", DaemonPool("test-tool", lambda: 4 * conf.app.max_runs))
    monkeypatch.setattr(async_bridge, "STEP_POOL", DaemonPool("test-step", lambda: 2 * conf.app.max_runs))
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"].close_pool()
        DatabaseWrapper._connection_pools.update(pools)
        connections["default"] = before
