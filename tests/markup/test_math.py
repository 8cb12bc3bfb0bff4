"""Formulas in Markdown: how they are found, their MathML, and that hostile ones are harmless."""

import re
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentchat.markup.blocks import BlockSplitter
from agentchat.markup.markdown import to_html
from agentchat.markup.math import MAX_FORMULA, MAX_FORMULAS, to_mathml
from tests.markup.splitting import as_seen, put_together, split


@pytest.mark.parametrize("markdown", ["$E = mc^2$", r"\(E = mc^2\)"])
def test_an_inline_formula_is_mathml(markdown: str) -> None:
    assert to_html(f"See {markdown}.") == (
        '<p>See <math display="inline"><mrow><mi>E</mi><mo>=</mo><mi>m</mi>'
        "<msup><mi>c</mi><mn>2</mn></msup></mrow></math>.</p>\n"
    )


@pytest.mark.parametrize(
    "markdown", ["$n$ equals 5", "$n$ ends with \\\\", "from $0$ to $9$", "[$a$](https://example.org/) and 5"]
)
def test_a_formula_does_not_depend_on_distant_text(markdown: str) -> None:
    assert "<math" in to_html(markdown)


@pytest.mark.parametrize(
    "markdown",
    [
        "$$x$$",
        "$$\nx\n$$",
        r"\[x\]",
        "\\[\n  x\n\\]",
        "Words before\n\\[\nx\n\\]\nand after",
        "\\begin{equation}\nx\n\\end{equation}",
        "> $$\n> x\n> $$",
        "- item\n  $$\n  x\n  $$",
    ],
)
def test_a_display_formula_has_a_scrollable_box_with_a_name(markdown: str) -> None:
    html = to_html(markdown)
    assert '<div role="group" tabindex="0" aria-label="' in html
    assert '<math display="block">' in html
    assert re.search(r"(<mrow>)+<mi>x</mi>(</mrow>)+</math></div>", html)


@pytest.mark.parametrize("markdown", ["so $$x$$ is", r"so \[x\] is"])
def test_a_display_formula_within_a_line_has_no_box(markdown: str) -> None:
    assert '<p>so <math display="block">' in to_html(markdown)


def test_lines_of_a_formula_that_look_like_lists_or_headings_belong_to_it() -> None:
    html = to_html("$$\na\n= b\n- c\n+ d\n===\n$$")
    assert html.count("<math") == 1
    assert not re.search("<ul>|<h3>", html)


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "From $5-$10, or $5/$6.",
        "Pay $5 (or 10$).",
        "$5 million in 2020, US$ 6 million in 2021",
        "between 5$ and 10$",
        "$ x $",
        r"\$x\$",
        "a$b$c",
        "$HOME/$USER and $A:$B",
        "$$",
        "$$$$",
        "$",
        "one $x",
        r"\(x",
        "`$x$` and `\\(x\\)`",
        "```\n$$\nx\n$$\n```",
        "    $$x$$",
        "$$\n\nx\n\n$$",
    ],
)
def test_text_that_is_not_a_formula_stays_text(text: str) -> None:
    assert "<math" not in to_html(text)


def test_prices_and_formulas_in_one_line_are_told_apart() -> None:
    html = to_html("For $5 you get $n$ pieces, for $10 $n+1$.")
    assert html.count("<math") == 2
    assert re.search(r"For \$5 you get .* for \$10 ", html)


@pytest.mark.parametrize(
    "latex",
    [r"\frac{a", r"\foo{x}", r"a_b_c", r"\left( a \right", r"x^", r"\begin{matrix} a", "}", r"\sqrt", r"\unicode{"],
)
def test_an_invalid_formula_is_shown_as_its_source(latex: str) -> None:
    html = to_html(f"a ${latex}$ b")
    if "<math" in html:  # it was translated nevertheless: it must be well-formed
        ElementTree.fromstring(to_mathml(latex, False))
    else:
        assert html == f"<p>a <code>${latex}$</code> b</p>\n"


@pytest.mark.parametrize("latex", [r"\frac{a", r"\foo{x}", "a_b_c"])
def test_an_invalid_display_formula_is_shown_as_code(latex: str) -> None:
    html = to_html(f"$$\n{latex}\n$$")
    assert html == f'<pre tabindex="0"><code class="language-latex">$$\n{latex}\n$$\n</code></pre>\n'


# --- hostile formulas -----------------------------------------------------------------------------------------------

