"""Quotations that begin with [!NOTE] and the like."""

import re

import pytest

from agentchat.markup.alerts import KINDS
from agentchat.markup.markdown import to_html


@pytest.mark.parametrize("kind", KINDS)
def test_an_alert_has_its_kind_and_a_title(kind: str) -> None:
    for mark in (kind.upper(), kind):
        assert to_html(f"> [!{mark}]\n> Some **text**.") == (
            f'<div class="markdown-alert markdown-alert-{kind}" role="note">\n'
            f'<p class="markdown-alert-title">{kind.capitalize()}</p>\n<p>Some <strong>text</strong>.</p>\n</div>\n'
        )


def test_it_may_have_a_title_of_its_own() -> None:
    assert '<p class="markdown-alert-title">Read <em>this</em></p>\n<p>Text' in to_html("> [!TIP] Read *this*\n> Text")
    assert '<p class="markdown-alert-title">Tip</p>\n<p>All in one line' in to_html("> [!TIP] All in one line")


def test_it_may_have_blocks_in_it_and_stand_in_a_list() -> None:
    html = to_html("- a\n\n  > [!WARNING]\n  >\n  > - b\n  > - c\n\n  > [!NOTE]\n")
    assert re.search(r"<li>\s*<p>a</p>\s*<div class=\"markdown-alert markdown-alert-warning", html)
    assert html.count("<li>") == 3
    assert html.count("</div>") == 2


@pytest.mark.parametrize("text", ["> [!OTHER]\n> a", "> a\n> [!NOTE]", "[!NOTE]\na", "> \\[!NOTE]", "> [NOTE]\n> a"])
def test_others_are_quotations_or_text(text: str) -> None:
    assert "markdown-alert" not in to_html(text)
