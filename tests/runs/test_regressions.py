"""Defects that runs had once."""

import asyncio
import sys
import threading
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.actions import messages
from agentchat.errors import LLMError, Rejected, StepFailed
from agentchat.events import InputRequested
from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from agentchat.runs.session_lock import append, lock_session
from agentchat.testing import call, fail, say
from agentchat.visitors import Visitor


def two_agents(tool, message, **options):
    agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
    person = UserProxyAgent(
        "person", human_input_mode="NEVER", is_termination_msg=lambda m: "DONE" in (m.get("content") or "")
    )
    register_function(tool, caller=agent, executor=person, description="Do it", **options)
    person.initiate_chat(agent, message=message)


async def cancelled() -> str:
    raise asyncio.CancelledError


async def exits_too() -> str:
    sys.exit("bye")


def exits() -> str:
    sys.exit("bye")


class OwnInterrupt(BaseException):
    """Of a library that wants no handler to swallow it."""


def interrupts() -> str:
    raise OwnInterrupt


async def ends_early() -> str:
    raise GeneratorExit


def is_exhausted() -> str:
    return next(iter(()))


@pytest.mark.parametrize("tool", [exits, exits_too, cancelled, interrupts, ends_early, is_exhausted])
def test_a_tool_that_exits_the_program_only_fails(agent_function, scripted_llm, agent_chat, tool):
    scripted_llm.replies(call(tool.__name__), say("DONE"))
    chat = agent_chat(agent_function(lambda iostream: two_agents(tool, iostream.input(), retry_safe=True)))
    chat.send("go")
    assert chat.wait_for("TOOL_CALL_RESULT")["ok"] is False
    chat.wait_for("RUN_FINISHED")


def raises(error):
    raise error


@pytest.mark.parametrize("error", [OwnInterrupt(), GeneratorExit(), SystemExit(1), StopIteration()], ids=repr)
@pytest.mark.parametrize("where", ["in the function", "in a thread of its own"])
def test_whatever_an_agent_function_raises_its_run_has_failed(agent_function, agent_chat, where, error):
    def fails(iostream):
        iostream.input()
        if where == "in the function":
            raise error
        iostream.gather(lambda: raises(error), lambda: None)

    chat = agent_chat(agent_function(fails))
    chat.send("go")
    assert chat.wait_for("RUN_ERROR")["code"] in ("error", "tool", "step_failed")


def test_what_an_own_step_raises_is_recorded_as_its_failure(agent_function, agent_chat):
    def careful(iostream):
        iostream.input()
        try:
            iostream.step("try", lambda: raises(OwnInterrupt("odd")))
        except StepFailed as failed:
            iostream.print(failed.type, failed.message)

    chat = agent_chat(agent_function(careful))
    chat.send("go")
    chat.wait_for("PRINTED", text="OwnInterrupt odd\n")
    chat.wait_for("RUN_FINISHED")


def test_a_failure_that_was_caught_is_raised_again_when_the_run_is_resumed(agent_function, scripted_llm, agent_chat):
    def patient(iostream):
        agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
        message = iostream.input()
        try:
            agent.generate_reply([{"role": "user", "content": message}])
        except LLMError:
            iostream.print("then", iostream.input("It failed. What now?"))

    scripted_llm.replies(fail(400))
    chat = agent_chat(agent_function(patient))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("nothing")
    chat.wait_for("PRINTED", text="then nothing\n")
    chat.wait_for("RUN_FINISHED")
    assert len(scripted_llm.requests) == 1


def test_an_own_step_that_failed_and_was_caught_fails_again_after_the_wait(agent_function, agent_chat):
    tries, failures = [], []

    def astray(iostream):
        iostream.input()
        try:
            iostream.step("try", lambda: tries.append(1) or 1 / (len(tries) - 1))
        except StepFailed as error:
            failures.append((error.type, error.message))
            iostream.input("What now?")
            iostream.print("the other way")

    chat = agent_chat(agent_function(astray))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("this")
    chat.wait_for("RUN_FINISHED")
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["the other way\n"]
    assert len(tries) == 1
    assert failures == [("ZeroDivisionError", "division by zero")] * 2


def test_a_tool_that_printed_more_at_its_first_attempt_still_emits_its_result(agent_function, scripted_llm, agent_chat):
    def work(iostream):
        def noisy() -> str:
            iostream.print("working")
            return "worked"

        two_agents(noisy, iostream.input(), retry_safe=True)

    scripted_llm.replies(call("noisy"), say("DONE"))
    chat = agent_chat(agent_function(work))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    result, printed = (Run.objects.get().events.get(type=type_) for type_ in ("TOOL_CALL_RESULT", "PRINTED"))
    assert result.step_number == printed.step_number
    assert result.ordinal > printed.ordinal + 1000  # out of reach of whatever another try prints