HOSTILE = [
    r"\href{javascript:alert(1)}{x}",
    r"\href{https://evil.example/?secret}{x}",
    r"\url{javascript:alert(1)}",
    r"\text{<script>alert(1)</script>}",
    r"\text{</math><script>alert(1)</script>}",
    r"\text{</mtext></math><img src=x onerror=alert(1)>}",
    r"\mathrm{<img src=x onerror=alert(1)>}",
    r"\operatorname{<b onclick=alert(1)>}",
    r"\text{&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;}",
    r"\text{&lt;script&gt;}",
    r"\unicode{x3c}script\unicode{x3e}",
    r"\style{position:fixed;inset:0}{x}",
    r"\class{skip-link}{x}",
    r"\cssId{message}{x}",
    r"\color{red}{x}",
    r"\color{red\" onclick=\"alert(1)}{x}",
    r"\includegraphics{https://evil.example/x.png}",
    r"\begin{array}{<script>} x \end{array}",
    r"\begin{matrix}[<b>] x \end{matrix}",
    r"\hspace{1000em} x",
    r"\hspace{-50em} x",
    r"\raise{50em}{x}",
    r"\rule{100em}{100em}",
    r"\annotation{<script>}",
    '"><script>alert(1)</script>',
    "<script>alert(1)</script>",
    "a < b > c & d",
    r"\newcommand{\x}{<script>}\x",
]
TAG = re.compile(r"</?([a-z0-9]+)((?: [a-z-]+=\"[^\"<>]*\")*)>")
TAGS = {
    *("p", "div", "code", "pre", "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mpadded", "mphantom", "mstyle"),
    *("mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts"),
    *("mprescripts", "mtable", "mtr", "mtd", "menclose", "br", "em", "strong", "s", "blockquote", "hr"),
}
ATTRIBUTES = {
    *("display", "role", "tabindex", "aria-label", "class", "width", "height", "depth", "lspace", "rspace", "minsize"),
    *("maxsize", "displaystyle", "scriptlevel", "linethickness", "mathvariant", "stretchy", "fence", "separator"),
    *("symmetric", "largeop", "movablelimits", "accent", "accentunder", "form", "columnalign", "notation"),
}


def assert_harmless(html: str) -> None:
    assert "<" not in TAG.sub("", html), html
    for tag, attributes in TAG.findall(html):
        assert tag in TAGS, html
        for name, value in re.findall(r' ([a-z-]+)="([^"]*)"', attributes):
            assert name in ATTRIBUTES, html
            assert name != "class" or value == "language-latex", html
            assert name not in ("width", "height", "lspace") or abs(float(re.sub("[a-z]", "", value))) < 4, html


def test_the_check_for_harmful_html_can_fail() -> None:
    for html in ('<p onclick="x">', "<script>", '<mspace width="9em">', '<a href="x">', "<p", '<mrow class="x">'):
        with pytest.raises(AssertionError):
            assert_harmless(html)


@pytest.mark.parametrize("latex", HOSTILE)
def test_hostile_formulas_are_harmless(latex: str) -> None:
    for markdown in (f"a ${latex}$ b", rf"a \({latex}\) b", f"$$\n{latex}\n$$\n\n", f"\\[{latex}\\]\n\n"):
        assert_harmless(to_html(markdown))
        blocks, rest = split(markdown, *range(0, 200, 3))
        assert_harmless(put_together(blocks, rest))


def test_text_in_a_formula_is_escaped() -> None:
    html = to_html(r"$\text{<script>alert(1)</script>} < 1$")
    assert "<mtext>&lt;script&gt;alert(1)&lt;/script&gt;</mtext>" in html
    assert "<mo>&lt;</mo>" in html


