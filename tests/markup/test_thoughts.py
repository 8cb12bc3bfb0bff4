"""Thoughts are folded, apart from the answer, and left out of copies."""

import pytest
from django.utils import translation

from agentchat.markup.markdown import to_html
from agentchat.markup.text import to_text
from agentchat.markup.thoughts import without_thoughts
from agentchat.presentation.items import Message


@pytest.mark.parametrize(
    "markdown",
    [
        "<think>\nHm **yes**.\n</think>\n\nFour.",
        "<think>Hm **yes**.</think>Four.",
        "\n <THINK>Hm **yes**.</Think>\nFour.",
        "<thinking>\nHm **yes**.\n</thinking>\nFour.",
        "<thought>Hm **yes**.</thought>\nFour.",
        "[THINK]Hm **yes**.[/THINK]Four.",
        "Hm **yes**.\n</think>\n\nFour.",
    ],
)
def test_thoughts_are_folded_apart_from_the_answer(markdown: str) -> None:
    assert to_html(markdown) == (
        '<details class="thoughts"><summary>Thoughts</summary>\n<p>Hm <strong>yes</strong>.</p>\n</details>\n'
        "<p>Four.</p>\n"
    )
    assert without_thoughts(markdown) == to_text(markdown) == Message(id="m", content=markdown).source == "Four."


def test_what_is_not_closed_is_all_thoughts() -> None:
    assert to_html("<think>\nHm\n\n- a").count("</details>") == 1
    assert without_thoughts("<think>\nHm") == ""


def test_empty_thoughts_are_not_shown() -> None:
    assert to_html("<think>\n\n</think>\n\nFour.") == "<p>Four.</p>\n"


def test_several_thoughts_are_one() -> None:
    html = to_html("<think>a</think>\n<think>b</think>\nFour.")
    assert html.count("<details") == 1
    assert without_thoughts("<think>a</think>\n<think>b</think>\nFour.") == "Four."


@pytest.mark.parametrize(
    "text",
    ["Use <think> for thoughts.", "`<think>`", "```\n</think>\n```", "Four.\n\n<think>", "a </think> b", "<thinker>a"],
)
def test_tags_elsewhere_are_text(text: str) -> None:
    assert "<details" not in to_html(text)
    assert without_thoughts(text) == text


def test_the_heading_is_in_the_readers_language() -> None:
    with translation.override("de"):
        assert "<summary>Gedanken</summary>" in to_html("<think>a</think>b")
    assert "<summary>Thoughts</summary>" in to_html("<think>a</think>b")


def test_ids_of_thoughts_and_answer_differ() -> None:
    html = to_html("<think>a[^1]\n\n[^1]: x</think>b[^1]\n\n[^1]: y", key="m")
    assert html.count(' id="note-') == len({part[:20] for part in html.split(' id="note-')[1:]}) == 2
