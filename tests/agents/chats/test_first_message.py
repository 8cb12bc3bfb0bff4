"""The first message, and what is carried over into it."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.errors import ConfigError


@pytest.fixture
def agent():
    return ConversableAgent("agent", human_input_mode="NEVER")


@pytest.mark.parametrize(
    ("carryover", "added"),
    [
        ("before", "\nContext: \nbefore"),
        (["one", "two"], "\nContext: \none\ntwo"),
        ([{"role": "user", "content": "three"}, 4], "\nContext: \nthree\n4"),
        ([], ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_carryover_is_added_to_the_text(agent, carryover, added):
    assert agent.generate_init_message("hi", carryover=carryover) == "hi" + added
    message = {"content": "hi", "name": "x"}
    assert agent.generate_init_message(message, carryover=carryover) == {"content": "hi" + added, "name": "x"}
    assert message["content"] == "hi"


def test_a_carryover_comes_before_content_in_parts(agent):
    picture = {"type": "image_url", "image_url": {"url": "x"}}
    assert agent.generate_init_message({"content": [picture]}, carryover="before")["content"] == [
        {"type": "text", "text": "\nContext: \nbefore"},
        picture,
    ]


def test_a_carryover_is_a_text_or_a_list(agent):
    with pytest.raises(ConfigError, match="carryover 5"):
        agent.generate_init_message("hi", carryover=5)


def test_what_the_user_types_gets_the_carryover_too(agent, stream):
    stream.answer("hello")
    assert agent.generate_init_message(None, carryover="before") == "hello\nContext: \nbefore"


def test_a_function_does_what_it_likes_with_the_carryover(agent, stream, says):
    def opening(sender, recipient, context):
        return {"content": f"You know of {context['carryover']}", "name": "narrator"}

    result = agent.initiate_chat(says("TERMINATE"), message=opening, carryover=["it"])
    assert result.chat_history[0]["content"] == "You know of ['it']"


def test_a_function_may_be_async(agent, stream, says):
    async def opening(sender, recipient, context):
        return f"{sender.name} to {recipient.name}"

    assert agent.initiate_chat(says("TERMINATE"), message=opening).chat_history[0]["content"] == "agent to bot"


def test_who_overrides_generate_init_message_is_asked(stream, says):
    class Polite(ConversableAgent):
        def generate_init_message(self, message, **context):
            return f"Dear {context['whom']}, {message}"

    result = Polite("polite", human_input_mode="NEVER").initiate_chat(says("TERMINATE"), message="hi", whom="Ann")
    assert result.chat_history[0]["content"] == "Dear Ann, hi"
