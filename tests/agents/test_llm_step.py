"""How an agent asks its model, and the events of that."""

import pytest

from agentchat.agents import AssistantAgent, ConversableAgent, UserProxyAgent, register_function
from agentchat.core.steps import StepAttempt
from agentchat.errors import LLMError, LLMStreamTruncated
from agentchat.events import (
    Notice,
    TextMessage,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
    Usage,
)
from agentchat.io import IOStream
from agentchat.llm.response import ModelResponse
from agentchat.testing import call, cut, fail, say


def forecast(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def ends(message):
    return "TERMINATE" in (message["content"] or "")


@pytest.fixture
def bot(scripted_llm):
    return AssistantAgent("bot", "Be brief.", llm_config=scripted_llm.llm_config())


@pytest.fixture
def user():
    return UserProxyAgent("user", human_input_mode="NEVER", is_termination_msg=ends, default_auto_reply="go on")


class Journal(IOStream):
    """A stream that records steps."""

    def __init__(self):
        self.steps = []
        self.sent = []
        self.emitted = []

    def print(self, *objects, sep=" ", end="\n", flush=False):
        raise AssertionError

    def input(self, prompt="", *, password=False):
        raise AssertionError

    def send(self, event):
        self.sent.append(event)

    def record_steps(self, steps):
        results = []
        for step in steps:
            results.append(result := step.call(StepAttempt(key="the-key", attempt=3)))
            self.steps.append((step.kind, step.name, step.made_request(), result))
            self.emitted += step.events(result)
        return results


def test_the_model_is_asked_with_the_system_message_and_the_history(stream, user, bot, scripted_llm):
    scripted_llm.replies(say("one"), say("TERMINATE"))
    user.initiate_chat(bot, message="hi")
    assert scripted_llm.requests[1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "user", "content": "hi"},
        {"role": "assistant", "name": "bot", "content": "one"},
        {"role": "user", "name": "user", "content": "go on"},
    ]
    assert "tools" not in scripted_llm.requests[0]


def test_without_a_system_message_the_model_gets_the_history_alone(stream, user, scripted_llm):
    scripted_llm.replies(say("TERMINATE"))
    user.initiate_chat(ConversableAgent("bot", "", llm_config=scripted_llm.llm_config()), message="hi")
    assert scripted_llm.requests[0]["messages"] == [{"role": "user", "name": "user", "content": "hi"}]


def test_an_answer_is_emitted_while_it_is_written_and_not_again(stream, user, bot, scripted_llm):
    scripted_llm.replies(say("x", chunks=["Hel", "lo 👋", " TERMINATE"]))
    user.initiate_chat(bot, message="hi")
    hi, start, *deltas, end, usage = stream.events
    key = start.message_id
    assert hi == TextMessage(name="user", to="bot", content="hi")
    assert start == TextMessageStart(message_id=key, name="bot", to="user")
    assert deltas == [
        TextMessageContent(message_id=key, offset=0, delta="Hel"),
        TextMessageContent(message_id=key, offset=3, delta="lo 👋"),
        TextMessageContent(message_id=key, offset=8, delta=" TERMINATE"),  # 👋 is two units of UTF-16
    ]
    assert end == TextMessageEnd(message_id=key, content="Hello 👋 TERMINATE", name="bot", to="user")
    assert isinstance(usage, Usage)


def test_a_streamed_answer_reads_as_in_autogen_and_comes_once(stream, user, bot, scripted_llm):
    scripted_llm.replies(say("All is well. TERMINATE"))
    user.initiate_chat(bot, message="hi")
    rule = "-" * 80
    assert stream.text == f"user (to bot):\n\nhi\n\n{rule}\nbot (to user):\n\nAll is well. TERMINATE\n\n{rule}\n"


def test_tool_calls_come_after_the_message_that_asks_for_them(stream, user, bot, scripted_llm):
    register_function(forecast, caller=bot, executor=user, description="Weather")
    scripted_llm.replies(call("forecast", city="Paris"), say("Sunny. TERMINATE"))
    result = user.initiate_chat(bot, message="Paris?")
    emitted = [event for event in stream.events if not isinstance(event, Notice | Usage | TextMessageContent)]
    assert [type(event) for event in emitted] == [
        TextMessage,
        TextMessageStart,
        TextMessageEnd,
        ToolCallStart,
        ToolCallArgs,
        ToolCallEnd,
        ToolCallResult,
        TextMessageStart,
        TextMessageEnd,
    ]
    assert emitted[2].content == ""
    assert stream.contents_of(ToolCallResult) == ["sunny in Paris"]
    assert result.summary == "Sunny. "


def test_the_model_gets_its_tools_and_their_results(stream, user, bot, scripted_llm):
    register_function(forecast, caller=bot, executor=user, description="Weather")
    scripted_llm.replies(call("forecast", city="Paris").and_call("forecast", city="Rome"), say("TERMINATE"))
    user.initiate_chat(bot, message="Paris?")
    first, second = scripted_llm.requests
    assert [tool["function"]["name"] for tool in first["tools"]] == ["forecast"]
    asked, *results = second["messages"][2:]
    assert [called["function"]["arguments"] for called in asked["tool_calls"]] == [
        '{"city": "Paris"}',
        '{"city": "Rome"}',
    ]
    assert results == [
        {"role": "tool", "tool_call_id": called["id"], "content": f"sunny in {city}"}
        for called, city in zip(asked["tool_calls"], ("Paris", "Rome"), strict=True)
    ]


