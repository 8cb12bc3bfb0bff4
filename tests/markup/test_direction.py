"""The direction of each block."""

import re

import pytest

from agentchat.markup.markdown import to_html


@pytest.mark.parametrize(
    ("markdown", "element"),
    [
        ("مرحبا بكم", "p"),
        ("שלום", "p"),
        ("## عنوان", "h4"),
        ("> اقتباس", "blockquote"),
        ("- قائمة", "ul"),
        ("1. **قائمة**", "ol"),
        ("`code` ثم كلام", "p"),
        ("$x$ معادلة", "p"),
        ("https://example.org/ رابط", "p"),
        ("123 رقم", "p"),
    ],
)
def test_a_block_runs_in_the_direction_of_its_first_letter(markdown: str, element: str) -> None:
    assert re.match(rf'<{element} dir="rtl">', to_html(markdown))


@pytest.mark.parametrize(
    "markdown", ["English", "- English قائمة", "123", "```\nمرحبا\n```", "`مرحبا`", "| a |\n|---|"]
)
def test_what_is_from_left_to_right_says_nothing(markdown: str) -> None:
    assert "dir=" not in to_html(markdown)


def test_a_message_may_have_both() -> None:
    html = to_html("English.\n\nهذا عربي.\n\n- قائمة\n- English\n  - عربي\n\nEnglish.")
    assert re.findall(r"<(\w+)(?: dir=\"(\w+)\")?>", html) == [
        *[("p", ""), ("p", "rtl"), ("ul", "rtl"), ("li", ""), ("li", "ltr"), ("ul", "rtl"), ("li", ""), ("p", "")],
    ]


def test_cells_and_paragraphs_in_items_have_their_own() -> None:
    html = to_html("| ا | b |\n|---|---|\n| x | ي |\n\n1. English\n\n   عربي")
    assert re.findall(r'<(t[hd]|p) dir="(\w+)">', html) == [("th", "ltr"), ("td", "ltr"), ("p", "rtl")]
