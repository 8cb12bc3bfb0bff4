"""`iostream.step(name, function, once=True)`: at most once, also where a process dies while it is made."""

from datetime import timedelta

import pytest

from agentchat import ConversableAgent, UserProxyAgent, current_call, llm_config, register_function
from agentchat.errors import StepFailed
from agentchat.infra import moments
from agentchat.models import Run, Step
from agentchat.runs.runner import runner
from agentchat.testing import RecordingStream, call, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid():
    """The keys of the calls that were made."""
    return []


@pytest.fixture
def cashier(agent_function, paid):
    def pay():
        paid.append(current_call().key)
        return len(paid)

    def cashier(iostream):
        iostream.input()
        try:
            iostream.print(f"paid {iostream.step('pay', pay, once=True)}")
        except StepFailed as error:
            iostream.print(f"{error.type}")
        iostream.input("Anything else?")
        iostream.print("bye")

    return agent_function(cashier)


def test_it_is_made_once_and_has_the_key_of_its_call(agent_chat, cashier, paid):
    chat = agent_chat(cashier)
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("PRINTED")["text"] == "paid 1\n"
    assert paid == [f"{chat.session.pk}-1-2"]
    chat.replayed()


def test_one_that_a_process_died_in_is_not_made_again_and_the_user_is_not_asked(agent_chat, cashier, paid):
    chat = agent_chat(cashier)
    run = Run.objects.create(session=chat.session, number=1, agent=cashier, status=Run.Status.WAITING)
    chat.session.head = run
    chat.session.save()
    now = moments.now()
    Step.objects.create(run=run, number=1, kind="input", name="input", status="done", result="hello", started_at=now)
    Step.objects.filter(run=run).update(done_at=now)
    Step.objects.create(run=run, number=2, kind="step", name="pay", status="started", started_at=now)
    past = now - timedelta(seconds=1)
    Run.objects.update(status=Run.Status.RUNNING, owner_process="another", lease_until=past, epoch=1)
    runner.supervisor.wake()
    assert chat.wait_for("PRINTED")["text"] == "OutcomeUnknown\n"
    assert chat.wait_for("INPUT_REQUESTED")["prompt"] == "Anything else?"
    chat.send("no")
    assert chat.wait_for("PRINTED", count=2)["text"] == "bye\n"  # it goes the same way again
    assert paid == []


def test_within_another_step_or_a_tool_it_is_refused(agent_chat, agent_function, scripted_llm):
    def nested(iostream):
        def tool() -> str:
            """A tool."""
            return iostream.step("inner", lambda: "never", once=True)

        message = iostream.input()
        clerk = ConversableAgent("clerk", llm_config=llm_config())
        desk = UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=1)
        register_function(tool, caller=clerk, executor=desk)
        desk.initiate_chat(clerk, message=message)

    scripted_llm.replies(call("tool"), say("I see. TERMINATE"))
    chat = agent_chat(agent_function(nested))
    chat.send("hello")
    assert "once=True within another step or a tool" in chat.wait_for("TOOL_CALL_RESULT")["content"]


def test_on_a_console_it_is_called_and_has_a_key():
    stream = RecordingStream()
    first, second = (stream.step("pay", lambda: current_call().key, once=True) for _ in range(2))
    assert first != second
    with pytest.raises(LookupError):
        current_call()


def test_steps_that_may_be_made_again_have_a_key_too(agent_chat, agent_function):
    def keyed(iostream):
        iostream.input()
        iostream.print(iostream.step("key", lambda: current_call().key))

    chat = agent_chat(agent_function(keyed))
    chat.send("hello")
    assert chat.wait_for("PRINTED")["text"] == f"{chat.session.pk}-1-2\n"
