"""DATABASES, from DATABASE_URL: SQLite for many writers in one process, PostgreSQL with a pool for many processes.

The query string of the URL overrides the options here: `?sslmode=require&connect_timeout=10` are options of the
database's client, `?pool_max_size=40` of the pool; `?pool=0` disables it.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"

SQLITE_OPTIONS = {
    # Readers and the writer do not block each other; a commit survives a kill; what is deleted is overwritten.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
    "transaction_mode": "IMMEDIATE",  # a transaction that starts by reading cannot fail when it writes
    "timeout": 20,  # seconds to wait for another writer
}

POSTGRESQL_OPTIONS = {
    "application_name": "agentchat",  # in pg_stat_activity
    "connect_timeout": 3,  # seconds
    # A server or network that disappears silently is noticed within a minute, not after two hours.
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds that sent data may stay unacknowledged
}

# Connections are held for a transaction, not for a run: 20 serve 64 runs, the server's own threads (four for frames,
# four for reads, four for claims, one for the supervisor) and the views of a process, and four such processes fit into
# PostgreSQL's own limit of 100.
POOL = {
    "min_size": 1,
    "max_size": 20,
    "timeout": 3,  # seconds to wait for a free one
    "max_idle": 60,  # seconds after which an unused one is closed
    "reconnect_timeout": 2,  # seconds after which reconnecting restarts: its pauses grow, and the server may be back
}


def databases(url: str, *, otherwise: Path) -> dict[str, dict[str, Any]]:
    """The setting DATABASES for this URL; for an empty one, a SQLite file."""
    if not url:
        database: dict[str, Any] = {"ENGINE": SQLITE, "NAME": otherwise}
    else:
        database = environ.Env.db_url_config(checked(url, "DATABASE_URL"))
    options = database.get("OPTIONS", {})
    if database.get("ENGINE") == SQLITE:
        database["OPTIONS"] = {**SQLITE_OPTIONS, **options}
        # A file: the in-memory database that tests share between threads locks.
        database["TEST"] = {"NAME": otherwise.with_name("test.sqlite3")}
    elif database.get("ENGINE") == POSTGRESQL:
        pool = {**POOL, **_pop_pool_options(options)}
        pool["min_size"] = min(pool["min_size"], pool["max_size"])
        database["OPTIONS"] = {**POSTGRESQL_OPTIONS, **options}
        if str(database["OPTIONS"].pop("pool", "1")).lower() not in ("0", "false", "no", "off"):
            database["OPTIONS"]["pool"] = pool
        database.setdefault("CONN_MAX_AGE", 0)  # the pool keeps them open
        if database["CONN_MAX_AGE"] != 0 and "pool" in database["OPTIONS"]:
            raise ImproperlyConfigured(
                f"DATABASE_URL: conn_max_age={database['CONN_MAX_AGE']} is for connections that a thread keeps, but "
                f"a pool keeps them here: remove it, or add pool=0 to disable the pool"
            )
        database.setdefault(
            "DISABLE_SERVER_SIDE_CURSORS", True
        )  # a cursor would outlive the transaction that borrows the connection
        database.setdefault("CONN_HEALTH_CHECKS", True)  # after a restart of the server the pooled ones are dead
    return {"default": database}


def url_in(name: str) -> str:
    """The URL in this environment variable; "" if it is not set. Raise ImproperlyConfigured if it is no URL."""
    return checked(os.environ.get(name, ""), name)


def checked(url: str, name: str) -> str:
    """The URL. Raise ImproperlyConfigured if it is none: without its text, which may have a password."""
    try:
        parts = urlsplit(url)
        is_url = bool(parts.scheme) and (parts.port is None or parts.port > 0) and url.isprintable()
    except ValueError:
        is_url = False
    if url and not is_url:
        raise ImproperlyConfigured(
            f"{name} is not a URL: write SCHEME://USER:PASSWORD@HOST:PORT/NAME, and in the password %23 for #, %2F for "
            "/, %3F for ?, %40 for @, as urllib.parse.quote() does"
        )
    return url


def _pop_pool_options(options: dict[str, Any]) -> dict[str, float]:
    """Remove the pool's options, and return them."""
    found: dict[str, float] = {}
    for key in [key for key in options if key.startswith("pool_")]:
        value = options.pop(key)
        try:
            found[key.removeprefix("pool_")] = int(value) if str(value).isdigit() else float(value)
        except ValueError:
            raise ImproperlyConfigured(f"DATABASE_URL: {key}={value!r} is not a number") from None
    if unknown := sorted(set(found) - {*POOL, "max_lifetime", "max_waiting", "num_workers"}):
        raise ImproperlyConfigured(f"DATABASE_URL: unknown pool option pool_{unknown[0]}")
    return found
