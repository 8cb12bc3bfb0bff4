"""Arguments that a user approves: shown to the last digit, or refused before anybody is asked."""

import json
from decimal import Decimal

import pytest
from pydantic import BaseModel

from agentchat.core.model_json import MAX_NESTING
from agentchat.errors import ToolError
from agentchat.realtime.excerpt import excerpt
from agentchat.tools import approvable, tool_of


class Line(BaseModel):
    price: float


def pay(
    to: str = "",
    amount: float = 0.0,
    number: int = 0,
    exact: Decimal = Decimal(0),
    lines: list[Line] | None = None,
    more: dict[str, float | str] | None = None,
) -> str:
    """Pay."""
    return ""


def schema_of(function):
    return tool_of(function).schema()["function"]["parameters"]


def shown(written):
    return tool_of(pay).json_arguments(written)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400 + ".0"])
def test_what_is_no_number_is_an_error_for_every_tool(number):
    for written in (
        f'{{"amount": {number}}}',
        f'{{"more": {{"x": {number}}}}}',
        f'{{"lines": [{{"price": {number}}}]}}',
    ):
        with pytest.raises(ToolError, match="not JSON"):
            tool_of(pay).arguments(written)
        with pytest.raises(ToolError, match="not JSON"):
            shown(written)


@pytest.mark.parametrize("written", ['{"to": "ADA", "to": "M"}', '{"more": {"a": 1, "a": 2}}', '{"to":1,"\\u0074o":2}'])
def test_a_name_that_is_there_twice_is_an_error_for_the_model(written):
    with pytest.raises(ToolError, match="more than once"):
        shown(written)


@pytest.mark.parametrize("bracket", ["[", "{", '{"a":', "[{"])
def test_deep_arguments_are_an_error_for_the_model(bracket):
    for depth in (MAX_NESTING + 1, 960, 100_000):
        with pytest.raises(ToolError, match="not JSON"):
            tool_of(pay).arguments('{"more": ' + bracket * depth)


@pytest.mark.parametrize(
    "written",
    ['\u00a0{"to": "Ada"}', '{"to": "Ada"}\x0b', '\ufeff{"to": "Ada"}'.lstrip("\ufeff"), '\u2028{"to": "Ada"}\x1c '],
)
def test_white_space_around_arguments_means_nothing(written):
    assert shown(written) == {"to": "Ada"}


@pytest.mark.parametrize("written", ["", " ", "\u00a0", "\x0b", "null"])
def test_nothing_at_all_is_no_arguments(written):
    assert shown(written) == {}


@pytest.mark.parametrize("number", [2**53 + 1, 12345678901234567890, -(10**40)])
def test_a_large_integer_keeps_its_digits(number):
    assert shown(f'{{"number": {number}}}') == {"number": number}
    assert tool_of(pay).arguments(f'{{"number": {number}}}') == {"number": number}


@pytest.mark.parametrize(
    "written",
    [
        '{"amount": 12345678901234567890}',
        '{"lines": [{"price": 1}, {"price": 9007199254740993}]}',
    ],
)
def test_a_number_that_the_function_would_get_with_other_digits_is_refused(written):
    with pytest.raises(ToolError, match="cannot be passed on exactly"):
        shown(written)


@pytest.mark.parametrize(
    "written",
    ['{"amount": 0.1}', '{"amount": 5}', '{"exact": 12.34}', '{"amount": 1e300}', '{"more": {"a": 1.5, "b": "x"}}'],
)
def test_a_number_that_arrives_as_it_is_written_is_not_refused(written):
    assert shown(written)


@pytest.mark.parametrize(
    "written",
    [
        '{"to": "' + "a" * (approvable.MAX_CHARS + 1) + '"}',
        '{"more": {"' + "n" * (approvable.MAX_CHARS + 1) + '": 1}}',
        '{"to": "' + "😀" * 40_000 + '"}',
        '{"to": "' + "\\u0001" * 40_000 + '"}',
        '{"lines": [' + ", ".join(['{"price": 1}'] * 1_000) + "]}",
        r'{"to": "a\u0000b"}',
        r'{"more": {"a\u0000b": 1}}',
    ],
)
def test_what_a_user_could_not_read_or_the_database_not_keep_is_refused(written):
    assert tool_of(pay).arguments(written)
    with pytest.raises(ToolError):
        shown(written)


@pytest.mark.parametrize("text", ["😀" * 32_000, "\u0001" * 21_000, '"' * 65_000, "é" * 65_000])
def test_whatever_can_be_approved_is_shown_whole(text):
    arguments = shown(json.dumps({"to": text}))
    question = {"request": "1-1", "kind": "approval", "prompt": "?", "initial": arguments, "schema": schema_of(pay)}
    assert excerpt(question) == question
