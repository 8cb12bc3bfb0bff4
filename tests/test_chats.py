"""Chats from a project's own code: in its transaction, without a lock, delivered once after the commit."""

import time
import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client

from agentchat import chats, conf
from agentchat.actions import outbox
from agentchat.errors import ConfigError, InputExpired, Rejected
from agentchat.io import IOConsole
from agentchat.io.websockets import IOWebsockets
from agentchat.models import ChatSession, ChatSignal, InboxItem, OutboxItem, Run, Step
from agentchat.presentation.chat_list import chats_of
from agentchat.runs.runner import runner
from agentchat.runs.session_lock import lock_session
from agentchat.testing import RecordingStream
from tests.factories import account, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return account("ada", first_name="Ada")


@pytest.fixture
def shop(agent_function):
    """Says what comes, by `input` and by the signal "paid"."""

    def shop(iostream):
        iostream.print(f"order {iostream.input()}")
        iostream.print(f"paid {iostream.wait_for('paid')}")
        iostream.print(f"then {iostream.input('And now?')}")

    return agent_function(shop)


@pytest.fixture
def kept(monkeypatch):
    """Nothing is delivered by the process that has written it, as if it had died right after the commit."""
    monkeypatch.setattr(outbox, "_deliver_now", lambda session_id: None)


def grown_old():
    OutboxItem.objects.update(created_at=outbox.moments.now() - timedelta(minutes=1))


# --- messages ---------------------------------------------------------------------------------------------------------


def test_code_starts_a_chat_of_a_user_as_if_the_user_had_sent_the_message(agent_chat, shop, ada):
    watched = agent_chat(shop, user=ada)  # a server
    session = chats.start(shop, ada, "a chair")
    watched.page.close()
    page = type(watched.page)(session.pk, watched._loop)
    assert page.wait_for("TEXT_MESSAGE_START", role="user")["name"] == "Ada"
    assert page.wait_for("PRINTED")["text"] == "order a chair\n"
    session.refresh_from_db()
    assert (session.owner, session.title) == (ada, "a chair")


def test_code_posts_under_a_name_and_answers_a_question(agent_chat, agent_function):
    def parcel(iostream):
        iostream.input()
        iostream.print(f"news: {iostream.input('Where is it?')}")

    chat = agent_chat(agent_function(parcel))
    chat.send("Where is my parcel?")
    chat.wait_for("INPUT_REQUESTED")
    chats.post(chat.session, "On its way", by="Warehouse")
    assert chat.wait_for("PRINTED")["text"] == "news: On its way\n"
    assert chat.wait_for("TEXT_MESSAGE_START", name="Warehouse")["role"] == "user"


def test_a_rollback_leaves_nothing(agent_chat, shop, ada):
    chat = agent_chat(shop, user=ada)
    with transaction.atomic():
        chats.start(shop, ada, "never")
        chats.post(chat.session, "never")
        chats.signal(chat.session, "paid")
        transaction.set_rollback(True)
    chats.signal(chat.session, "paid", 5)
    chat.send("a table")
    assert chat.wait_for("PRINTED", count=2)["text"] == "paid 5\n"
    assert ChatSession.objects.count() == 1
    assert [item.value for item in InboxItem.objects.all()] == ["a table"]


def test_what_a_dead_process_has_left_is_delivered_in_order_and_once(kept, ada, shop):
    session = chats.start(shop, ada, "one")
    key = uuid.uuid4()
    for _ in range(2):
        chats.post(session, "two", id=key)
    chats.signal(session, "paid", {"euros": 1})
    outbox.deliver_overdue()
    assert OutboxItem.objects.count() == 3  # for the process that has written them
    grown_old()
    outbox.deliver_overdue()
    chats.post(session, "two", id=key)
    grown_old()
    outbox.deliver_overdue()
    assert OutboxItem.objects.count() == 0
    assert [item.value for item in session.inbox.order_by("pk")] == ["one", "two"]
    assert [(each.name, each.value) for each in session.signals.all()] == [("paid", {"euros": 1})]


def test_a_servers_supervisor_delivers_what_is_overdue(kept, agent_chat, shop, ada):
    chat = agent_chat(shop, user=ada)
    chats.post(chat.session, "a lamp")
    grown_old()
    assert chat.wait_for("PRINTED")["text"] == "order a lamp\n"


def test_what_cannot_be_delivered_is_logged_and_does_not_hold_up_the_rest(kept, ada, shop, caplog):
    session, other = chats.start(shop, ada, "one"), chats.start(shop, ada, "two")
    ChatSession.objects.filter(pk=session.pk).update(deleted_at=outbox.moments.now())
    grown_old()
    outbox.deliver_overdue()
    assert [(item.session, item.error) for item in OutboxItem.objects.all()] == [(session, "not_found")]
    assert "cannot be delivered" in caplog.text
    assert other.inbox.count() == 1


