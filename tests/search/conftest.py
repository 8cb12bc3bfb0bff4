"""Search on SQLite and, where it runs, on PostgreSQL; chats to be found."""

import os
import uuid

import environ
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections

POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@pytest.fixture(scope="module")
def postgresql(django_db_setup, django_db_blocker):
    """A migrated PostgreSQL database for these tests, as a wrapper that can replace `connections["default"]`."""
    psycopg = pytest.importorskip("psycopg")
    from django.db.backends.postgresql.base import DatabaseWrapper

    name = f"agentchat_search_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    try:
        server = psycopg.connect(POSTGRESQL.replace("postgres://", "postgresql://"), autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        if os.environ.get("AGENTCHAT_REQUIRE_SERVICES"):
            raise
        pytest.skip(f"no PostgreSQL at {POSTGRESQL}: start one, or set TEST_DATABASE_URL ({error})")
    server.execute(f'CREATE DATABASE "{name}"')
    sqlite = connections["default"]
    config = {**sqlite.settings_dict, "OPTIONS": {}, **environ.Env.db_url_config(POSTGRESQL), "NAME": name}
    wrapper = DatabaseWrapper(config, "default")
    with django_db_blocker.unblock():
        connections["default"] = wrapper
        try:
            call_command("migrate", verbosity=0)
        finally:
            connections["default"] = sqlite
        yield wrapper
        wrapper.close()
    server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def database(request):
    if request.param == "sqlite":
        request.getfixturevalue("transactional_db")
        yield connection
        return
    wrapper, sqlite = request.getfixturevalue("postgresql"), connections["default"]
    connections["default"] = wrapper
    try:
        yield wrapper
    finally:
        with wrapper.cursor() as cursor:
            cursor.execute("TRUNCATE agentchat_chatsession, auth_user CASCADE")
        connections["default"] = sqlite


@pytest.fixture
def ada(database):
    return get_user_model().objects.create_user("ada", password="secret")
