"""What an agent remembers, and what a model is given of it."""

import pytest
from django.utils.translation import gettext_lazy

from agentchat.agents import ConversableAgent
from agentchat.agents.history import Histories, for_model, text_of

CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
}
RESULTS = {
    "role": "tool",
    "name": "user",
    "content": "3\n\n4",
    "tool_responses": [
        {"role": "tool", "tool_call_id": "1", "content": "3"},
        {"role": "tool", "tool_call_id": "2", "content": "4"},
    ],
}


@pytest.fixture
def partner():
    return ConversableAgent("partner")


def remembered(message, partner, role="user"):
    histories = Histories()
    histories.add(message, partner=partner, role=role, speaker="speaker")
    return histories[partner]


def test_a_message_has_a_role_and_a_name(partner):
    assert remembered("hi", partner) == [{"role": "user", "name": "speaker", "content": "hi"}]


def test_a_name_that_was_given_stays(partner):
    assert remembered({"content": "hi", "name": "Ann"}, partner)[0]["name"] == "Ann"


def test_only_what_belongs_to_a_message_is_kept(partner):
    assert "mood" not in remembered({"content": "hi", "mood": "good"}, partner)[0]


def test_tool_calls_are_an_assistants_and_have_no_name(partner):
    assert remembered(CALLS, partner) == [CALLS]


def test_tool_results_keep_their_role(partner):
    assert remembered(RESULTS, partner, role="assistant")[0]["role"] == "tool"


@pytest.mark.parametrize("message", [{}, {"content": None}, {"content": None, "tool_calls": []}])
def test_a_message_needs_content_or_calls(partner, message):
    with pytest.raises(ValueError, match="'speaker' sent"):
        remembered(message, partner)


def test_a_model_is_given_one_message_for_each_tool_result():
    assert for_model([CALLS, RESULTS]) == [CALLS, *RESULTS["tool_responses"]]


def test_a_model_gets_the_text_that_came_with_the_results():
    words = {"role": "user", "name": "user", "content": "stop", "tool_responses": RESULTS["tool_responses"][:1]}
    assert for_model([words]) == [
        RESULTS["tool_responses"][0],
        {"role": "user", "name": "user", "content": "stop"},
    ]


def test_a_model_is_given_what_it_thought_before_its_calls(partner):
    histories = Histories()
    histories.add({**CALLS, "reasoning_content": "Hm."}, partner=partner, role="assistant", speaker="bot")
    assert for_model(histories[partner])[0]["reasoning_content"] == "Hm."


def test_the_text_of_a_lazy_translation_is_read_when_it_is_needed(partner):
    histories = Histories()
    histories.add(gettext_lazy("Send"), partner=partner, role="user", speaker="bot")
    assert text_of(gettext_lazy("Send")) == histories[partner][0]["content"] == "Send"


def test_the_text_of_a_message_may_be_in_parts():
    assert text_of(None) == ""
    assert text_of("hi") == "hi"
    assert text_of([{"type": "text", "text": "look: "}, {"type": "image_url", "image_url": {}}]) == "look: <image>"


def test_forgetting_may_leave_the_newest_messages(partner):
    histories = Histories({partner: [{"content": str(n)} for n in range(5)]})
    histories.forget(keep=2)
    assert [message["content"] for message in histories[partner]] == ["3", "4"]
    histories.forget(partner)
    assert histories[partner] == []


def test_forgetting_never_leaves_a_result_without_its_call(partner):
    histories = Histories({partner: [{"content": "hi"}, CALLS, RESULTS, {"content": "done"}]})
    histories.forget(keep=2)
    assert histories[partner] == [CALLS, RESULTS, {"content": "done"}]


def test_an_agent_may_remember_from_the_beginning(partner):
    agent = ConversableAgent("agent", chat_messages={partner: [{"role": "user", "content": "hi"}]})
    assert agent.last_message(partner) == agent.last_message() == {"role": "user", "content": "hi"}
    agent.clear_history()
    assert agent.last_message() is None
    with pytest.raises(KeyError, match="has not chatted with 'partner'"):
        agent.last_message(partner)


def test_the_last_message_is_asked_of_one_partner_where_there_are_several(partner):
    other = ConversableAgent("other")
    agent = ConversableAgent("agent", chat_messages={one: [{"content": one.name}] for one in (partner, other)})
    with pytest.raises(ValueError, match="2 agents: pass the one you mean"):
        agent.last_message()
    assert agent.last_message(other)["content"] == "other"


def test_the_text_of_parts_is_whatever_they_hold():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert text_of(["Look: ", {"type": "text", "text": "a cat "}, {"text": "or "}, {"type": "text"}, image, 7]) == (
        "Look: a cat or <image>7"
    )
