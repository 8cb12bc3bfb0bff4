"""Search: what is found, what is not, and that nothing that is typed means anything to a database."""

import os
import uuid

import environ
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections, models
from django.test import Client
from django.utils import timezone

from agentchat import search, search_index
from agentchat.models import ChatSession, Event
from agentchat.visitors import Visitor

POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
NASTY = (
    *('"', "'", '"unclosed', "a AND", "NEAR(", "NEAR/2 xyz", "content:xyz", "xyz*", "*", "^xyz", "-xyz", "(xyz", "x)"),
    *("\\", "\\'", "'; DROP TABLE agentchat_event; --", "a & | ! b", "abc:*", "<->", "%", "_", "[", "(?P<", "{a b}: c"),
    *("\0", "\ud800", "🦄🦄🦄", "🦄", "x" * 10_000, "ein wort " * 1_000, "\u202e abc", "ß", "a\tb\nc", "!!!", "' ' '"),
)


@pytest.fixture(scope="module")
def postgresql(django_db_setup, django_db_blocker):
    """A migrated PostgreSQL database of these tests' own, as what `connections["default"]` can be."""
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


def say(owner, *messages, title="", deleted=False):
    chat = ChatSession.objects.create(owner=owner, agent="oracle", title=title, next_seq=len(messages) + 1)
    tell(chat, *messages)
    if deleted:
        ChatSession.objects.filter(pk=chat.pk).update(deleted_at=timezone.now())
    return chat


def tell(chat, *messages):
    for seq, content in enumerate(messages, 1):
        payload = {"messageId": str(seq), "content": content}
        Event.objects.create(session=chat, seq=seq, type="TEXT_MESSAGE_END", payload=payload)


def found(user, query):
    return [chat_of(each) for each in search.find(Visitor(user=user), query).chats]


def chat_of(found):
    """The address of the chat, without that of the message in it."""
    return found.url.partition("#")[0]


def urls(*chats):
    return [chat.get_absolute_url() for chat in chats]


# --- what is found --------------------------------------------------------------------------------------------------


def test_a_chat_is_found_by_what_was_said_in_it(ada):
    chat = say(ada, "Hello", "The grey heron weighs 42.5 times what ibises do. Ärger!")
    say(ada, "A stork, and nothing else")
    for query in ("heron", "HERON", "the heron", "heron grey", "grey her", "Ibises", "42.5", "Ärger", "ärger"):
        assert found(ada, query) == urls(chat), query


def test_a_chat_is_not_found_by_what_was_not_said_in_one_message(ada):
    say(ada, "The grey heron", "A stork")
    for query in ("heron stork", "flamingo", "heronry"):
        assert found(ada, query) == [], query


def test_short_words_and_scripts_without_spaces_are_found_too(ada):
    chat = say(ada, "a piece of it", "苍鹭是一种鸟")
    say(ada, "nothing here")
    for query in ("of", "it", "of it", "piece of", "是", "鹭是", "鹭是一种"):
        assert found(ada, query) == urls(chat), query


def test_a_chat_is_found_by_its_title(ada):
    chat = say(ada, "Hello", title="Trip by boat, Ärzte")
    say(ada, "Hello", title="By train")
    for query in ("boat", "ÄRZTE", "Trip bo"):
        assert found(ada, query) == urls(chat), query


def test_what_was_found_leads_to_the_newest_message_that_has_it(ada):
    chat = say(ada, "a heron", "a stork", "the heron again", "a stork again", title="On birds")
    [hit] = search.find(Visitor(user=ada), "heron").chats
    assert hit.url == f"{chat.get_absolute_url()}#message-3"
    [hit] = search.find(Visitor(user=ada), "birds").chats
    assert hit.url == chat.get_absolute_url()


def test_what_no_page_shows_is_not_found(ada):
    chat = say(ada, "Terminate the lease?", "Yes, terminate it.", "TERMINATE", " TERMINATE\n")
    [hit] = search.find(Visitor(user=ada), "terminate").chats
    assert hit.url == f"{chat.get_absolute_url()}#message-2"
    say(ada, "TERMINATE")
    assert found(ada, "terminate") == urls(chat)


def test_the_newest_comes_first_and_says_where(ada):
    old, new = say(ada, "a heron, once"), say(ada, "word " * 100 + "another heron " + "word " * 100, title="On birds")
    results = search.find(Visitor(user=ada), "heron")
    assert [chat_of(each) for each in results.chats] == urls(new, old)
    snippet = results.chats[0].snippet
    assert [part.text for part in snippet if part.is_hit] == ["heron"]
    words = "".join(part.text for part in snippet)
    assert words.startswith("…")
    assert words.endswith("…")
    assert "another heron word" in words
    assert len(words) < 300


def test_no_more_than_a_page_is_found(ada, monkeypatch):
    monkeypatch.setattr(search, "MAX_FOUND", 2)
    for _ in range(3):
        say(ada, "heron")
    results = search.find(Visitor(user=ada), "heron")
    assert (len(results.chats), results.has_more) == (2, True)


# --- what is not ----------------------------------------------------------------------------------------------------


