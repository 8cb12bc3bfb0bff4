"""A PostgreSQL database for one test, on the server that TEST_DATABASE_URL names; dropped when the test is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.services import standing


@contextmanager
def new_database() -> Iterator[str]:
    """The URL of a database of one's own. Skips the test if there is no server, unless AGENTCHAT_REQUIRE_SERVICES=1."""
    with standing.database(standing.database_server()) as url:
        yield url
