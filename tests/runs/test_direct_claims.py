"""The run that a message queues is claimed in the message's transaction, if there is room and nobody waits for it."""

import asyncio
import threading
import uuid
from contextlib import contextmanager

import pytest
from django.db import OperationalError, transaction

from agentchat.actions import transactions
from agentchat.errors import Rejected
from agentchat.infra.process import PROCESS
from agentchat.models import Run
from agentchat.runs import direct_claims, leases
from agentchat.runs.active_runs import ActiveRuns
from agentchat.runs.runner import runner
from agentchat.runs.session_lock import lock_session, start_run
from tests.runs.test_runs import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def asks_twice(iostream):
    iostream.print("got", iostream.input(), iostream.input("And then?"))


@pytest.fixture
def no_other_claims(monkeypatch):
    def refuse(run_id):
        raise AssertionError("another transaction claims it")

    monkeypatch.setattr(leases, "claim", refuse)


def test_both_the_message_that_starts_a_run_and_its_answer_claim_it(no_other_claims, agent_function, agent_chat):
    chat = agent_chat(agent_function(asks_twice))
    chat.send("one")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("two")
    chat.wait_for("PRINTED", text="got one two\n")
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().epoch == 2
    eventually(lambda: not runner.advancing and not runner.active.reserved)


def test_a_claim_whose_acknowledgement_is_lost_is_made_once(no_other_claims, agent_function, agent_chat, monkeypatch):
    locked, lost = transactions.lock_session, []

    @contextmanager
    def losing(*ids, **columns):
        with locked(*ids, **columns) as session:
            yield session
        if not lost:
            lost.append(1)
            raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(transactions, "lock_session", losing)
    chat = agent_chat(agent_function(asks_twice))
    chat.send("one")
    chat.wait_for("INPUT_REQUESTED")
    assert lost
    assert Run.objects.get().epoch == 1


def test_a_claim_that_is_rolled_back_is_not_advanced_and_gives_its_room_back(agent_function, agent_chat):
    chat = agent_chat(agent_function(asks_twice))
    claimed = []

    def claim_and_fail(session):
        run, _ = start_run(session)
        claimed.append((runner.active.reserved, direct_claims.claim(session, run)))
        raise Rejected("busy", "")

    with pytest.raises(Rejected):
        transactions.apply_once(chat.session.pk, chat.visitor, uuid.uuid4(), claim_and_fail)
    assert claimed == [(1, True)]
    assert runner.active.reserved == runner.advancing == 0
    assert not Run.objects.exists()


def test_nothing_is_claimed_in_a_transaction_of_the_callers_own(agent_function, agent_chat):
    chat = agent_chat(agent_function(asks_twice))
    with transaction.atomic(), runner.room(), lock_session(chat.session.pk) as session:
        run, _ = start_run(session)
        assert not direct_claims.claim(session, run)


def test_room_is_not_reserved_ahead_of_a_run_that_waits_for_it(settings):
    settings.AGENTCHAT = {"MAX_RUNS": 1}
    active = ActiveRuns()
    assert active.reserve(ahead_of_others=False)
    assert not active.reserve()
    active.give_back()
    assert not active.reserve(ahead_of_others=False), "another run was refused, and is next"
    assert active.reserve()


@pytest.mark.parametrize("limit", ["MAX_RUNS", "MAX_RUNS_PER_OWNER"])
def test_a_run_that_has_to_wait_is_queued_and_claimed_in_its_turn(agent_function, agent_chat, settings, limit):
    settings.AGENTCHAT = {limit: 1}
    gate, began = threading.Event(), threading.Event()

    def holds(iostream):
        if iostream.input() == "hold":
            began.set()
            gate.wait(20)
        iostream.print("done")

    chat = agent_chat(agent_function(holds))
    chat.send("hold")
    assert began.wait(20)
    session = type(chat.session).objects.create(agent=chat.session.agent, **chat.visitor.owner_fields)
    transactions.apply_once(session.pk, chat.visitor, uuid.uuid4(), lambda locked: start_run(locked)[::-1])
    waiting = Run.objects.get(session=session)
    assert (waiting.status, waiting.owner_process, waiting.epoch) == ("queued", "", 0)
    gate.set()
    chat.wait_for("RUN_FINISHED")
    eventually(lambda: Run.objects.get(pk=waiting.pk).epoch > 0)


def test_a_process_that_stops_releases_what_it_has_just_claimed(agent_function, agent_chat):
    chat = agent_chat(agent_function(asks_twice))
    with runner.room():
        with lock_session(chat.session.pk) as session:
            run, _ = start_run(session)
            assert direct_claims.claim(session, run)
        assert Run.objects.get().owner_process == PROCESS
        draining = asyncio.run_coroutine_threadsafe(runner.drain(within=20), runner.loop)
        eventually(lambda: runner.is_draining)
        assert direct_claims.advance(run)
    draining.result(20)
    released = Run.objects.get()
    assert (released.status, released.owner_process, released.crashes) == ("queued", "", 0)
