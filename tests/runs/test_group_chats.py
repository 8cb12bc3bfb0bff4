"""Group chats in runs: a replay chooses the same speakers, and asks no model twice."""

import random

import pytest

from agentchat import ConversableAgent, GroupChat, GroupChatManager, UserProxyAgent, llm_config
from agentchat.core import registry
from agentchat.models import Run, Step
from agentchat.testing import say


@pytest.fixture
def group(request):
    """An agent function: two agents and the user, selected by `request.param`."""

    @registry.on_connect("group")
    def group(iostream):
        message = iostream.input()
        agents = [
            ConversableAgent(name, human_input_mode="NEVER", default_auto_reply=f"I am {name}.")
            for name in ("ann", "bob")
        ]
        person = UserProxyAgent("person")
        groupchat = GroupChat([*agents, person], speaker_selection_method=request.param, max_round=5)
        person.initiate_chat(GroupChatManager(groupchat, llm_config=llm_config()), message=message)

    yield "group"
    registry.unregister("group")


@pytest.mark.parametrize("group", ["random"], indirect=True)
def test_a_random_speaker_is_chosen_once_however_often_the_run_is_resumed(group, agent_chat, scripted_llm, monkeypatch):
    # Another order in each execution would diverge: the random choice must not be made again.
    choices = iter(["bob", "person", "ann", "person"])
    monkeypatch.setattr(random, "choice", lambda names: next(choices))
    chat = agent_chat(group)
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("and you?")
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.send("bye")
    chat.wait_for("RUN_FINISHED")
    assert [content for _, content in chat.said] == ["hello", "I am bob.", "and you?", "I am ann.", "bye"]
    assert Step.objects.filter(kind="step", name="speaker_selection").count() == 4
    assert next(choices, None) is None


@pytest.mark.parametrize("group", ["auto"], indirect=True)
def test_a_model_chooses_the_speaker_once_unseen_and_its_usage_counts(group, agent_chat, scripted_llm):
    scripted_llm.replies(
        say("ann", usage=(10, 1)), say("person", usage=(10, 1)), say("bob", usage=(10, 1)), say("ann", usage=(10, 1))
    )
    chat = agent_chat(group)
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("and you?")
    chat.wait_for("RUN_FINISHED")
    assert [content for _, content in chat.said] == ["hello", "I am ann.", "and you?", "I am bob.", "I am ann."]
    assert len(scripted_llm.requests) == 4
    assert Step.objects.filter(kind="llm", name="speaker_selection").count() == 4
    run = Run.objects.get()
    assert (run.prompt_tokens, run.completion_tokens) == (40, 4)
