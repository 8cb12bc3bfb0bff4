"""Which reply functions are asked, and in which order."""

import pytest

from agentchat.agents import Agent, AssistantAgent, ConversableAgent
from agentchat.agents.replies.registry import matches
from agentchat.errors import ConfigError

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def agent():
    return ConversableAgent("agent", human_input_mode="NEVER", default_auto_reply="default")


@pytest.fixture
def other():
    return AssistantAgent("other")


async def soon(value):
    return value


def answering(reply, *, final=True):
    return lambda agent, messages, sender, config: (final, reply)


def test_the_default_is_the_last_resort(agent):
    assert agent.generate_reply(HI) == "default"


def test_the_last_registered_is_asked_first(agent):
    agent.register_reply([Agent, None], answering("first"))
    agent.register_reply([Agent, None], answering("last"))
    assert agent.generate_reply(HI) == "last"


def test_an_answer_that_is_not_final_leaves_it_to_the_next(agent):
    agent.register_reply([Agent, None], answering("first"))
    agent.register_reply([Agent, None], answering("last", final=False))
    assert agent.generate_reply(HI) == "first"


def test_position_says_who_is_asked_before(agent):
    agent.register_reply([Agent, None], answering("mine"), position=1)
    assert agent.generate_reply([{"content": "TERMINATE"}]) is None
    assert agent.generate_reply(HI) == "mine"


def test_a_reply_function_is_called_with_names(agent, other):
    def reply(agent, messages=None, sender=None, config=None):
        return True, f"{agent.name} {messages[-1]['content']} {sender.name} {config}"

    agent.register_reply(Agent, reply, config={"a": 1})
    assert agent.generate_reply(HI, sender=other) == "agent hi other {'a': 1}"


def test_reply_functions_can_be_left_out_replaced_and_removed(agent):
    mine = answering("mine")
    agent.register_reply([Agent, None], mine)
    assert agent.generate_reply(HI, exclude=[mine]) == "default"
    agent.replace_reply_func(mine, answering("replaced"))
    assert agent.generate_reply(HI) == "replaced"
    agent.replace_reply_func(ConversableAgent.check_termination_and_human_reply, answering("human"))
    agent.register_reply([Agent, None], answering("only", final=False), remove_other_reply_funcs=True)
    assert agent.generate_reply(HI) == "default"


def test_reset_gives_the_configuration_back(agent):
    def count(agent, messages, sender, config):
        config["n"] += 1
        return True, str(config["n"])

    agent.register_reply([Agent, None], count, config={"n": 0})
    assert [agent.generate_reply(HI), agent.generate_reply(HI)] == ["1", "2"]
    agent.reset()
    assert agent.generate_reply(HI) == "1"


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("other", True),
        ("somebody", False),
        (AssistantAgent, True),
        (Agent, True),
        (int, False),
        (lambda sender: sender.name == "other", True),
        (lambda sender: False, False),
        ([None, "other"], True),
        ([None, "somebody"], False),
        (None, False),
    ],
)
def test_a_trigger_names_the_senders(other, trigger, expected):
    assert matches(trigger, other) is expected


def test_an_agent_is_a_trigger_for_itself_alone(other):
    assert matches(other, other)
    assert not matches(AssistantAgent("other"), other)


def test_none_stands_for_messages_without_a_sender():
    assert matches(None, None)
    assert matches([Agent, None], None)
    assert not matches(Agent, None)
    assert not matches("other", None)
    assert matches(lambda sender: sender is None, None)


@pytest.mark.parametrize("trigger", [None, 5, [5]])
def test_what_can_trigger_nothing_is_refused(agent, trigger):
    with pytest.raises(ConfigError, match="trigger"):
        agent.register_reply(trigger, answering("x"))


def test_a_reply_function_may_be_async(agent):
    async def reply(agent, messages, sender, config):
        return True, await soon("mine")

    agent.register_reply([Agent, None], reply)
    assert agent.generate_reply(HI) == "mine"


async def test_one_may_be_asked_in_awaited_chats_only(agent):
    async def reply(agent, messages, sender, config):
        return True, await soon("mine")

    agent.register_reply([Agent, None], reply, ignore_async_in_sync_chat=True)
    assert await agent.a_generate_reply(HI) == "mine"
    assert agent.generate_reply(HI) == "default"


def test_a_reply_needs_something_to_reply_to(agent):
    with pytest.raises(ValueError, match="messages"):
        agent.generate_reply()