def test_nobody_finds_what_others_said(ada):
    say(ada, "The grey heron", title="heron")
    guests = ChatSession.objects.create(guest_key="g1", agent="oracle", title="heron")
    tell(guests, "heron")
    mallory = get_user_model().objects.create_user("mallory")
    assert found(mallory, "heron") == []
    assert search.find(Visitor(guest_key="g2"), "heron").chats == []
    assert search.find(Visitor(), "heron").chats == []
    assert [chat_of(each) for each in search.find(Visitor(guest_key="g1"), "heron").chats] == urls(guests)


def test_a_deleted_chat_is_not_found(ada):
    chat = say(ada, "The grey heron", deleted=True)
    assert found(ada, "heron") == []
    ChatSession.objects.filter(pk=chat.pk).update(deleted_at=None)
    assert found(ada, "heron") == urls(chat)


def test_what_is_typed_is_data(ada):
    chat = say(ada, "abc xyz")
    for query in NASTY:
        search.find(Visitor(user=ada), query)  # no error is the claim; and nothing is gone
    assert found(ada, "xyz") == urls(chat)


def test_signs_stand_for_themselves(ada):
    queries = ('say "hi"', "it's", "100%", "a_b", "C:\\dir", "x*y", "foo-bar", "x@example.com")
    chats = [say(ada, f"So: {query} and so on") for query in queries]
    for query, chat in zip(queries, chats, strict=True):
        assert found(ada, query) == urls(chat), query


def test_an_empty_query_finds_nothing(ada):
    say(ada, "heron")
    assert found(ada, "  \n ") == []


# --- the index ------------------------------------------------------------------------------------------------------


def test_what_is_deleted_or_changed_leaves_the_index(ada):
    chat = say(ada, "The grey heron")
    Event.objects.filter(session=chat).update(payload={"messageId": "1", "content": "A stork"})
    assert (found(ada, "heron"), found(ada, "stork")) == ([], urls(chat))
    ChatSession.objects.all().delete()
    assert found(ada, "stork") == []


def test_any_message_can_be_stored(ada):
    chat = say(ada, "x" * 200_000, "a-" * 60_000, "https://a.example/b/ " * 8_000, "\U00020000 " * 60_000, "")
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
    assert (
        "VIRTUAL TABLE INDEX" if database.vendor == "sqlite" else f"Bitmap Index Scan on {search_index.TABLE}"
    ) in plan
    assert found(ada, "word777 times") == urls(chats[777])


# --- SQLite's own ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_what_was_said_before_the_index_was_made_is_found():
    ada = get_user_model().objects.create_user("ada")
    search_index.remove(connection)
    assert not search_index.is_there(connection)
    chat = say(ada, "The grey heron")
    assert found(ada, "hero") == urls(chat)  # without an index
    search_index.install(connection)
    assert search_index.is_there(connection)
    assert found(ada, "hero") == urls(chat)
    assert "VIRTUAL TABLE INDEX" in search._messages_with(["hero"]).explain()


@pytest.mark.django_db(transaction=True)
def test_an_index_that_a_migration_has_cut_off_is_mended():
    ada = get_user_model().objects.create_user("ada")
    field = models.IntegerField(default=0)
    field.set_attributes_from_name("probe")
    with connection.schema_editor() as editor:
        editor.add_field(Event, field)
        editor.remove_field(Event, field)
    assert not search_index.is_there(connection)
    chat = say(ada, "The grey heron")
    assert found(ada, "heron") == urls(chat)  # it is known to be cut off
    call_command("migrate", verbosity=0)
    assert search_index.is_there(connection)
    assert found(ada, "heron") == urls(chat)
    chat.delete()
    assert found(ada, "heron") == []


@pytest.mark.django_db(transaction=True)
def test_without_trigrams_no_index_is_made_and_search_works(monkeypatch):
    ada = get_user_model().objects.create_user("ada")
    search_index.remove(connection)
    with monkeypatch.context() as patch:
        patch.setattr(search_index, "_sqlite_has_trigrams", lambda: False)
        search_index.install(connection)
        assert not search_index.is_there(connection)
        assert found(ada, "heron") == []
        chat = say(ada, "The grey heron")
        assert found(ada, "heron") == urls(chat)
    search_index.install(connection)


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_page_shows_what_was_found_and_believes_none_of_it(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    ada = get_user_model().objects.create_user("ada")
    chat = say(ada, "see <script>alert(1)</script> heron <b>", title="<i>heron</i>")
    client = Client()
    client.force_login(ada)
    body = client.get("/chat/", {"q": "heron"}).content.decode()
    assert "&lt;i&gt;<mark>heron</mark>&lt;/i&gt;" in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>heron</mark>" in body
    assert "<script>alert" not in body
    assert chat.get_absolute_url() in body
    assert 'value="&quot;&gt;&lt;script&gt;"' in client.get("/chat/", {"q": '"><script>'}).content.decode()
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user("mallory"))
    assert "Nothing was found." in stranger.get("/chat/", {"q": "heron"}).content.decode()
    assert client.get("/chat/", {"q": "x" * 10_000}).status_code == 200


@pytest.mark.django_db
def test_searching_takes_as_many_queries_however_much_is_found(django_assert_num_queries):
    ada = get_user_model().objects.create_user("ada")
    for _ in range(20):
        say(ada, "heron", "heron")
    with django_assert_num_queries(4):  # is there an index; the chats; their newest message; what it says
        assert len(found(ada, "heron")) == 20
