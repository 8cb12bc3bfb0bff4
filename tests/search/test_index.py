"""The index: what enters and leaves it, on both databases."""

import importlib
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, models

from agentchat.models import ChatSession, Event
from agentchat.search import index
from agentchat.search import query as search
from agentchat.search.folding import fold
from tests.search.chats import create_chat, found, urls

migration = importlib.import_module("agentchat.migrations.0007_folded_search")

# --- the index ------------------------------------------------------------------------------------------------------


def test_deleted_and_changed_messages_leave_the_index(ada):
    chat = create_chat(ada, "The grey heron")
    assert found(ada, "heron") == urls(chat)
    Event.objects.filter(session=chat).update(payload={"messageId": "1", "content": "A stork"})
    assert (found(ada, "heron"), found(ada, "stork")) == ([], urls(chat))
    ChatSession.objects.all().delete()
    assert found(ada, "stork") == []
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {index.TEXTS}")
            assert cursor.fetchone() == (0,)
            cursor.execute(f"SELECT count(*) FROM {index.TABLE} WHERE {index.TABLE} MATCH 'heron OR stork'")
            assert cursor.fetchone() == (0,)


def test_any_message_can_be_indexed(ada):
    chat = create_chat(ada, "x" * 200_000, "a-" * 60_000, "https://a.example/b/ " * 8_000, "\U00020000 " * 60_000, "")
    assert chat.events.count() == 5
    chat.delete()


def test_the_index_is_used_among_a_thousand_chats(ada, database):
    chats = [ChatSession(owner=ada, agent="oracle", next_seq=4) for _ in range(1000)]
    ChatSession.objects.bulk_create(chats)
    Event.objects.bulk_create(
        Event(session=chat, seq=seq, type="TEXT_MESSAGE_END", payload={"content": f"word{number} is said {seq} times"})
        for number, chat in enumerate(chats)
        for seq in (1, 2, 3)
    )
    with database.cursor() as cursor:
        cursor.execute("ANALYZE")
    plan = search._messages_with(["word777"]).explain()
    assert ("VIRTUAL TABLE INDEX" if database.vendor == "sqlite" else f"Bitmap Index Scan on {index.TABLE}") in plan
    assert found(ada, "word777 times") == urls(chats[777])


@pytest.mark.django_db(transaction=True)
def test_messages_are_found_while_the_index_cannot_be_written(tmp_path):
    ada = get_user_model().objects.create_user("ada")
    chat = create_chat(ada, "The grey Héron", "It is")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
    try:
        assert [found(ada, query) for query in ("heron", "is", '"grey heron"')] == [urls(chat)] * 3
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 0")
    assert found(ada, "heron") == urls(chat)


@pytest.mark.django_db(transaction=True)
def test_a_search_that_takes_too_long_goes_on_with_the_index_next_time(monkeypatch):
    ada = get_user_model().objects.create_user("ada")
    chat = create_chat(ada, *["The grey Héron"] * 5)
    monkeypatch.setattr(index, "BATCH_SIZE", 2)
    monkeypatch.setattr(index, "MAX_SECONDS", 0.0)
    for count in (2, 4, 5):
        assert found(ada, "heron") == urls(chat)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {index.TEXTS}")
            assert cursor.fetchone() == (count,)


@pytest.mark.django_db(transaction=True)
def test_the_index_before_this_one_can_be_put_back():
    chat = create_chat(None, "The grey heron")
    migrate_index(migration.restore)
    assert not index.is_available(connection)
    chat.delete()
    migrate_index(migration.install)
    assert index.is_available(connection)


@pytest.mark.services
def test_postgresql_folds_as_python_does(postgresql):
    characters = [
        chr(code)
        for code in range(1, 0x20000)
        if not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) != "Cn"
    ]
    with postgresql.cursor() as cursor:
        cursor.execute(
            "SELECT agentchat_fold(each) FROM unnest(%s::text[]) WITH ORDINALITY AS t(each, n) ORDER BY n", [characters]
        )
        theirs = [folded for (folded,) in cursor.fetchall()]
    different = {
        each: (fold(each), other) for each, other in zip(characters, theirs, strict=True) if fold(each) != other
    }
    assert different == {}


# --- SQLite's index -------------------------------------------------------------------------------------------------


def migrate_index(operation):
    with connection.schema_editor(atomic=False) as editor:
        operation(None, editor)


def remove_index():
    with connection.cursor() as cursor:
        for statement in migration.SQLITE_REMOVAL:
            cursor.execute(statement)


def sqlite_objects():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'agentchat_search%' AND sql IS NOT NULL")
        return dict(cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_messages_from_before_the_index_are_found():
    ada = get_user_model().objects.create_user("ada")
    remove_index()
    assert not index.is_available(connection)
    chat = create_chat(ada, "The grey heron")
    assert found(ada, "hero") == urls(chat)  # without an index
    migrate_index(migration.install)
    assert index.is_available(connection)
    assert found(ada, "hero") == urls(chat)
    assert "VIRTUAL TABLE INDEX" in search._messages_with(["hero"]).explain()


@pytest.mark.django_db(transaction=True)
def test_an_index_whose_triggers_a_migration_removed_is_repaired():
    ada = get_user_model().objects.create_user("ada")
    field = models.IntegerField(default=0)
    field.set_attributes_from_name("probe")
    before = sqlite_objects()
    with connection.schema_editor() as editor:
        editor.add_field(Event, field)
        editor.remove_field(Event, field)
    assert not index.is_available(connection)
    chat = create_chat(ada, "The grey heron")
    assert found(ada, "heron") == urls(chat)  # without the index, which has lost its triggers
    call_command("migrate", verbosity=0)
    assert index.is_available(connection)
    assert sqlite_objects() == before
    assert found(ada, "heron") == urls(chat)
    chat.delete()
    assert found(ada, "heron") == []


@pytest.mark.django_db(transaction=True)
def test_without_trigrams_search_works_without_an_index(monkeypatch):
    ada = get_user_model().objects.create_user("ada")
    remove_index()
    with monkeypatch.context() as patch:
        patch.setattr(migration, "sqlite_has_trigrams", lambda: False)
        migrate_index(migration.install)
        assert not index.is_available(connection)
        assert found(ada, "heron") == []
        chat = create_chat(ada, "The grey heron")
        assert found(ada, "heron") == urls(chat)
    migrate_index(migration.install)


def test_sqlite_needs_neither_psycopg_nor_django_contrib_postgres():
    script = """
import sys
import django
django.setup()
from agentchat.search import query
query._messages_with(["heron"]).query
print([name for name in sys.modules if name.startswith(("psycopg", "django.contrib.postgres"))])
"""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "[]\n"
