"""Runs: what an agent function emits is numbered and shown, and a question suspends it without a thread."""

import contextlib
import threading
import time
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agentchat.actions import messages
from agentchat.errors import Rejected
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.runs.runner import RUN_POOL, runner
from agentchat.visitors import Visitor


def eventually(holds):
    """Wait for what shows itself in no frame: a thread that is done a moment after its last word."""
    deadline, pause = time.monotonic() + 20, threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.01)


def test_what_an_agent_function_prints_is_shown_in_order(agent_function, agent_chat):
    def greet(iostream):
        name = iostream.input()
        iostream.print("Hello", name)
        iostream.print("Goodbye")

    chat = agent_chat(agent_function(greet))
    chat.send("Ada")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert [(f["type"], f.get("text")) for f in chat.frames] == [
        ("RUN_STARTED", None),
        ("TEXT_MESSAGE_START", None),
        ("TEXT_MESSAGE_END", None),
        ("PRINTED", "Hello Ada\n"),
        ("PRINTED", "Goodbye\n"),
        ("RUN_FINISHED", None),
    ]
    assert [f["seq"] for f in chat.frames] == [1, 2, 3, 4, 5, 6]


def test_a_question_suspends_the_run_and_the_answer_resumes_it_from_its_journal(agent_function, agent_chat):
    lives = []

    def ask(iostream):
        lives.append(1)
        first = iostream.input()
        number = iostream.step("draw", lambda: len(lives))
        iostream.print(f"drew {number}")
        second = iostream.input("And then?")
        iostream.print(f"{first}, {second}, {number}")

    chat = agent_chat(agent_function(ask))
    chat.send("one")
    request = chat.wait_for("INPUT_REQUESTED")
    assert request["prompt"] == "And then?"
    assert Run.objects.get().status == Run.Status.WAITING
    chat.send("two")
    chat.wait_for("RUN_FINISHED")
    assert len(lives) == 2
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["drew 1\n", "one, two, 1\n"]
    answered = chat.wait_for("INPUT_ANSWERED")
    assert (answered["request"], answered["value"]) == (request["request"], "two")
    assert [step.kind for step in Step.objects.order_by("number")] == ["input", "step", "input"]


def test_sixty_waiting_runs_hold_no_thread_and_the_next_starts_at_once(agent_function, agent_chat):
    def wait(iostream):
        iostream.input()
        iostream.input("Well?")

    name = agent_function(wait)
    chats = [agent_chat(name) for _ in range(60)]
    for chat in chats:
        chat.send("hello")
    for chat in chats:
        chat.wait_for("INPUT_REQUESTED")
    eventually(lambda: runner.advancing == 0 and RUN_POOL.busy == 0)
    late = agent_chat(name)
    late.send("hello")
    late.wait_for("INPUT_REQUESTED")
    eventually(lambda: RUN_POOL.busy == 0)


def test_a_failed_run_shows_a_user_message_and_the_log_has_the_traceback(agent_function, agent_chat, caplog):
    def fail(iostream):
        iostream.input()
        raise ValueError("secret detail")

    chat = agent_chat(agent_function(fail))
    chat.send("hello")
    error = chat.wait_for("RUN_ERROR")
    assert error["code"] == "error"
    assert "secret" not in str(error)
    record = next(r for r in caplog.records if error["id"] in r.getMessage())
    assert "secret detail" in str(record.exc_info[1])
    assert Run.objects.get().error_id == error["id"]


def test_a_message_after_the_end_starts_the_next_run_with_the_history(agent_function, agent_chat):
    heard = []

    def remember(iostream):
        heard.append([(m["role"], m["content"]) for m in iostream.history])
        iostream.input()

    chat = agent_chat(agent_function(remember))
    chat.send("first")
    chat.wait_for("RUN_FINISHED")
    chat.send("second")
    chat.wait_for("RUN_FINISHED", count=2)
    assert heard == [[], [("user", "first")]]
    assert list(Run.objects.order_by("number").values_list("number", flat=True)) == [1, 2]


