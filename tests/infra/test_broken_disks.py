"""A disk that is read-only, full or gone: users are told so, and what they sent can be sent again."""

import sqlite3
import uuid
from contextlib import closing

import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError, connection

from agentchat.actions import messages
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.infra import database
from agentchat.infra.database import is_transient
from agentchat.models import ChatSession
from agentchat.visitors import Visitor
from tests.factories import account, signed_in

SQLITE_ONLY = pytest.mark.skipif(connection.vendor != "sqlite", reason="a PRAGMA makes the database read-only")


def wrapped(cause, kind=OperationalError):
    error = kind(str(cause))
    error.__cause__ = cause
    return error


def sqlite_error(*statements, database=":memory:"):
    try:
        opened = sqlite3.connect(database)
        with closing(opened):
            for statement in statements:
                opened.execute(statement)
    except sqlite3.OperationalError as error:
        return error
    raise AssertionError("there was no error")


def of_postgresql(state):
    cause = Exception("of the server")
    cause.sqlstate = state
    return wrapped(cause)


def test_a_disk_that_is_read_only_full_or_gone_may_be_repaired_in_a_moment(tmp_path):
    read_only = sqlite_error("PRAGMA query_only=ON", "CREATE TABLE t (x)")
    full = sqlite_error("PRAGMA max_page_count=1", "CREATE TABLE t (x)")
    gone = sqlite_error("SELECT 1", database=tmp_path / "nowhere" / "db")
    assert [is_transient(wrapped(each)) for each in (read_only, full, gone)] == [True] * 3
    for state in ("53100", "25006", "58030", "53200"):
        assert is_transient(of_postgresql(state)), state


def test_a_mistake_of_the_program_is_none_of_these():
    assert not is_transient(wrapped(sqlite_error("SELECT nothing FROM nowhere")))
    assert not is_transient(wrapped(sqlite3.IntegrityError("UNIQUE"), IntegrityError))
    assert not is_transient(wrapped(sqlite3.ProgrammingError("closed"), ProgrammingError))
    assert not is_transient(of_postgresql("42601"))


@pytest.fixture
def read_only_chat(monkeypatch):
    """A chat of ada's, in a database that has become read-only."""
    registry.on_connect("oracle")(lambda iostream: None)
    monkeypatch.setattr(database, "USER_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr("agentchat.actions.transactions.USER_TIMEOUT_SECONDS", 0.1)
    chat = ChatSession.objects.create(agent="oracle", owner=account("ada"))
    client = signed_in(chat.owner)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only=ON")
        yield chat, client
        cursor.execute("PRAGMA query_only=OFF")
    registry.unregister("oracle")


@SQLITE_ONLY
@pytest.mark.django_db
def test_a_page_says_so_kindly_and_the_log_in_one_line(read_only_chat, caplog):
    chat, client = read_only_chat
    client.raise_request_exception = False
    assert client.get(chat.get_absolute_url()).status_code == 200
    caplog.clear()
    for path, form in (("delete/", {}), ("rename/", {"title": "Rain"})):
        response = client.post(f"{chat.get_absolute_url()}{path}", form)
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        [record] = caplog.records
        assert record.exc_info is None
        assert "readonly database" in record.getMessage()
        caplog.clear()


@SQLITE_ONLY
@pytest.mark.django_db
def test_a_frame_is_rejected_as_unavailable(read_only_chat):
    chat, _ = read_only_chat
    with pytest.raises((Rejected, OperationalError)) as raised:  # within the test's transaction, it is tried once
        messages.send(chat.pk, Visitor(user=chat.owner), client_id=uuid.uuid4(), text="Hello")
    error = raised.value
    assert error.reason == "unavailable" if isinstance(error, Rejected) else is_transient(error)
