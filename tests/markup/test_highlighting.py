"""Syntax highlighting: what is highlighted, what stays plain, and that the text is kept."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from itertools import chain, count, product, repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentchat.markup import highlighting
from agentchat.markup.highlighting import (
    _LANGUAGES_BY_LEXER,
    _LEXER_BY_LANGUAGE,
    CLASSES,
    MAX_CODE,
    MAX_GAP,
    MAX_LINE,
    MAX_SECONDS,
    can_highlight,
    highlight,
)
from agentchat.markup.markdown import MAX_HIGHLIGHTED, to_html
from agentchat.markup.sanitizer import clean
from tests.markup.splitting import split

SAMPLES = {
    "python": (
        '@wraps\ndef f(x: int) -> str:\n    return f"{x}<b>" or None  # why\n',
        '<span class="nf">@wraps</span>\n'
        '<span class="k">def</span> <span class="nf">f</span>(x: <span class="nf">int</span>)'
        ' -&gt; <span class="nf">str</span>:\n'
        '    <span class="k">return</span> <span class="s">f"</span>{x}<span class="s">&lt;b&gt;"</span>'
        ' <span class="k">or</span> <span class="m">None</span>  <span class="c"># why</span>\n',
    ),
    "json": (
        '{"a": [1, true, "x"]}\n',
        '{<span class="nt">"a"</span>: [<span class="m">1</span>, <span class="m">true</span>,'
        ' <span class="s">"x"</span>]}\n',
    ),
    "diff": (
        "@@ -1,2 +1,2 @@\n same\n-old\n+new\n",
        '<span class="k">@@ -1,2 +1,2 @@</span>\n same\n<span class="gd">-old</span>\n<span class="gi">+new</span>\n',
    ),
    "html": (
        '<a href="x">&amp;</a>\n<script>let a = 1</script>\n<style>p { color: red }</style>\n',
        '&lt;<span class="nt">a</span> <span class="nt">href</span>=<span class="s">"x"</span>&gt;',
    ),
}


class _Text(HTMLParser):
    """The `textContent` of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data


def fenced(code: str, language: str) -> str:
    return f"~~~~~ {language}\n{code}~~~~~\n"


def classes_of(html: str) -> set[str]:
    return set(re.findall(r'<span class="([^"]*)">', html))


# --- highlighting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", SAMPLES)
def test_code_in_a_known_language_is_highlighted(language: str) -> None:
    code, html = SAMPLES[language]
    assert highlight(code, language).startswith(html)
    seen = to_html(fenced(code, language))
    assert seen.startswith(f'<pre tabindex="0"><code class="language-{language}">{html}')
    assert classes_of(seen) == classes_of(highlight(code, language))


@pytest.mark.parametrize("language", ["Python", "PY", "python3", "py title=a.py"])
def test_common_aliases_of_languages_work(language: str) -> None:
    assert '<span class="k">def</span>' in to_html(fenced("def f(): pass\n", language))


@pytest.mark.parametrize("language", ["", "text", "plaintext", "nope", "guess", "pythonx", "python:a.py", "\0", "é"])
def test_a_language_is_never_guessed(language: str) -> None:
    code = '#!/usr/bin/env python\nimport os\nprint("x")\n'
    assert not can_highlight(code, language)
    assert "<span" not in to_html(fenced(code, language))


def test_code_without_a_fence_is_plain() -> None:
    assert "<span" not in to_html("    import os\n\n`import os`\n")


@pytest.mark.parametrize("markdown", ["> ```py\n> x = 1\n> ```\n", "- item\n\n  ```py\n  x = 1\n  ```\n"])
def test_code_within_quotes_and_lists_is_highlighted(markdown: str) -> None:
    assert '<span class="m">1</span>' in to_html(markdown)


@pytest.mark.parametrize("name", _LANGUAGES_BY_LEXER)
def test_every_listed_lexer_exists_and_finds_tokens(name: str) -> None:
    text = 'a: 1\n"b" = \'c\' + 2; // d\n# e\n-- f\n<g h="i">j</g>\n+k\n-l\n\\begin{m} $n @o ; p\n>>> 1\n'
    text += '  File "r", line 1\n'
    assert "<span" in highlight(text, _LANGUAGES_BY_LEXER[name].split()[0])


def test_no_two_lexers_share_a_language() -> None:
    words = " ".join(_LANGUAGES_BY_LEXER.values()).split()
    assert len(words) == len(set(words)) == len(_LEXER_BY_LANGUAGE)
    assert words == [word.lower() for word in words]


def test_a_finished_block_looks_as_it_does_in_the_whole_message() -> None:
    markdown = "Look:\n\n" + "".join(fenced(code, language) for language, (code, _) in SAMPLES.items())
    blocks, rest = split(markdown, *range(0, len(markdown), 7))
    assert rest == ""
    assert "".join(block.html for block in blocks) == to_html(markdown)
    assert all(classes_of(block.html) for block in blocks[1:])


# --- the text is kept -----------------------------------------------------------------------------------------------


