"""Repetitions of every mark, alone, together, and within one another: their work is bounded, and their HTML is small.

Nothing here looks at a clock. What the product counts is compared with its limit, and with the lines of Python that are
really executed: where something is repeated and not counted, there are far more of them.
"""

import gc
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentchat.markup.budget import (
    HTML_PER_CHARACTER,
    MIN_SECONDS,
    MIN_WORK,
    WORK_PER_CHARACTER,
    Budget,
    OverBudget,
)
from agentchat.markup.markdown import MAX_MARKDOWN, _html, parse, to_html
from agentchat.markup.open_block import render_open
from agentchat.markup.streaming import StreamedMarkdown
from agentchat.markup.text import to_text

# The lines are counted where coverage would count them.
pytestmark = pytest.mark.no_cover

SIZE = 2_000  # characters
LINES_PER_UNIT, LINES_PER_CHARACTER, MIN_LINES = 30, 60, 20_000
ONE_MORE = 20_000  # units: what a single step may count beyond the limit

MARKS = [*"*_~`[]()<>!#-+=|:\\&$.'\"^{}@/% \n\tax1", "\n\n", "  ", "    ", "a\n", "=\n", "---\n", "===\n", "TERMINATE"]
MARKS += [
    "**",
    "***",
    "__",
    "~~",
    "``",
    "```",
    "```\n",
    "~~~\n",
    "é",
    "重",
    "ا",
    "“",
    "😀",
    "\u00a0",
    "\u202e",
    "\x00",
    "\r",
]
LINKS = ["![", "](", "][", "]: ", "[a]", "[a](b)", "![a](/b)", "[a](<", '[a](b "', "[a](/b '", "[a](/b (", "[a]: b\n"]
LINKS += [
    "[a]: <b> 'c'\n",
    "[a][",
    "www.",
    "www.a.b ",
    "http://",
    "https://",
    "https://a.b/",
    "mailto:",
    "mailto:a@b.c",
]
LINKS += ["://", "a.", "a@b.c", "<a@b.c>", "<http://a>", "https://日", "https://a_"]
FOOTNOTES = ["[^", "[^1]", "[^a", "[^1]: x\n", "[^1]: ", "[^1]:\n\n", "![^"]
BLOCKS = ["> ", "- ", "+ ", "1. ", "1) ", "# ", "- [ ] ", "- [x] a\n", "> [!NOTE]\n", "[!TIP]", "|", "||\n", "|-|\n"]
BLOCKS += ["| a | b |\n|-|-|\n", "a|b\n-|-\n"]
TAGS = ["<br>", "<sub>", "</sub>", "<sup>a</sup>", "<kbd>*", "<think>", "</think>", "<think>a</think>", "</think>\n"]
TAGS += ["[THINK]", "[/THINK]", "&amp;", "&#0;", "&a", "\\\\", "\\*"]
FORMULAS = [
    "$$",
    "$a$ ",
    "$$\na\n$$\n",
    "\\(",
    "\\)",
    "\\(a\\)",
    "\\[",
    "\\]",
    "\\begin{align}",
    "\\end{align}",
    "\\frac{",
]
FORMULAS += [
    "\\begin{matrix}&",
    "\\left(",
    "\\text{$",
    "\\sqrt",
    "\\abs{",
    "\\cases{",
    "$&$ ",
    "$\\\\$ ",
    "$'$",
    "$\\sum$",
]
CODE = [
    "```python\n",
    "```js\n",
    "```html\n",
    "```md\n",
    "```yaml\n",
    "```tex\n",
    "/*",
    "*/",
    "//",
    "<!--",
    '"""',
    "{%",
]
CODE += ["def ", "class ", "<script>", "</script>", "0x", "f'"]
PIECES = [*MARKS, *LINKS, *FOOTNOTES, *BLOCKS, *TAGS, *FORMULAS, *CODE]


def streamed(text: str) -> str:
    markdown = StreamedMarkdown("m")
    blocks = [block for start in range(0, len(text), 256) for block in markdown.feed(text[start : start + 256])]
    return "".join(block.html for block in blocks)


RENDERERS: dict[str, Callable[[str], str]] = {
    "whole": lambda text: to_html(text, key="m"),
    "streamed": streamed,
    "open": lambda text: render_open(text, {}),
    "text": to_text,
}


