"""What an agent is, and what it refuses to be."""

import pytest

from agentchat.agents import Agent, AssistantAgent, ConversableAgent, UserProxyAgent
from agentchat.errors import ConfigError
from agentchat.tools import Tool


def test_the_classic_defaults():
    agent = ConversableAgent("agent")
    assert agent.system_message == "You are a helpful AI Assistant."
    assert agent.description == agent.system_message
    assert agent.human_input_mode == "TERMINATE"
    assert agent.max_consecutive_auto_reply() == 100
    assert agent.default_auto_reply == ""
    assert agent.llm_config is False
    assert isinstance(agent, Agent)


def test_a_user_proxy_asks_always_and_has_no_model():
    user = UserProxyAgent("user")
    assert (user.human_input_mode, user.llm_config, user.system_message) == ("ALWAYS", False, "")
    assert UserProxyAgent("user", description="Ann").description == "Ann"


def test_an_assistant_asks_never_and_ends_with_terminate():
    assistant = AssistantAgent("assistant")
    assert assistant.human_input_mode == "NEVER"
    assert "TERMINATE" in assistant.system_message
    assert assistant.description == AssistantAgent.DEFAULT_DESCRIPTION
    assert AssistantAgent("assistant", "Be brief.").description == "Be brief."


def test_a_termination_message_is_exactly_terminate():
    agent = ConversableAgent("agent")
    assert agent.is_termination_msg({"content": "TERMINATE"})
    assert not agent.is_termination_msg({"content": "I TERMINATE"})
    assert not agent.is_termination_msg({"content": None})


def test_the_model_s_configuration_is_a_copy():
    config = {"config_list": [{"model": "m"}]}
    agent = ConversableAgent("agent", llm_config=config)
    agent.llm_config["config_list"][0]["model"] = "other"
    assert config == {"config_list": [{"model": "m"}]}


@pytest.mark.parametrize("value", [False, None])
def test_no_code_is_run(value):
    assert (
        ConversableAgent("agent", code_execution_config=value).generate_reply([{"content": "```python\n1/0```"}]) == ""
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": ""}, "needs a name"),
        ({"human_input_mode": "SOMETIMES"}, "human_input_mode 'SOMETIMES': use one of ALWAYS, TERMINATE, NEVER"),
        ({"code_execution_config": {"use_docker": False}}, "code_execution_config is not supported"),
        ({"code_execution_config": {}}, "code_execution_config is not supported"),
        ({"llm_config": ["m"]}, "use a dict"),
    ],
)
def test_what_cannot_work_is_refused_at_once(settings, words):
    with pytest.raises(ConfigError, match=words):
        ConversableAgent(**{"name": "agent", **settings})


def test_models_are_told_in_one_of_two_ways():
    agent = ConversableAgent("agent", llm_config={"config_list": [{"model": "m"}]})
    with pytest.raises(ConfigError, match="api_style 'spoken'"):
        agent.register_for_llm(api_style="spoken")


def test_reset_forgets_and_keeps_what_was_registered(stream, says):
    user, bot = UserProxyAgent("user", human_input_mode="NEVER", function_map={"say": lambda: "x"}), says("1")
    user.initiate_chat(bot, message="hi")
    user.reset()
    assert user.chat_messages == {}
    assert not user.reply_at_receive[bot]
    assert isinstance(user._agentchat.tools["say"], Tool)


def test_stop_reply_at_receive_ends_a_chat(stream, says):
    user, bot = UserProxyAgent("user", human_input_mode="NEVER", default_auto_reply="go on"), says("1", "2", "3")
    user.register_reply(Agent, lambda agent, **_: (agent.stop_reply_at_receive(bot), None), position=0)
    user.initiate_chat(bot, message="hi")
    assert [message["content"] for message in user.chat_messages[bot]] == ["hi", "1", "go on", "2"]


def test_the_system_message_can_be_changed():
    agent = ConversableAgent("agent")
    agent.update_system_message("Be brief.")
    assert agent.system_message == "Be brief."