def test_a_lost_permission_stops_answers_and_messages_of_a_run_that_waits(agent_function, agent_chat):
    allowed = [True]

    def ask(iostream):
        iostream.input()
        iostream.input("Well?")

    chat = agent_chat(agent_function(ask, allow=lambda user: allowed[0]))
    chat.send("hello")
    request = chat.wait_for("INPUT_REQUESTED")["request"]
    allowed[0] = False
    for attempt in (lambda: chat.send("more"), lambda: chat.answer(request, "more")):
        with pytest.raises(Rejected) as rejected:
            attempt()
        assert rejected.value.reason == "agent_not_available"
    assert Run.objects.get().status == Run.Status.WAITING


def test_a_message_is_in_the_history_or_asked_for_but_not_both(agent_function, agent_chat):
    go_on, heard = threading.Event(), []

    def remember(iostream):
        heard.append(([m["content"] for m in iostream.history], iostream.input()))
        iostream.step("hold", lambda: go_on.wait(20))

    chat = agent_chat(agent_function(remember))
    chat.send("one")
    chat.wait_for("TEXT_MESSAGE_END", content="one")
    chat.send("two")
    go_on.set()
    chat.wait_for("RUN_FINISHED", count=2)
    assert heard == [([], "one"), (["one"], "two")]


def test_tokens_that_a_model_uses_inside_a_tool_count(agent_function, scripted_llm, agent_chat):
    def ask_inside() -> str:
        helper = ConversableAgent("helper", llm_config=llm_config())
        return str(helper.generate_reply([{"role": "user", "content": "inside"}]))

    scripted_llm.replies(call("ask_inside"), say("inner", usage=(1000, 500)), say("DONE", usage=(1, 1)))
    chat = agent_chat(agent_function(lambda iostream: two_agents(ask_inside, iostream.input())))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().prompt_tokens >= 1001
    assert Run.objects.get().completion_tokens >= 501


def test_a_run_that_another_run_wakes_is_not_inside_that_runs_step(agent_function, agent_chat):
    name = agent_function(
        lambda iostream: iostream.print("got", iostream.input(), iostream.input("And?")), name="woken"
    )
    other = agent_chat(name)

    def wake(iostream):
        iostream.input()
        iostream.step("tell the other", lambda: other.send("hello"))

    chat = agent_chat(agent_function(wake))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    other.wait_for("INPUT_REQUESTED")
    other.send("world")
    other.wait_for("PRINTED", text="got hello world\n")


@pytest.fixture
def session(transactional_db):
    return ChatSession.objects.create(agent="probe", guest_key="ada")


def test_another_visitor_cannot_stop_a_run(session):
    Run.objects.create(session=session, number=1, agent="probe", status=Run.Status.WAITING)
    with pytest.raises(Rejected) as rejected:
        messages.stop(session.pk, by="eve", visitor=Visitor(guest_key="eve"))
    assert rejected.value.reason == "not_found"
    assert Run.objects.get().status == Run.Status.WAITING
    assert messages.stop(session.pk, by="ada", visitor=Visitor(guest_key="ada"))


def test_a_question_that_a_thread_has_not_read_the_answer_of_is_not_answered_twice(session, agent_function, settings):
    settings.AGENTCHAT = {"GUESTS": True}
    agent_function(lambda iostream: None)
    run = Run.objects.create(
        session=session,
        number=1,
        agent="probe",
        status=Run.Status.WAITING,
        owner_process="another",
        lease_until=timezone.now() + timedelta(minutes=1),
    )
    with lock_session(session.pk) as held:
        append(held, run, [InputRequested(request="1-2", prompt="Well?")])
    for text in ("one", "two"):
        messages.send(session.pk, Visitor(guest_key="ada"), client_id=uuid.uuid4(), text=text)
    assert [item.request_id for item in session.inbox.order_by("id")] == ["1-2", ""]
    assert session.events.filter(type="INPUT_ANSWERED").count() == 1


def test_an_owner_who_has_enough_running_does_not_block_the_queue(transactional_db, settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 2}
    lease = {"owner_process": "another", "lease_until": timezone.now() + timedelta(minutes=1)}
    # What holds a thread counts, whether it runs or waits with it.
    states = [{"status": "running", **lease}, {"status": "waiting", **lease}, {"status": "queued"}]
    for owner, runs in (("greedy", states), ("patient", states[2:])):
        for fields in runs:
            chat = ChatSession.objects.create(agent="probe", guest_key=owner)
            Run.objects.create(session=chat, number=1, agent="probe", **fields)
    mine = Run.objects.get(session__guest_key="patient")
    theirs = Run.objects.get(session__guest_key="greedy", status="queued")
    assert leases.ready_runs(1) == [mine.pk]
    assert leases.claim(theirs.pk) is None
    assert leases.claim(mine.pk) is not None
