"""Celery's engine without Redis: what is sent, that no frame waits for it, and what a worker does with it."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from celery import Celery, _state
from kombu.exceptions import OperationalError

from agentchat.actions import messages as control
from agentchat.core import registry
from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from agentchat.runs.engines import celery as celery_engine
from agentchat.runs.engines import celery_task, engine, worker
from agentchat.runs.engines.celery import QUEUE, TASK, CeleryEngine
from agentchat.runs.engines.threads import ThreadsEngine
from agentchat.runs.runner import Runner, runner
from agentchat.visitors import Visitor

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def broker(settings, monkeypatch):
    """A Celery application whose broker is in this process's memory, made current for one test."""
    settings.AGENTCHAT = {"ENGINE": "celery"}
    app = Celery("tests", broker="memory://", set_as_current=False)
    app.conf.broker_transport_options = {"polling_interval": 0.01}
    # Celery's current application is each thread's own; the default one is everybody's.
    monkeypatch.setattr(_state, "default_app", app)
    monkeypatch.setattr(_state._tls, "current_app", None)
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(QUEUE)
        queue.clear()
        yield queue
        queue.close()


def messages(queue):
    found = []
    while True:
        try:
            message = queue.get(timeout=0.2)
        except queue.Empty:
            return found
        message.ack()
        found.append(message)


def queued_run():
    chat = ChatSession.objects.create(agent="probe", guest_key=uuid.uuid4().hex)
    return Run.objects.create(session=chat, agent="probe", number=1, status=Run.Status.QUEUED)


@pytest.fixture
def probe():
    @registry.on_connect("probe")
    def probe(iostream):
        iostream.print("Hello", iostream.input())
        iostream.input("And?")

    yield "probe"
    registry.unregister("probe")


# --- sending --------------------------------------------------------------------------------------------------------


def test_a_wake_is_one_json_message_that_names_the_run(broker):
    CeleryEngine().wake(17)
    [message] = messages(broker)
    assert message.content_type == "application/json"
    assert message.headers["task"] == TASK
    assert json.loads(message.body)[0] == [17]
    assert message.headers["ignore_result"] is True


def test_a_run_that_waits_to_be_sent_is_not_sent_twice(broker, monkeypatch):
    sending, may_send, sent = threading.Event(), threading.Event(), []

    def slow(self, run_id):
        sending.set()
        may_send.wait(10)
        sent.append(run_id)

    monkeypatch.setattr(CeleryEngine, "_send", slow)
    monkeypatch.setattr(runner, "loop", asyncio.new_event_loop())  # there is a server: no caller waits
    engine = CeleryEngine()
    engine.wake(1)
    assert sending.wait(10)
    for run_id in (2, 2, 3, 2):
        engine.wake(run_id)
    may_send.set()
    celery_engine.SEND_POOL.submit(lambda: None).result(10)
    assert sent == [1, 2, 3]
    runner.loop.close()


def test_an_outage_of_the_broker_is_logged_once_and_pending_messages_are_dropped(broker, monkeypatch, caplog):
    tried = []

    def away(self, run_id):
        tried.append(run_id)
        raise OperationalError("nobody there")

    with monkeypatch.context() as patch:
        patch.setattr(CeleryEngine, "_send", away)
        engine = CeleryEngine()
        engine.wake(1)
        engine.wake(2)
    assert tried == [1, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.set_level("INFO", "agentchat.runs")
    engine.wake(3)
    assert "accepts messages again" in caplog.records[-1].getMessage()
    assert len(messages(broker)) == 1


def test_the_engine_is_the_settings_and_in_a_worker_the_runs_of_its_own_process(settings, monkeypatch):
    assert isinstance(engine(), ThreadsEngine)
    settings.AGENTCHAT = {"ENGINE": "celery"}
    assert isinstance(engine(), CeleryEngine)
    monkeypatch.setattr(runner, "is_worker", True)
    assert isinstance(engine(), ThreadsEngine)


# --- a web process --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("settings_engine", "status"), [("threads", "waiting"), ("celery", "queued")])
def test_with_workers_a_web_process_claims_nothing_and_its_supervisor_is_alive(
    settings, probe, settings_engine, status
):
    """With threads, the same run is claimed: the test could see it."""
    settings.AGENTCHAT = {"ENGINE": settings_engine}
    visitor = Visitor(guest_key=uuid.uuid4().hex)
    chat = ChatSession.objects.create(agent=probe, **visitor.owner_fields)

    async def serve():
        own = Runner()
        own.start()
        await asyncio.to_thread(control.send, chat.pk, visitor, client_id=uuid.uuid4(), text="Ada")
        run_id = await asyncio.to_thread(lambda: Run.objects.get().pk)
        await own.advance(run_id)
        if own.takes_runs:  # the supervisor may have been first
            while (await asyncio.to_thread(Run.objects.get)).status != "waiting":
                await asyncio.sleep(0.02)
        await own.supervisor._claim_ready_runs()
        assert own.is_alive
        found = await asyncio.to_thread(Run.objects.get)
        assert own.advancing == 0
        await own.drain(within=5)
        return found.status

    if settings_engine == "celery":
        monkey = pytest.MonkeyPatch()
        monkey.setattr(CeleryEngine, "wake", lambda self, run_id: None)
    try:
        assert asyncio.run(serve()) == status
    finally:
        if settings_engine == "celery":
            monkey.undo()


# --- a worker -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_task_ends_with_its_runs_execution_and_at_once_where_there_is_none(probe, agent_chat, monkeypatch):
    chat = agent_chat(probe)
    monkeypatch.setattr(worker.runtime, "_loop", runner.loop)
    runner.stop_claiming()  # only tasks advance runs, for a moment
    chat.send("Ada")
    run = Run.objects.get()
    celery_task._advance_run(run.pk)
    assert Run.objects.get().status == "queued"
    runner.active.is_draining = False
    celery_task._advance_run(run.pk)
    chat.wait_for("INPUT_REQUESTED")
    assert Run.objects.get().status == "waiting"
    celery_task._advance_run(run.pk)
    celery_task._advance_run(run.pk + 1000)
    assert Run.objects.get().epoch == 1


def test_a_process_that_is_no_worker_logs_it_and_advances_nothing(caplog, monkeypatch):
    monkeypatch.setattr(worker.runtime, "_loop", None)
    celery_task._advance_run(1)
    assert "is not a worker" in caplog.text


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_worker_with_another_pool_is_refused_with_a_remedy(pool, tmp_path):
    (tmp_path / "site_settings.py").write_text(f"from chatsite.settings import *\nCELERY_WORKER_POOL = {pool!r}\n")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "chatsite", "worker", "--pool", pool],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "DEBUG": "1",
            "SECRET_KEY": "x" * 60,
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            "AGENTCHAT_ENGINE": "celery",
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"Agents need a worker with threads, not {pool}: start it with --pool threads" in done.stderr


# --- owners ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_a_busy_owner_has_queued_does_not_hide_another_owners_run(settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 1}
    busy = uuid.uuid4().hex
    for number in range(30):
        chat = ChatSession.objects.create(agent="probe", guest_key=busy)
        run = Run.objects.create(session=chat, agent="probe", number=1, status=Run.Status.QUEUED)
        if number == 0:
            assert leases.claim(run.pk) is not None
    other = queued_run()
    assert leases.ready_runs(1) == [other.pk]
