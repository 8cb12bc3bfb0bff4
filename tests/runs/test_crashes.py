"""A run that kills its processes: what counts as a death, what begins the count anew, and how it ends."""

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from agentchat import registry
from agentchat.errors import Crashed, Released
from agentchat.events import RunError, TextMessageStart
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.runs import claims, journal
from agentchat.runs import runner as runner_module
from agentchat.runs.claims import MOST_CRASHES
from agentchat.runs.process import PROCESS
from agentchat.runs.runner import Runner, in_db_thread
from agentchat.runs.session import append, locked, start_run
from tests.lost_commits import lose_the_first_commit

LOST = OperationalError("the server closed the connection unexpectedly")


@pytest.fixture
def probe():
    """Register an agent function for one test."""

    def register(function):
        registry.on_connect("probe")(function)
        return "probe"

    yield register
    registry.unregister("probe")


def past():
    return timezone.now() - timedelta(seconds=1)


def left_behind(**fields):
    """As a run is whose process has died."""
    return {"status": "running", "owner_process": "another", "lease_until": past(), "epoch": 1, **fields}


def new_run(**fields):
    session = ChatSession.objects.create(agent="probe", guest_key=uuid.uuid4().hex)
    return Run.objects.create(session=session, number=1, agent="probe", **fields)


def leave_behind_in(chat, **fields):
    """A run in this chat, of which nobody has heard."""
    with locked(chat.session.pk) as session:
        run, _ = start_run(session)
        Run.objects.filter(pk=run.pk).update(**left_behind(**fields))
    return run


def crashes():
    return Run.objects.get().crashes


# --- what counts ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        (lambda: left_behind(), True),
        (lambda: left_behind(status="waiting"), True),
        (lambda: left_behind(owner_process=str(PROCESS)), False),
        (lambda: left_behind(owner_process=""), False),
        (lambda: {"status": "queued", "epoch": 1}, False),
        (lambda: {"status": "waiting", "waits_until": past(), "epoch": 1}, False),
    ],
    ids=["dead", "dead with a thread that waited", "let go here", "left in order", "given away", "out of time"],
)
def test_a_claim_counts_a_process_that_has_died_and_no_other(fields, counts):
    run = new_run(**fields())
    claimed = claims.claim(run.pk)
    run.refresh_from_db()
    assert claimed.crashes == run.crashes == counts
    assert claimed.left_by == ("another" if counts else "")


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_acknowledgement_is_lost_counts_once(monkeypatch):
    run = new_run(**left_behind(crashes=1))
    lost = lose_the_first_commit(monkeypatch, claims)
    claimed = claims.claim(run.pk)
    run.refresh_from_db()
    assert lost
    assert claimed.crashes == run.crashes == 2
    assert claimed.left_by == "another"


@pytest.mark.django_db(transaction=True)
def test_a_process_that_leaves_while_a_tool_will_not_end_is_not_counted(probe, caplog):
    begun, gate = threading.Event(), threading.Event()
    probe(lambda iostream: begun.set() or gate.wait(20))
    run = new_run()

    async def leave():
        own = Runner()
        own.is_worker = True
        own.start()
        await asyncio.to_thread(begun.wait, 20)
        assert await own.drain(within=0.1) == []
        await in_db_thread(run.refresh_from_db)()
        assert (run.status, run.owner_process) == ("running", "")
        assert run.lease_until > timezone.now(), "it is at work here still"
        gate.set()
        await asyncio.wait(list(own._tasks))

    asyncio.run(leave())
    assert "is another process's now" in caplog.text
    Run.objects.update(lease_until=past())
    assert claims.claim(run.pk).crashes == 0


@pytest.mark.django_db(transaction=True)
def test_a_process_leaves_in_time_though_the_database_does_not_answer(probe, caplog, monkeypatch):
    begun, gate = threading.Event(), threading.Event()
    probe(lambda iostream: begun.set() or gate.wait(20))
    new_run()
    monkeypatch.setattr(runner_module, "GIVE_AWAY_S", 0.01)
    monkeypatch.setattr(claims, "give_away", lambda claims: gate.wait(20))

    async def leave():
        own = Runner()
        own.is_worker = True
        own.start()
        await asyncio.to_thread(begun.wait, 20)
        await own.drain(within=0.1)
        assert not gate.is_set()
        gate.set()
        await asyncio.wait(list(own._tasks))

    asyncio.run(leave())
    assert "will think that this process has died" in caplog.text


