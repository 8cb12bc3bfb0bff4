"""A run that kills its processes: what counts as a crash, what resets the count, and how the run ends."""

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from agentchat.core import registry
from agentchat.errors import LeaseLost, MaxRecoveryAttemptsExceeded
from agentchat.events import RunError, TextMessageStart
from agentchat.infra.db_threads import in_db_thread
from agentchat.infra.process import PROCESS
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.runs import execution, leases, transactions
from agentchat.runs import runner as runner_module
from agentchat.runs.leases import MAX_CRASHES
from agentchat.runs.runner import Runner
from agentchat.runs.session_lock import append, lock_session, lock_session_of, start_run
from tests.commit_ack_loss import lose_the_first_commit
from tests.runs.test_runs import eventually

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
    """An orphaned run in this chat."""
    with lock_session(chat.session.pk) as session:
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
def test_a_claim_counts_a_dead_process_and_nothing_else(fields, counts):
    run = new_run(**fields())
    claimed = leases.claim(run.pk)
    run.refresh_from_db()
    assert claimed.crashes == run.crashes == counts
    assert claimed.orphaned_by == ("another" if counts else "")


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_acknowledgement_is_lost_counts_once(monkeypatch):
    run = new_run(**left_behind(crashes=1))
    lost = lose_the_first_commit(monkeypatch, leases)
    claimed = leases.claim(run.pk)
    run.refresh_from_db()
    assert lost
    assert claimed.crashes == run.crashes == 2
    assert claimed.orphaned_by == "another"


@pytest.mark.django_db(transaction=True)
def test_a_process_that_stops_while_a_tool_hangs_is_not_counted(probe, caplog):
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
        await asyncio.wait(list(own.active.tasks))

    asyncio.run(leave())
    assert "now belongs to another process" in caplog.text
    Run.objects.update(lease_until=past())
    assert leases.claim(run.pk).crashes == 0


@pytest.mark.django_db(transaction=True)
def test_a_process_stops_in_time_though_the_database_does_not_answer(probe, caplog, monkeypatch):
    begun, gate = threading.Event(), threading.Event()
    probe(lambda iostream: begun.set() or gate.wait(20))
    new_run()
    monkeypatch.setattr(runner_module, "DISOWN_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(leases, "disown", lambda claims: gate.wait(20))

    async def leave():
        own = Runner()
        own.is_worker = True
        own.start()
        await asyncio.to_thread(begun.wait, 20)
        await own.drain(within=0.1)
        assert not gate.is_set()
        gate.set()
        await asyncio.wait(list(own.active.tasks))

    asyncio.run(leave())
    assert "will count this one as dead" in caplog.text


# --- what resets the count ------------------------------------------------------------------------------------------


def test_a_recorded_step_resets_the_count(probe, agent_chat):
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


def test_an_answer_resets_the_count(probe, agent_chat):
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


def test_a_step_that_is_only_replayed_does_not_reset_the_count(probe, agent_chat):
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
    lives, event_saved = [], []
    monkeypatch.setattr(execution.chat_list, "notify_owner_of", lambda session_id: event_saved.append(session_id))
    chat = agent_chat(probe(lambda iostream: lives.append(1)))
    leave_behind_in(chat, crashes=MAX_CRASHES - 1)
    error = chat.wait_for("RUN_ERROR", code="crashed")
    assert error["message"] == MaxRecoveryAttemptsExceeded.user_message
    run = Run.objects.get()
    assert (run.status, run.error_code, run.error_id) == ("failed", "crashed", error["id"])
    assert (run.owner_process, run.lease_until) == ("", None)
    assert f"[{error['id']}]: 3 processes in a row have died with it" in caplog.text
    assert "was orphaned by another (3 in a row" in caplog.text
    assert lives == []

    chat.retry()
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert lives == [1]
    assert Run.objects.get(number=2).crashes == 0
    assert set(event_saved) == {chat.session.pk}


def test_before_its_final_attempt_a_run_is_executed(probe, agent_chat):
    chat = agent_chat(probe(lambda iostream: None))
    leave_behind_in(chat, crashes=MAX_CRASHES - 2)
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})


def test_an_unfinished_message_is_closed_and_a_pending_one_starts_the_next_run(probe, agent_chat):
    def echo(iostream):
        iostream.print(iostream.input())

    chat = agent_chat(probe(echo))
    with lock_session(chat.session.pk) as session:
        run, _ = start_run(session)
        heard = session.inbox.create(client_id=uuid.uuid4(), value="boom", run=run, step=1)
        Step.objects.create(
            run=run, number=1, kind="input", name="input", status="done", started_at=past(), result=heard.value
        )
        append(session, run, [TextMessageStart(message_id="1-2-0", role="assistant", name="clerk")])
        session.inbox.create(client_id=uuid.uuid4(), value="Hello?")
        Run.objects.filter(pk=run.pk).update(**left_behind(crashes=MAX_CRASHES - 1))
    chat.wait_for("RUN_ERROR", code="crashed")
    assert chat.wait_for("TEXT_MESSAGE_END", messageId="1-2-0")["stopped"]
    assert chat.wait_for("PRINTED")["text"] == "Hello?\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["within", "after"])
