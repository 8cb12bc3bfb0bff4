"""Tool calls as services really write them into their streams, through the real SDK."""

import json

import pytest

from agentchat.errors import LLMStreamTruncated
from tests.llm.chunks import DONE, calls, chunk, part

PARIS, ROME, CET = '{"city": "Paris"}', '{"city": "Rome"}', '{"zone": "CET"}'


@pytest.mark.parametrize(
    ("deltas", "made"),
    [
        ([part("weather", PARIS, index=0), part("clock", CET, index=0)], [("weather", PARIS), ("clock", CET)]),
        ([part("weather", PARIS, index=0), part("weather", ROME, index=0)], [("weather", PARIS), ("weather", ROME)]),
        ([part("weather", PARIS, id="a"), part("clock", CET, id="a")], [("weather", PARIS), ("clock", CET)]),
        (
            [
                part("weather", "", index=0),
                part(None, PARIS, index=0),
                part("weather", "", index=0),
                part(None, ROME, index=0),
            ],
            [("weather", PARIS), ("weather", ROME)],
        ),
        (
            [
                part("weather", PARIS, index=0),
                part("weather", '{"city": ', index=0),
                part("weather", '"Rome"}', index=0),
            ],
            [("weather", PARIS), ("weather", ROME)],
        ),
        (
            [part("clock", index=0, id="a"), part("weather", PARIS, index=0, id="b")],
            [("clock", "{}"), ("weather", PARIS)],
        ),
        ([part("weather", PARIS, id="a"), part("weather", PARIS, id="b")], [("weather", PARIS)] * 2),
    ],
    ids=[
        "two tools",
        "one tool twice",
        "one id",
        "in pieces",
        "whole, then in pieces",
        "no arguments",
        "the same twice",
    ],
)
def test_calls_in_one_place_are_told_apart(deltas, made, answer):
    reply = answer(*map(calls, deltas), chunk({}, "stop"), DONE)
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in reply.tool_calls] == made
    assert len({call["id"] for call in reply.tool_calls}) == len(made)


@pytest.mark.parametrize(
    "deltas",
    [
        [part("weather", PARIS, index=0, id="a")] * 2,
        [part("weather", PARIS, index=0)] * 2,
        [part("weather", PARIS, id="a"), part("weather", PARIS, id="a")],
        [
            part("weather", '{"city"', index=0, id="a"),
            part(None, ': "Paris"}', index=0),
            part("weather", PARIS, index=0, id="a"),
        ],
        [part("weather", text, index=0, id="a") for text in ('{"ci', '{"city": "Pa', PARIS)],
        [part("weather", text, index=0) for text in ('{"ci', 'ty": "Pa', 'ris"}', "")],
        [part("weather", text, index=0, id="a") for text in ("{}", '{"city": ', '"Paris"}')],
        [part("weather", text, index=0, id="a") for text in ("{}", PARIS)],
        [part("weather", PARIS, index=0, id="a")] * 3,
        [part("weather", PARIS + PARIS, index=0, id="a")],
        [part("weather", {"city": "Paris"}, index=0, id="a")],
        [part("weather", {"city": "Paris"}, index="0", id="a"), part(None, "", index="0")],
        [part("wea", "", index=0, id="a"), part("ther", "", index=0), part(None, PARIS, index=0)],
        [part("weather", "", index=0, id="a"), part(None, PARIS, index=1)],
        [part("weather", "", index=0, id="a"), part(None, PARIS, index=1, id="a")],
        [part("weather", "", id="a"), {"id": "a", "function": None}, {"index": None, "function": {"arguments": PARIS}}],
        [
            part("weather", PARIS, index=0, id="a"),
            {},
            {"index": 1, "id": "", "function": {"name": "", "arguments": ""}},
        ],
    ],
    ids=[
        *(
            "twice",
            "twice, no id",
            "twice, no index",
            "pieces, then whole",
            "ever longer",
            "name in each",
            "empty first",
        ),
        *("empty, then whole", "three times", "twice in one"),
        *(
            "an object",
            "index as text",
            "name in pieces",
            "index counts on",
            "index counts on with id",
            "nulls",
            "empty last",
        ),
    ],
)
def test_one_call_is_one_call_however_it_is_written(deltas, answer):
    reply = answer(*map(calls, deltas), chunk({}, "tool_calls"), DONE)
    [call] = reply.tool_calls
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", {"city": "Paris"})
    assert call["id"]


@pytest.mark.parametrize("where", [{}, {"index": 0}])
def test_all_calls_may_be_sent_again_at_the_end(where, answer):
    both = [part("weather", PARIS, **where), part("clock", CET, **where)]
    made = answer(*map(calls, both), chunk({"tool_calls": both}, "tool_calls"), DONE).tool_calls
    assert [call["function"]["arguments"] for call in made] == [PARIS, CET]


def test_calls_that_are_whole_are_an_answer_without_any_end(answer):
    [call] = answer(calls(part("weather", PARIS, index=0, id="a")), chunk({})).tool_calls
    assert call["function"]["arguments"] == PARIS


@pytest.mark.parametrize("arguments", ["", '{"city": "Par'])
def test_calls_that_break_off_are_none(arguments, answer):
    with pytest.raises(LLMStreamTruncated):
        answer(calls(part("weather", arguments, index=0, id="a")))


def test_calls_may_be_no_list(answer):
    [call] = answer(chunk({"tool_calls": part("weather", PARIS)}, "tool_calls"), DONE).tool_calls
    assert call["function"]["arguments"] == PARIS


def test_a_signature_may_come_after_the_call(answer):
    later = {"index": 0, "extra_content": {"google": {"thought_signature": "s"}}}
    [call] = answer(
        calls(part("weather", PARIS, index=0, id="a")), calls(later), chunk({}, "tool_calls"), DONE
    ).tool_calls
    assert call["extra_content"] == later["extra_content"]
