"""The keeper: what it claims after an outage, when it is stuck, and what is said while the database is away."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from agentchat import registry, server
from agentchat.consumers import ChatConsumer
from agentchat.consumers_list import Board
from agentchat.models import ChatSession, Run
from agentchat.runs import claims
from agentchat.runs import runner as runner_module
from agentchat.runs.engines import worker
from agentchat.runs.pool import DaemonPool
from agentchat.runs.runner import Runner
from agentchat.sockets import sockets
from agentchat.visitors import Visitor

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20


def away(*arguments, **named):
    raise OperationalError("the server closed the connection unexpectedly")


async def until(holds):
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


# --- threads --------------------------------------------------------------------------------------------------------


def test_what_is_in_one_lane_is_never_behind_what_is_in_another():
    pool, gate = DaemonPool("probe", lambda: 2), threading.Event()
    held = [pool.submit(gate.wait, 20) for _ in range(5)]
    assert pool.lane("other").submit(lambda: "done").result(10) == "done"
    assert pool.lane("other") is pool.lane("other")
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
    """A runner that takes runs, and whose keeper looks when the test says so."""
    settings.AGENTCHAT = {"LEASE_S": 15}
    own = Runner()
    own.is_worker = True
    return own


async def look(own, *, last_looked):
    """One look for work, `last_looked` seconds after the last good one. Wait for what comes of it."""
    own.loop = asyncio.get_running_loop()
    own._beat_at = own.loop.time() - last_looked
    await own._look_for_work()
    if own._tasks:
        await asyncio.wait(list(own._tasks))


@sync_to_async
def statuses(*runs):
    return [Run.objects.get(pk=each.pk).status for each in runs]


@pytest.mark.django_db(transaction=True)
def test_after_an_outage_whoever_runs_still_may_renew_before_others_take_over(probe, own):
    past = timezone.now() - timedelta(seconds=1)
    left = run(status="running", owner_process="another", lease_until=past, epoch=1)
    queued = run()

    async def keep():
        await look(own, last_looked=12)
        assert await statuses(left, queued) == ["running", "finished"]
        await look(own, last_looked=1)
        assert await statuses(left) == ["running"]
        own._takes_over_at = own.loop.time()  # a third of a lease later
        await look(own, last_looked=1)
        assert await statuses(left) == ["finished"]

    asyncio.run(keep())


@pytest.mark.django_db(transaction=True)
def test_one_that_was_not_away_takes_over_at_once(probe, own):
    left = run(status="running", owner_process="another", lease_until=timezone.now() - timedelta(seconds=1), epoch=1)

    async def keep():
        await look(own, last_looked=1)
        assert await statuses(left) == ["finished"]

    asyncio.run(keep())


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_claim_waits_for_a_lock_takes_no_more_room_each_second(probe, own, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(claims, "claim", lambda run_id: gate.wait(20) and None)
    run()

    async def keep():
        own.loop = asyncio.get_running_loop()
        own._beat_at = own.loop.time()
        for _ in range(3):
            await own._look_for_work()
        assert own.advancing == 1
        gate.set()
        await asyncio.wait(list(own._tasks))

    asyncio.run(keep())


def test_one_that_is_always_late_takes_over_still(own, monkeypatch):
    async def keep():
        own.loop = asyncio.get_running_loop()
        now = 1000.0
        monkeypatch.setattr(own.loop, "time", lambda: now)
        took_over = []
        for _ in range(3):
            now += 9
            took_over.append(own._may_take_over())
            own._beat_at = now
        monkeypatch.undo()
        return took_over

    assert asyncio.run(keep()) == [False, True, True]


@pytest.mark.django_db(transaction=True)
def test_after_a_failed_beat_leases_are_renewed_at_once(own, monkeypatch, settings):
    settings.AGENTCHAT = {"LEASE_S": 600}
    monkeypatch.setattr(runner_module, "BEAT_S", 0.01)
    renewals = []

    async def renew():
        renewals.append(1)
        if len(renewals) == 2:
            away()

    async def keep():
        monkeypatch.setattr(own, "_renew", renew)
        monkeypatch.setattr(own, "_look_for_stops", fail_once)
        own.start()
        # The first beat renews and fails later, the second fails at it, the third renews: long before it is time.
        await until(lambda: len(renewals) == 3 and not own.database_is_away)
        await own.drain(within=1)

    failed = []

    async def fail_once():
        if not failed:
            failed.append(1)
            away()

    asyncio.run(keep())


# --- stuck ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["hangs", "finds the database away"])
def test_a_keeper_that_hangs_is_stuck_and_one_that_finds_the_database_away_is_not(settings, monkeypatch, how):
    settings.AGENTCHAT = {"LEASE_S": 1}
    monkeypatch.setattr(runner_module, "BEAT_S", 0.1)
    gate = threading.Event()
    monkeypatch.setattr(claims, "ready_runs", (lambda room: gate.wait(60)) if how == "hangs" else away)

    async def keep():
        own = Runner()
        own.is_worker = True
        own.start()
        assert not own.is_stuck
        own._beat_at -= 60
        own._turned_at -= 60
        if how == "hangs":
            await until(lambda: own.is_stuck and not own.is_alive)
        else:
            await until(lambda: own.database_is_away and not own.is_stuck and not own.is_alive)
        gate.set()
        await own.drain(within=1)
        assert not own.is_stuck, "it leaves already"

    asyncio.run(keep())


def test_a_worker_that_was_frozen_stays_when_its_keeper_comes_round(monkeypatch):
    seen = [False, True, True, True, True, False, True, True, True, True, True]

    class Thawed:
        @property
        def is_stuck(self):
            return seen.pop(0)

    monkeypatch.setattr(worker, "runner", Thawed())
    monkeypatch.setattr(worker, "WATCH_S", 0)
    worker._wait_until_it_is_stuck()
    assert seen == []


STUCK = """
import threading, time
import django
django.setup()
from agentchat.runs import claims
from agentchat.runs.engines import worker
claims.ready_runs = lambda room: threading.Event().wait()
worker.agents.start()
print("started", flush=True)
time.sleep(60)  # as Celery's main thread, which answers pings meanwhile
"""


def test_a_worker_whose_keeper_is_stuck_leaves_so_that_its_supervisor_starts_another(tmp_path):
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
    assert "the keeper of runs has not come round for 3 s" in done.stderr


# --- what is said ---------------------------------------------------------------------------------------------------


def logged(caplog):
    return [(record.levelname, record.exc_info) for record in caplog.records if record.name.startswith("agentchat")]


def test_the_look_out_says_once_that_the_database_is_away(monkeypatch, caplog):
    looks = []

    async def look_again():
        looks.append(1)
        if len(looks) < 4:
            away()

    async def look_out():
        monkeypatch.setattr(server, "LOOK_S", 0.01)
        monkeypatch.setattr(sockets, "look_again", look_again)
        task = asyncio.create_task(server._look_out())
        await until(lambda: len(looks) >= 5)
        task.cancel()

    asyncio.run(look_out())
    assert logged(caplog) == [("WARNING", None)]


@pytest.mark.django_db(transaction=True)
def test_a_list_of_chats_says_once_that_the_database_is_away_and_is_shown_when_it_is_back(monkeypatch, caplog):
    looks = []

    def read(visitor):
        looks.append(1)
        return {} if len(looks) >= 4 else away()

    async def look():
        monkeypatch.setattr("agentchat.consumers_list._read", read)
        board = Board.of(Visitor(guest_key=uuid.uuid4().hex))
        await until(lambda: board.rows == {})
        board.discard(None)  # nobody looks any more

    asyncio.run(look())
    assert logged(caplog) == [("WARNING", None)]


def test_a_frame_that_no_thread_could_be_had_for_is_refused_as_unavailable(monkeypatch, caplog):
    sent = []

    async def take():
        consumer = ChatConsumer()
        consumer.session_id, consumer.limit = uuid.uuid4(), Always()
        monkeypatch.setattr(consumer, "send", lambda text_data: keep(text_data))
        monkeypatch.setattr("agentchat.consumers.in_db_thread", lambda function: away)
        sockets.add(consumer)
        await consumer.receive(text_data=json.dumps({"type": "send", "id": str(uuid.uuid4()), "text": "Hello"}))
        sockets.discard(consumer)

    async def keep(text):
        sent.append(text)

    asyncio.run(take())
    assert '"code": "unavailable"' in sent[0]
    assert logged(caplog) == [("WARNING", None)]


class Always:
    def allows(self, now):
        return True


# --- the line -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_very_long_line_is_not_counted_to_its_end(monkeypatch):
    monkeypatch.setattr(claims, "MOST_AHEAD", 3)
    line = [run() for _ in range(6)]
    for place, each in enumerate(line):
        Run.objects.filter(pk=each.pk).update(queued_at=timezone.now() - timedelta(minutes=10 - place))
    idle = ChatSession.objects.create(agent="probe")
    watched = [line[place].session_id for place in (0, 2, 3, 5)]
    places = claims.places_in_line([*watched, idle.pk])
    assert [places[each] for each in watched] == [0, 2, 3, 3]
    assert idle.pk not in places
