"""The supervisor: what it claims after an outage, when it is stuck, and what is logged while the database is down."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from agentchat import server
from agentchat.core import registry
from agentchat.infra.db_threads import database_status
from agentchat.infra.thread_pool import DaemonPool
from agentchat.models import ChatSession, Run
from agentchat.realtime.send_window import SendWindow
from agentchat.runs import leases, queue_positions, supervisor
from agentchat.runs.engines import worker
from agentchat.runs.runner import Runner
from agentchat.visitors import Visitor
from agentchat.websocket.chat_consumer import ChatConsumer
from agentchat.websocket.chat_list_feed import current_feeds
from agentchat.websocket.connections import Connections, current_connections
from agentchat.websocket.visitor_limits import VisitorSockets

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20


def away(*arguments, **named):
    raise OperationalError("the server closed the connection unexpectedly")


async def until(holds):
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


# --- threads --------------------------------------------------------------------------------------------------------


def test_a_sub_pools_work_never_waits_behind_anothers():
    pool, gate = DaemonPool("probe", lambda: 2), threading.Event()
    held = [pool.submit(gate.wait, 20) for _ in range(5)]
    assert pool.sub_pool("other").submit(lambda: "done").result(10) == "done"
    assert pool.sub_pool("other") is pool.sub_pool("other")
    assert not any(each.done() for each in held)
    gate.set()


# --- after an outage ------------------------------------------------------------------------------------------------


@pytest.fixture
def probe():
    registry.on_connect("probe")(lambda iostream: None)
    yield
    registry.unregister("probe")


def run(**fields):
    session = ChatSession.objects.create(agent="probe", guest_key=uuid.uuid4().hex)
    return Run.objects.create(session=session, number=1, agent="probe", **fields)


@pytest.fixture
def own(settings):
    """A runner that takes runs, and whose supervisor iterates when the test says so."""
    settings.AGENTCHAT = {"LEASE_S": 15}
    own = Runner()
    own.is_worker = True
    return own


async def look(own, *, last_looked):
    """One look for work, `last_looked` seconds after the last good one. Wait for what comes of it."""
    own.loop = asyncio.get_running_loop()
    own.supervisor._heartbeat_at = own.loop.time() - last_looked
    await own.supervisor._claim_ready_runs()
    if own.active.tasks:
        await asyncio.wait(list(own.active.tasks))


@sync_to_async
def statuses(*runs):
    return [Run.objects.get(pk=each.pk).status for each in runs]


@pytest.mark.django_db(transaction=True)
def test_after_an_outage_live_processes_renew_before_others_claim_their_runs(probe, own):
    past = timezone.now() - timedelta(seconds=1)
    left = run(status="running", owner_process="another", lease_until=past, epoch=1)
    queued = run()

    async def keep():
        await look(own, last_looked=12)
        assert await statuses(left, queued) == ["running", "finished"]
        await look(own, last_looked=1)
        assert await statuses(left) == ["running"]
        own.supervisor._claims_orphans_at = own.loop.time()  # a third of a lease later
        await look(own, last_looked=1)
        assert await statuses(left) == ["finished"]

    asyncio.run(keep())


@pytest.mark.django_db(transaction=True)
def test_without_an_outage_orphans_are_claimed_at_once(probe, own):
    left = run(status="running", owner_process="another", lease_until=timezone.now() - timedelta(seconds=1), epoch=1)

    async def keep():
        await look(own, last_looked=1)
        assert await statuses(left) == ["finished"]

    asyncio.run(keep())


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_claim_waits_for_a_lock_is_not_claimed_again_each_second(probe, own, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(leases, "claim", lambda run_id: gate.wait(20) and None)
    run()

    async def keep():
        own.loop = asyncio.get_running_loop()
        own.supervisor._heartbeat_at = own.loop.time()
        for _ in range(3):
            await own.supervisor._claim_ready_runs()
        assert own.advancing == 1
        gate.set()
        await asyncio.wait(list(own.active.tasks))

    asyncio.run(keep())


def test_a_supervisor_that_is_always_late_still_claims_orphans(own, monkeypatch):
    async def keep():
        own.loop = asyncio.get_running_loop()
        now = 1000.0
        monkeypatch.setattr(own.loop, "time", lambda: now)
        took_over = []
        for _ in range(3):
            now += 9
            took_over.append(own.supervisor._may_claim_orphans())
            own.supervisor._heartbeat_at = now
        monkeypatch.undo()
        return took_over

    assert asyncio.run(keep()) == [False, True, True]


@pytest.mark.django_db(transaction=True)
def test_after_a_failed_heartbeat_leases_are_renewed_at_once(own, monkeypatch, settings):
    settings.AGENTCHAT = {"LEASE_S": 600}
    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 0.01)
    renewals = []

    async def renew():
        renewals.append(1)
        if len(renewals) == 2:
            away()

    async def keep():
        monkeypatch.setattr(own.supervisor, "_renew_leases", renew)
        monkeypatch.setattr(own.supervisor, "_cancel_stopped_runs", fail_once)
        own.start()
        # The first iteration renews, then fails; the second fails to renew; the third renews, long before it is due.
        await until(lambda: len(renewals) == 3 and not database_status.is_down)
        await own.drain(within=1)

    failed = []

    async def fail_once():
        if not failed:
            failed.append(1)
            away()

    asyncio.run(keep())


@pytest.mark.django_db(transaction=True)
def test_between_heartbeats_a_run_that_waits_for_room_is_claimed_and_nothing_else_is_done(probe, own, monkeypatch):
    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 60)
    chores, looks = [], []
    monkeypatch.setattr(supervisor, "CHORES", [lambda: chores.append(1)])
    ready_runs = leases.ready_runs
    monkeypatch.setattr(leases, "ready_runs", lambda room: looks.append(1) or ready_runs(room))
    new_run = sync_to_async(run)

    async def keep():
        own.start()
        await until(lambda: chores)
        seen = own.supervisor._last_iteration_at
        own.supervisor.wake()
        await until(lambda: own.supervisor._last_iteration_at > seen)
        assert looks == [1], "nothing is queued"
        queued = await new_run()
        own.supervisor.wake()
        async with asyncio.timeout(PATIENCE_S):
            while await statuses(queued) != ["finished"]:
                await asyncio.sleep(0.01)
        assert chores == [1]
        await own.drain(within=1)

    asyncio.run(keep())


# --- stuck ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["hangs", "finds the database away"])
def test_a_supervisor_that_hangs_is_stuck_and_one_that_finds_the_database_down_is_not(settings, monkeypatch, how):
    settings.AGENTCHAT = {"LEASE_S": 1}
    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 0.1)
    gate = threading.Event()
    monkeypatch.setattr(leases, "ready_runs", (lambda room: gate.wait(60)) if how == "hangs" else away)

    async def keep():
        own = Runner()
        own.is_worker = True
        own.start()
        assert not own.is_stuck
        own.supervisor._heartbeat_at -= 60
        own.supervisor._last_iteration_at -= 60
        if how == "hangs":
            await until(lambda: own.is_stuck and not own.is_alive)
        else:
            await until(lambda: database_status.is_down and not own.is_stuck and not own.is_alive)
        gate.set()
        await own.drain(within=1)
        assert not own.is_stuck, "it leaves already"

    asyncio.run(keep())


def test_a_worker_that_was_frozen_stays_when_its_supervisor_recovers(monkeypatch):
    seen = [False, True, True, True, True, False, True, True, True, True, True]

    class Thawed:
        @property
        def is_stuck(self):
            return seen.pop(0)

    monkeypatch.setattr(worker, "runner", Thawed())
    monkeypatch.setattr(worker, "WATCHDOG_SECONDS", 0)
    worker._wait_until_stuck()
    assert seen == []


STUCK = """
import threading, time
import django
django.setup()
from agentchat.runs import leases
from agentchat.runs.engines import worker
leases.ready_runs = lambda room: threading.Event().wait()
worker.runtime.start()
print("started", flush=True)
time.sleep(60)  # as Celery's main thread, which answers pings meanwhile
"""


def test_a_worker_whose_supervisor_is_stuck_exits_so_that_another_is_started(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "chatsite.settings",
        "DEBUG": "1",
        "SECRET_KEY": "x" * 60,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "CELERY_BROKER_URL": "memory://",
        "AGENTCHAT_ENGINE": "celery",
        "AGENTCHAT_LEASE_S": "1",
    }
    command = [sys.executable, "-c", STUCK]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (1, "started\n"), done.stderr
    assert "the supervisor has been stuck for 3 s" in done.stderr


# --- what is said ---------------------------------------------------------------------------------------------------


def logged(caplog):
    return [(record.levelname, record.exc_info) for record in caplog.records if record.name.startswith("agentchat")]


def test_the_session_revalidator_logs_once_that_the_database_is_down(monkeypatch, caplog):
    looks = []

    async def revalidate():
        looks.append(1)
        if len(looks) < 4:
            away()

    async def revalidator():
        monkeypatch.setattr(server, "REVALIDATE_INTERVAL_SECONDS", 0.01)
        monkeypatch.setattr(Connections, "revalidate", lambda connections: revalidate())
        task = asyncio.create_task(server._revalidate())
        await until(lambda: len(looks) >= 5)
        task.cancel()

    asyncio.run(revalidator())
    assert logged(caplog) == [("WARNING", None)]


@pytest.mark.django_db(transaction=True)
def test_a_chat_list_logs_once_that_the_database_is_down_and_is_shown_when_it_is_back(monkeypatch, caplog):
    looks = []

    def read(visitor):
        looks.append(1)
        return {} if len(looks) >= 4 else away()

    async def look():
        monkeypatch.setattr("agentchat.websocket.chat_list_feed._read", read)
        socket = AsyncMock()
        feed = current_feeds().join(Visitor(guest_key=uuid.uuid4().hex), socket)
        await until(lambda: feed.rows == {})
        current_feeds().leave(feed, socket)

    asyncio.run(look())
    assert logged(caplog) == [("WARNING", None)]


def test_a_frame_without_a_free_thread_is_rejected_as_unavailable(monkeypatch, caplog):
    sent = []

    async def take():
        consumer = ChatConsumer()
        consumer.session_id, consumer.limit, consumer.window = uuid.uuid4(), Always(), SendWindow()
        consumer.of_visitor = VisitorSockets()
        monkeypatch.setattr(consumer, "send", lambda text_data: keep(text_data))
        monkeypatch.setattr("agentchat.websocket.chat_consumer.in_db_thread", lambda function: away)
        consumer.connections = current_connections()
        consumer.connections.add(consumer)
        await consumer.receive(text_data=json.dumps({"type": "send", "id": str(uuid.uuid4()), "text": "Hello"}))
        consumer.connections.discard(consumer)

    async def keep(text):
        sent.append(text)

    asyncio.run(take())
    assert json.loads(sent[0])["code"] == "unavailable"
    assert logged(caplog) == [("WARNING", None)]


class Always:
    def allows(self, size, *, now):
        return True


# --- the queue ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_very_long_queue_is_not_counted_to_its_end(monkeypatch):
    monkeypatch.setattr(queue_positions, "MAX_QUEUE_POSITION", 3)
    line = [run() for _ in range(6)]
    for place, each in enumerate(line):
        Run.objects.filter(pk=each.pk).update(queued_at=timezone.now() - timedelta(minutes=10 - place))
    idle = ChatSession.objects.create(agent="probe")
    watched = [line[place].session_id for place in (0, 2, 3, 5)]
    places = queue_positions.queue_positions([*watched, idle.pk])
    assert [places[each] for each in watched] == [0, 2, 3, 3]
    assert idle.pk not in places
