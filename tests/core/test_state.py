"""The dict of `iostream.state`: what has changed in it, and how a change is made again."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentchat.core.state import State
from agentchat.errors import ConfigError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
STATES = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@settings(deadline=None)
@given(st.lists(STATES, min_size=1, max_size=4))
def test_the_changes_lead_to_the_same_states(states):
    first, again = State({}), State({})
    for value in states:
        first.value.clear()
        first.value.update(copy.deepcopy(value))
        change = first.take_change()
        if change is not None:
            again.apply(change)
        assert again.value == value
        assert again.recorded == value
    assert first.take_change() is None
    assert again.take_change() is None


def test_what_the_function_holds_stays_what_it_holds():
    state = State({"cart": ["chair"], "customer": {"name": "Ada", "tags": ["new"]}})
    cart, tags = state.value["cart"], state.value["customer"]["tags"]
    state.apply({"order": 1, "set": {"cart": ["chair", "lamp"], "customer": {"tags": ["old"]}}, "unset": []})
    assert cart == ["chair", "lamp"]
    assert tags == ["old"]
    assert state.value["customer"] == {"tags": ["old"]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1, 2}, "only JSON can be kept"),
        ((1, 2), "only JSON can be kept"),
        ([{"deep": (1,)}], "only JSON can be kept"),
        ({1: "one"}, "only JSON can be kept"),
        (float("nan"), "only JSON can be kept"),
        (b"bytes", "only JSON can be kept"),
        ("x" * 70_000, "70,010 bytes"),
        ("漢" * 30_000, "at most 65,536 are kept"),
    ],
    ids=["set", "tuple", "deep", "keys", "nan", "binary", "long", "wide"],
)
def test_what_cannot_be_kept_is_named_until_it_is_mended(value, words):
    state = State({})
    state.value["fine"], state.value["odd"] = 1, value
    for _ in range(2):
        with pytest.raises(ConfigError, match=words):
            state.take_change()
    state.value["odd"] = 2
    assert state.take_change() == {"order": 1, "set": {"fine": 1, "odd": 2}, "unset": []}


def test_a_list_that_contains_itself_is_named():
    state = State({})
    state.value["loop"] = loop = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="loop"):
        state.take_change()
