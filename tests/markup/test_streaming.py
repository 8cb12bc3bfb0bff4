"""A message while it is streamed: thoughts and answer, blocks and the open block, in bounded time."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentchat.core.text import utf16_len
from agentchat.markup import streaming
from agentchat.markup.blocks import Block
from agentchat.markup.markdown import to_html
from agentchat.markup.streaming import StreamedMarkdown
from tests.markup.splitting import as_seen


class Clock:
    """The time, and what a rendering takes of it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(streaming, "perf_counter", clock)
    return clock


def feed(text: str, *cuts: int) -> tuple[StreamedMarkdown, list[Block]]:
    markdown = StreamedMarkdown("m")
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return markdown, [block for start, end in pairwise(bounds) for block in markdown.feed(text[start:end])]


MESSAGES = [
    "One **bold**.\n\n- a\n- b\n\nLast **wo",
    "<think>\nHm **yes**.\n\n- a\n\nb\n</think>\n\nFour.\n\nLast",
    "<think>Hm.</think>Four 😀.\n\nLast",
    "[THINK]\nHm.\n[/THINK]\nFour.\n\nLast",
    "<think>\n\n</think>\n\nFour.\n\nLast",
    "<think>a < b, [c] and </b></think>\n\nFour.\n\nLast",
    "<b>no thoughts</b>\n\nLast",
    "  \n<thi is text\n\nLast",
    "a[^1]\n\n[^1]: Note.\n\nLast",
    "a[^1]\n\n[^1]: Note.\n\n    ```\n    code\n    ```\n\n    More.\n[^2]: Other.\n\nText.\n\nLast",
    "- item[^1]\n\n  [^1]: In the list.\n- b\n\nText.\n\nLast",
    "> [!NOTE]\n> a\n\n- [x] b\n\n  c\n\nText.\n\nLast",
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MESSAGES), st.lists(st.integers(0, 100), max_size=12))
def test_blocks_and_the_open_block_look_like_the_whole(text: str, cuts: list[int]) -> None:
    markdown, blocks = feed(text, *cuts)
    html = "".join(block.html for block in blocks) + markdown.open_block().html
    assert as_seen(html) == as_seen(to_html(text.replace("**wo", "**wo**"), key="m"))
    assert [block.index for block in blocks] == list(range(len(blocks)))
    ends = [block.end for block in blocks]
    assert ends == sorted(ends)
    assert ends[-1] < utf16_len(text)


def test_thoughts_are_folded_at_once_and_grow() -> None:
    markdown, blocks = feed("<think>\nFirst, **I")
    assert blocks == []
    assert markdown.open_block().html == to_html("<think>\nFirst, **I**")
    assert [block.html for block in markdown.feed(" think.** </thi")] == []
    (block,) = markdown.feed("nk>\n\nFour")
    assert block.html == to_html("<think>\nFirst, **I think.** </think>")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 100), max_size=12))
def test_thoughts_without_an_opening_tag_are_folded_when_they_end(cuts: list[int]) -> None:
    text = "Hm 😀.\n\n- a\n- b </think>\n\nSo.\n</think>\n\nFour.\n\nLast"
    markdown, blocks = feed(text, *cuts)
    last_fold = max(position for position, block in enumerate(blocks) if block.index == 0)
    html = "".join(block.html for block in blocks[last_fold:]) + markdown.open_block().html
    assert as_seen(html) == as_seen(to_html(text, key="m"))
    assert [block.index for block in blocks[last_fold:]] == [0, 1]
    assert blocks[-1].end == utf16_len(text) - len("Last")


@pytest.mark.parametrize("text", ["a </think>\n\nb\n", "```\n</think>\n```\n\n", "<think>a</think>b\n</think>\n\n"])
def test_a_closing_tag_elsewhere_ends_nothing(text: str) -> None:
    _, blocks = feed(text, *range(100))
    assert [block.index for block in blocks] == list(range(len(blocks)))


def test_what_may_become_a_tag_waits() -> None:
    markdown, _ = feed(" <thin")
    assert markdown.open_block().html == ""
    markdown, _ = feed("<thin ice")
    assert markdown.open_block().html == "<p>&lt;thin ice</p>\n"


def test_the_open_block_is_rendered_ten_times_a_second_at_most(clock: Clock) -> None:
    markdown, _ = feed("one")
    assert "one" in markdown.open_block().html
    assert markdown.due() is None
    markdown.feed(" two")
    assert "two" not in markdown.open_block().html
    due = markdown.due()
    assert due is not None
    clock.now = due
    assert 0.09 < due - 1000 < 0.11
    assert "two" in markdown.open_block().html


def test_a_block_that_takes_long_is_rendered_seldom(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> str:
        clock.now += 0.03
        return "<p>slow</p>"

    monkeypatch.setattr("agentchat.markup.blocks.render_open", slow)
    rendered_at = []
    markdown, _ = feed("- item\n")
    for _ in range(1000):
        before = clock.now
        markdown.feed("x")
        markdown.open_block()
        if clock.now > before:
            rendered_at.append(before)
        clock.now += 0.01
    assert sum(0.03 for _ in rendered_at) <= (clock.now - 1000) / streaming.COST_FACTOR + 0.03


def test_a_long_open_code_block_costs_next_to_nothing_and_becomes_a_block(clock: Clock) -> None:
    markdown, _ = feed("```py\n" + "print('a line of code')\n" * 2_000 + "``")
    html = markdown.open_block().html
    assert html.startswith('<pre tabindex="0"><code class="language-py">print(')
    assert html.endswith("code&#x27;)\n</code></pre>") or re.search(r"code'\)\n?</code></pre>$", html)
    (block,) = markdown.feed("`\n")
    assert "`" not in block.html


def test_a_block_beyond_all_limits_is_shown_as_it_is(clock: Clock) -> None:
    markdown, _ = feed("a **word** in one paragraph\n" * 1_000)
    assert markdown.open_block().html.startswith("<pre")


# --- thoughts that do not stand in the text ---------------------------------------------------------------------------


def test_the_thoughts_are_the_first_block_folded():
    markdown = StreamedMarkdown("m")
    markdown.think("**Two** and\n\n")
    assert markdown.open_block().index == 0
    assert markdown.open_block().html.startswith('<details class="thoughts"><summary>Thoughts</summary>')
    assert "<strong>Two</strong>" in markdown.open_block().html
    markdown.think("two.")
    [thoughts] = markdown.feed("Fo")
    assert (thoughts.index, thoughts.end) == (0, 0)
    assert thoughts.html.count("<p>") == 2
    markdown.think("too late")
    [answer] = markdown.feed("ur.\n\nMore")
    assert (answer.index, answer.end) == (1, 7)
    assert "too late" not in answer.html


def test_thoughts_that_write_a_closing_tag_do_not_swallow_the_answer():
    markdown = StreamedMarkdown("m")
    markdown.think("a </think> b")
    [thoughts] = markdown.feed("Four\n</think>\n\nand more\n\n")[:1]
    assert "&lt;/think&gt;" in thoughts.html