def test_a_chat_with_an_id_of_ones_own_is_started_once(kept, ada, shop):
    key = uuid.uuid4()
    assert chats.start(shop, ada, "one", id=key) == chats.start(shop, ada, "one", id=key)
    assert OutboxItem.objects.count() == 1


def test_what_cannot_work_is_refused_at_once(ada, shop, agent_function):
    closed = agent_function(lambda iostream: None, name="closed", allow=lambda user: False)
    for agent, owner in (("nobody", ada), (closed, ada), (shop, None)):
        with pytest.raises(ConfigError, match="no such agent function, or it is not open"):
            chats.start(agent, owner, "hello")
    with pytest.raises(Rejected):
        chats.start(shop, ada, "  ")
    with pytest.raises(Rejected):
        chats.post(uuid.uuid4(), "x" * (conf.app.max_message_chars + 1))
    for name in ("", "x" * 101, 7):
        with pytest.raises(ConfigError, match="the name of a signal"):
            chats.signal(uuid.uuid4(), name)
    for value in (object(), float("nan"), "x" * 65_536):
        with pytest.raises(ConfigError, match="the value of signal"):
            chats.signal(uuid.uuid4(), "paid", value)
    assert OutboxItem.objects.count() == 0


# --- signals ----------------------------------------------------------------------------------------------------------


def test_a_run_waits_for_a_signal_without_a_thread_and_goes_on_when_it_comes(agent_chat, shop):
    chat = agent_chat(shop)
    chat.send("a chair")
    chat.wait_for("PRINTED")
    until_it_waits(chat)
    assert runner.advancing == 0
    chat.signal("other", 1)
    chat.signal("paid", {"euros": 40})
    assert chat.wait_for("PRINTED", count=2)["text"] == "paid {'euros': 40}\n"
    chat.wait_for("INPUT_REQUESTED")
    chat.replayed()


def until_it_waits(chat):
    """Until the run waits, and its thread has come back. No frame says so."""
    waiting = Run.objects.filter(session=chat.session, status=Run.Status.WAITING, owner_process="")
    deadline = time.monotonic() + 20
    while not waiting.exists() or runner.advancing:
        assert time.monotonic() < deadline, "the run does not wait"
        time.sleep(0.01)


def test_early_signals_are_kept_in_their_order_over_several_runs(agent_chat, agent_function):
    def count(iostream):
        iostream.input()
        iostream.print(f"got {iostream.wait_for('n')}")

    chat = agent_chat(agent_function(count))
    for number in (1, 2, 3):
        chat.signal("n", number)
    for number in (1, 2, 3):
        chat.send("next")
        assert chat.wait_for("PRINTED", count=number)["text"] == f"got {number}\n"
        chat.wait_for("RUN_FINISHED", count=number)


def test_each_branch_takes_the_signals_by_itself(agent_chat, agent_function):
    def count(iostream):
        iostream.post(f"order {iostream.input()}")
        iostream.post(f"got {iostream.wait_for('n')} and {iostream.wait_for('n')}")

    chat = agent_chat(agent_function(count))
    chat.signal("n", 1)
    chat.signal("n", 2)
    chat.send("first")
    chat.wait_for("RUN_FINISHED")
    message = chat.wait_for("TEXT_MESSAGE_START", role="user")["messageId"]
    chat.edit(message, "second")
    chat.wait_for("RUN_FINISHED", count=2)
    assert [text for _, text in chat.said if text.startswith("got")] == ["got 1 and 2"] * 2
    chat.signal("n", 3)
    chat.signal("n", 4)
    chat.send("third")
    chat.wait_for("RUN_FINISHED", count=3)
    assert chat.said[-1][1] == "got 3 and 4"


def test_the_owner_is_told_that_it_waits_for_something_outside_and_can_stop_it(agent_chat, shop, ada):
    chat = agent_chat(shop, user=ada)
    chat.send("a chair")
    chat.wait_for("RUN_WAITING")
    until_it_waits(chat)
    page = signed_in(ada).get(f"/chat/{chat.session.pk}/").content.decode()
    assert 'data-state="outside"' in page
    assert chats_of(chat.visitor)[0].entries[0].status == "idle"
    chat.signal("paid", 1)
    assert chat.wait_for("RUN_WAITING", over=True)
    assert chat.wait_for("PRINTED", count=2)["text"] == "paid 1\n"
    chat.wait_for("INPUT_REQUESTED")
    chat.send("a table")
    chat.wait_for("RUN_FINISHED")
    waits = [frame.get("over") for frame in chat.frames if frame["type"] == "RUN_WAITING"]
    assert waits == [None, True]
    chat.replayed()
    assert [frame["type"] for frame in chat.frames].count("RUN_WAITING") == 2
    chat.send("a lamp")
    chat.wait_for("RUN_WAITING", count=3)
    chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert 'data-state="idle"' in signed_in(ada).get(f"/chat/{chat.session.pk}/").content.decode()


