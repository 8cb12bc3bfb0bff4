"""A group chat's messages as JSON."""

import pytest

from agentchat.agents.group import saved_messages
from agentchat.errors import ConfigError

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
MESSAGES = [
    {"role": "user", "name": "ada", "content": "go"},
    {"role": "assistant", "name": "bot", "content": None, "tool_calls": [CALL]},
    {
        "role": "tool",
        "name": "ada",
        "content": "3",
        "tool_responses": [{"role": "tool", "tool_call_id": "call_1", "content": "3"}],
    },
]


def test_messages_come_back_as_they_were():
    assert saved_messages.from_string(saved_messages.to_string(MESSAGES)) == MESSAGES


def test_checked_messages_are_copies():
    checked = saved_messages.validated(MESSAGES)
    checked[1]["tool_calls"][0]["function"]["name"] = "other"
    assert CALL["function"]["name"] == "add"


def test_a_message_without_a_role_is_a_users():
    assert saved_messages.from_string('[{"content": "hi"}]') == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hello", "must be JSON"),
        ('{"role": "user"}', "a list of messages: they: Input should be a valid list"),
        ("[3]", "a list of messages: 0"),
        ('[{"role": "king", "content": "hi"}]', r"0\.role"),
        ('[{"role": "user", "content": 3}]', r"0\.content"),
        ('[{"role": "user", "content": "hi", "tool_calls": "x"}]', r"0\.tool_calls"),
        ('[{"role": "user"}]', "message 0 is empty"),
    ],
)
def test_what_are_no_messages_is_refused(text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        saved_messages.from_string(text)


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match="cannot be saved as JSON"):
        saved_messages.to_string([{"role": "user", "content": {1, 2}}])
