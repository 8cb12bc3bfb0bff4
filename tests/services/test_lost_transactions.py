"""Transactions that the database loses are made again, once: a run emits the same events as an undisturbed one."""

import select
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from agentchat.actions import feedback, messages
from agentchat.actions import transactions as actions
from agentchat.core import registry
from agentchat.errors import DatabaseUnavailable
from agentchat.infra import database
from agentchat.infra.process import PROCESS
from agentchat.models import ChatSession, Event, Feedback, InboxItem, Run
from agentchat.runs import leases, transactions
from agentchat.runs.session_lock import lock_session
from agentchat.testing import say
from agentchat.visitors import Visitor
from tests.commit_ack_loss import lose_the_first_commit
from tests.faults import test_cuts
from tests.faults.test_cuts import EVERYTHING, Fate, stage

__all__ = ["stage"]  # the fixture

LOCKED, LOCKED_BY_RUN = lock_session, transactions.lock_session_of


def lose_this_connection() -> None:
    """Terminate the backend of this thread's connection, as an administrator may at any time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    parameters = connection.get_connection_params()
    server = {key: parameters[key] for key in ("host", "port", "user", "dbname")}
    with psycopg.connect(**server, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


class Lossy(Fate):
    """No process dies: in some transactions the backend is terminated, or the commit's acknowledgement is lost."""

    @contextmanager
    def locked(self, *ids, **gone) -> Iterator[Run]:
        with self._lock:
            self.transactions += 1
            cut = self.cuts.get(self.transactions)
        with LOCKED_BY_RUN(*ids, **gone) as run:
            yield run
            if cut == "within":
                self.deaths += 1
                lose_this_connection()
        if cut == "after":
            self.deaths += 1
            raise OperationalError("the server closed the connection unexpectedly")


@pytest.fixture
def lossy(stage, monkeypatch):
    monkeypatch.setattr(test_cuts, "Fate", Lossy)
    return stage


@pytest.mark.parametrize("where", ["within", "after"])
def test_every_transaction_of_a_run_may_be_lost_or_its_acknowledgement(lossy, where):
    uncut = lossy.play(EVERYTHING)
    assert uncut.fate.transactions > 20
    every_first_try = {number: where for number in range(1, 1000, 2)}
    lost = lossy.play(EVERYTHING, every_first_try)
    assert lost.fate.deaths >= uncut.fate.transactions - 5  # tools that run at once may change places
    assert lost.facts == uncut.facts
    assert lost.journal == uncut.journal
    assert lost.fate.effects == uncut.fate.effects
    assert not lost.asked_about
    for counted in ("prompt_tokens", "completion_tokens", "cost", "epoch"):
        assert getattr(lost.run, counted) == getattr(uncut.run, counted), counted


@pytest.fixture
def session(transactional_db):
    registry.on_connect("probe")(lambda iostream: None)
    yield ChatSession.objects.create(agent="probe", guest_key="ada")
    registry.unregister("probe")


@pytest.fixture
def loses(monkeypatch):
    """Lose the first transaction on a chat session, `within` it or `after` its commit."""

    def lose(where):
        lost = []

        @contextmanager
        def locked(session_id, **gone):
            with LOCKED(session_id, **gone) as session:
                yield session
                if where == "within" and not lost:
                    lost.append(1)
                    lose_this_connection()
            if where == "after" and not lost:
                lost.append(1)
                raise OperationalError("the server closed the connection unexpectedly")

        for module in (messages, actions):
            monkeypatch.setattr(module, "lock_session", locked)
        return lost

    return lose


ADA = Visitor(guest_key="ada")