def test_a_message_typed_while_it_runs_waits_in_the_inbox(agent_function, agent_chat):
    go_on = threading.Event()

    def two(iostream):
        iostream.input()
        iostream.step("hold", lambda: go_on.wait(20))
        iostream.print("got", iostream.input("More?"))

    chat = agent_chat(agent_function(two))
    chat.send("one")
    chat.wait_for("TEXT_MESSAGE_END", content="one")
    chat.send("two")
    chat.wait_for("TEXT_MESSAGE_END", content="two")
    go_on.set()
    chat.wait_for("RUN_FINISHED")
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["got two\n"]
    assert not [f for f in chat.frames if f["type"] == "INPUT_REQUESTED"]


def test_a_message_that_no_run_has_read_starts_the_next_one(agent_function, agent_chat):
    go_on = threading.Event()

    def one(iostream):
        iostream.print("took", iostream.input())
        iostream.step("hold", lambda: go_on.wait(20))

    chat = agent_chat(agent_function(one))
    chat.send("one")
    chat.wait_for("PRINTED")
    chat.send("two")
    go_on.set()
    chat.wait_for("RUN_FINISHED", count=2)
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["took one\n", "took two\n"]


def test_a_run_that_never_asks_is_not_started_again_for_its_message(agent_function, agent_chat):
    def deaf(iostream):
        raise RuntimeError("before the first input")

    chat = agent_chat(agent_function(deaf))
    chat.send("hello")
    chat.wait_for("RUN_ERROR")
    assert Run.objects.count() == 1
    chat.send("again")
    chat.wait_for("RUN_ERROR", count=2)
    assert Run.objects.count() == 2


def test_a_swallowed_suspension_is_raised_again(agent_function, agent_chat):
    def swallow(iostream):
        iostream.input()
        with contextlib.suppress(BaseException):  # as a bare `except:` does
            iostream.input("Sure?")
        iostream.print("should not be shown before the answer")

    chat = agent_chat(agent_function(swallow))
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    types = [f["type"] for f in chat.frames]
    assert types.index("PRINTED") > types.index("INPUT_ANSWERED")
    assert types.count("PRINTED") == 1


def test_a_waiting_run_is_stopped_at_once(agent_function, agent_chat):
    def wait(iostream):
        iostream.input()
        iostream.input("Well?")

    chat = agent_chat(agent_function(wait))
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    assert chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert Run.objects.get().status == Run.Status.STOPPED
    assert not chat.stop()


def test_a_running_run_is_stopped_at_its_next_event(agent_function, agent_chat):
    started, go_on = threading.Event(), threading.Event()

    def busy(iostream):
        iostream.input()
        started.set()
        go_on.wait(20)
        iostream.print("never shown")

    chat = agent_chat(agent_function(busy))
    chat.send("hello")
    assert started.wait(20)
    assert chat.stop()
    go_on.set()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert not [f for f in chat.frames if f["type"] == "PRINTED"]


def test_a_changed_agent_function_ends_as_diverged_and_reads_the_next_message(agent_function, agent_chat, caplog):
    version = [1]

    def changing(iostream):
        iostream.input()
        iostream.step("old name" if version == [1] else "new name", lambda: 1)
        iostream.input("Well?")

    chat = agent_chat(agent_function(changing))
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    version[0] = 2
    chat.send("go on")
    error = chat.wait_for("RUN_ERROR")
    assert error["code"] == "diverged"
    assert "old name" in caplog.text
    assert "new name" in caplog.text
    chat.send("start again")
    chat.wait_for("INPUT_REQUESTED", count=2)


def test_the_first_answer_wins(agent_function, agent_chat):
    def ask(iostream):
        iostream.input()
        iostream.print(iostream.input("Colour?"))

    chat = agent_chat(agent_function(ask))
    chat.send("hello")
    request = chat.wait_for("INPUT_REQUESTED")["request"]
    chat.answer(request, "red")
    chat.wait_for("RUN_FINISHED")
    with pytest.raises(Rejected) as rejected:
        chat.answer(request, "blue")
    assert rejected.value.reason == "already_answered"
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["red\n"]


