"""What is printed is saved with what comes next, or a moment later; and so is that an answer was taken."""

import threading
import time

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from agentchat.models import Event, InboxItem, Run, Step
from agentchat.runs import late_writes, supervisor
from agentchat.runs.runner import Runner
from tests.runs.test_runs import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_timer(monkeypatch):
    monkeypatch.setattr(late_writes, "LATE_SECONDS", 3600)


@pytest.fixture
def commits(monkeypatch):
    """The transactions that are committed, but for those of the supervisor."""
    commits, commit = [], BaseDatabaseWrapper._commit

    def counted(self):
        if "supervisor" not in threading.current_thread().name:
            commits.append(threading.current_thread().name)
        return commit(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", counted)
    return commits


def printed():
    return [event.payload["text"].strip() for event in Event.objects.filter(type="PRINTED").order_by("seq")]


def test_a_thousand_lines_take_a_few_transactions_and_stay_in_order(no_timer, agent_function, agent_chat, commits):
    def prints(iostream):
        iostream.input()
        commits.clear()
        for number in range(1000):
            iostream.print(number)
        assert len(commits) <= 1000 / late_writes.MAX_EVENTS

    chat = agent_chat(agent_function(prints))
    chat.send("go")
    assert chat.wait_for("RUN_FINISHED")["outcome"] == {"type": "success"}
    assert printed() == [str(number) for number in range(1000)]
    assert [frame["text"] for frame in chat.frames if frame["type"] == "PRINTED"] == [f"{n}\n" for n in range(1000)]
    chat.replayed()


def test_a_line_is_shown_though_nothing_follows_it_and_an_answer_is_recorded(agent_function, agent_chat):
    gate = threading.Event()

    def waits(iostream):
        iostream.input()
        gate.wait(20)
        iostream.print("well")
        gate.clear()
        gate.wait(20)

    chat = agent_chat(agent_function(waits))
    chat.send("go")
    eventually(lambda: Step.objects.filter(kind="input").exists() and InboxItem.objects.get().step == 1)
    gate.set()
    chat.wait_for("PRINTED", text="well\n")
    assert printed() == ["well"]
    gate.set()
    chat.wait_for("RUN_FINISHED")


@pytest.mark.parametrize("inner", [False, True])
def test_what_was_printed_is_saved_before_a_step_takes_effect(no_timer, agent_function, agent_chat, inner):
    seen = []

    def works(iostream):
        def look():
            iostream.print("inside")
            if inner:
                iostream.step("further inside", lambda: seen.append(printed()))
            else:
                seen.append(printed())

        iostream.print("before")
        iostream.step("look", look)

    chat = agent_chat(agent_function(works))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    assert seen == [["before", "inside"] if inner else ["before"]]
    assert printed() == ["before", "inside"]
    chat.replayed()


def test_what_was_printed_comes_before_a_question_a_message_and_an_error(no_timer, agent_function, agent_chat):
    def talks(iostream):
        iostream.print("one")
        iostream.input("Well?")
        iostream.print("two")
        iostream.post("Hello", name="clerk")
        iostream.print("three")
        raise ValueError("no")

    chat = agent_chat(agent_function(talks))
    chat.send("hello")
    chat.wait_for("RUN_ERROR")
    types = list(Event.objects.order_by("seq").values_list("type", flat=True))
    assert [each for each in types if each not in ("RUN_STARTED", "INPUT_ANSWERED")] == [
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_END"),
        *("PRINTED", "PRINTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "PRINTED", "RUN_ERROR"),
    ]


def test_what_was_printed_before_a_stop_is_kept(agent_function, agent_chat):
    gate, began = threading.Event(), threading.Event()

    def works(iostream):
        iostream.print("one")
        began.set()
        gate.wait(20)
        iostream.print("two")

    chat = agent_chat(agent_function(works))
    chat.send("go")
    assert began.wait(20)
    chat.stop()
    gate.set()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert printed() == ["one"]


def test_an_answer_is_recorded_with_the_start_of_the_message_that_follows(
    no_timer, agent_function, agent_chat, commits
):
    seen = []

    def replies(iostream):
        iostream.input()
        seen.append((len(commits), Step.objects.count()))
        iostream.post((seen.append((len(commits), Step.objects.count())) or each for each in ["Hello"]), name="clerk")

    chat = agent_chat(agent_function(replies))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    (before, _), (after, _) = seen
    assert [steps for _, steps in seen] == [0, 1]
    assert after - before == 1
    assert Run.objects.get().status == "finished"
    chat.replayed()


@pytest.mark.parametrize("ends", [False, True])
def test_a_stop_that_another_process_has_taken_is_noticed_though_the_run_only_prints(
    agent_function, agent_chat, monkeypatch, ends
):
    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 60)
    monkeypatch.setattr(Runner, "stop_soon", lambda self, run_id: None)
    stopped = threading.Event()

    def prints(iostream):
        iostream.print("one")
        stopped.wait(20)
        while True:
            iostream.print("more")
            if ends:
                break
            time.sleep(0.001)

    chat = agent_chat(agent_function(prints))
    chat.send("go")
    chat.wait_for("PRINTED", text="one\n")
    assert chat.stop()
    stopped.set()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
