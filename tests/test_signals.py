"""The signals of chats: after the commit, in a thread of their own, and no receiver costs anybody anything."""

import queue
import threading

import pytest
from django.db import connection, transaction

from agentchat import signals
from agentchat.actions import feedback
from agentchat.models import ChatSession, Event
from agentchat.runs.session_lock import lock_session, start_run

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = {value: name for name, value in vars(signals).items() if isinstance(value, signals.Signal)}
WAIT_S = 20.0


class Heard:
    """What a receiver of all signals has got, in order."""

    def __init__(self):
        self._heard = queue.Queue()

    def __call__(self, sender, signal, session, **values):
        run = values.get("run")
        known = Event.objects.filter(session=session).count()  # on another connection: what is committed
        here = threading.current_thread().name.rpartition("-")[0], connection.in_atomic_block
        self._heard.put((NAMES[signal], session.pk, run.status if run else None, known, here, values))

    def next(self):
        return self._heard.get(timeout=WAIT_S)

    def names(self, count):
        return [self.next()[0] for _ in range(count)]


@pytest.fixture
def heard():
    receiver = Heard()
    for signal in NAMES:
        signal.connect(receiver)
    yield receiver
    for signal in NAMES:
        signal.disconnect(receiver)


@pytest.fixture
def booking(agent_function):
    def booking(iostream):
        wish = iostream.input()
        iostream.post(f"{wish}, on {iostream.input('Which day?')}")
        iostream.input("Your password?", password=True)

    return agent_function(booking)


def test_what_happens_in_a_chat_is_sent_after_its_commit_in_order(agent_chat, booking, heard):
    chat = agent_chat(booking)
    chat.send("A room")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Monday")
    request = chat.wait_for("INPUT_REQUESTED", password=True)["request"]
    chat.answer(request, "sesame")
    chat.wait_for("RUN_FINISHED")
    got = [heard.next() for _ in range(6)]
    assert [name for name, *_ in got] == [
        *("chat_started", "question_asked", "question_answered"),
        *("question_asked", "question_answered", "run_finished"),
    ]
    assert {session for _, session, *_ in got} == {chat.session.pk}
    assert {here for *_, here, _ in got} == {("agentchat-signals", False)}
    assert got[1][-1]["question"]["prompt"] == "Which day?"
    assert got[2][-1]["answer"] == {"request": "1-2", "value": "Monday", "by": "Guest"}
    assert got[4][-1]["answer"] == {"request": request, "by": "Guest"}  # a password is in no signal
    assert got[5][2] == "finished"
    assert got[5][3] == len([frame for frame in chat.frames if "seq" in frame])


def test_a_receiver_that_raises_costs_nobody_anything(agent_chat, booking, heard, caplog):
    def broken(**kwargs):
        raise RuntimeError("the receiver is broken")

    signals.question_asked.connect(broken)
    try:
        chat = agent_chat(booking)
        chat.send("A room")
        chat.wait_for("INPUT_REQUESTED")
        assert heard.names(2) == ["chat_started", "question_asked"]
        chat.send("Monday")
        chat.wait_for("INPUT_REQUESTED", password=True)
        assert heard.names(2) == ["question_answered", "question_asked"]
    finally:
        signals.question_asked.disconnect(broken)
    assert "the receiver is broken" in caplog.text


def test_what_is_rolled_back_is_not_sent(heard):
    session = ChatSession.objects.create(agent="nobody", guest_key="g")

    def lost():
        with lock_session(session.pk) as locked:
            start_run(locked)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lost()
    with transaction.atomic(), lock_session(session.pk) as locked:
        run, _ = start_run(locked)
    name, pk, status, known, *_ = heard.next()
    assert (name, pk, status, known) == ("chat_started", session.pk, run.status, 1)


def test_a_rating_is_sent(agent_chat, booking, heard):
    chat = agent_chat(booking)
    chat.send("A room")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Monday")
    chat.wait_for("INPUT_REQUESTED", password=True)
    heard.names(4)
    message = chat.wait_for("TEXT_MESSAGE_START", role="assistant")["messageId"]
    feedback.rate(chat.session.pk, chat.visitor, message_id=message, value="up", comment="nice")
    feedback.rate(chat.session.pk, chat.visitor, message_id=message, value=None)
    for value, comment in (("up", "nice"), (None, "")):
        name, *_, values = heard.next()
        assert name == "feedback_given"
        assert {key: values[key] for key in ("message_id", "value", "comment")} == {
            "message_id": message,
            "value": value,
            "comment": comment,
        }


def test_a_limit_is_sent(agent_chat, agent_function, settings, heard):
    settings.AGENTCHAT = {"MAX_STEPS": 1, "GUESTS": True}

    def counting(iostream):
        iostream.input()
        iostream.step("one", lambda: 1)
        iostream.step("two", lambda: 2)

    chat = agent_chat(agent_function(counting))
    chat.send("Count")
    chat.wait_for("INPUT_REQUESTED")
    assert heard.names(2) == ["chat_started", "question_asked"]
    name, *_, values = heard.next()
    assert (name, values["limit"]) == ("limit_reached", "steps")