PIECES = ["def f():\n", '"', "'", "'''", "/*", "*/", "//", "#", "<a b='c'>", "</script>", "&amp;", "{", "}", "$x", "\\"]
PIECES += ["1.5e3", "\t", "  ", "\n", "\n\n", "\r", "é", "\U0001f600", "\u2028", "\ufeff", "<<E\n", "E\n", "-", "+"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(_LEXER_BY_LANGUAGE)), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_highlighting_keeps_the_text(language: str, code: str) -> None:
    html = highlight(code, language)
    assert not html or _Text(html).text == code
    [seen] = re.findall(r"<code[^>]*>(.*)</code></pre>", to_html(fenced(code + "\n", language)), re.DOTALL)
    written = re.sub(r"\r\n?", "\n", code + "\n")  # as CommonMark normalizes line breaks
    assert _Text(seen).text == written
    assert classes_of(seen) <= CLASSES


@pytest.mark.parametrize("language", _LEXER_BY_LANGUAGE)
def test_nul_and_lone_surrogates_are_replaced(language: str) -> None:
    html = to_html(fenced('x = "\0\ud83d" \udc00 # \ud83d\ude00\n', language))
    assert _Text(html).text == 'x = "\ufffd\ufffd" \ufffd # \U0001f600\n\n'
    highlight('x = "\0\ud83d"\n', language)  # and unprepared


@pytest.mark.parametrize(
    "code",
    [
        '<span class="skip-link" style="color:red" onclick="x()">',
        "</code></pre><script>alert(1)</script>",
        "<!--",
        '"><img src=x onerror=alert(1)>',
    ],
)
def test_html_in_code_is_text(code: str) -> None:
    for language in ("html", "js", "php", "markdown", "python", "text"):
        html = to_html(fenced(code + "\n", language))
        assert _Text(html).text == code + "\n\n"
        assert set(re.findall(r"<(\w+)", html)) <= {"pre", "code", "span"}
        assert not re.search(r"<span (?!class=\"[a-z]{1,2}\">)", html)


