"""The block that is being written: half-open marks are taken as closed, and none are seen."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentchat.markup.footnotes import Footnotes
from agentchat.markup.open_block import render_open


def rendered(text: str) -> str:
    env: dict[str, object] = {}
    Footnotes(key="k", is_partial=True).put_into(env)
    return render_open(text, env).replace("\n", "")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold te", "<p><strong>bold te</strong></p>"),
        ("**bold te*", "<p><strong>bold te</strong></p>"),
        ("a *it", "<p>a <em>it</em></p>"),
        ("***both", "<p><em><strong>both</strong></em></p>"),
        ("__b _i", "<p><strong>b <em>i</em></strong></p>"),
        ("~~gone", "<p><s>gone</s></p>"),
        ("**重点：", "<p><strong>重点：</strong></p>"),
        ("a **", "<p>a</p>"),
        ("`co*de", "<p><code>co*de</code></p>"),
        ("``co`de", "<p><code>co`de</code></p>"),
        ("a `", "<p>a</p>"),
        ("**a `b", "<p><strong>a <code>b</code></strong></p>"),
        ("*a **b** c", "<p><em>a <strong>b</strong> c</em></p>"),
        ("[te**xt", "<p>te<strong>xt</strong></p>"),
        ("[text](https://exam", "<p>text</p>"),
        ("![alt](https://exam", "<p>alt</p>"),
        ("see [", "<p>see</p>"),
        ("## ", ""),
        ("## A **b", "<h4>A <strong>b</strong></h4>"),
        ("Title\n--", "<p>Title</p>"),
        ("a\n1.", "<p>a</p>"),
        ("- a\n- ", "<ul><li>a</li></ul>"),
        ("- **a**\n  - `b", "<ul><li><strong>a</strong><ul><li><code>b</code></li></ul></li></ul>"),
        ("- [", ""),
        ("- [x", ""),
        ("> [!NO", "<blockquote></blockquote>"),
        ("a <br", "<p>a</p>"),
        ("H<sub>2", "<p>H2</p>"),
        ("see [^", "<p>see</p>"),
        ("see [^1", "<p>see</p>"),
        ("a &am", "<p>a</p>"),
        ("```", ""),
        ("```pyth", ""),
        ("- a\n  ```py", "<ul><li>a</li></ul>"),
        ("x\\", "<p>x</p>"),
        ("Done. TERMI", "<p>Done.</p>"),
        (r"\(x^", r"<p><code>\(x^</code></p>"),
        ("so $$x^2", "<p>so <code>$$x^2</code></p>"),
        ("$$\nx^2", '<pre tabindex="0"><code class="language-latex">$$x^2</code></pre>'),
        ("\\begin{aligned}\na", '<pre tabindex="0"><code class="language-latex">\\begin{aligned}a</code></pre>'),
    ],
)
def test_what_is_half_open_is_taken_as_closed(text: str, html: str) -> None:
    assert rendered(text) == html


@pytest.mark.parametrize(
    "text", ["| a | b", "| a | b |", "| a | b |\n|", "| a | b |\n|--", "| a | b |\n|---|---", "| a | b |\n|---|---|\n"]
)
def test_a_table_is_one_from_its_header_on(text: str) -> None:
    for whole in (text, "> " + text.replace("\n", "\n> "), "words\n" + text):
        html = rendered(whole)
        assert re.findall("<th>(.*?)</th>", html) == ["a", "b"]
        assert "|" not in html


def test_a_row_of_a_table_grows() -> None:
    html = rendered("| a | b |\n|---|:-:|\n| 1 | **2")
    assert re.findall("<td[^>]*>(.*?)</td>", html) == ["1", "<strong>2</strong>"]


def test_footnotes_are_known_before_their_notes_come() -> None:
    assert re.search(r"<sup><a [^>]*>1</a></sup>", rendered("a[^1] b"))
    assert 'class="notes"' in rendered("a[^1]\n\n[^1]: a **no")


@pytest.mark.parametrize(
    "text", ["5 * 3", "a &lt; b", "snake_case", "costs $5 and", "[x] y", "2 ** 3", "1", "x | y", "a_b"]
)
def test_other_text_stays(text: str) -> None:
    assert rendered(text) == f"<p>{text}</p>"


def test_it_changes_nothing_for_later_blocks() -> None:
    env: dict[str, object] = {}
    Footnotes(key="k", is_partial=True).put_into(env)
    render_open("a[^1]\n\n[^1]: x\n\n[l]: https://exam", env)
    footnotes = Footnotes.of(env)
    assert (footnotes.numbers, footnotes.notes, env.get("references")) == ({}, {}, None)


PIECES = [
    "**",
    "*",
    "_",
    "~~",
    "`",
    "``",
    "[",
    "](",
    ")",
    "![",
    "| a | b |\n",
    "|---|",
    "\n",
    "\n\n",
    "- ",
    "1. ",
    "> ",
    "# ",
]
PIECES += ["```\n", "$$", "\\(", "<sub>", "[^1]", "[!NOTE]", "重点：", "word ", "é", "&amp;", "\\", "    "]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_no_text_is_too_strange(text: str) -> None:
    assert "<script" not in rendered(text)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    start = time.process_time()
    rendered(text)
    assert time.process_time() - start < 1
