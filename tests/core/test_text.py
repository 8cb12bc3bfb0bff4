"""Text by the offsets of JavaScript."""

import pytest

from agentchat.core.text import replace_lone_surrogates, title_of, utf16_from, utf16_len


@pytest.mark.parametrize(
    ("text", "offset", "rest"),
    [("plain", 2, "ain"), ("a😀b", 3, "b"), ("a😀b", 1, "😀b"), ("ab", 2, ""), ("é", 0, "é")],
)
def test_a_text_is_cut_where_javascript_would_cut_it(text, offset, rest):
    assert utf16_from(text, offset) == rest
    assert utf16_len(rest) == utf16_len(text) - offset


def test_a_cut_within_a_pair_leaves_its_second_half():
    assert utf16_from("a😀b", 2) == "\ude00b"
    assert replace_lone_surrogates("\ude00b") == "�b"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", ""),
        (" a\n b\t", "a b"),
        ("abcde", "abcde"),
        ("abcdef", "abcd…"),
        ("abc def", "abc…"),
        ("😀" * 6, "😀😀😀😀…"),
    ],
)
def test_a_title_is_one_line_of_limited_length(text, title):
    assert title_of(text, 5) == title
