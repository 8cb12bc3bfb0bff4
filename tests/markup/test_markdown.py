"""Markdown messages as safe HTML."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils.safestring import SafeString

from agentchat.markup.blocks import BlockSplitter
from agentchat.markup.markdown import MAX_MARKDOWN, to_html

# --- whole messages -------------------------------------------------------------------------------------------------


def test_a_message_is_rendered_and_safe_for_templates() -> None:
    html = to_html("**Hello**, `world`")
    assert isinstance(html, SafeString)
    assert html == "<p><strong>Hello</strong>, <code>world</code></p>\n"


def test_a_line_break_is_kept() -> None:
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
def test_html_is_shown_as_text(hostile: str) -> None:
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
        "//evil.example/x",
        "?a=1",
        "https:evil",
    ],
)
def test_other_addresses_than_of_the_web_mail_and_telephone_become_no_links(address: str) -> None:
    for markdown in (f"[here]({address})", f"![here]({address})", f"<{address}>", f"[a]\n\n[a]: {address}"):
        assert "<a" not in to_html(markdown)


@pytest.mark.parametrize("address", ["https://example.org/a?b=1", "http://example.org", "mailto:a@example.org"])
def test_links_open_in_a_new_tab_without_a_referrer(address: str) -> None:
    html = to_html(f"[here]({address})")
    assert html == f'<p><a href="{address}" target="_blank" rel="noopener nofollow">here</a></p>\n'


@pytest.mark.parametrize(
    ("address", "href"),
    [
        ("/docs/a?b=1#c", "/docs/a?b=1#c"),
        ("docs/a.md", "/docs/a.md"),
        ("./docs/", "/docs/"),
        ("../a/b", "/a/b"),
        ("guide.html", "/guide.html"),
        ("tel:+49301234", "tel:+49301234"),
        ("/\\evil.example/x", "/%5Cevil.example/x"),
        ("/&Tab;/evil.example/x", "/%09/evil.example/x"),
    ],
)
def test_paths_of_the_site_and_telephone_numbers_are_links(address: str, href: str) -> None:
    link = f'<p><a href="{href}" target="_blank" rel="noopener nofollow">here</a></p>\n'
    assert to_html(f"[here]({address})") == to_html(f"[here]\n\n[here]: {address}") == link


def test_a_link_to_a_heading_is_its_text() -> None:
    assert to_html("[One **part**](#part) ![x](#y)") == "<p>One <strong>part</strong> x</p>\n"


@pytest.mark.parametrize("text", ["f[i](x)", "array[0](y)", "[x](y:z)"])
def test_code_in_words_is_no_link(text: str) -> None:
    assert to_html(text) == f"<p>{text}</p>\n"


def test_a_task_has_a_box_that_is_named_by_its_text() -> None:
    html = to_html("- [ ] **todo**\n- [x] done\n\n  more\n  1. [X] nested")
    box = '<input type="checkbox" disabled=""'
    assert f'<li class="task-list-item">\n<p><label>{box}> <strong>todo</strong></label></p>' in html
    assert f'<label>{box} checked=""> done</label></p>\n<p>more</p>' in html
    assert f'<label>{box} checked=""> nested</label>' in html
    assert "<input" not in to_html("- [x]no\n- [] no\n- [y] no\n\n[x] no")


def test_html_that_would_be_much_longer_than_its_text_is_not_made() -> None:
    text = "|" + "a|" * 600 + "\n|" + "-|" * 600 + "\n" + "|\n" * 200
    html = to_html(text)
    assert html.startswith("<pre") or len(html) <= 20 * len(text) + 65_536


def test_a_bare_url_is_a_link() -> None:
    html = to_html("see https://example.org/a_(b). And ftp://example.org, example.org, //example.org, `http://c.d`")
    assert re.findall('href="([^"]*)"', html) == ["https://example.org/a_(b)"]


def test_an_image_becomes_a_link_and_is_not_loaded() -> None:
    html = to_html("![a *cat*](https://example.org/cat.png) ![](https://example.org/dog.png)")
    assert "<img" not in html
    assert '<a href="https://example.org/cat.png" target="_blank" rel="noopener nofollow">a cat</a>' in html
    assert ">https://example.org/dog.png</a>" in html


def test_an_image_in_a_link_becomes_its_alternative_text() -> None:
    html = to_html("[![badge](https://example.org/badge.png)](https://example.org/)")
    assert html == '<p><a href="https://example.org/" target="_blank" rel="noopener nofollow">badge</a></p>\n'


def test_headings_start_below_those_of_the_page() -> None:
    html = to_html("\n\n".join("#" * level + " Title" for level in range(1, 7)))
    assert re.findall(r"<(h\d)>", html) == ["h3", "h4", "h5", "h6", "h6", "h6"]


def test_code_keeps_its_language_and_can_be_scrolled_by_keyboard() -> None:
    html = to_html("```python\nx = '<b>'\n```")
    highlighted = "x = <span class=\"s\">'&lt;b&gt;'</span>\n"
    assert html == f'<pre tabindex="0"><code class="language-python">{highlighted}</code></pre>\n'


@pytest.mark.parametrize("info", ['py"onclick="x', "a&quot;b", "<b>", "x" * 100])
def test_an_invalid_language_is_left_out(info: str) -> None:
    assert to_html(f"```{info}\nx\n```") == '<pre tabindex="0"><code>x\n</code></pre>\n'


def test_a_table_has_a_scrollable_box_with_a_name() -> None:
    html = to_html("| City | `t` <x> |\n|:-----|--:|\n| Paris | 21 |")
    assert html.startswith('<div role="group" tabindex="0" aria-label="City, t &lt;x&gt;">\n<table>')
    assert html.endswith("</table>\n</div>\n")
    assert '<td align="right">21</td>' in html
    assert "style" not in html


def test_a_list_keeps_its_start_number() -> None:
    assert to_html("3. three") == '<ol start="3">\n<li>three</li>\n</ol>\n'


@pytest.mark.parametrize(
    "text", ["Done.\n\nTERMINATE", "Done. TERMINATE", "Done.\nTERMINATE\n\n", "Done.\r\nTERMINATE "]
)
def test_the_end_signal_is_not_shown(text: str) -> None:
    assert to_html(text) == "<p>Done.</p>\n"


def test_a_message_with_only_the_end_signal_is_empty() -> None:
    assert to_html("TERMINATE") == ""


@pytest.mark.parametrize("text", ["Say TERMINATE to end.", "NOTERMINATE", "`TERMINATE`", "terminate"])
def test_the_end_signal_elsewhere_is_shown(text: str) -> None:
    assert "terminate" in to_html(text).lower()


def test_lone_surrogates_are_replaced() -> None:
    assert to_html("\ud83d\ude00 \ud83d") == "<p>\U0001f600 \ufffd</p>\n"


def test_a_text_that_is_too_long_is_shown_as_plain_text() -> None:
    html = to_html("*a* <b>\n" * (MAX_MARKDOWN // 8 + 1))
    note, text = html.split("\n", 1)
    assert note == '<p class="plain-text-note">Shown as plain text: it is too long or too complex to be formatted.</p>'
    assert text.startswith('<pre tabindex="0">*a* &lt;b&gt;\n')


def test_threads_do_not_interfere() -> None:
    texts = [f"[a](https://example.org/{i}) https://example.org/{i}\n\n" * 20 + f"```x{i}\n```" for i in range(40)]
    alone = [to_html(text + "\n") for text in texts]  # the same HTML, but not from the cache
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


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    to_html(text)
    splitter = BlockSplitter()
    for offset in range(0, len(text), 256):
        splitter.feed(text[offset : offset + 256])
    assert time.process_time() - start < 10  # measured: at most 1.7 s; quadratic time would be minutes
