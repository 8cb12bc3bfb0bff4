"""What is stored of a model's step besides its result: when it began to answer, and the request, if that is kept."""

import json

import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config
from agentchat.actions.chats import delete_permanently
from agentchat.models import ChatSession, Step, StepRequest
from agentchat.testing import call, say


def stock(article: str) -> int:
    """How many we have."""
    return 4


@pytest.fixture
def asked(agent_chat, agent_function, settings):
    """A chat whose agent has asked for a password, told it to the model, and called a tool."""

    def asked(*, keeps: bool):
        settings.AGENTCHAT = {**settings.AGENTCHAT, "KEEP_REQUESTS": keeps}

        def clerk(iostream):
            message = iostream.input()
            password = iostream.input("Password?", password=True)
            agent = ConversableAgent("clerk", llm_config={**llm_config(), "max_retries": 0})
            agent.register_for_llm(description="How many we have.")(stock)
            person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=1)
            person.register_for_execution()(stock)
            person.initiate_chat(agent, message=f"{message} My password is {password}.", max_turns=2)

        chat = agent_chat(agent_function(clerk))
        chat.send("How many chairs?")
        question = chat.wait_for("INPUT_REQUESTED", kind="text")
        chat.answer(question["request"], "tell-nobody")
        chat.wait_for("RUN_FINISHED")
        return chat

    return asked


def test_requests_are_kept_without_passwords_and_deleted_with_the_chat(scripted_llm, asked):
    scripted_llm.replies(call("stock", article="chair"), say("Four."))
    chat = asked(keeps=True)
    kept = list(StepRequest.objects.order_by("number"))
    models = Step.objects.filter(kind="llm").order_by("number")
    assert [each.number for each in kept] == [step.number for step in models]
    assert "How many chairs? My password is …." in [each["content"] for each in kept[0].content["messages"]]
    assert "stock" in json.dumps(kept[0].content["tools"])
    assert "tell-nobody" not in json.dumps([each.content for each in kept])
    delete_permanently(ChatSession.objects.all(), [chat.session.pk])
    assert not StepRequest.objects.exists()


def test_without_the_setting_nothing_is_kept(scripted_llm, asked):
    scripted_llm.replies(call("stock", article="chair"), say("Four."))
    asked(keeps=False)
    assert not StepRequest.objects.exists()


def test_the_first_token_and_the_durations_are_stored(scripted_llm, asked):
    scripted_llm.replies(say("I look.").and_call("stock", article="chair"), say("Four."))
    asked(keeps=False)
    steps = {step.number: step for step in Step.objects.all()}
    models = [step for step in steps.values() if step.kind == "llm"]
    assert len(models) == 2
    for step in models:
        assert 0 <= step.first_token_ms <= step.duration_ms
    tool = next(step for step in steps.values() if step.kind == "tool")
    assert (tool.first_token_ms, tool.duration_ms is None) == (None, False)
    assert {step.duration_ms for step in steps.values() if step.kind == "input"} == {None}
