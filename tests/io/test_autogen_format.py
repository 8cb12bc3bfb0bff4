"""Events as AutoGen 0.2 prints them. The texts were compared with AutoGen 0.2.40 itself."""

from agentchat import events
from agentchat.io.autogen_format import text_of

RULE = "\n" + "-" * 80 + "\n"


def printed(*said):
    return "".join(text_of(event) for event in said)


def test_a_message_has_a_header_and_a_rule():
    assert printed(events.TextMessage(name="user", to="bot", content="hi")) == f"user (to bot):\n\nhi\n{RULE}"


def test_a_streamed_message_reads_like_a_complete_one():
    streamed = printed(
        events.TextMessageStart(message_id="1", name="bot", to="user"),
        events.TextMessageContent(message_id="1", delta="Hel"),
        events.TextMessageContent(message_id="1", offset=3, delta="lo"),
        events.TextMessageEnd(message_id="1", content="Hello", name="bot", to="user"),
    )
    assert streamed == printed(events.TextMessage(name="bot", to="user", content="Hello"))


def test_a_message_without_recipient_has_only_a_name():
    assert printed(events.TextMessageStart(message_id="1", name="bot")) == "bot:\n\n"


def test_tool_calls_stand_under_the_header_of_their_message():
    said = printed(
        events.TextMessageStart(message_id="1", name="bot", to="user"),
        events.TextMessageEnd(message_id="1", content="", name="bot", to="user", last=False),
        events.ToolCallStart(tool_call_id="call_1", tool_call_name="add", name="bot"),
        events.ToolCallArgs(tool_call_id="call_1", args='{"a": 1}'),
        events.ToolCallEnd(tool_call_id="call_1", tool_call_name="add", last=False),
        events.ToolCallStart(tool_call_id="call_2", tool_call_name="add", name="bot"),
        events.ToolCallArgs(tool_call_id="call_2", args="{}"),
        events.ToolCallEnd(tool_call_id="call_2", tool_call_name="add"),
    )
    assert said == (
        "bot (to user):\n\n"
        "***** Suggested tool call (call_1): add *****\n"
        'Arguments: \n{"a": 1}\n'
        "*********************************************\n"
        "***** Suggested tool call (call_2): add *****\n"
        "Arguments: \n{}\n"
        "*********************************************\n" + RULE
    )


def test_text_before_tool_calls_has_no_rule_of_its_own():
    start = events.TextMessageStart(message_id="1", name="bot", to="user")
    delta = events.TextMessageContent(message_id="1", delta="let me see")
    end = events.TextMessageEnd(message_id="1", content="let me see", last=False)
    assert printed(start, delta, end) == "bot (to user):\n\nlet me see\n"
    assert printed(events.TextMessage(name="bot", to="user", content="let me see", last=False)) == printed(
        start, delta, end
    )


def test_an_answer_that_was_cut_off_says_so():
    end = events.TextMessageEnd(message_id="1", content="let me see", finish_reason="length")
    assert printed(end) == f"\n\n>>>>>>>> THE ANSWER WAS CUT OFF (length)...\n{RULE}"


def test_a_tool_result_is_a_response():
    result = events.ToolCallResult(
        tool_call_id="call_1", message_id="2", content="3", ok=True, duration_ms=1, name="user", to="bot"
    )
    assert printed(result) == (
        "user (to bot):\n\n"
        "***** Response from calling tool (call_1) *****\n"
        "3\n"
        "***********************************************\n" + RULE
    )


def test_a_notice_has_a_line_of_its_own():
    assert printed(events.Notice(text=">>>>>>>> USING AUTO REPLY...")) == "\n>>>>>>>> USING AUTO REPLY...\n"
    assert printed(events.Notice(text="")) == "\n"


def test_what_was_printed_is_printed_as_it_is():
    assert printed(events.Printed(text="a\tb")) == "a\tb"


def test_a_console_shows_nothing_of_the_rest():
    assert printed(events.RunStarted(), events.Usage(model="m", prompt_tokens=1, completion_tokens=1)) == ""
