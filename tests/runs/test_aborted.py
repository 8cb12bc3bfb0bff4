"""What ends a run reaches its end, whatever the agent function catches."""

import contextlib
import contextvars
import threading

import pytest
from django.db import transaction

from agentchat.errors import StepFailed
from agentchat.models import Step


def shown(chat):
    return [frame["text"].strip() for frame in chat.frames if frame["type"] == "PRINTED"]


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_a_divergence_cannot_be_swallowed(caught, agent_function, agent_chat):
    executions = []

    def astray(iostream):
        executions.append(1)
        iostream.input()
        for name in ("x", "y") if len(executions) == 1 else ("y", "x"):
            for _ in range(3):
                with contextlib.suppress(caught):
                    iostream.step(name, lambda: 1)
        if len(executions) == 1:
            iostream.input("More?")
        with contextlib.suppress(caught):
            iostream.print("in the wrong place")

    chat = agent_chat(agent_function(astray))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    assert chat.wait_for("RUN_ERROR")["code"] == "diverged"
    assert shown(chat) == []


def test_a_function_that_tries_for_ever_ends_with_the_divergence(agent_function, agent_chat):
    executions = []

    def stubborn(iostream):
        executions.append(1)
        iostream.input()
        while True:
            try:
                iostream.step(f"step {len(executions)}", lambda: 1)
                break
            except Exception:
                continue
        iostream.input("More?")

    chat = agent_chat(agent_function(stubborn))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    assert chat.wait_for("RUN_ERROR")["code"] == "diverged"


def test_a_stop_that_a_thread_of_the_function_swallows_ends_the_run(agent_function, agent_chat):
    printing = threading.Event()

    def threaded(iostream):
        iostream.input()

        def work():
            with contextlib.suppress(BaseException):
                while True:
                    iostream.print("tick")
                    printing.set()

        thread = threading.Thread(target=contextvars.copy_context().run, args=[work])
        thread.start()
        thread.join()

    chat = agent_chat(agent_function(threaded))
    chat.send("hi")
    assert printing.wait(20)
    chat.stop()
    assert chat.wait_for("RUN_FINISHED")["outcome"] == {"type": "cancelled"}


@pytest.mark.parametrize(
    "use",
    [
        lambda iostream: iostream.print("hello"),
        lambda iostream: iostream.input("More?"),
        lambda iostream: iostream.step("one", lambda: 1),
    ],
    ids=["print", "input", "step"],
)
def test_the_stream_is_refused_within_a_transaction(use, agent_function, agent_chat, caplog):
    def atomic(iostream):
        iostream.input()
        with transaction.atomic():
            use(iostream)

    chat = agent_chat(agent_function(atomic))
    chat.send("hi")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "transaction.atomic()" in caplog.text
    assert shown(chat) == []
    assert [step.kind for step in Step.objects.all()] == ["input"]


def test_a_transaction_within_a_step_is_welcome(agent_function, agent_chat):
    def saves(iostream):
        iostream.input()

        def save():
            with transaction.atomic():
                return 7

        iostream.print(iostream.step("save", save))

    chat = agent_chat(agent_function(saves))
    chat.send("hi")
    chat.wait_for("RUN_FINISHED")
    assert shown(chat) == ["7"]


def test_an_own_step_that_fails_raises_the_same_at_each_execution(agent_function, agent_chat):
    caught, calls = [], []

    def fails(iostream):
        iostream.input()

        def fetch():
            calls.append(1)
            raise KeyError("no such order")

        try:
            iostream.step("fetch", fetch)
        except StepFailed as error:
            caught.append((error.type, error.message))
        iostream.input("More?")
        iostream.print("end")

    chat = agent_chat(agent_function(fails))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert caught == [("KeyError", "'no such order'")] * 2
    assert calls == [1]


def test_an_own_step_that_nobody_catches_ends_the_run_and_is_made_again_at_a_retry(agent_function, agent_chat, caplog):
    calls = []

    def fails(iostream):
        iostream.input()
        iostream.print(iostream.step("fetch", lambda: calls.append(1) or 6 // (len(calls) - 1)))

    chat = agent_chat(agent_function(fails))
    chat.send("hi")
    assert chat.wait_for("RUN_ERROR")["code"] == "step_failed"
    assert "ZeroDivisionError" in caplog.text
    chat.retry()
    chat.wait_for("RUN_FINISHED")
    assert shown(chat) == ["6"]
