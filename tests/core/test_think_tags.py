"""Thoughts are parted from an answer, wherever its pieces are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentchat.core.think_tags import ThinkTags


def parted(text, *cuts):
    tags, pieces = ThinkTags(), []
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in pairwise(bounds):
        pieces += tags.feed(text[start:end])
    pieces.append(tags.end())
    texts = {kind: "".join(piece.text for piece in pieces if piece.is_thought is kind) for kind in (True, False)}
    return texts[True], texts[False]


CASES = [
    ("Hello", "", "Hello"),
    ("\n Hello", "", "\n Hello"),
    ("", "", ""),
    ("  ", "", "  "),
    ("<think>Hm.</think>Four.", "Hm.", "Four."),
    ("\n<think>\nHm.\n</think>\n\nFour.", "\nHm.\n", "Four."),
    ("<THINKING>a</thinking> b", "a", "b"),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("<think>a</think><think>b</think>c", "ab", "c"),
    ("<think>a < b </thin k>", "a < b </thin k>", ""),
    ("<think>a</think>", "a", ""),
    ("<think>a", "a", ""),
    ("<thinkers> are", "", "<thinkers> are"),
    ("<t", "", "<t"),
    ("a <think>b</think>", "", "a <think>b</think>"),
    ("<reasoning>a</think>b</reasoning>c", "a</think>b", "c"),
]


@pytest.mark.parametrize(("text", "thoughts", "answer"), CASES)
def test_what_is_in_tags_at_the_beginning_is_thoughts(text, thoughts, answer):
    assert parted(text) == (thoughts, answer)


@given(st.sampled_from(CASES), st.lists(st.integers(0, 40), max_size=8))
def test_it_does_not_matter_where_the_pieces_are_cut(case, cuts):
    text, thoughts, answer = case
    assert parted(text, *cuts) == (thoughts, answer)


def test_thoughts_come_while_they_are_written():
    tags = ThinkTags()
    assert list(tags.feed("<thi")) == []
    assert [piece.text for piece in tags.feed("nk>Let me ")] == ["Let me "]
    assert [piece.text for piece in tags.feed("see</thi")] == ["see"]
    assert [tuple(piece) for piece in tags.feed("nk>\n\nYes")] == [("", True), ("Yes", False)]
    assert [tuple(piece) for piece in tags.feed(" </think>")] == [(" </think>", False)]
