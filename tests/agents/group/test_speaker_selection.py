"""The ways to choose who speaks next."""

import random

import pytest

from agentchat import llm_config
from agentchat.agents import ConversableAgent, GroupChat
from agentchat.agents.group.speaker_selection import at_random, by_user, in_turn, named_in
from agentchat.events import Notice, Usage
from agentchat.testing import fail, say

A, B, C = ABC = [ConversableAgent(name, description=f"{name} of the alphabet") for name in "abc"]


# --- in turn, by chance, by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "eligible", "chosen"),
    [(A, ABC, B), (C, ABC, A), (A, [A, C], C), (B, [B], B), (ConversableAgent("outside"), ABC, A)],
)
def test_turns_go_around(last, eligible, chosen):
    assert in_turn(last, eligible, ABC) is chosen


def test_chance_chooses_among_the_eligible_and_is_a_step(stream, monkeypatch):
    seen = []
    monkeypatch.setattr(random, "choice", lambda names: seen.append(names) or names[-1])
    assert at_random([A, C]) is C
    assert seen == [["a", "c"]]


@pytest.mark.parametrize("answer", ["2", " 2 ", "c"])
def test_the_user_chooses_by_number_or_name(stream, answer):
    stream.answer(answer)
    assert by_user([A, C]) is C
    assert stream.printed.endswith("1: a\n2: c\n")


@pytest.mark.parametrize("answer", ["", "q"])
def test_the_user_may_leave_the_choice(stream, answer):
    stream.answer(answer)
    assert by_user(ABC) is None


def test_after_three_invalid_answers_the_user_is_not_asked_again(stream):
    stream.answer("x", "0", "4")
    assert by_user(ABC) is None
    assert stream.printed.count("Invalid input. Please enter a number between 1 and 3.") == 3
    assert "You have tried 3 times." in stream.printed


# --- by a model -------------------------------------------------------------------------------------------------------


@pytest.fixture
def manager(scripted_llm):
    return ConversableAgent("manager", llm_config={**llm_config(), "max_retries": 0})


@pytest.fixture
def client(manager):
    return manager.client


def group(**settings):
    return GroupChat(ABC, [{"role": "user", "name": "a", "content": "Who is next?"}], **settings)


def test_the_model_reads_the_roles_the_chat_and_the_question(stream, scripted_llm, client):
    scripted_llm.replies(say("b"))
    assert group().auto_select_speaker(client, [B, C]) is B
    roles, said, question = scripted_llm.requests[0]["messages"]
    assert roles["role"] == "system"
    assert "b: b of the alphabet\nc: c of the alphabet" in roles["content"]
    assert said == {"role": "user", "name": "a", "content": "Who is next?"}
    assert question["role"] == "system"
    assert "['b', 'c']" in question["content"]


def test_the_choice_is_not_emitted_and_its_usage_counts(stream, scripted_llm, manager, client):
    scripted_llm.replies(say("b"))
    group().auto_select_speaker(client, ABC)
    assert [type(event) for event in stream.events] == [Usage]
    assert manager.get_actual_usage()["scripted"]["prompt_tokens"] > 0


def test_a_model_that_names_no_one_or_several_is_asked_again_with_a_hint(stream, scripted_llm, client):
    scripted_llm.replies(say("Somebody else."), say("b or c"), say("Let it be c."))
    assert group().auto_select_speaker(client, ABC) is C
    third = scripted_llm.requests[2]["messages"]
    assert [message["role"] for message in third[-5:]] == ["system", "assistant", "system", "assistant", "system"]
    assert third[-4]["content"] == "Somebody else."
    assert third[-3]["content"].startswith("You named nobody.")
    assert third[-1]["content"].startswith("You named several")


def test_it_is_asked_no_more_than_it_may_be(stream, scripted_llm, client, caplog):
    scripted_llm.replies(say("Hm."), say("a, b"))
    assert group(max_retries_for_selecting_speaker=1).auto_select_speaker(client, ABC) is None
    assert len(scripted_llm.requests) == 2
    assert "the last answer was 'a, b'" in caplog.text


def test_the_prompts_and_their_role_can_be_others(stream, scripted_llm, client):
    scripted_llm.replies(say("nobody"), say("b"))
    groupchat = group(
        select_speaker_message_template="Roles: {roles}",
        select_speaker_prompt_template="One of {agentlist}?",
        select_speaker_auto_none_template="Again, {agentlist}.",
        role_for_select_speaker_messages="user",
        select_speaker_transform_messages=lambda messages: [{**messages[-1], "content": "short"}],
    )
    assert groupchat.auto_select_speaker(client, [A, B]) is B
    first, second = scripted_llm.requests
    assert [message["content"] for message in first["messages"]] == [
        "Roles: a: a of the alphabet\nb: b of the alphabet",
        "short",
        "One of ['a', 'b']?",
    ]
    assert second["messages"][-1] == {"role": "user", "content": "Again, ['a', 'b']."}


def test_without_a_prompt_the_chat_is_the_last_that_the_model_reads(stream, scripted_llm, client):
    scripted_llm.replies(say("b"))
    group(select_speaker_prompt_template="").auto_select_speaker(client, ABC)
    assert scripted_llm.requests[0]["messages"][-1]["content"] == "Who is next?"


def test_a_call_that_has_no_result_yet_is_not_shown_to_the_model(stream, scripted_llm, client):
    scripted_llm.replies(say("b"))
    groupchat = group()
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    groupchat.messages.append({"role": "assistant", "name": "a", "content": "", "tool_calls": [call]})
    groupchat.auto_select_speaker(client, ABC)
    assert scripted_llm.requests[0]["messages"][2] == {"role": "assistant", "name": "a", "content": ""}
    assert groupchat.messages[-1]["tool_calls"] == [call]


def test_a_verbose_choice_is_emitted(stream, scripted_llm, client):
    scripted_llm.replies(say("b"))
    group(select_speaker_auto_verbose=True).auto_select_speaker(client, ABC)
    assert ("speaker_selection", "b") in stream.messages
    assert Notice(text=">>>>>>>> Select speaker attempt 1 of 3 named b.") in stream.events


def test_a_model_that_cannot_be_reached_is_an_error(stream, scripted_llm, client):
    scripted_llm.replies(fail(500))
    with pytest.raises(Exception, match="500"):
        group().auto_select_speaker(client, ABC)


# --- names in a text --------------------------------------------------------------------------------------------------

WRITER, STORY_WRITER = ConversableAgent("writer"), ConversableAgent("story_writer")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("writer", [WRITER]),
        ("**writer**: Once upon a time", [WRITER]),
        ("story_writer", [STORY_WRITER]),
        ("The story writer.", [STORY_WRITER]),
        (r"story\_writer", [STORY_WRITER]),
        ("writer, then story_writer", [WRITER, STORY_WRITER]),
        ("writer and writer", [WRITER]),
        ("the writers, the underwriter and the Writer", []),
        ("", []),
    ],
)
def test_agents_are_found_by_their_names(text, named):
    assert named_in(text, [WRITER, STORY_WRITER]) == named


def test_names_are_no_patterns():
    assert named_in("a.b", [ConversableAgent("a.b")])
    assert not named_in("aXb", [ConversableAgent("a.b")])
