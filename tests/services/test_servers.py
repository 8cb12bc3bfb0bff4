"""The servers that these tests stand on: theirs alone, and gone afterwards."""

import psycopg
import pytest
import redis
from django.db import connection

from agentchat.models import ChatSession
from tests.services import standing


def test_each_test_has_its_own_database_which_is_dropped(database_server):
    with standing.database(database_server) as url, psycopg.connect(url) as mine:
        mine.execute("CREATE TABLE kept ()")
        with standing.database(database_server, like=None) as another, psycopg.connect(another) as theirs:
            assert theirs.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_django_has_postgresql_with_tables_here(transactional_db, database_url):
    assert connection.vendor == "postgresql"
    assert database_url.endswith(str(connection.settings_dict["NAME"]))
    ChatSession.objects.create(agent="probe")
    assert ChatSession.objects.count() == 1


def test_keys_with_the_prefix_are_removed_and_no_others(redis_url):
    with redis.Redis.from_url(redis_url) as client, standing.key_prefix(redis_url) as kept:
        with standing.key_prefix(redis_url) as prefix:
            client.set(f"a:{prefix}:b", 1)
            client.set(f"a:{kept}:b", 1)
        assert not client.exists(f"a:{prefix}:b")
        assert client.exists(f"a:{kept}:b")


@pytest.mark.parametrize("server", [standing.database_server, standing.redis_server])
def test_a_server_that_is_not_there_skips_or_fails_with_one_line_without_a_password(server, monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgres://ada:secret@127.0.0.1:1/postgres")
    monkeypatch.setenv("TEST_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    for required, outcome in (("0", pytest.skip.Exception), ("1", pytest.fail.Exception)):
        monkeypatch.setenv("AGENTCHAT_REQUIRE_SERVICES", required)
        with pytest.raises(outcome) as said:
            server()
        assert "127.0.0.1:1 (TEST_" in str(said.value)
        assert "secret" not in str(said.value)
        assert "\n" not in str(said.value)


def test_a_cluster_can_be_stopped_and_started_and_keeps_what_it_has(own_postgres, own_database_url):
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept ()")
        own_postgres.stop("immediate")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    own_postgres.start()
    own_postgres.restart()
    with psycopg.connect(own_database_url) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)


def test_a_redis_can_be_killed_and_frozen(own_redis):
    with (
        redis.Redis(port=own_redis.port, socket_timeout=5) as client,
        redis.Redis(port=own_redis.port, socket_timeout=0.2) as impatient,
    ):
        own_redis.freeze()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
        own_redis.thaw()
        assert client.ping()
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        own_redis.start()
        assert client.ping()