def test_a_silent_chat_emits_its_usage_and_nothing_else(stream, user, bot, scripted_llm):
    scripted_llm.replies(say("TERMINATE"))
    user.initiate_chat(bot, message="hi", silent=True)
    assert [type(event) for event in stream.events] == [Usage]


def test_a_reply_without_a_chat_is_emitted_too(stream, bot, scripted_llm):
    scripted_llm.replies(say("hello"))
    assert bot.generate_reply([{"role": "user", "content": "hi"}]) == "hello"
    assert stream.text.startswith("bot:\n\nhello")


def test_a_reply_that_was_changed_is_emitted_as_it_is_sent(stream, user, scripted_llm):
    class Shouting(AssistantAgent):
        def generate_reply(self, messages=None, sender=None, **kwargs):
            return super().generate_reply(messages, sender, **kwargs).upper()

    scripted_llm.replies(say("terminate"))
    user.initiate_chat(Shouting("bot", llm_config=scripted_llm.llm_config()), message="hi")
    assert stream.contents_of(TextMessage) == ["hi", "TERMINATE"]


def test_a_model_that_fails_is_an_error_and_the_console_goes_on_below(stream, user, bot, scripted_llm):
    scripted_llm.always(fail(400, "no such thing"))
    with pytest.raises(LLMError, match="no such thing"):
        user.initiate_chat(bot, message="hi")
    assert stream.text.endswith("bot (to user):\n\n\n")


def test_an_answer_that_breaks_off_is_an_error(stream, user, scripted_llm):
    scripted_llm.always(cut("Hello"))
    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config(max_retries=0))
    with pytest.raises(LLMStreamTruncated):
        user.initiate_chat(bot, message="hi")
    assert stream.contents_of(TextMessageEnd) == []


def test_the_cost_is_what_both_have_used(stream, user, bot, scripted_llm):
    scripted_llm.replies(say("one", usage=(10, 1)), say("TERMINATE", usage=(20, 2)))
    cost = user.initiate_chat(bot, message="hi").cost
    used = {"cost": 0.0, "known": False, "prompt_tokens": 30, "completion_tokens": 3, "total_tokens": 33}
    assert cost["usage_including_cached_inference"] == {"total_cost": 0.0, "scripted": used}
    assert cost["usage_excluding_cached_inference"] == cost["usage_including_cached_inference"]


def test_a_reflection_is_asked_for_and_not_emitted(stream, user, bot, scripted_llm):
    scripted_llm.replies(say("TERMINATE"), say("They met."))
    result = user.initiate_chat(
        bot, message="hi", summary_method="reflection_with_llm", summary_args={"summary_prompt": "Sum up."}
    )
    assert result.summary == "They met."
    assert scripted_llm.requests[1]["messages"][-1] == {"role": "system", "content": "Sum up."}
    assert stream.contents_of(TextMessageEnd) == ["TERMINATE"]


def test_asking_is_a_step_with_a_complete_result(user, bot, scripted_llm):
    scripted_llm.replies(say("x", chunks=["TERMI", "NATE"], usage=(5, 2)))
    journal = Journal()
    with IOStream.set_default(journal):
        user.initiate_chat(bot, message="hi")
    [(kind, name, request, result)] = journal.steps
    assert (kind, name) == ("llm", "bot")
    assert request == {"messages": scripted_llm.requests[0]["messages"], "tools": []}
    assert result == {
        "content": "TERMINATE",
        "finish_reason": "stop",
        "model": "scripted",
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "message_id": "the-key",
    }
    assert journal.sent == [
        TextMessage(name="user", to="bot", content="hi"),
        TextMessageStart(message_id="the-key", name="bot", to="user"),
        TextMessageContent(message_id="the-key", attempt=2001, offset=0, delta="TERMI"),
        TextMessageContent(message_id="the-key", attempt=2001, offset=5, delta="NATE"),
    ]
    assert journal.emitted == [
        TextMessageEnd(message_id="the-key", content="TERMINATE", name="bot", to="user"),
        Usage(model="scripted", prompt_tokens=5, completion_tokens=2),
    ]


def test_a_recorded_answer_needs_no_conversation(bot):
    class Replayed(Journal):
        def record_steps(self, steps):
            return [ModelResponse(content="Yes.", finish_reason="stop", model="scripted").to_json() for _ in steps]

    def conversation():
        raise AssertionError("a run of n answers would make n of these each time that it resumes")

    with IOStream.set_default(Replayed()):
        answer = bot.client.ask(conversation, name="bot", to="", silent=False)
    assert answer.content == "Yes."


def test_a_model_gets_only_the_tools_of_its_agent(stream, scripted_llm):
    config = scripted_llm.llm_config()
    user = UserProxyAgent("user", human_input_mode="NEVER", is_termination_msg=ends)
    one, other = (AssistantAgent(name, llm_config=config) for name in ("one", "other"))
    register_function(forecast, caller=one, executor=user, description="Weather")
    scripted_llm.always(say("TERMINATE"))
    for agent in (one, other):
        user.initiate_chat(agent, message="hi")
    assert ["tools" in request for request in scripted_llm.requests] == [True, False]