def test_an_end_whose_transaction_is_lost_is_written_once(where, monkeypatch):
    run = new_run(**left_behind(crashes=MAX_CRASHES - 1))
    claimed = leases.claim(run.pk)
    lost = []

    @contextmanager
    def losing(*ids, **gone):
        with lock_session_of(*ids, **gone) as locked:
            yield locked
            if where == "within" and not lost:
                lost.append(1)
                raise LOST
        if where == "after" and not lost:
            lost.append(1)
            raise LOST

    monkeypatch.setattr(transactions, "lock_session_of", losing)
    frames, following = transactions.fail_unread(claimed, RunError(code="crashed", message="", id="1"))
    assert lost
    assert [frame["type"] for frame in frames] == ["RUN_ERROR"]
    assert following is None
    assert [event.type for event in Event.objects.all()] == ["RUN_ERROR"]
    assert Run.objects.get().status == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_another_process_has_claimed_meanwhile_is_not_failed():
    run = new_run(**left_behind(crashes=MAX_CRASHES - 1))
    claimed = leases.claim(run.pk)
    Run.objects.update(epoch=claimed.epoch + 1, owner_process="yet another")
    with pytest.raises(LeaseLost):
        transactions.fail_unread(claimed, RunError(code="crashed", message="", id="1"))
    assert Run.objects.get().status == "running"


# --- the others -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_process_has_one_run_in_its_final_attempt_at_a_time():
    suspects = [new_run(**left_behind(crashes=MAX_CRASHES - 2)) for _ in range(3)]
    others = [new_run(**left_behind()), new_run(), new_run(**left_behind(crashes=MAX_CRASHES - 1))]
    free = [each.pk for each in others]
    assert leases.ready_runs(64) == [suspects[0].pk, *free]
    assert leases.claim(suspects[0].pk) is not None
    assert leases.claim(suspects[1].pk) is None
    assert leases.ready_runs(64) == free
    assert all(leases.claim(each) for each in free)

    Run.objects.filter(pk=suspects[0].pk).update(crashes=0)  # it has come on
    assert leases.ready_runs(64) == [suspects[1].pk]
    assert leases.claim(suspects[1].pk) is not None
    Run.objects.filter(pk=suspects[1].pk).update(owner_process="another")  # that one has one of its own
    assert leases.claim(suspects[2].pk) is not None


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
def test_a_run_that_was_released_need_not_wait_for_one_in_its_final_attempt(fields):
    leases.claim(new_run(crashes=MAX_CRASHES - 1).pk)
    run = new_run(**{**fields, "crashes": MAX_CRASHES - 2})
    assert leases.ready_runs(64) == [run.pk]
    assert leases.claim(run.pk).crashes == MAX_CRASHES - 2


@pytest.mark.django_db(transaction=True)
def test_quarantined_runs_that_wait_hide_no_others():
    leases.claim(new_run(crashes=MAX_CRASHES - 1).pk)
    for index in range(10):
        new_run(crashes=MAX_CRASHES - 1) if index % 2 else new_run(**left_behind(crashes=MAX_CRASHES - 2))
    run = new_run()
    assert leases.ready_runs(1) == [run.pk]


@pytest.mark.django_db(transaction=True)
def test_one_quarantined_run_at_a_time_holds_for_concurrent_claims(monkeypatch):
    monkeypatch.setattr(leases, "CLAIM_LOCK_TIMEOUT_SECONDS", 10)
    suspects = [new_run(**left_behind(crashes=MAX_CRASHES - 2)) for _ in range(4)]
    barrier = threading.Barrier(len(suspects))

    def claim(run):
        barrier.wait(10)
        try:
            return leases.claim(run.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(suspects)) as threads:
        claimed = list(threads.map(claim, suspects))
    assert len([each for each in claimed if each]) == 1


@pytest.mark.django_db(transaction=True)
def test_a_released_run_in_its_final_attempt_is_still_quarantined():
    first, second = new_run(crashes=MAX_CRASHES - 1), new_run(crashes=MAX_CRASHES - 1)
    assert leases.ready_runs(64) == [first.pk]
    assert leases.claim(first.pk).crashes == MAX_CRASHES - 1
    assert leases.claim(second.pk) is None


def test_an_answer_that_the_dead_process_may_have_taken_too_does_not_reset_the_count(probe, agent_chat):
    seen = []

    def listen(iostream):
        iostream.input()
        seen.append((crashes(), Step.objects.count()))
        iostream.step("look", lambda: None)
        seen.append((crashes(), Step.objects.count()))

    chat = agent_chat(probe(listen))
    chat.send("Hello")
    chat.wait_for("RUN_FINISHED")
    seen.clear()
    run = Run.objects.get()
    Step.objects.all().delete()
    run.inbox.update(run=None, step=None)
    Run.objects.update(finished_at=None, **left_behind(crashes=0))
    eventually(lambda: len(seen) == 2)
    assert seen == [(1, 1), (0, 2)], "the answer is recorded at once, and only what comes after it is new"
