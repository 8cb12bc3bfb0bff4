"""Indented JSON stays readable, and stays small."""

import json

import pytest

from agentchat.core.indented_json import MAX_LEVELS, indented


def nested(levels: int, inner: object) -> object:
    for _ in range(levels):
        inner = [inner]
    return inner


def test_what_people_read_is_indented():
    assert indented({"a": [1, "é"]}) == '{\n  "a": [\n    1,\n    "é"\n  ]\n}'


@pytest.mark.parametrize("levels", [0, 1, MAX_LEVELS, MAX_LEVELS + 1, 60])
def test_it_is_the_same_value_and_not_much_longer(levels):
    value = nested(levels, {str(number): [number] for number in range(500)})
    text = indented(value)
    assert json.loads(text) == value
    assert len(text) <= 10 * len(json.dumps(value))


def test_what_is_nested_too_deeply_is_one_line():
    assert indented(nested(MAX_LEVELS, [])).count("\n") > 0
    assert indented(nested(MAX_LEVELS + 1, [])).count("\n") == 0