# --- what begins it anew --------------------------------------------------------------------------------------------


def test_a_recorded_step_begins_the_count_anew(probe, agent_chat):
    seen = []

    def work(iostream):
        seen.append(crashes())
        iostream.print("words are no step")
        iostream.step("look", lambda: seen.append(crashes()))
        seen.append(crashes())

    chat = agent_chat(probe(work))
    leave_behind_in(chat)
    chat.wait_for("RUN_FINISHED")
    assert seen == [1, 1, 0]


def test_an_answer_is_a_step_too(probe, agent_chat):
    seen = []

    def listen(iostream):
        iostream.input("Well?")
        seen.append(crashes())

    chat = agent_chat(probe(listen))
    leave_behind_in(chat)
    chat.wait_for("INPUT_REQUESTED")
    assert crashes() == 1
    chat.send("Hello")
    chat.wait_for("RUN_FINISHED")
    assert seen == [0]


def test_a_step_that_is_only_read_from_the_journal_does_not(probe, agent_chat):
    seen = []

    def work(iostream):
        iostream.step("look", lambda: pytest.fail("it was recorded"))
        seen.append(crashes())

    chat = agent_chat(probe(work))
    with transaction.atomic():
        run = leave_behind_in(chat)
        Step.objects.create(run=run, number=1, kind="step", name="look", status="done", started_at=past())
    chat.wait_for("RUN_FINISHED")
    assert seen == [1]


# --- how it ends ----------------------------------------------------------------------------------------------------


def test_a_run_with_which_too_many_processes_died_is_failed_and_not_called(probe, agent_chat, caplog, monkeypatch):
    lives, rung = [], []
    monkeypatch.setattr(runner_module.lists, "ring_for", lambda session_id: rung.append(session_id))
    chat = agent_chat(probe(lambda iostream: lives.append(1)))
    leave_behind_in(chat, crashes=MOST_CRASHES - 1)
    error = chat.wait_for("RUN_ERROR", code="crashed")
    assert error["message"] == Crashed.kind_words
    run = Run.objects.get()
    assert (run.status, run.error_code, run.error_id) == ("failed", "crashed", error["id"])
    assert (run.owner_process, run.lease_until) == ("", None)
    assert f"[{error['id']}]: 3 processes in a row have died with it" in caplog.text
    assert "was left behind by another (3 in a row" in caplog.text
    assert lives == []

    chat.retry()
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert lives == [1]
    assert Run.objects.get(number=2).crashes == 0
    assert set(rung) == {chat.session.pk}


def test_a_life_before_the_last_is_lived(probe, agent_chat):
    chat = agent_chat(probe(lambda iostream: None))
    leave_behind_in(chat, crashes=MOST_CRASHES - 2)
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})


def test_a_message_that_was_being_written_is_closed_and_what_was_said_meanwhile_starts_the_next_run(probe, agent_chat):
    def echo(iostream):
        iostream.print(iostream.input())

    chat = agent_chat(probe(echo))
    with locked(chat.session.pk) as session:
        run, _ = start_run(session)
        heard = session.inbox.create(client_id=uuid.uuid4(), value="boom", run=run, step=1)
        Step.objects.create(
            run=run, number=1, kind="input", name="input", status="done", started_at=past(), result=heard.value
        )
        append(session, run, [TextMessageStart(message_id="1-2-0", role="assistant", name="clerk")])
        session.inbox.create(client_id=uuid.uuid4(), value="Hello?")
        Run.objects.filter(pk=run.pk).update(**left_behind(crashes=MOST_CRASHES - 1))
    chat.wait_for("RUN_ERROR", code="crashed")
    assert chat.wait_for("TEXT_MESSAGE_END", messageId="1-2-0")["stopped"]
    assert chat.wait_for("PRINTED")["text"] == "Hello?\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["within", "after"])