COMMANDS = [r"\frac", r"\sqrt", r"\text{<b>}", r"\href{javascript:x}", r"\left(", r"\right)", r"\\", r"\def\a{", r"\a"]
COMMANDS += [r"\begin{matrix}", r"\end{matrix}"]
PIECES = [*COMMANDS, *"&_^{}$'<>\"x1 \n", "\\$", "&#x3c;", "\\(", "\\)", "\\[", "\\]"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_arbitrary_formulas_are_harmless(latex: str) -> None:
    for markdown in (f"${latex}$", f"$$\n{latex}\n$$\n\n", rf"\({latex}\)"):
        assert_harmless(to_html(markdown))


# --- cost -----------------------------------------------------------------------------------------------------------

SIZE = 65_536
LONG = {
    "a long formula": "$" + "a+" * 5_000 + "$",
    "a long block": "$$\n" + "a+b\n" * 2_500 + "$$",
    "many formulas": "$a+b$ " * (SIZE // 6),
    "many different ones": " ".join(f"$a_{{{n}}}+b$" for n in range(5_000)),
    "many blocks": "$$x$$\n\n" * (SIZE // 7),
    "nesting": "$" + r"\frac{a}{" * 200 + "b" + "}" * 200 + "$",
    "braces": "$" + "{" * 900 + "}" * 900 + "$",
    "powers": "$" + "x^{" * 500 + "}" * 500 + "$",
    "roots": "$" + r"\sqrt{" * 300 + "$",
    "below": "$" + "_" * 1_900 + "$",
    "a doubling": "$" + "".join(rf"\def\{chr(97 + n)}{{\{chr(98 + n)}\{chr(98 + n)}}}" for n in range(20)) + r"\a$",
    "half formulas": "$a " * (SIZE // 3),
    "half brackets": r"\(" * (SIZE // 2),
    "half blocks": "$$\n" * (SIZE // 3),
    "half display blocks": "\\[\n" * (SIZE // 3),
    "half environments": "\\begin{align}\n" * (SIZE // 14),
    "half blocks in quotes": "> " * 20 + "\n> \\[\n" * (SIZE // 6),
    "half blocks below deep quotes": "> " * 22 + "a\n" + "\\[\n" * (SIZE // 6),
    "half blocks in a list": "- a\n" + "  \\[\n" * (SIZE // 5) + "\\]\n",
    "escaped dollars": r"$\$" * (SIZE // 3),
}


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_no_formula_takes_long(text: str) -> None:
    start = time.process_time()
    to_html(text)
    splitter = BlockSplitter()
    for offset in range(0, len(text), 256):
        splitter.feed(text[offset : offset + 256])
    assert time.process_time() - start < 10


@pytest.mark.parametrize("name", ["a long formula", "nesting", "braces", "powers", "a doubling"])
def test_a_formula_beyond_the_limits_is_shown_as_its_source(name: str) -> None:
    assert "<math" not in to_html(LONG[name])
    assert to_mathml("x" * MAX_FORMULA, False)


def test_formulas_in_one_message_are_limited() -> None:
    most = MAX_FORMULAS // len("a+b")
    html = to_html("Let $a+b$ be. " * (most + 100))
    assert "plain-text-note" not in html
    assert html.count("<math") == most


# --- block by block -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", ["$$\nx\n- y\n$$\n\n", "\\[\n# x\n\\]\n\n", "Words\n\\[\n1. x\n\\]\nmore words\n\n"])
def test_a_formula_belongs_to_its_block(whole: str) -> None:
    blocks, rest = split(whole)
    assert [block.html for block in blocks] == [to_html(whole)]
    assert rest == ""


@pytest.mark.parametrize(
    "text",
    [
        "$$\na\n- b\n$$\n- c\n\nd",
        "$$\na\n```\nb\n$$\n\n```\nc\n```",
        "$$\na\n```\nb\n\n$$\n\n```\nc\n```\n\n",
        "$$\na\n- b\n\n- c\n\n$$\n\nd",
        "- a\n$$\nb\n- c\n$$\n\n- d\n\ne",
        "- a\n$$\n```\n\n  x\n```\n\ny\n\n",
        "- a\n  $$\n  - b\n  $$\n\nc",
        "> $$\n- a\n$$\n\nb",
        "\\[\n# a\n\\] b\n- c\n\n# d\n\n",
        "\\[ a \\]\n- b\n\nc",
        "\\begin{align}\na\n- b\n\\end{align}\n# c\nd\n\n",
        "\\begin{align}\na\n- b\n\\end{gather}\n# c\nd\n\n",
        "$$ a $$ b\n- c\n$$\n- d\n$$\n\ne",
        "| a |\n|---|\n$$\n- b\n$$\n\nc",
        "$$" + "\na" * (MAX_FORMULA // 2) + "\n- b\n$$\n- c\n\nd",
        "1. a\n   $$\nb\n- c\n$$\n\nd",
        "    $$\n\n- a\n$$\n- b\n$$\n\nc",
        "$$\n$$\n- c\n$$\n\nd",
        "\\[\n\\]\n- c\n\\]\n\nd",
        "- \\[\n$$\n# e\n$$\n# e\n$$",
    ],
)
def test_blocks_and_rest_look_like_the_whole_in_edge_cases(text: str) -> None:
    step = max(1, len(text) // 60)
    for end in [*range(0, len(text), step), len(text)]:
        assert as_seen(put_together(*split(text[:end]))) == as_seen(to_html(text[:end])), text[:end]


LINES = [
    "$$",
    "\\[",
    "\\]",
    "$$ a",
    "b $$",
    "\\begin{align}",
    "\\end{align}",
    "- c",
    "1. d",
    "# e",
    "```",
    "> f",
    "g",
    "",
]
LINES += ["  $$", "   h", "    i", "===", "$$x$$", "\\[x\\]", "x $$ y", "> $$", "- \\[", "| a |", "|---|"]


@settings(max_examples=500, deadline=None)
@given(lines=st.lists(st.sampled_from(LINES), max_size=14), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_blocks_and_rest_look_like_the_whole_wherever_it_is_cut(lines: list[str], cuts: list[int]) -> None:
    text = "\n".join(lines)
    assert as_seen(put_together(*split(text, *cuts))) == as_seen(to_html(text))
