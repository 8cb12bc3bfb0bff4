"""The journal's rules with concurrent writers: no gap, no deadlock, no owner beyond their limit."""

import random
import threading
from collections.abc import Callable

import pytest
from django.db import connection

from agentchat.core import registry
from agentchat.events import Printed, RunFinished
from agentchat.models import ChatSession, Event, InboxItem, Run
from agentchat.runs import leases
from agentchat.runs.finalize import end_run
from agentchat.runs.session_lock import append, lock_session
from agentchat.testing import say


def at_once(works: list[Callable[[], None]]) -> None:
    """Do all of these in threads that start together; raise what one of them raised."""
    barrier, failed = threading.Barrier(len(works), timeout=20), []

    def thread(work):
        try:
            connection.ensure_connection()
            barrier.wait()
            work()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=thread, args=[work]) for work in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not any(each.is_alive() for each in threads)
    if failed:
        raise failed[0]


class RolledBack(Exception):
    pass


def test_many_writers_some_of_which_fail_leave_no_gap_and_no_deadlock(transactional_db):
    sessions = [ChatSession.objects.create(agent="probe") for _ in range(3)]
    kept = []

    def write(writer):
        chance = random.Random(writer)
        for number in range(40):
            session, words = chance.choice(sessions), f"{writer}-{number}"
            try:
                with lock_session(session.pk) as one:
                    append(one, None, [Printed(text=words)] * chance.randint(1, 3))
                    if chance.random() < 0.1:
                        raise RolledBack
                kept.append(words)
            except RolledBack:
                pass

    at_once([lambda writer=writer: write(writer) for writer in range(12)])
    assert len(kept) < 12 * 40
    for session in sessions:
        seqs = list(Event.objects.filter(session=session).order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(1, len(seqs) + 1))
        session.refresh_from_db()
        assert session.next_seq == len(seqs) + 1
    assert set(Event.objects.values_list("payload__text", flat=True)) == set(kept)


def queued_runs(count, guest_key):
    sessions = [ChatSession.objects.create(agent="probe", guest_key=guest_key) for _ in range(count)]
    return [Run.objects.create(session=each, number=1, agent="probe").pk for each in sessions]


def test_concurrent_claims_do_not_exceed_the_owners_limit(transactional_db, settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 2}
    won = []
    for turn in range(3):
        ids = queued_runs(8, f"greedy-{turn}")
        at_once([lambda run_id=run_id: won.append(leases.claim(run_id)) for run_id in ids])
        assert Run.objects.filter(pk__in=ids, status=Run.Status.RUNNING).count() == 2
    assert sum(claim is not None for claim in won) == 6


def test_owners_do_not_block_one_another(transactional_db, settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 1}
    [mine], [theirs] = queued_runs(1, "ada"), queued_runs(1, "eve")
    run = Run.objects.select_related("session").get(pk=theirs)
    done = threading.Event()
    from django.db import transaction

    with transaction.atomic():
        leases._serialize_claims(run)  # eve's claim takes its time
        threading.Thread(target=lambda: (leases.claim(mine), connection.close(), done.set())).start()
        assert done.wait(20)
    assert Run.objects.get(pk=mine).status == Run.Status.RUNNING


def test_one_run_is_claimed_once(transactional_db):
    [run_id] = queued_runs(1, "ada")
    won = []
    at_once([lambda: won.append(leases.claim(run_id)) for _ in range(8)])
    assert [claim.epoch for claim in won if claim is not None] == [1]
    assert Run.objects.get().epoch == 1


def test_ending_a_run_does_not_write_an_old_epoch_back(transactional_db):
    [run_id] = queued_runs(1, "ada")
    session = ChatSession.objects.get()
    with lock_session(session.pk) as one:
        run = Run.objects.get(pk=run_id)
        # Without the lock, as no code of ours does.
        thread = threading.Thread(target=lambda: (Run.objects.update(epoch=7), connection.close()))
        thread.start()
        thread.join(20)
        end_run(one, run, Run.Status.STOPPED, RunFinished(outcome={"type": "cancelled"}))
    assert Run.objects.get().epoch == 7


def test_a_form_field_named_sealed_is_kept_and_a_password_is_erased(agent_chat, scripted_llm):
    def ask(iostream):
        iostream.print(iostream.input(), iostream.step("own", lambda: {"sealed": "not by us"}))
        iostream.input("Password?", password=True)

    registry.on_connect("probe")(ask)
    try:
        chat = agent_chat("probe")
        chat.send("sealed")
        request = chat.wait_for("INPUT_REQUESTED")["request"]
        chat.answer(request, "swordfish")
        chat.wait_for("RUN_FINISHED")
    finally:
        registry.unregister("probe")
    assert [item.value for item in InboxItem.objects.order_by("id")] == ["sealed", {"erased": True}]
    steps = Run.objects.get().steps.order_by("number")
    assert [step.result for step in steps] == ["sealed", {"sealed": "not by us"}, {"erased": True}]


@pytest.mark.parametrize("runs", [20])
def test_runs_in_the_middle_of_a_models_answer_hold_no_connection(agent_chat, scripted_llm, database_url, runs):
    from agentchat import ConversableAgent, llm_config

    def work(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        iostream.print(agent.generate_reply([{"role": "user", "content": iostream.input()}]))

    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"]["pool"].update(min_size=1, max_size=4)
    replies = [say("one two three").paused(after=1) for _ in range(runs)]
    scripted_llm.replies(*replies)
    registry.on_connect("probe")(work)
    try:
        chats = [agent_chat("probe") for _ in range(runs)]
        for chat in chats:
            chat.send("go")
        for reply in replies:
            reply.wait_until_paused()
        stats = held(lambda stats: stats["pool_size"] == stats["pool_available"])
        assert stats["pool_size"] <= 4
        assert Run.objects.filter(status=Run.Status.RUNNING).count() == runs
        connection.close()
        for reply in replies:
            reply.release()
        for chat in chats:
            chat.wait_for("RUN_FINISHED")
    finally:
        registry.unregister("probe")


def held(holds):
    """The pool's figures as soon as they are so: the server's own threads hold a connection now and then."""
    connection.close()
    for _ in range(2000):
        stats = connection.pool.get_stats()
        if holds(stats):
            return stats
        threading.Event().wait(0.005)
    raise AssertionError(f"the pool never came to rest: {stats}")
