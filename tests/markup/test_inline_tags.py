"""The few HTML elements that are more than text."""

import re

import pytest

from agentchat.markup.markdown import to_html


def test_a_line_break_in_a_table_cell_is_one() -> None:
    cell = re.search("<td>(.*?)</td>", to_html("| a |\n|---|\n| x<br>y<br/>z<BR /> |"), re.DOTALL)
    assert cell
    assert cell[1].replace("\n", "") == "x<br>y<br>z<br>"


@pytest.mark.parametrize(
    "markdown",
    ["H<sub>2</sub>O", "x<sup>2</sup>", "<kbd>Ctrl</kbd>+<kbd>C</kbd>", "a<sup>b<sub>c</sub></sup>", "<SUB>2</SUB>"],
)
def test_elements_of_the_list_are_elements(markdown: str) -> None:
    assert to_html(markdown) == f"<p>{markdown.lower() if markdown.isupper() else markdown}</p>\n"


def test_there_is_markdown_within_them() -> None:
    assert to_html("<kbd>**a** `b`</kbd>") == "<p><kbd><strong>a</strong> <code>b</code></kbd></p>\n"


@pytest.mark.parametrize(
    "text",
    [
        "<sub>open",
        "a</sub>",
        "<sub>a</sup>",
        "</sub>a<sub>",
        '<sub class="x">a',
        "<sub onclick=alert(1)>a</sub",
        "<b>a</b>",
        "<br class=x>",
        "<u>a</u>",
        "<sub >a</sub>",
    ],
)
def test_others_stay_text(text: str) -> None:
    assert re.fullmatch(r"<p>[^<]*</p>\n", to_html(text))


def test_they_do_not_cross_emphasis_and_links() -> None:
    assert to_html("**a<sub>b**c</sub>") == "<p><strong>a&lt;sub&gt;b</strong>c&lt;/sub&gt;</p>\n"
    assert "&lt;kbd&gt;" in to_html("[a<kbd>b](https://example.org/)c</kbd>")


def test_in_code_they_are_text() -> None:
    assert "<code>&lt;br&gt;</code>" in to_html("`<br>`")
