"""Tests on PostgreSQL and Redis. In this folder the fixture `agent_chat` and whatever else asks Django's database has
PostgreSQL: a database of the test's own, with threads and a pool of its own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import eventually, guest, llm, make_site
from tests.services import postgres, standing
from tests.services.cluster import Machines
from tests.services.django_database import using
from tests.services.redis import RedisServer
from tests.sites import Site

START_AND_TEST_S = 300  # the start of a cluster counts, and a busy machine takes long for it

__all__ = ["eventually", "guest", "llm", "make_site"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("services")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(START_AND_TEST_S))


# --- servers that stand already -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def database_server() -> str:
    return standing.database_server()


@pytest.fixture(scope="session")
def migrated_database(database_server: str) -> Iterator[str]:
    """A database with tables, made once; each test gets a copy."""
    with standing.database(database_server) as url:
        standing.migrate(url)
        yield url


@pytest.fixture
def database_url(database_server: str, migrated_database: str) -> Iterator[str]:
    """A database of the test's own, with empty tables."""
    with standing.database(database_server, like=migrated_database) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> str:
    return standing.redis_server()


@pytest.fixture
def key_prefix(redis_url: str) -> Iterator[str]:
    """What all Redis keys of the test must have in their names: they are removed at the end."""
    with standing.key_prefix(redis_url) as prefix:
        yield prefix


@pytest.fixture
def transactional_db(database_url: str, monkeypatch: pytest.MonkeyPatch, django_db_blocker) -> Iterator[None]:
    """Django's database is `database_url` in this test."""
    with django_db_blocker.unblock(), using(database_url, monkeypatch):
        yield


@pytest.fixture
def cluster(running: Machines) -> Machines:
    """The cluster of this module's tests, `running`, whole again."""
    running.revive()
    return running


# --- servers of a test's own ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[postgres.Postgres]:
    """A cluster that a module's tests may stop and starve. It runs when a test begins and whenever they leave it so."""
    if postgres.programs() is None:
        standing.missing("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    cluster = postgres.Postgres()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def own_migrated_database(own_postgres: postgres.Postgres) -> Iterator[str]:
    with standing.database(own_postgres.url) as url:
        standing.migrate(url)
        yield url
        if not own_postgres.is_running:
            own_postgres.start()


@pytest.fixture
def own_database_url(own_postgres: postgres.Postgres, own_migrated_database: str) -> Iterator[str]:
    """A database of the test's own in `own_postgres`, with empty tables."""
    if not own_postgres.is_running:
        own_postgres.start()
    with standing.database(own_postgres.url, like=own_migrated_database) as url:
        yield url
        if not own_postgres.is_running:
            own_postgres.start()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may kill, freeze and start again. It runs."""
    if not RedisServer.is_installed():
        standing.missing("redis-server is not installed")
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def two_sites(make_site: Callable[..., Site], own_redis: RedisServer) -> tuple[Site, Site]:
    """Two daphnes with one database and one Redis, both started. Neither polls for what it was not notified of."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.services.unpolled",
        "REDIS_URL": own_redis.url,
        "AGENTCHAT_LEASE_S": "15",
        "ROUNDS": "4",
    }
    sites = make_site("first", **environment), make_site("second", **environment)
    for site in sites:
        site.start()
    return sites