def test_what_is_there_already_is_not_waited_for(agent_chat, shop):
    chat = agent_chat(shop)
    chat.signal("paid", 1)
    chat.send("a chair")
    chat.wait_for("PRINTED", count=2)
    assert "RUN_WAITING" not in {frame["type"] for frame in chat.frames}


def test_a_message_does_not_end_the_wait_and_is_kept_for_the_next_input(agent_chat, shop):
    chat = agent_chat(shop)
    chat.send("a chair")
    until_it_waits(chat)
    chat.send("hurry")
    chat.signal("paid", 1)
    assert chat.wait_for("PRINTED", count=3)["text"] == "then hurry\n"


def test_another_process_goes_on_after_the_one_that_waited_has_died(agent_chat, shop):
    """What is stored is all that a wait needs: its process may be gone, and the signal stored by another one."""
    chat = agent_chat(shop)
    chat.send("a chair")
    until_it_waits(chat)
    with lock_session(chat.session.pk) as session:
        ChatSignal.objects.create(session=session, key=uuid.uuid4(), name="paid", value=3)
        Run.objects.filter(session=session).update(
            status=Run.Status.RUNNING, owner_process="another", lease_until=outbox.moments.now() - timedelta(seconds=1)
        )  # it was killed while it looked
    assert chat.wait_for("PRINTED", count=2)["text"] == "paid 3\n"
    assert Step.objects.filter(run__session=chat.session, kind="wait").count() == 1


def test_a_wait_that_is_over_raises_and_its_deadline_is_that_of_the_first_execution(agent_chat, agent_function):
    def patient(iostream):
        iostream.input()
        try:
            iostream.wait_for("paid", timeout=timedelta(hours=1))
        except InputExpired:
            iostream.print("too late")
        iostream.print(f"paid {iostream.wait_for('paid')}")

    chat = agent_chat(agent_function(patient))
    chat.send("a chair")
    until_it_waits(chat)
    run = Run.objects.get(session=chat.session)
    past = outbox.moments.now() - timedelta(seconds=1)
    assert run.waits_until > past + timedelta(minutes=59)
    Run.objects.filter(pk=run.pk).update(waits_until=past, waits_for={**run.waits_for, "until": past.isoformat()})
    assert chat.wait_for("PRINTED")["text"] == "too late\n"
    chat.signal("paid", "at last")
    assert chat.wait_for("PRINTED", count=2)["text"] == "paid at last\n"


def test_a_run_that_waits_can_be_stopped_and_left_for_another_branch(agent_chat, shop, ada):
    chat = agent_chat(shop, user=ada)
    chat.send("a chair")
    until_it_waits(chat)
    assert chats_of(chat.visitor)[0].entries[0].status == "idle"
    message = chat.wait_for("TEXT_MESSAGE_START", role="user")["messageId"]
    chat.edit(message, "a table")
    chat.wait_for("PRINTED", text="order a table\n")
    until_it_waits(chat)
    chat.select_branch(1)
    until_it_waits(chat)
    chat.signal("paid", 9)
    assert chat.wait_for("PRINTED", text="paid 9\n")["run"] == 3
    chat.stop()
    chat.wait_for("RUN_FINISHED", count=3)


def test_a_function_that_is_not_durable_waits_with_its_thread(agent_chat, agent_function):
    def stubborn(iostream):
        iostream.input()
        iostream.print(f"paid {iostream.wait_for('paid')}")

    chat = agent_chat(agent_function(stubborn, durable=False))
    chat.send("a chair")
    chat.signal("paid", 2)
    assert chat.wait_for("PRINTED")["text"] == "paid 2\n"


def test_a_wait_within_a_step_is_refused(agent_chat, agent_function):
    def nested(iostream):
        iostream.input()
        iostream.step("wait", lambda: iostream.wait_for("paid"))

    chat = agent_chat(agent_function(nested))
    chat.send("a chair")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"


def test_nobody_can_send_a_signal_over_the_web(agent_chat, shop):
    """There is no address and no frame for it: what a client may send is in docs/protocol.md."""
    chat = agent_chat(shop)
    assert Client().post(f"/chat/{chat.session.pk}/signal/", {"name": "paid"}).status_code == 404


# --- without a chat session -------------------------------------------------------------------------------------------


def test_on_a_console_the_value_is_typed(monkeypatch, capsys):
    typed = iter(['{"euros": 40}', "by card", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    console = IOConsole()
    assert [console.wait_for("paid", timeout=1) for _ in range(3)] == [{"euros": 40}, "by card", None]


def test_in_a_test_the_next_answer_is_the_value():
    stream = RecordingStream("17")
    assert stream.wait_for("paid") == 17
    assert stream.prompts == ["Signal paid: "]


def test_a_bare_websockets_client_cannot_send_a_signal():
    with pytest.raises(ConfigError, match="not for a bare websocket"):
        IOWebsockets.wait_for(object.__new__(IOWebsockets), "paid")
