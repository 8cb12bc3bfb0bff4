"""A database that is down, for a moment or longer: runs go on, and messages are rejected with an explanation.

On a cluster of these tests' own, which they stop, restart and starve.
"""

import threading
import time
import uuid

import psycopg
import pytest
from django.db import OperationalError

from agentchat.actions import messages
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.infra.database import USER_TIMEOUT_SECONDS
from agentchat.models import Event, InboxItem, Run
from agentchat.runs import leases, recorded, transactions
from agentchat.server import is_ready
from tests.services.django_database import using


@pytest.fixture
def transactional_db(own_database_url, monkeypatch, django_db_blocker):
    with django_db_blocker.unblock(), using(own_database_url, monkeypatch):
        yield


@pytest.fixture
def counting():
    """An agent function that counts to the number in its message, and waits at `gate` before each number."""
    gate = threading.Semaphore(0)

    def count(iostream):
        for number in range(int(iostream.input())):
            iostream.step(f"wait {number}", lambda: gate.acquire(timeout=60))
            iostream.print(number)

    def halves(iostream):
        """Counts to four, and waits at `gate` once, in the middle."""
        for number in range(int(iostream.input())):
            if number == 2:
                iostream.step("wait", lambda: gate.acquire(timeout=60))
            iostream.print(number)

    registry.on_connect("count")(count)
    registry.on_connect("halves")(halves)
    yield gate
    registry.unregister("count")
    registry.unregister("halves")


END_OURS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'agentchat'"


def told(session):
    events = Event.objects.filter(session=session).order_by("seq")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.payload["text"].strip() for event in events if event.type == "PRINTED"]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_running_runs_do_not_notice_a_restart(own_postgres, counting, agent_chat, mode):
    chats = [agent_chat("halves") for _ in range(3)]
    for chat in chats:
        chat.send("4")
    for chat in chats:
        chat.wait_for("PRINTED", text="1\n")
    restarting = threading.Thread(target=own_postgres.restart, args=[mode])
    restarting.start()
    counting.release(len(chats))
    restarting.join()
    for chat in chats:
        chat.wait_for("RUN_FINISHED")
        assert told(chat.session) == ["0", "1", "2", "3"]
        assert [f["text"].strip() for f in chat.frames if f["type"] == "PRINTED"] == ["0", "1", "2", "3"]
    assert set(Run.objects.values_list("epoch", "status")) == {(1, "finished")}


def test_while_it_is_down_messages_are_rejected_readyz_fails_and_then_everything_resumes(
    own_postgres, counting, agent_chat, client, django_user_model, caplog
):
    client.force_login(django_user_model.objects.create_user("ada"))
    chat = agent_chat("count")
    chat.send("1")
    chat.wait_for("TEXT_MESSAGE_END")
    own_postgres.stop("fast")
    with pytest.raises(Rejected) as rejected:
        chat.send("more")
    assert rejected.value.reason == "unavailable"
    assert (
        f"a user's action could not be saved: the database could not be used for {USER_TIMEOUT_SECONDS:g} s"
        in caplog.text
    )
    assert is_ready()["database"] == "the database does not answer"
    client.raise_request_exception = False
    assert client.get("/chat/").status_code == 503
    own_postgres.start()
    counting.release(10)
    chat.wait_for("RUN_FINISHED")
    assert is_ready()["database"] is True
    assert client.get("/chat/").status_code == 200
    chat.send("2")
    chat.wait_for("RUN_FINISHED", count=2)
    assert told(chat.session) == ["0", "0", "1"]
    assert [item.value for item in InboxItem.objects.order_by("id")] == ["1", "2"]


def test_when_all_connections_are_in_use_users_are_told_and_runs_resume_afterwards(
    own_postgres, own_database_url, counting, agent_chat
):
    chat = agent_chat("count")
    chat.send("2")
    chat.wait_for("TEXT_MESSAGE_END")
    greedy = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # ours are ended, and taken before they can be had again
        try:
            greedy.append(psycopg.connect(own_database_url, autocommit=True))
        except psycopg.OperationalError:
            if greedy[0].execute(END_OURS).fetchone() == (0,):
                break
    counting.release(2)
    try:
        with pytest.raises(Rejected) as rejected:
            messages.send(chat.session.pk, chat.visitor, client_id=uuid.uuid4(), text="more")
        assert rejected.value.reason == "unavailable"
    finally:
        for connection in greedy:
            connection.close()
    chat.wait_for("RUN_FINISHED")
    assert told(chat.session) == ["0", "1"]


def test_a_run_that_cannot_save_for_too_long_fails_when_it_can(own_postgres, counting, agent_chat, monkeypatch):
    monkeypatch.setattr(recorded, "RUN_TIMEOUT_SECONDS", 0.5)
    locked, away = transactions.lock_session_of, threading.Event()

    def failing(*ids, **gone):
        if away.is_set():
            raise OperationalError("the server closed the connection unexpectedly")
        return locked(*ids, **gone)

    monkeypatch.setattr(transactions, "lock_session_of", failing)
    heard = []

    def stubborn(iostream):
        iostream.input()
        away.set()
        try:
            iostream.print("lost")
            iostream.step("save", lambda: None)
        except Exception as error:
            heard.append(error)
        away.clear()
        iostream.print("would stand beside a hole")

    registry.on_connect("stubborn")(stubborn)
    try:
        chat = agent_chat("stubborn")
        chat.send("go")
        error = chat.wait_for("RUN_ERROR")
    finally:
        registry.unregister("stubborn")
    assert error["code"] == "database"
    assert error["message"] == heard[0].user_message
    assert error["id"] == Run.objects.get().error_id
    assert told(chat.session) == []


def test_the_supervisor_claims_what_is_ready_after_the_database_was_down(
    own_postgres, counting, agent_chat, monkeypatch
):
    real = leases.claim
    monkeypatch.setattr(leases, "claim", lambda run_id: None)
    monkeypatch.setattr(leases, "may_claim_at_once", lambda run, now: False)
    chat = agent_chat("count")
    chat.send("0")
    own_postgres.restart("immediate")
    monkeypatch.setattr(leases, "claim", real)
    chat.wait_for("RUN_FINISHED")
