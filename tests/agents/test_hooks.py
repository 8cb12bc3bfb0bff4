"""Functions that change received and sent messages."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.errors import ConfigError
from agentchat.events import TextMessage


@pytest.fixture
def listener():
    """An agent that repeats what it receives, and the number of messages."""
    agent = ConversableAgent("listener", human_input_mode="NEVER")

    def reply(agent, messages, sender, config):
        return True, f"{len(messages)}: {messages[-1]['content']}"

    agent.register_reply([ConversableAgent, None], reply)
    return agent


@pytest.fixture
def user():
    return ConversableAgent("user", human_input_mode="NEVER")


def said(result):
    return [message["content"] for message in result.chat_history]


def test_the_last_message_can_be_changed_for_the_reply_alone(stream, user, listener):
    listener.register_hook("process_last_received_message", lambda text: text.upper())
    listener.register_hook("process_last_received_message", lambda text: text + "!")
    assert said(user.initiate_chat(listener, message="hi", max_turns=1)) == ["hi", "1: HI!"]
    assert listener.chat_messages[user][0]["content"] == "hi"


@pytest.mark.parametrize(
    "message",
    [
        {"content": "hi", "context": {"a": 1}},
        {"content": "", "function_call": {"name": "f", "arguments": "{}"}},
        {"content": "exit"},
        {"content": None, "tool_calls": []},
    ],
)
def test_only_text_is_changed(listener, message):
    listener.register_hook("process_last_received_message", lambda text: "changed")
    assert listener.generate_reply([message]) == f"1: {message['content']}"


def test_all_messages_can_be_changed_for_a_reply(stream, user, listener):
    listener.register_hook("process_all_messages_before_reply", lambda messages: messages[-1:])
    user.register_hook("process_all_messages_before_reply", lambda messages: messages * 2)
    result = user.initiate_chat(listener, message="hi", max_turns=3)
    assert said(result)[1::2] == ["1: hi", "1: ", "1: "]


def test_sent_messages_can_be_changed(stream, user, listener):
    def sign(sender, message, recipient, silent):
        return f"{message} ({sender.name} to {recipient.name}{', silently' if silent else ''})"

    user.register_hook("process_message_before_send", sign)
    result = user.initiate_chat(listener, message="hi", max_turns=1)
    assert said(result) == ["hi (user to listener)", "1: hi (user to listener)"]
    assert stream.contents_of(TextMessage) == said(result)
    assert said(user.initiate_chat(listener, message="hi", max_turns=1, silent=True))[0].endswith("silently)")


async def soon(value):
    return value


def test_a_hook_may_be_async(listener):
    listener.register_hook("process_last_received_message", soon)
    listener.register_hook("process_last_received_message", lambda text: soon(text + "!"))
    assert listener.generate_reply([{"content": "hi"}]) == "1: hi!"


async def test_in_awaited_chats_the_hooks_with_a_come_instead(listener):
    listener.register_hook("process_last_received_message", lambda text: "plain")
    assert await listener.a_generate_reply([{"content": "hi"}]) == "1: plain"
    listener.register_hook("a_process_last_received_message", lambda text: soon("awaited"))
    assert await listener.a_generate_reply([{"content": "hi"}]) == "1: awaited"
    assert listener.generate_reply([{"content": "hi"}]) == "1: plain"


def test_a_hook_has_a_place_and_is_there_once(listener):
    with pytest.raises(ConfigError, match="unknown hook 'process_everything': use process_last"):
        listener.register_hook("process_everything", str)
    listener.register_hook("process_last_received_message", str)
    with pytest.raises(ConfigError, match="already"):
        listener.register_hook("process_last_received_message", str)
