"""Markdown as safe HTML, whole and block by block."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from django.utils.safestring import SafeString
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentchat import rendering
from agentchat.rendering import MAX_BLOCK, MAX_MARKDOWN, Block, BlockSplitter, to_html, utf16_len

# --- whole messages -------------------------------------------------------------------------------------------------


def test_a_message_is_rendered_and_safe_for_templates() -> None:
    html = to_html("**Hello**, `world`")
    assert isinstance(html, SafeString)
    assert html == "<p><strong>Hello</strong>, <code>world</code></p>\n"


def test_a_line_break_breaks_the_line() -> None:
    assert "one<br>" in to_html("one\ntwo")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<style>*{display:none}</style>",
        "<iframe src='//evil.example'></iframe>",
        "a <b onclick=alert(1)>b</b>",
        "<!-- --><svg onload=alert(1)>",
    ],
)
def test_html_is_shown_as_it_was_written(hostile: str) -> None:
    html = to_html(hostile)
    assert re.fullmatch(r"<p>[^<]*</p>\n", html), html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#10;script:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "/accounts/logout/",
        "//evil.example/x",
        "?a=1",
        "https:evil",
    ],
)
def test_only_web_and_mail_addresses_become_links(address: str) -> None:
    for markdown in (f"[here]({address})", f"![here]({address})", f"<{address}>", f"[a]\n\n[a]: {address}"):
        assert "<a" not in to_html(markdown)


@pytest.mark.parametrize("address", ["https://example.org/a?b=1", "http://example.org", "mailto:a@example.org"])
def test_links_open_elsewhere_and_give_nothing_away(address: str) -> None:
    html = to_html(f"[here]({address})")
    assert html == f'<p><a href="{address}" target="_blank" rel="noopener nofollow">here</a></p>\n'


def test_a_bare_address_is_a_link() -> None:
    html = to_html("see https://example.org/a_(b). And ftp://example.org, www.example.org, //example.org, `http://c.d`")
    assert re.findall('href="([^"]*)"', html) == ["https://example.org/a_(b)"]


def test_an_image_is_a_link_that_nobody_follows_unasked() -> None:
    html = to_html("![a *cat*](https://example.org/cat.png) ![](https://example.org/dog.png)")
    assert "<img" not in html
    assert '<a href="https://example.org/cat.png" target="_blank" rel="noopener nofollow">a cat</a>' in html
    assert ">https://example.org/dog.png</a>" in html


def test_an_image_in_a_link_is_its_words() -> None:
    html = to_html("[![badge](https://example.org/badge.png)](https://example.org/)")
    assert html == '<p><a href="https://example.org/" target="_blank" rel="noopener nofollow">badge</a></p>\n'


def test_headings_fit_below_those_of_the_page() -> None:
    html = to_html("\n\n".join("#" * level + " Title" for level in range(1, 7)))
    assert re.findall(r"<(h\d)>", html) == ["h3", "h4", "h5", "h6", "h6", "h6"]


def test_code_keeps_its_language_and_scrolls_by_keyboard() -> None:
    html = to_html("```python\nx = '<b>'\n```")
    coloured = "x = <span class=\"s\">'&lt;b&gt;'</span>\n"
    assert html == f'<pre tabindex="0"><code class="language-python">{coloured}</code></pre>\n'


@pytest.mark.parametrize("info", ['py"onclick="x', "a&quot;b", "<b>", "x" * 100])
def test_a_language_that_is_none_is_left_out(info: str) -> None:
    assert to_html(f"```{info}\nx\n```") == '<pre tabindex="0"><code>x\n</code></pre>\n'


def test_a_table_stands_in_a_box_that_scrolls_and_has_a_name() -> None:
    html = to_html("| City | `t` <x> |\n|:-----|--:|\n| Paris | 21 |")
    assert html.startswith('<div role="group" tabindex="0" aria-label="City, t &lt;x&gt;">\n<table>')
    assert html.endswith("</table>\n</div>\n")
    assert '<td align="right">21</td>' in html
    assert "style" not in html


def test_a_list_goes_on_with_its_number() -> None:
    assert to_html("3. three") == '<ol start="3">\n<li>three</li>\n</ol>\n'


def test_checkboxes_stay_text() -> None:
    assert to_html("- [ ] todo") == "<ul>\n<li>[ ] todo</li>\n</ul>\n"


@pytest.mark.parametrize(
    "text", ["Done.\n\nTERMINATE", "Done. TERMINATE", "Done.\nTERMINATE\n\n", "Done.\r\nTERMINATE "]
)
def test_the_signal_of_the_end_is_not_shown(text: str) -> None:
    assert to_html(text) == "<p>Done.</p>\n"


def test_a_message_that_is_only_the_signal_is_empty() -> None:
    assert to_html("TERMINATE") == ""


@pytest.mark.parametrize("text", ["Say TERMINATE to end.", "NOTERMINATE", "`TERMINATE`", "terminate"])
def test_the_word_elsewhere_is_a_word(text: str) -> None:
    assert "terminate" in to_html(text).lower()


def test_half_characters_do_no_harm() -> None:
    assert to_html("\ud83d\ude00 \ud83d") == "<p>\U0001f600 \ufffd</p>\n"


def test_a_text_beyond_all_measure_is_shown_as_it_was_written() -> None:
    html = to_html("*a* <b>\n" * (MAX_MARKDOWN // 8 + 1))
    assert html.startswith('<pre tabindex="0">*a* &lt;b&gt;\n')


def test_threads_do_not_disturb_one_another() -> None:
    texts = [f"[a](https://example.org/{i}) https://example.org/{i}\n\n" * 20 + f"```x{i}\n```" for i in range(40)]
    alone = [to_html(text + "\n") for text in texts]  # the same, but not from the cache
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(to_html, texts)) == alone


# --- hostile lengths ------------------------------------------------------------------------------------------------

SIZE = 65_536
HOSTILE = {
    "quotes in quotes": "> " * (SIZE // 2),
    "a line below deep quotes": "> " * 22 + "a\n" + "b\n" * (SIZE // 2),
    "lists in lists": "".join("  " * level + "- a\n" for level in range(250)),
    "brackets": "[" * SIZE,
    "half links": "[a](" * (SIZE // 4),
    "half references": "[a][b" * (SIZE // 5),
    "half images": "![" * (SIZE // 2),
    "half definitions": "[\n" * (SIZE // 2),
    "emphasis": "*a_ " * (SIZE // 4),
    "stars": "*" * SIZE,
    "tildes": "~~a" * (SIZE // 3),
    "backticks": "".join("`" * length + "a" for length in range(360)),
    "angles": "<a" * (SIZE // 2),
    "a wide table": "|" + "a|" * (SIZE // 4) + "\n|" + "-|" * (SIZE // 4),
    "a long table": "|" * 1000 + "\n" + "|-" * 1000 + "\n" + "|\n" * (SIZE // 2),
    "addresses": "http://" * (SIZE // 7),
    "spaces": "a" + " " * SIZE + "b",
    "blank lines": "\n" * SIZE,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    to_html(text)
    splitter = BlockSplitter()
    for offset in range(0, len(text), 256):
        splitter.feed(text[offset : offset + 256])
    assert time.process_time() - start < 10  # measured: 1.7 s at most; what is quadratic takes minutes


# --- block by block -------------------------------------------------------------------------------------------------


def split(text: str, *cuts: int) -> tuple[list[Block], str]:
    """The blocks of a text that comes in pieces, and the rest that no block stands for."""
    splitter = BlockSplitter()
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    blocks = [block for start, end in pairwise(bounds) for block in splitter.feed(text[start:end])]
    units = text.encode("utf-16-le", "surrogatepass")
    return blocks, units[2 * (blocks[-1].end if blocks else 0) :].decode("utf-16-le", "surrogatepass")


def put_together(blocks: list[Block], rest: str) -> str:
    return "".join(block.html for block in blocks) + to_html(rest)


@pytest.mark.parametrize(
    "whole",
    [
        "A paragraph\nof two lines.\n\n",
        "# A heading\n",
        "Setext\n---\n",
        "***\n",
        "```python\nx = 1\n\n\ny = 2\n```\n",
        "~~~~\n~~~\n```\n~~~~\n",
        "> a quote\nthat goes on\n\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
    ],
)
def test_a_block_is_complete_with_its_last_line(whole: str) -> None:
    assert split(whole[:-1]) == ([], whole[:-1])
    assert split(whole) == ([Block(index=0, end=len(whole), html=to_html(whole))], "")


@pytest.mark.parametrize(
    "open_block",
    [
        "- one\n- two\n\n",
        "1. one\n\n   more\n\n",
        "    code\n\n",
        "```\ncode\n\n",
        "- ```\n  code\n\n",
        "A paragraph\n",
        "| a |\n|---|\n| 1 |\n",
    ],
)
def test_a_block_that_may_go_on_is_not_complete(open_block: str) -> None:
    assert split(open_block) == ([], open_block)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("- one\n- two\n\n", "A paragraph"),
        ("1. one\n\n   more\n\n", "# Heading"),
        ("    code\n\n", "A paragraph"),
        ("A paragraph\n", "```python"),
        ("A paragraph\n", "- a list"),
        ("A paragraph\n", "1. a list"),
        ("- a list\n", "```"),
        ("> a quote\n", "```"),
    ],
)
def test_a_block_is_complete_when_another_one_begins(first: str, second: str) -> None:
    blocks, rest = split(first + second + "\n")
    assert (blocks[0].html, blocks[0].end) == (to_html(first), len(first))
    assert rest in ("", second + "\n")


def test_ends_count_utf16_code_units() -> None:
    blocks, rest = split("\U0001f600 é\n\nx\n\ny")
    assert [block.end for block in blocks] == [6, 9]
    assert rest == "y"
    assert utf16_len("\U0001f600é") == 3


def test_blocks_are_numbered() -> None:
    blocks, _ = split("a\n\nb\n\nc\n\n")
    assert [block.index for block in blocks] == [0, 1, 2]


def test_a_link_defined_above_is_known_below() -> None:
    blocks, _ = split("[a]: https://example.org/\n\nSee [a].\n\n")
    assert 'href="https://example.org/"' in blocks[1].html


def test_the_signal_of_the_end_is_never_a_block() -> None:
    assert len(split("Done.\n\nTERMINATE\n\n")[0]) == 1
    assert len(split("Done.\n\nIt says TERMINATE\n\n")[0]) == 1


def test_the_signal_is_a_word_when_something_follows() -> None:
    blocks, _ = split("TERMINATE\n\nis a word\n\n")
    assert "".join(block.html for block in blocks) == "<p>TERMINATE</p>\n<p>is a word</p>\n"


@pytest.mark.parametrize(
    "text",
    [
        "1. a\n  ```\n\nb\n  ```\n\nc",
        "Foo\n2. bar\n\n   ```\n\nx\n\n   ```\n\ny",
        "- ```\na\n\n  ```\n\nb",
        "- - -\n  ```\n\nx\n  ```\n",
        "| a |\n|---|\n| b |\n2. item\n\n   ```\n\n   x",
        "a | b\n- | -\n1 | 2\n\nx",
        "- a\n***\n- b\n\n- c\n\nd",
        "* * *\n* a\n\n* b\n\nc",
        "-\n\n  a\n\nb",
        "-     code\n\n  a\n\nb",
        "-\ta\n\n\tb\n\nc",
        "\tcode\n\n\tcode\n\nb",
        "```a`b\n\nc",
        "``` \n\n```\n\n    ```\n\nb",
        "a\r\n\r\n```\r\n\r\n```\r\nb",
        "a\r\r```\r\rb\n\nc\n\n",
        "> ```\n\na\n\n> b\n\n",
        "> - a\n\n  b\n\nc",
        "a\n    b\n\n    c\n\nd",
        "# a\n    b\n\n    c\n\nd",
        "\n\n\n    a\n\n\nb",
        "a\0b\n\nc",
        "- a\n\n\n\n- b\n\n1) c\n\n2) d\n\ne",
        "1. a\n\n   - b\n\n     ```\n     c\n\n     d\n     ```\n\n2. e\n\nf",
        "TERMINATE\n\n- a\n\nb\n\n",
    ],
)
def test_blocks_and_rest_look_like_the_whole_in_awkward_places(text: str) -> None:
    for end in range(len(text) + 1):
        assert as_seen(put_together(*split(text[:end]))) == as_seen(to_html(text[:end]))


def as_seen(html: str) -> str:
    """The HTML without the spaces between blocks."""
    return re.sub(r"\s*\n\s*", "\n", html).strip()


WORDS = ["word", "**bold**", "`code`", "*it*", "https://example.org/", "\U0001f600", "a | b", "1.", "-", "#", ">"]
PLAIN = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
PARTS = st.one_of(
    PLAIN,
    st.sampled_from(["# ", "### ", "> ", "- ", "* ", "1. ", "2) ", "  - ", "   ", "    ", "\t", "> - "]).flatmap(
        lambda prefix: PLAIN.map(lambda words: prefix + words)
    ),
    st.sampled_from(
        [
            "```python\ndef f():\n\n    return 1\n```",
            "```\n# not a heading\n\n\n- not a list\n```",
            "~~~\n```\n\n~~~",
            "| a | b |\n|---|:-:|\n| 1 | 2 |",
            "- one\n- two\n  - three\n\n    more\n- four",
            "1. one\n\n   more\n\n2. two\n   ```sh\n   ls\n\n   pwd\n   ```",
            "Heading\n=======",
            "Heading\n---",
            "***",
            "- - -",
            "    code\n\n    code",
            "> quote\nlazy",
            "> ```\n> code\n> ```",
            "[link](https://example.org/)",
            "```",
            "-",
            "TERMINATE",
        ]
    ),
)
MARKDOWN = st.lists(st.tuples(PARTS, st.sampled_from(["\n", "\n\n", "\n\n\n"])), max_size=12).map(
    lambda parts: "".join(part + gap for part, gap in parts)
)


@settings(max_examples=300, deadline=None)
@given(text=MARKDOWN, end=st.integers(0, 2000), cuts=st.lists(st.integers(0, 2000), max_size=20))
@example(text="a\n\n- b\n\nc", end=100, cuts=[])
def test_blocks_and_rest_look_like_the_whole_wherever_it_is_cut(text: str, end: int, cuts: list[int]) -> None:
    text = text[: end % (len(text) + 1) or len(text)]
    assert as_seen(put_together(*split(text, *cuts))) == as_seen(to_html(text))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1.)-*+_`~>#|:=[]()<>&\\! \t\n\n\n", max_size=120))
def test_no_text_breaks_the_rendering(text: str) -> None:
    blocks, rest = split(text, *range(0, 120, 4))
    assert "<script" not in put_together(blocks, rest)
    assert [block.index for block in blocks] == list(range(len(blocks)))


def test_a_block_without_measure_is_left_to_the_whole_message() -> None:
    blocks, rest = split("a\n\n" + "b\n" * MAX_BLOCK + "\nc\n\n")
    assert [block.end for block in blocks] == [3]
    assert rest.endswith("c\n\n")


# --- cost -----------------------------------------------------------------------------------------------------------

LONG = {
    "prose": "Some words with **bold** and `code` in a line of text.\n\n",
    "fence": "print('a line of code')\n\n",
    "loose list": "- an item of a **list**\n\n",
    "table": "| a cell | another |\n",
    "one paragraph": "a line of one paragraph\n",
    "quote": "> a line of a quote\n",
}
OPENINGS = {"fence": "```python\n", "table": "| a | b |\n|---|---|\n"}


@pytest.mark.parametrize("kind", LONG)
def test_each_character_is_parsed_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(
        rendering, "_parse", lambda text, env, parse=rendering._parse: parsed.append(text) or parse(text, env)
    )
    text = OPENINGS.get(kind, "") + LONG[kind] * (16_000 // len(LONG[kind])) + "```\n\nend\n\n"
    splitter = BlockSplitter()
    for offset in range(0, len(text), 4):
        splitter.feed(text[offset : offset + 4])
    assert sum(map(len, parsed)) <= len(text)
