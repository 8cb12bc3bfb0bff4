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


def test_the_summary_of_the_last_chat_is_the_reply(stream, user, writer):
    critic, editor = answering("critic", "too long"), answering("editor", "shorter")
    writer.register_nested_chats(
        [
            {"recipient": critic, "max_turns": 1},
            {"recipient": editor, "message": "Edit it.", "max_turns": 1},
        ],
        trigger=user,
    )
    assert reply_to_hi(user, writer) == "shorter"
    assert stream.contents_of(TextMessage) == [
        "hi",
        "hi",
        "too long",
        "Edit it.\nContext: \ntoo long",
        "shorter",
        "shorter",
    ]


def test_messages_of_nested_chats_are_between_their_start_and_end(stream, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "fine"), "max_turns": 1}], trigger=user)
    reply_to_hi(user, writer)
    emitted = [
        event for event in stream.events if isinstance(event, TextMessage | NestedChatsStarted | NestedChatsFinished)
    ]
    assert [event.name for event in emitted] == ["user", "writer", "writer", "critic", "writer", "writer"]
    assert [type(event) for event in emitted[1::3]] == [NestedChatsStarted, NestedChatsFinished]
    assert emitted[1].step_name == emitted[4].step_name == "nested chats of writer"


def test_the_message_may_be_a_function_and_a_chat_without_one_is_left_out(stream, user, writer):
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


def test_without_a_first_message_the_nested_chats_end_the_chat(stream, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "x"), "message": lambda *args: ""}], trigger=user)
    result = user.initiate_chat(writer, message="hi")
    assert len(result.chat_history) == 1


def test_whom_the_trigger_does_not_mean_has_no_nested_chats(stream, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "x"), "max_turns": 1}], trigger="somebody else")
    assert reply_to_hi(user, writer) == ""


def test_the_reply_may_be_made_by_a_function(stream, user, writer):
    async def reply(chat_queue, recipient, messages, sender, config):
        return True, f"{len(chat_queue)} chats not had by {recipient.name}"

    writer.register_nested_chats([{}], trigger=user, reply_func_from_nested_chats=reply)
    assert reply_to_hi(user, writer) == "1 chats not had by writer"


def test_a_termination_message_comes_before_nested_chats(stream, user, writer):
    writer.register_nested_chats([{"recipient": answering("critic", "x")}], trigger=user)
    assert len(user.initiate_chat(writer, message="TERMINATE").chat_history) == 1


async def test_async_nested_chats_are_had_in_awaited_chats(stream, user, writer):
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
        ({"use_async": True}, "give each chat in the queue a 'chat_id'"),
        ({"reply_func_from_nested_chats": "the best"}, "reply_func_from_nested_chats 'the best'"),
        ({"trigger": None}, "trigger None"),
    ],
)
def test_what_cannot_work_is_refused(user, writer, settings, words):
    with pytest.raises(ConfigError, match=words):
        writer.register_nested_chats([{"recipient": user}], **{"trigger": user, **settings})


def test_a_message_of_several_parts_is_passed_on_whole(stream, user, writer):
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "https://a.org/b"}}]
    expert = ConversableAgent("expert", human_input_mode="NEVER", default_auto_reply="A cat.")
    writer.register_nested_chats([{"recipient": expert, "max_turns": 1}], trigger=user)
    assert user.initiate_chat(writer, message={"content": parts}, max_turns=1).summary == "A cat."
    assert expert.chat_messages[writer][0]["content"] == parts
