"""A run that waits for a row: it is looked for after the wait is committed, after each save, and by the supervisors."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from agentchat.errors import ConfigError, InputExpired
from agentchat.infra import moments
from agentchat.io.websockets import IOWebsockets
from agentchat.models import Run, Step
from agentchat.runs import row_watch, supervisor, waiting
from agentchat.runs.row_checks import check_run
from agentchat.runs.runner import runner
from agentchat.testing import RecordingStream
from tests.factories import account

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def desk(agent_function):
    def desk(iostream):
        name = iostream.input()
        iostream.wait_for_row(User, username=name, is_active=True, date_joined__gt=moments.now() - timedelta(days=1))
        iostream.print(f"welcome, {name}")

    return agent_function(desk)


@pytest.fixture
def no_chores(monkeypatch):
    """The supervisor looks for nothing, and the test does it itself."""
    monkeypatch.setattr(supervisor, "CHORES", [])


def waiting_run(chat):
    """The run, as soon as it waits and its thread has come back. No frame says so."""
    runs = Run.objects.filter(session=chat.session, status=Run.Status.WAITING, owner_process="")
    deadline = time.monotonic() + 20
    while not runs.exists() or runner.advancing:
        assert time.monotonic() < deadline, "the run does not wait"
        time.sleep(0.01)
    return runs.get()


def test_a_row_that_is_there_already_is_found_and_only_that_is_recorded(no_chores, agent_chat, desk):
    account("grace")
    chat = agent_chat(desk)
    chat.send("grace")
    assert chat.wait_for("PRINTED")["text"] == "welcome, grace\n"
    chat.wait_for("RUN_FINISHED")
    [step] = Step.objects.filter(run__session=chat.session, kind="wait")
    assert (step.name, step.result) == (f"wait for a row of {User._meta.label_lower}", {"held": True})
    chat.replayed()


def test_a_row_that_is_saved_wakes_the_run_after_the_commit(no_chores, agent_chat, desk):
    chat = agent_chat(desk)
    chat.send("grace")
    run = waiting_run(chat)
    with transaction.atomic():
        account("grace")
        transaction.set_rollback(True)
    account("grace", is_active=False)  # it is saved, and not what the run waits for
    assert check_run(run.pk) is None
    user = User.objects.get()
    user.is_active = True
    user.save()
    assert chat.wait_for("PRINTED")["text"] == "welcome, grace\n"


def test_a_supervisor_finds_what_no_signal_tells(agent_chat, desk):
    account("grace", is_active=False)
    chat = agent_chat(desk)
    chat.send("grace")
    waiting_run(chat)
    User.objects.update(is_active=True)
    assert chat.wait_for("PRINTED")["text"] == "welcome, grace\n"


def test_a_process_that_dies_between_the_wait_and_the_look_loses_nothing(monkeypatch, agent_chat, desk):
    monkeypatch.setattr(waiting, "check_run", lambda run_id: None)
    account("grace")
    chat = agent_chat(desk)
    chat.send("grace")
    assert chat.wait_for("PRINTED")["text"] == "welcome, grace\n"


def test_a_supervisor_looks_at_all_runs_in_turn(no_chores, monkeypatch, agent_chat, desk):
    monkeypatch.setattr(row_watch, "BATCH", 1)
    chats = [agent_chat(desk) for _ in range(3)]
    for chat in chats:
        chat.send("grace")
        waiting_run(chat)
    User.objects.bulk_create([User(username="grace", is_active=True)])
    for _ in range(4):
        row_watch.check_next()
    for chat in chats:
        chat.wait_for("PRINTED")


def test_a_wait_for_a_row_can_be_over(agent_chat, agent_function):
    def desk(iostream):
        iostream.input()
        try:
            iostream.wait_for_row(User, username="nobody", timeout=0)
        except InputExpired:
            iostream.print("nobody came")

    chat = agent_chat(agent_function(desk))
    chat.send("hello")
    assert chat.wait_for("PRINTED")["text"] == "nobody came\n"


def test_a_function_that_is_not_durable_waits_with_its_thread(agent_chat, agent_function):
    def desk(iostream):
        iostream.input()
        iostream.wait_for_row(User, username="grace")
        iostream.print("welcome")

    chat = agent_chat(agent_function(desk, durable=False))
    chat.send("hello")
    account("grace")
    chat.wait_for("PRINTED")


@pytest.mark.parametrize("lookups", [{}, {"pk": object()}, {"shoe_size": 40}, {"pk": "x"}, {"username": "x" * 9_000}])
def test_lookups_that_cannot_be_stored_are_refused(agent_chat, agent_function, lookups):
    def desk(iostream):
        iostream.input()
        iostream.wait_for_row(User, **lookups)

    chat = agent_chat(agent_function(desk))
    chat.send("hello")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"


def test_a_wait_that_the_code_cannot_make_any_more_is_logged_and_holds_up_no_other(no_chores, agent_chat, desk, caplog):
    chats = [agent_chat(desk) for _ in range(2)]
    for chat in chats:
        chat.send("grace")
    first, second = (waiting_run(chat) for chat in chats)
    Run.objects.filter(pk=first.pk).update(waits_for={**first.waits_for, "row": "shop.gone"})
    User.objects.bulk_create([User(username="grace", is_active=True)])
    row_watch.check_next()
    chats[1].wait_for("PRINTED")
    assert "shop.gone" in caplog.text
    assert second.waits_for["row"] == User._meta.label_lower


def test_elsewhere_it_is_looked_for_when_enter_is_pressed():
    stream = RecordingStream("", "")

    class Looks:
        """As a model's manager; the row is there at the third look."""

        looks = 0

        @classmethod
        def filter(cls, **lookups):
            cls.looks += 1
            return cls

        @classmethod
        def exists(cls):
            return cls.looks == 3

    class Order:
        _default_manager = Looks

    stream.wait_for_row(Order, pk=17)
    assert stream.prompts == ["Waiting for Order {'pk': 17}. Enter to look again: "] * 2


def test_a_bare_websocket_refuses():
    with pytest.raises(ConfigError, match="not for a bare websocket"):
        IOWebsockets.wait_for_row(object.__new__(IOWebsockets), User, pk=1)