def test_an_end_that_the_database_has_lost_is_written_once(where, monkeypatch):
    run = new_run(**left_behind(crashes=MOST_CRASHES - 1))
    claimed = claims.claim(run.pk)
    lost = []

    @contextmanager
    def losing(session_id, **gone):
        with locked(session_id, **gone) as session:
            yield session
            if where == "within" and not lost:
                lost.append(1)
                raise LOST
        if where == "after" and not lost:
            lost.append(1)
            raise LOST

    monkeypatch.setattr(journal, "locked", losing)
    frames, following = journal.fail_unread(claimed, RunError(code="crashed", message="", id="1"))
    assert lost
    assert [frame["type"] for frame in frames] == ["RUN_ERROR"]
    assert following is None
    assert [event.type for event in Event.objects.all()] == ["RUN_ERROR"]
    assert Run.objects.get().status == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_another_process_has_taken_meanwhile_is_not_failed():
    run = new_run(**left_behind(crashes=MOST_CRASHES - 1))
    claimed = claims.claim(run.pk)
    Run.objects.update(epoch=claimed.epoch + 1, owner_process="yet another")
    with pytest.raises(Released):
        journal.fail_unread(claimed, RunError(code="crashed", message="", id="1"))
    assert Run.objects.get().status == "running"


# --- the others -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_the_runs_in_their_last_life_a_process_has_one_at_a_time():
    suspects = [new_run(**left_behind(crashes=MOST_CRASHES - 2)) for _ in range(3)]
    others = [new_run(**left_behind()), new_run(), new_run(**left_behind(crashes=MOST_CRASHES - 1))]
    free = [each.pk for each in others]
    assert claims.ready_runs(64) == [suspects[0].pk, *free]
    assert claims.claim(suspects[0].pk) is not None
    assert claims.claim(suspects[1].pk) is None
    assert claims.ready_runs(64) == free
    assert all(claims.claim(each) for each in free)

    Run.objects.filter(pk=suspects[0].pk).update(crashes=0)  # it has come on
    assert claims.ready_runs(64) == [suspects[1].pk]
    assert claims.claim(suspects[1].pk) is not None
    Run.objects.filter(pk=suspects[1].pk).update(owner_process="another")  # that one has one of its own
    assert claims.claim(suspects[2].pk) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "fields",
    [
        {"status": "queued"},
        {"status": "waiting", "waits_until": past()},
        left_behind(owner_process=""),
        left_behind(owner_process=str(PROCESS)),
    ],
    ids=["given away", "out of time", "left in order", "let go here"],
)
def test_whoever_was_left_in_order_need_not_wait_for_a_last_life(fields):
    claims.claim(new_run(crashes=MOST_CRASHES - 1).pk)
    run = new_run(**{**fields, "crashes": MOST_CRASHES - 2})
    assert claims.ready_runs(64) == [run.pk]
    assert claims.claim(run.pk).crashes == MOST_CRASHES - 2


@pytest.mark.django_db(transaction=True)
def test_runs_that_wait_for_a_last_life_hide_nobody():
    claims.claim(new_run(crashes=MOST_CRASHES - 1).pk)
    for index in range(10):
        new_run(crashes=MOST_CRASHES - 1) if index % 2 else new_run(**left_behind(crashes=MOST_CRASHES - 2))
    run = new_run()
    assert claims.ready_runs(1) == [run.pk]


@pytest.mark.django_db(transaction=True)
def test_one_at_a_time_holds_for_claims_at_the_same_moment(monkeypatch):
    monkeypatch.setattr(claims, "PATIENCE_S", 10)
    suspects = [new_run(**left_behind(crashes=MOST_CRASHES - 2)) for _ in range(4)]
    barrier = threading.Barrier(len(suspects))

    def claim(run):
        barrier.wait(10)
        try:
            return claims.claim(run.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(suspects)) as threads:
        claimed = list(threads.map(claim, suspects))
    assert len([each for each in claimed if each]) == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_in_its_last_life_that_was_given_away_is_still_apart():
    first, second = new_run(crashes=MOST_CRASHES - 1), new_run(crashes=MOST_CRASHES - 1)
    assert claims.ready_runs(64) == [first.pk]
    assert claims.claim(first.pk).crashes == MOST_CRASHES - 1
    assert claims.claim(second.pk) is None
