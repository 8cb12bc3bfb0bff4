"""When the user is asked, and what the answer does. Compared with AutoGen 0.2.40 case by case."""

import pytest

from agentchat.agents import UserProxyAgent
from agentchat.events import Notice, TextMessage, ToolCallResult

NO_INPUT, AUTO = ">>>>>>>> NO HUMAN INPUT RECEIVED.", ">>>>>>>> USING AUTO REPLY..."
CALL = {
    "content": "",
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}],
}


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def chat(stream, bot, *, answers=(), mode="ALWAYS", limit=None):
    user = UserProxyAgent(
        "user",
        human_input_mode=mode,
        max_consecutive_auto_reply=limit,
        default_auto_reply="auto",
        function_map={"add": add},
    )
    stream.answer(*answers)
    result = user.initiate_chat(bot, message="hi")
    assert len(stream.prompts) == len(answers)
    return [message["content"] for message in result.chat_history]


@pytest.mark.parametrize(
    ("mode", "limit", "replies", "answers", "messages"),
    [
        # ALWAYS asks at each message.
        ("ALWAYS", None, ["one"], ["exit"], ["hi", "one"]),
        ("ALWAYS", None, ["one", "two"], ["more", "exit"], ["hi", "one", "more", "two"]),
        ("ALWAYS", None, ["one", "two"], ["", "exit"], ["hi", "one", "auto", "two"]),
        ("ALWAYS", None, ["TERMINATE"], [""], ["hi", "TERMINATE"]),
        ("ALWAYS", None, ["TERMINATE", "two"], ["more", "exit"], ["hi", "TERMINATE", "more", "two"]),
        ("ALWAYS", 1, ["one", "two", "three"], ["", "", "exit"], ["hi", "one", "auto", "two", "auto", "three"]),
        ("ALWAYS", 0, ["one", "two"], ["", "exit"], ["hi", "one", "", "two"]),
        # TERMINATE asks at a termination message …
        ("TERMINATE", None, ["one", "TERMINATE"], [""], ["hi", "one", "auto", "TERMINATE"]),
        ("TERMINATE", None, ["TERMINATE", "TERMINATE"], ["more", "exit"], ["hi", "TERMINATE", "more", "TERMINATE"]),
        # … and at the limit, which an answer of the user resets, and an empty one does not.
        (
            "TERMINATE",
            1,
            ["one", "two", "three", "four"],
            ["typed", "exit"],
            ["hi", "one", "auto", "two", "typed", "three", "auto", "four"],
        ),
        ("TERMINATE", 1, ["one", "two", "three"], ["", "exit"], ["hi", "one", "auto", "two", "auto", "three"]),
        ("TERMINATE", 0, ["one", "two"], ["", "exit"], ["hi", "one", "", "two"]),
        # NEVER ends where TERMINATE asks.
        ("NEVER", None, ["one", "TERMINATE"], [], ["hi", "one", "auto", "TERMINATE"]),
        ("NEVER", 2, ["one", "two", "three"], [], ["hi", "one", "auto", "two", "auto", "three"]),
        ("NEVER", 0, ["one"], [], ["hi", "one"]),
    ],
)
def test_the_mode_the_limit_and_the_answer_decide(stream, says, mode, limit, replies, answers, messages):
    assert chat(stream, says(*replies), mode=mode, limit=limit, answers=answers) == messages


def test_the_prompt_says_who_is_answered_and_how(stream, says):
    chat(stream, says("one", "TERMINATE"), answers=["", "exit"])
    assert set(stream.prompts) == {
        "Replying as user. Provide feedback to bot. Press enter to skip and use auto-reply, "
        "or type 'exit' to end the conversation: "
    }


def test_the_prompt_offers_no_auto_reply_to_the_end(stream, says):
    chat(stream, says("one", "TERMINATE"), mode="TERMINATE", limit=0, answers=["more", "exit"])
    skip = " to skip and use auto-reply,"
    assert stream.prompts == [
        f"Please give feedback to bot. Press enter{skip} or type 'exit' to stop the conversation: ",
        "Please give feedback to bot. Press enter or type 'exit' to stop the conversation: ",
    ]


def test_the_console_shows_that_there_was_no_input(stream, says):
    chat(stream, says("one", "TERMINATE"), answers=["", ""])
    assert [event.text for event in stream.events if isinstance(event, Notice)] == [NO_INPUT, AUTO, NO_INPUT]


def test_without_a_user_there_are_no_notices_about_one(stream, says):
    chat(stream, says("one", "TERMINATE"), mode="NEVER")
    assert not [event for event in stream.events if isinstance(event, Notice)]


def test_an_empty_answer_lets_the_tools_run(stream, says):
    assert chat(stream, says(CALL, "three"), answers=["", "exit"]) == ["hi", "", "3", "three"]


def test_typed_text_answers_the_pending_calls_in_their_place(stream, says):
    bot = says(CALL, "as you like")
    assert chat(stream, bot, answers=["do not", "exit"]) == ["hi", "", "do not", "as you like"]
    assert stream.contents_of(ToolCallResult) == ["USER INTERRUPTED"]
    assert stream.contents_of(TextMessage) == ["hi", "", "do not", "as you like"]


def test_exit_leaves_the_pending_calls_alone(stream, says):
    assert chat(stream, says(CALL), answers=["exit"]) == ["hi", ""]
    assert stream.contents_of(ToolCallResult) == []


def test_the_result_has_what_the_user_typed(stream, says):
    user = UserProxyAgent("user")
    stream.answer("more", "", "exit")
    assert user.initiate_chat(says("1", "2", "3"), message="hi").human_input == ["more", "", "exit"]


def test_the_limit_may_differ_by_partner(stream, says):
    user, bot = UserProxyAgent("user", human_input_mode="NEVER", default_auto_reply="auto"), says("1", "2", "3")
    user.update_max_consecutive_auto_reply(1, bot)
    assert user.max_consecutive_auto_reply(bot) == 1
    assert user.max_consecutive_auto_reply() == 100
    assert len(user.initiate_chat(bot, message="hi").chat_history) == 4
