"""PostgreSQL and Redis as they run on this machine: a database and a prefix of the test's own in them.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` say where; the defaults are the usual loopback ports. Without a server a test
is skipped, with one line that says why; with AGENTCHAT_REQUIRE_SERVICES=1 (CI) it fails.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 5


def database_server() -> str:
    """The address of the PostgreSQL server, with a database in which others can be made. Skip or fail without one."""
    url = os.environ.get("TEST_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"
    try:
        psycopg.connect(url, connect_timeout=PATIENCE_S).close()
    except psycopg.Error as error:
        missing(f"no PostgreSQL answers at {_place(url)} (TEST_DATABASE_URL): {_first_line(error)}")
    return url


def redis_server() -> str:
    """The address of the Redis server. Skip or fail without one."""
    url = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S) as client:
            client.ping()
    except redis.RedisError as error:
        missing(f"no Redis answers at {_place(url)} (TEST_REDIS_URL): {_first_line(error)}")
    return url


def missing(why: str) -> NoReturn:
    if os.environ.get("AGENTCHAT_REQUIRE_SERVICES", "0") not in ("", "0"):
        pytest.fail(f"AGENTCHAT_REQUIRE_SERVICES is set, and {why}", pytrace=False)
    pytest.skip(why)


def _place(url: str) -> str:
    """Host and port: an address may hold a password."""
    parts = urlsplit(url)
    return f"{parts.hostname or parts.path}:{parts.port}" if parts.port else str(parts.hostname or parts.path)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]


# --- a database of one's own ----------------------------------------------------------------------------------------


@contextmanager
def database(server_url: str, *, like: str | None = None) -> Iterator[str]:
    """A new database on this server, empty or a copy of the one at `like`; its address. Dropped at the end."""
    name = f"agentchat_test_{secrets.token_hex(6)}"
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if like is not None:
        create += sql.SQL(" TEMPLATE {}").format(sql.Identifier(urlsplit(like).path[1:]))
    _administer(server_url, create)
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        _administer(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(server_url: str, command: sql.Composable) -> None:
    with psycopg.connect(server_url, autocommit=True, connect_timeout=PATIENCE_S) as connection:
        connection.execute(command)


def migrate(url: str) -> None:
    """Make the tables."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AGENTCHAT_", "DJANGO_"))},
        "DATABASE_URL": url,
        "DEBUG": "1",
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True, timeout=120
    )


# --- a prefix of one's own ------------------------------------------------------------------------------------------


@contextmanager
def key_prefix(redis_url: str) -> Iterator[str]:
    """What all Redis keys of a test have in their names. They are removed at the end."""
    prefix = f"agentchat-test-{secrets.token_hex(6)}"
    try:
        yield prefix
    finally:
        with redis.Redis.from_url(redis_url) as client:
            for key in client.scan_iter(match=f"*{prefix}*", count=1000):
                client.delete(key)