def test_events_are_numbered_without_gaps(agent_function, agent_chat):
    def chatter(iostream):
        for n in range(int(iostream.input())):
            iostream.print(n)

    chat = agent_chat(agent_function(chatter))
    chat.send("50")
    for _ in range(10):
        chat.send("0")
    chat.wait_for("RUN_FINISHED", count=11)
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert [f["seq"] for f in chat.frames] == seqs


def test_runs_beyond_the_limit_are_queued_and_the_page_shows_their_position(agent_function, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_RUNS": 1}
    go_on = threading.Event()

    def hold(iostream):
        iostream.input()
        iostream.step("hold", lambda: go_on.wait(20))

    name = agent_function(hold)
    chats = [agent_chat(name) for _ in range(3)]
    for chat in chats:
        chat.send("hello")
        chat.wait_for("TEXT_MESSAGE_END")
    assert chats[1].wait_for("QUEUED")["ahead"] == 0
    assert chats[2].wait_for("QUEUED")["ahead"] == 1
    go_on.set()
    for chat in chats:
        chat.wait_for("RUN_FINISHED")
    first, second, third = Run.objects.order_by("queued_at")
    assert first.started_at < second.started_at < third.started_at


def test_one_owner_takes_no_more_than_their_share(agent_function, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 1}
    go_on = threading.Event()

    def hold(iostream):
        iostream.input()
        iostream.step("hold", lambda: go_on.wait(20))

    name = agent_function(hold)
    mine, mine_too, another = agent_chat(name), agent_chat(name), agent_chat(name)
    mine_too.visitor = mine.visitor
    mine_too.session.guest_key = mine.visitor.guest_key
    mine_too.session.save()
    mine.send("hello")
    eventually(lambda: Run.objects.filter(status=Run.Status.RUNNING).count() == 1)
    mine_too.send("hello")
    another.send("hello")
    mine_too.wait_for("QUEUED")
    eventually(lambda: Run.objects.filter(status=Run.Status.RUNNING).count() == 2)
    go_on.set()
    for chat in (mine, mine_too, another):
        chat.wait_for("RUN_FINISHED")


@pytest.mark.django_db(transaction=True)
def test_a_message_saves_its_chat_session_once(agent_function, settings):
    settings.AGENTCHAT = {"GUESTS": True}
    ada = Visitor(guest_key="ada")
    session = ChatSession.objects.create(agent=agent_function(lambda iostream: None), **ada.owner_fields)
    before = session.updated_at
    with CaptureQueriesContext(connection) as queries:
        messages.send(session.pk, ada, client_id=uuid.uuid4(), text="Hello")
    saves = [each for each in queries.captured_queries if each["sql"].startswith('UPDATE "agentchat_chatsession"')]
    assert len(saves) == 1
    session.refresh_from_db()
    assert (session.title, session.head, session.next_seq) == ("Hello", Run.objects.get(), 4)
    assert session.updated_at > before


def test_an_execution_that_is_over_holds_nothing_of_its_journal_though_its_stream_is_held(agent_function, agent_chat):
    held, sizes = [], []

    def asks(iostream):
        held.append(iostream)
        recorded = iostream._journal._recorded
        iostream.print(iostream.input())
        iostream.step("look", lambda: "x" * 1000)
        sizes.append((len(recorded.steps), len(recorded.origins)))
        iostream.input("And then?")

    chat = agent_chat(agent_function(asks))
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("bye")
    chat.wait_for("RUN_FINISHED")
    eventually(lambda: not runner.advancing)
    assert all(steps and origins for steps, origins in sizes)
    assert len(held) == 2
    for stream in held:
        recorded = stream._journal._recorded
        assert [recorded.steps, recorded.own, recorded.origins, recorded.questions] == [{}, {}, {}, {}]
