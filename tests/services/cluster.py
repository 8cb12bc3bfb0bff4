"""A cluster for tests: two web nodes, two workers, a PostgreSQL database and Redis keys of its own, gone at the end.

`standing` says where the services are, and what becomes of a test where they are not.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import redis

from agentchat.infra.channel_layer import group_of
from scripts.cluster import NODES, WORKERS, Cluster
from tests.services import standing
from tests.sites import Site, free_port

REDIS_URL = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"
INSPECT_S = 60


@contextmanager
def own_database(server_url: str = "") -> Iterator[str]:
    """The address of an empty database, on this server or on that of the machine."""
    with standing.database(server_url or standing.database_server()) as url:
        yield url


@contextmanager
def own_prefix(redis_url: str = "") -> Iterator[str]:
    """A prefix for keys, in this Redis or in that of the machine."""
    with standing.key_prefix(redis_url or standing.redis_server()) as prefix:
        yield prefix


class Machines(Cluster):
    """The cluster, and its database past Django. It is a site for `Guest` and `Page`, through its front."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, prefix: str, **environment: str) -> None:
        self.site = Site(
            folder,
            **{
                "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "REDIS_PREFIX": prefix,
                "LEDGER": str(folder),
                "AGENTCHAT_ENGINE": "celery",
                "AGENTCHAT_MESSAGES_PER_MINUTE": "100000",
                "AGENTCHAT_SHOW_USAGE": "all",  # what was received is compared with what is stored
                **environment,
            },
        )
        self.folder, self.prefix = folder, prefix
        super().__init__(self.site.environment, port=free_port(1 + len(NODES)))

    def at(self, node: str) -> Any:
        """A site for `Guest` and `Page`: this node."""
        return SimpleNamespace(url=self.urls[node], rows=self.rows, events=self.events)

    def revive(self) -> None:
        """Start what does not run."""
        if ended := [name for name, process in self.processes.items() if not process.is_running]:
            self.start(*ended)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says. A value's place is %s or, as in SQLite, ?."""
        with psycopg.connect(self.site.environment["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(query.replace("?", "%s"), values).fetchall()  # type: ignore[arg-type]

    def events(self, session_id: str) -> list[dict[str, Any]]:
        """The chat session's events, as they are stored."""
        query = "SELECT seq, type, payload FROM agentchat_event WHERE session_id = %s ORDER BY seq"
        return [
            {"seq": seq, "type": type_, **(json.loads(payload) if isinstance(payload, str) else payload)}
            for seq, type_, payload in self.rows(query, session_id)
        ]

    def worker_of(self, session_id: str) -> str | None:
        """The worker that advances the run of this chat session now."""
        for (process,) in self.rows(
            "SELECT owner_process FROM agentchat_run WHERE session_id = %s AND owner_process <> ''", session_id
        ):
            return next((name for name in WORKERS if str(self.pid(name)) in process.split("-")), process)
        return None

    def nodes_watching(self, session_id: str) -> int:
        """Through how many web nodes this chat session is watched, according to Redis."""
        channel = f"{self.prefix}:layer:__group__{group_of(UUID(session_id))}"
        with redis.Redis.from_url(self.site.environment["REDIS_URL"]) as server:
            [(_, subscribers)] = server.pubsub_numsub(channel)
            return int(subscribers)


def inspect(cluster: Machines, what: str, *workers: str) -> str:
    """What these workers answer to a question of Celery's own, as JSON. Fails if one of them does not.

    It is asked again: a question is a broadcast, and a worker that has just lost its broker may miss one at first.
    """
    names = ",".join(f"{worker}@{socket.gethostname()}" for worker in workers)
    command = ["celery", "-A", "chatsite", "inspect", what, "--destination", names, "--timeout", "10", "--json"]
    deadline = time.monotonic() + INSPECT_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", *command], env=cluster.site.environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and set(json.loads(done.stdout)) == set(names.split(",")):
            return done.stdout
        assert time.monotonic() < deadline, done.stdout + done.stderr


@contextmanager
def machines(folder: Path, *, database_url: str = "", redis_url: str = "", **environment: str) -> Iterator[Machines]:
    """A running cluster, on the services of this machine or on those at these addresses."""
    database_url, redis_url = database_url or standing.database_server(), redis_url or standing.redis_server()
    with own_database(database_url) as its_database, own_prefix(redis_url) as prefix:
        cluster = Machines(folder, its_database, redis_url, prefix, **environment)
        cluster.site.manage("migrate", "--verbosity", "0")
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()
