"""Chats within a chat."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.errors import ConfigError
from agentchat.events import NestedChatsFinished, NestedChatsStarted, TextMessage


@pytest.fixture
def user():
    return ConversableAgent("user", human_input_mode="NEVER")


@pytest.fixture
def writer():
    return ConversableAgent("writer", human_input_mode="NEVER")


def answering(name, reply):
    agent = ConversableAgent(name, human_input_mode="NEVER")
    agent.register_reply([ConversableAgent], lambda *args, **more: (True, reply))
    return agent


def reply_to_hi(user, writer):
    return user.initiate_chat(writer, message="hi", max_turns=1).chat_history[1]["content"]


def test_the_summary_of_the_last_chat_is_the_reply(person, user, writer):
    critic, editor = answering("critic", "too long"), answering("editor", "shorter")
    writer.register_nested_chats(
        [
            {"recipient": critic, "max_turns": 1},
            {"recipient": editor, "message": "Edit it.", "max_turns": 1},
        ],
        trigger=user,
    )
    assert reply_to_hi(user, writer) == "shorter"
    assert person.told(TextMessage) == ["hi", "hi", "too long", "Edit it.\nContext: \ntoo long", "shorter", "shorter"]


def test_what_is_said_among_them_stands_between_their_beginning_and_their_end(person, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "fine"), "max_turns": 1}], trigger=user)
    reply_to_hi(user, writer)
    told = [
        event for event in person.events if isinstance(event, TextMessage | NestedChatsStarted | NestedChatsFinished)
    ]
    assert [event.name for event in told] == ["user", "writer", "writer", "critic", "writer", "writer"]
    assert [type(event) for event in told[1::3]] == [NestedChatsStarted, NestedChatsFinished]
    assert told[1].step_name == told[4].step_name == "nested chats of writer"


def test_the_message_may_be_a_function_and_a_chat_without_one_is_left_out(person, user, writer):
    async def opening(agent, messages, sender, config):
        return f"{agent.name} asks about {messages[-1]['content']!r} of {sender.name}: {config}"

    critic = answering("critic", "fine")
    writer.register_nested_chats(
        [{"recipient": critic, "message": opening, "max_turns": 1}, {"recipient": answering("nobody", "x")}],
        trigger=user,
        config="note",
    )
    assert reply_to_hi(user, writer) == "fine"
    assert critic.chat_messages[writer][0]["content"] == "writer asks about 'hi' of user: note"


def test_with_nothing_to_begin_with_the_chat_is_over(person, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "x"), "message": lambda *args: ""}], trigger=user)
    result = user.initiate_chat(writer, message="hi")
    assert len(result.chat_history) == 1


def test_whom_the_trigger_does_not_mean_has_no_nested_chats(person, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "x"), "max_turns": 1}], trigger="somebody else")
    assert reply_to_hi(user, writer) == ""


def test_the_reply_may_be_made_by_a_function(person, user, writer):
    async def reply(chat_queue, recipient, messages, sender, config):
        return True, f"{len(chat_queue)} chats not had by {recipient.name}"

    writer.register_nested_chats([{}], trigger=user, reply_func_from_nested_chats=reply)
    assert reply_to_hi(user, writer) == "1 chats not had by writer"


def test_a_termination_message_comes_before_nested_chats(person, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "x")}], trigger=user)
    assert len(user.initiate_chat(writer, message="TERMINATE").chat_history) == 1


async def test_async_nested_chats_are_had_in_awaited_chats(person, user, writer):
    one, two = answering("one", "1"), answering("two", "2")
    writer.register_nested_chats(
        [
            {"recipient": one, "chat_id": 1, "max_turns": 1},
            {"recipient": two, "chat_id": 2, "prerequisites": [1], "message": "and?", "max_turns": 1},
        ],
        trigger=user,
        use_async=True,
    )
    result = await user.a_initiate_chat(writer, message="hi", max_turns=1)
    assert result.summary == "2"
    assert two.chat_messages[writer][0]["content"] == "and?\nContext: \n1"
    assert reply_to_hi(user, writer) == ""


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"use_async": True}, "give each chat of the queue a 'chat_id'"),
        ({"reply_func_from_nested_chats": "the best"}, "reply_func_from_nested_chats 'the best'"),
        ({"trigger": None}, "trigger None"),
    ],
)
def test_what_cannot_work_is_refused(user, writer, settings, words):
    with pytest.raises(ConfigError, match=words):
        writer.register_nested_chats([{"recipient": user}], **{"trigger": user, **settings})
