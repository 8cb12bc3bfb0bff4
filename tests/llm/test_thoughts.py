"""What a model thinks before it answers, in all the places where services write it."""

import pytest

from agentchat.llm.response import Thought
from agentchat.testing import cut, raw, say
from tests.llm.chunks import DONE, calls, chunk, part


@pytest.fixture
def thinking(scripted_llm, ask):
    """The thoughts and the text that these pieces of a stream are taken for."""

    def thinking(*pieces, **config):
        scripted_llm.replies(raw(*pieces))
        thinking.thoughts = []
        response = ask(scripted_llm.llm_config(max_retries=0, **config), on_thought=thinking.thoughts.append)
        return "".join(thought.text for thought in thinking.thoughts), response.content

    return thinking


def details(text=None, **more):
    return {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text, **more}]}


PLACES = {
    "reasoning_content": [{"reasoning_content": "Let me "}, {"reasoning_content": "see."}],
    "reasoning": [{"reasoning": "Let me "}, {"reasoning": "see."}],
    "both": [{"reasoning": t, "reasoning_content": t} for t in ("Let me ", "see.")],
    "openrouter": [{"reasoning": t, **details(t)} for t in ("Let me ", "see.")],
    "details": [details("Let me "), details("see.", signature="x")],
    "summary": [{"reasoning_details": [{"type": "reasoning.summary", "summary": t}]} for t in ("Let me ", "see.")],
    "mistral": [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]}]}],
    "tags": [{"content": "<think>Let"}, {"content": " me see.</th"}, {"content": "ink>\n\n"}],
}


@pytest.mark.parametrize("place", PLACES)
def test_thoughts_are_told_from_the_answer_and_come_once(thinking, place):
    pieces = [chunk(delta) for delta in PLACES[place]]
    assert thinking(*pieces, chunk({"content": "Fo"}), chunk({"content": "ur."}, "stop"), DONE) == (
        "Let me see.",
        "Four.",
    )
    assert all(isinstance(thought, Thought) for thought in thinking.thoughts)


def test_encrypted_reasoning_is_no_thought(thinking):
    secret = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA"}]}
    assert thinking(chunk(secret), chunk({"content": "Four."}, "stop"), DONE) == ("", "Four.")


def test_thoughts_before_calls_come_too(thinking):
    call = calls(part("look", "{}", id="c1", index=0), finish="tool_calls")
    assert thinking(chunk({"reasoning_content": "I look."}), call, DONE) == ("I look.", "")


def test_half_of_a_surrogate_pair_is_replaced(thinking):
    assert thinking(chunk({"reasoning": "a\ud800b"}), chunk({"content": "x"}, "stop"), DONE) == ("a�b", "x")


def test_an_answer_that_breaks_off_thinks_again_under_a_higher_number(scripted_llm, ask, no_pauses):
    scripted_llm.replies(cut("<think>Hm"), say("<think>Oh</think>Four."))
    thoughts = []
    response = ask(scripted_llm.llm_config(), on_thought=thoughts.append)
    assert response.content == "Four."
    assert [(each.number, each.text) for each in thoughts if each.text] == [(1, "Hm"), (2, "Oh")]


def test_an_answer_that_is_all_in_tags_is_the_answer(thinking):
    assert thinking(chunk({"content": "<think>Four."}, "stop"), DONE) == ("Four.", "Four.")


def test_the_thoughts_of_other_choices_are_not_told(thinking):
    second = chunk({}, None)
    other = second.replace(b'"index": 0, "delta": {}', b'"index": 1, "delta": {"content": "<think>B</think>b"}')
    assert other != second
    told, text = thinking(chunk({"content": "<think>A</think>a"}), other, chunk({}, "stop"), DONE, n=2)
    assert (told, text) == ("A", "a")