@pytest.mark.parametrize("attributes", ['class="skip-link"', 'class="k skip-link"', 'class="K"', 'style="x"', 'id="k"'])
def test_no_other_class_passes(attributes: str) -> None:
    assert clean(f"<span {attributes}>a</span>") == "<span>a</span>"
    assert clean('<span class="k">a</span>') == '<span class="k">a</span>'
    assert clean('<code class="k">a</code><p class="k">b</p>') == "<code>a</code><p>b</p>"


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("untraced")
def test_a_block_that_is_too_long_stays_plain() -> None:
    line = "x = 1  # why\n"
    fits = line * (MAX_CODE // len(line))
    assert "<span" in to_html(fenced(fits, "python"))
    assert "<span" not in to_html(fenced(fits + line, "python"))


def test_a_line_that_is_too_long_leaves_its_block_plain() -> None:
    fits = "x = 1\n" + "#" * MAX_LINE + "\n"
    assert "<span" in to_html(fenced(fits, "python"))
    assert "<span" not in to_html(fenced("#" + fits[:4] + "#" * MAX_LINE + "\n", "python"))


@pytest.mark.usefixtures("untraced")
def test_highlighted_code_in_one_message_is_limited() -> None:
    blocks = [fenced(f"x = {number}\n" * 1000, "py") for number in range(10, 20)]
    assert len(blocks[0]) * len(blocks) > MAX_HIGHLIGHTED
    html = to_html("\n".join(blocks)).split("</pre>")
    are_highlighted = ["<span" in block for block in html[:-1]]
    assert are_highlighted == sorted(are_highlighted, reverse=True)
    assert 0 < sum(are_highlighted) == MAX_HIGHLIGHTED // len("x = 10\n" * 1000)


class _Lexer:
    def __init__(self, tokens: Iterator[tuple[int, tuple[str, ...], str]]) -> None:
        self._tokens = tokens

    def get_tokens_unprocessed(self, code: str) -> Iterator[tuple[int, tuple[str, ...], str]]:
        return self._tokens


@pytest.fixture
def lex(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Let the lexer of Python return these tokens."""

    def lex(tokens: Iterator[tuple[int, tuple[str, ...], str]]) -> str:
        monkeypatch.setitem(highlighting._lexers, "PythonLexer", _Lexer(tokens))
        return to_html(fenced(f"x = {next(_numbers)}\n", "python"))  # not cached yet

    return lex


_numbers = count(1_000_000)


def _failing(error: Exception) -> Iterator[tuple[int, tuple[str, ...], str]]:
    yield 0, ("Keyword",), "x"
    raise error


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), KeyError("y"), AssertionError()])
def test_a_lexer_that_fails_leaves_the_code_plain(lex, error: Exception) -> None:  # type: ignore[no-untyped-def]
    assert re.search(r'<code class="language-python">x = \d+\n</code>', lex(_failing(error)))


def test_a_lexer_that_changes_the_text_leaves_the_code_plain(lex) -> None:  # type: ignore[no-untyped-def]
    assert re.search(r">x = \d+\n</code>", lex(iter([(0, ("Keyword",), "y")])))


@pytest.mark.usefixtures("untraced")
def test_a_lexer_that_takes_too_long_leaves_the_code_plain(lex) -> None:  # type: ignore[no-untyped-def]
    begun = time.thread_time()
    html = lex(chain(repeat((0, ("Keyword",), "x"), 10**9)))
    assert re.search(r">x = \d+\n</code>", html)
    assert MAX_SECONDS <= time.thread_time() - begun < 10 * MAX_SECONDS


# Takes seconds without the limits.
LONG = {
    "html": "&",
    "javascript": "a.",
    "kotlin": "//",
    "python": "<!-- ",
    "rust": "//",
}


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("language", LONG)
def test_no_code_takes_long(language: str) -> None:
    piece = LONG[language]
    code = (piece * ((MAX_LINE - 1) // len(piece)) + "\n") * (MAX_CODE // MAX_LINE)
    assert can_highlight(code, language)
    begun = time.thread_time()
    highlight(code, language)
    assert time.thread_time() - begun < 5 * MAX_SECONDS


@pytest.mark.parametrize("space", [" ", "\n", "\t"])
def test_whitespace_that_is_too_long_leaves_its_block_plain(space: str) -> None:
    assert "<span" in to_html(fenced(f"x = 1{space * MAX_GAP}y = 2\n", "python"))
    assert "<span" not in to_html(fenced(f"x = 1{space * (MAX_GAP + 1)}y = 2\n", "python"))


# An expression that matches one of these pieces in two ways takes 2^25 steps (seconds) when it fails at the end.
OPENINGS = [
    "",
    "'",
    '"',
    "$'",
    '"""',
    "`",
    "/*",
    "//",
    "(",
    "<<<a",
    "s!",
    "q a",
    "int a ",
    "int a()",
    'raw"',
    "<a ",
    "a",
]
REPEATED = [
    "\\\\",
    "\\0",
    "\\a",
    "\\'",
    '\\"',
    "\\!",
    "a",
    "é",
    " ",
    "\n",
    "\na",
    "//\\\n",
    "/**/",
    "0",
    "a,",
    "a=",
    "a a",
]


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("name", _LANGUAGES_BY_LEXER)
def test_no_regular_expression_takes_exponential_time(name: str) -> None:
    language = _LANGUAGES_BY_LEXER[name].split()[0]
    highlight("x\n", language)
    for opening, piece, ending in product(OPENINGS, REPEATED, ["", "\n"]):
        code = opening + piece * 25 + ending
        begun = time.thread_time()
        highlight(code, language)
        assert time.thread_time() - begun < MAX_SECONDS, code


# --- threads and imports --------------------------------------------------------------------------------------------


def test_threads_do_not_interfere() -> None:
    work = [(f"{code}\n# {number}\n", language) for number in range(20) for language, (code, _) in SAMPLES.items()]
    alone = [highlight.__wrapped__(*each) for each in work]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: highlight.__wrapped__(*each), work)) == alone


def in_a_new_process(script: str) -> str:
    command = [sys.executable, "-W", "error", "-c", "import django; django.setup()\n" + script]
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_pygments_is_imported_for_the_first_code_that_needs_it() -> None:
    script = """
import sys
import agentchat.web.views.chat
from agentchat.markup.markdown import to_html
to_html("a\\n```\\nx\\n```\\n```nope\\nx\\n```\\n")
before = "pygments" in sys.modules
to_html("```python\\nx = 1\\n```")
print(before, "pygments" in sys.modules, "pygments.lexers.php" in sys.modules)
"""
    assert in_a_new_process(script) == "False True False\n"


@pytest.mark.parametrize("step", [1, -1])  # lexers share tables: a later one may hide that an earlier one was needed
def test_no_lexer_is_compiled_while_tokenizing(step: int) -> None:
    """Two threads could do so at the same time: `_NESTED_LEXERS` names the lexers that another one creates."""
    script = f"""
from agentchat.markup import highlighting as h
from pygments.lexer import RegexLexerMeta
pieces = {[code for code, _ in SAMPLES.values()] + PIECES!r}
codes = [*pieces, "".join(pieces), "\\n".join(reversed(pieces)), "all:\\n\\techo $(X)\\n", "RUN echo\\nCMD ['a']\\n"]
codes += ["```" + word + "\\nx = 1\\n```\\n" for word in h._LEXER_BY_LANGUAGE]
made = []
put_together = RegexLexerMeta.process_tokendef
for name, words in list(h._LANGUAGES_BY_LEXER.items())[::{step}]:
    h._lexer(name)
    RegexLexerMeta.process_tokendef = lambda cls, *a, **k: made.append((name, cls)) or put_together(cls, *a, **k)
    for code in codes:
        h.highlight(code, words.split()[0])
    RegexLexerMeta.process_tokendef = put_together
print(made)
"""
    assert in_a_new_process(script) == "[]\n"