@pytest.mark.parametrize("where", ["within", "after"])
def test_a_message_is_saved_once(session, settings, loses, where):
    settings.AGENTCHAT = {"GUESTS": True}
    lost = loses(where)
    messages.send(session.pk, ADA, client_id=uuid.uuid4(), text="Hello")
    assert lost
    assert InboxItem.objects.count() == Run.objects.count() == 1
    assert list(Event.objects.values_list("seq", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize("where", ["within", "after"])
def test_a_stop_stops_what_was_meant_and_not_what_follows(session, settings, loses, where):
    settings.AGENTCHAT = {"GUESTS": True}
    for text in ("one", "two"):
        messages.send(session.pk, ADA, client_id=uuid.uuid4(), text=text)
    InboxItem.objects.filter(value="one").update(run=Run.objects.get(), step=1)  # so "two" starts the next run
    lost = loses(where)
    assert messages.stop(session.pk, by="ada", visitor=ADA)
    assert lost
    assert list(Run.objects.order_by("number").values_list("status", flat=True)) == ["stopped", "queued"]


@pytest.fixture
def talked(agent_chat, scripted_llm, settings):
    """A chat with one answer, and the ids of its two messages: the user's, and the agent's."""
    settings.AGENTCHAT = {"GUESTS": True}
    scripted_llm.always(say("Fine. TERMINATE"))
    chat = agent_chat("weather")
    chat.send("How is Paris?")
    chat.wait_for("RUN_FINISHED")
    asked, answered = [frame["messageId"] for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_START"]
    return chat, asked, answered


def assert_no_gap(chat):
    seqs = list(Event.objects.filter(session=chat.session).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("where", ["within", "after"])
@pytest.mark.parametrize("what", ["edit", "retry"])
def test_a_message_is_retried_once(talked, loses, where, what):
    chat, asked, answered = talked
    lost = loses(where)
    if what == "edit":
        chat.edit(asked, "How is Rome?")
    else:
        chat.retry(answered)
    chat.wait_for("RUN_FINISHED", count=2)
    assert lost
    assert list(Run.objects.order_by("number").values_list("status", "parent__number")) == [
        ("finished", None),
        ("finished", 1),
    ]
    assert_no_gap(chat)


@pytest.mark.parametrize("where", ["within", "after"])
def test_a_branch_is_selected_once(talked, loses, where):
    chat, asked, _ = talked
    chat.edit(asked, "How is Rome?")
    chat.wait_for("RUN_FINISHED", count=2)
    lost = loses(where)
    chat.select_branch(1)
    assert lost
    assert Event.objects.filter(type="BRANCH_SELECTED").count() == 1
    assert ChatSession.objects.get().head.number == 1
    assert_no_gap(chat)


@pytest.mark.parametrize("where", ["within", "after"])
def test_a_rating_is_saved_once_and_withdrawn(talked, loses, where):
    chat, _, answered = talked
    for value, kept in (("down", ["down"]), (None, [])):
        lost = loses(where)
        feedback.rate(chat.session.pk, chat.visitor, message_id=answered, value=value)
        assert lost
        assert list(Feedback.objects.values_list("value", flat=True)) == kept


def test_a_transaction_that_froze_until_the_server_ended_it_is_retried(session, settings, monkeypatch):
    settings.AGENTCHAT = {"GUESTS": True}
    frozen = []

    @contextmanager
    def locked(session_id, **gone):
        with LOCKED(session_id, **gone) as session:
            yield session
            if not frozen:
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 1")  # ms
                frozen.append(1)
                select.select([connection.connection], [], [], 10)  # the server's last word

    monkeypatch.setattr(actions, "lock_session", locked)
    messages.send(session.pk, ADA, client_id=uuid.uuid4(), text="Hello")
    assert frozen
    assert InboxItem.objects.count() == Run.objects.count() == 1


def test_a_claim_whose_acknowledgement_is_lost_is_held_at_once_and_by_no_other_process(session, monkeypatch):
    run = Run.objects.create(session=session, number=1, agent="probe")
    lost = lose_the_first_commit(monkeypatch, leases)
    claimed = leases.claim(run.pk)
    assert lost
    assert claimed is not None
    run.refresh_from_db()
    assert (claimed.epoch, run.epoch, run.owner_process) == (1, 1, PROCESS)
    assert leases.claim(run.pk) is None


def test_retries_are_limited_and_other_errors_are_not_retried(transactional_db):
    tried = []

    def never(again):
        tried.append(again)
        lose_this_connection()
        ChatSession.objects.count()

    with pytest.raises(DatabaseUnavailable):
        database.retry_transaction(never, timeout=5)
    assert tried[0] is False
    assert len(tried) > 2
    assert all(tried[1:])
    tried.clear()

    def wrong(again):
        tried.append(again)
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM not_a_table")

    with pytest.raises(Exception, match="not_a_table"):
        database.retry_transaction(wrong, timeout=5)
    assert tried == [False]


def test_within_the_callers_own_transaction_nothing_is_retried(transactional_db):
    tried = []

    def lose(again):
        tried.append(again)
        lose_this_connection()
        ChatSession.objects.count()

    with pytest.raises(OperationalError), transaction.atomic():
        database.retry_transaction(lose, timeout=5)
    assert tried == [False]
    assert ChatSession.objects.count() == 0  # the connection is a new one


def test_a_deadlock_is_rolled_back_and_retried(transactional_db):
    first, second = (ChatSession.objects.create(agent="probe") for _ in range(2))
    barrier, tries = threading.Barrier(2, timeout=20), []

    def both(one, other):
        def lock(again):
            tries.append(again)
            with LOCKED(one.pk):
                if not again:
                    barrier.wait()
                with LOCKED(other.pk) as session:
                    session.title += "x"
                    session.save(update_fields=["title"])

        database.retry_transaction(lock, timeout=20)
        connection.close()

    threads = [threading.Thread(target=both, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(tries)[:3] == [False, False, True]  # one of the two was chosen to end it; they may meet once more
    assert [each.title for each in ChatSession.objects.order_by("created_at")] == ["x", "x"]