class Lines:
    """The lines of Python that are executed in a block, in this thread. The collector, which frees others', waits."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "Lines":
        gc.disable()
        self._tracer = sys.gettrace()
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._tracer)
        gc.enable()

    def _on_call(self, *_: object) -> Callable[..., Any]:
        return self._on_line

    def _on_line(self, _frame: object, event: str, _arg: object) -> Callable[..., Any]:
        self.count += event == "line"
        return self._on_line


@contextmanager
def used_budgets() -> Iterator[list[Budget]]:
    """The budgets that are made in this block. What was rendered before is rendered again."""
    _html.cache_clear()  # type: ignore[attr-defined]
    used: list[Budget] = []

    def init(self: Budget, characters: int = 0, init: Callable[..., None] = Budget.__init__) -> None:
        init(self, characters)
        used.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Budget, "__init__", init)
        yield used


def assert_bounded(name: str, text: str) -> None:
    with used_budgets() as budgets, Lines() as lines:
        shown = RENDERERS[name](text)
    work = sum(budget.work_done for budget in budgets)
    assert len(shown) <= HTML_PER_CHARACTER * len(text) + 65_536
    assert work <= MIN_WORK + WORK_PER_CHARACTER * len(text) + ONE_MORE
    assert lines.count <= LINES_PER_UNIT * work + LINES_PER_CHARACTER * len(text) + MIN_LINES


def repeated(piece: str, size: int = SIZE) -> str:
    return (piece * size)[:size]


def bomb_of(size: int) -> str:
    """Each `![` looks at all that follow for its end."""
    return repeated("![^", size - 1) + "]"


pieces = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
bombs = st.one_of(
    st.builds(lambda prefix, piece: (prefix + repeated(piece))[:SIZE], st.sampled_from(["", *PIECES]), pieces),
    st.builds(lambda opening, closing: repeated(opening, SIZE // 2) + repeated(closing, SIZE // 2), pieces, pieces),
    st.builds(lambda piece, end: (repeated("a", 150) + piece + repeated(" ", 150) + end) * 6, pieces, pieces),
)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Create the lexers, and each renderer's patterns of URLs: the first block in a language, and the first link, take
    much longer. Python keeps 512 patterns, and drops the oldest one: these are the newest from here on.
    """
    re.purge()
    _html.cache_clear()  # type: ignore[attr-defined]
    for fence in CODE[:6]:
        to_html(f"{fence}a\n```\n")
    for render in RENDERERS.values():
        render("http://a.b https://[a] www.a.b //a.b mailto:a@b.c a@b.c $a$ [a](http://b)\n\n")


@pytest.mark.parametrize("name", RENDERERS)
def test_each_mark_alone_is_bounded(name: str) -> None:
    for piece in PIECES[:: 1 if name == "whole" else 4]:
        assert_bounded(name, repeated(piece, SIZE // 4))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(bomb=bombs)
@example("[a]: http://b/" + "c" * 1_000 + "\n\n" + "[a]" * 600)
@example("![^" * 600 + "]")
@example(repeated("://"))
@example("|" + "a|" * 64 + "\n|" + "-|" * 64 + "\n" + "|\n" * 900)
@example("> " * 22 + "a\n" + "b\n" * 900)
@pytest.mark.parametrize("name", RENDERERS)
def test_marks_together_are_bounded(name: str, bomb: str) -> None:
    assert_bounded(name, bomb)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(bomb=bombs)
@pytest.mark.parametrize("name", RENDERERS)
def test_any_marks_together_are_bounded(name: str, bomb: str) -> None:
    assert_bounded(name, bomb)


def test_more_text_is_as_much_more_work() -> None:
    """What looks at all other marks for each mark ends at the budget, which grows with the text."""
    work = []
    for size in (20_000, 40_000):
        with used_budgets() as budgets:
            to_html(bomb_of(size))
        work.append(budgets[0].work_done)
    assert work[1] <= 2 * work[0]


def test_a_stream_has_one_budget_for_all_its_blocks() -> None:
    """However short they are: else each would have the least that any text has."""
    block = bomb_of(900) + "\n\n"
    with used_budgets() as budgets:
        streamed(block * 40)
    [budget] = budgets
    assert budget.work_done <= MIN_WORK + WORK_PER_CHARACTER * 40 * len(block) + 40 * ONE_MORE / 20


def test_a_stream_that_begins_with_a_bomb_goes_on() -> None:
    html = streamed(bomb_of(19_000) + "\n\n" + "Some *ordinary* words.\n\n" * 50)
    assert html.startswith('<pre tabindex="0">![^')
    assert "<em>ordinary</em>" in html


def test_what_is_beyond_the_budget_is_shown_as_it_is_with_a_note() -> None:
    bomb = bomb_of(20_000)
    html = to_html(bomb)
    assert html.startswith('<p class="plain-text-note">Shown as plain text')
    assert f">{bomb}</pre>" in html
    assert to_text(bomb) == bomb


def test_a_long_ordinary_text_takes_half_its_budget() -> None:
    text = "An *ordinary* line of **text**, with `code` and https://example.org in it.\n\n- an item\n\n" * 200
    with used_budgets() as budgets:
        assert "plain-text-note" not in to_html(text)
    assert budgets[0].work_done < (MIN_WORK + WORK_PER_CHARACTER * len(text)) / 2


def test_nothing_is_rendered_without_a_budget() -> None:
    with pytest.raises(LookupError):
        parse("a", {})


def test_work_that_no_one_counts_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentchat.markup.budget.MIN_SECONDS", MIN_SECONDS)
    budget = Budget(1_000)
    clock = iter([0.0, 0.05, 0.2, 0.2])
    monkeypatch.setattr("agentchat.markup.budget.cpu_seconds", lambda: next(clock))
    with budget.used():
        budget.spend(11_000)
        with pytest.raises(OverBudget):
            budget.spend(2_001)


def test_recursion_ends_as_work_does() -> None:
    with pytest.raises(OverBudget), Budget(10).used():
        raise RecursionError


def test_longer_texts_are_not_parsed() -> None:
    text = "*a* " * MAX_MARKDOWN
    with used_budgets() as budgets:
        assert to_text(text) == text
        assert "plain-text-note" in to_html(text)
    assert budgets == []
