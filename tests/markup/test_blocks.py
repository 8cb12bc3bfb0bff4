"""The finished blocks of a streamed message: where they end, and that they look like the whole message."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentchat.core.text import utf16_len
from agentchat.markup import blocks as blocks_module
from agentchat.markup.blocks import MAX_BLOCK, Block, BlockSplitter
from agentchat.markup.markdown import to_html
from tests.markup.splitting import as_seen, put_together, split


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
def test_a_block_is_finished_with_its_last_line(whole: str) -> None:
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
def test_a_block_that_may_continue_is_not_finished(open_block: str) -> None:
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
def test_a_block_is_finished_when_another_one_begins(first: str, second: str) -> None:
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


def test_the_end_signal_is_never_a_block() -> None:
    assert len(split("Done.\n\nTERMINATE\n\n")[0]) == 1
    assert len(split("Done.\n\nIt says TERMINATE\n\n")[0]) == 1


def test_the_end_signal_is_shown_when_something_follows() -> None:
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
def test_blocks_and_rest_look_like_the_whole_in_edge_cases(text: str) -> None:
    for end in range(len(text) + 1):
        assert as_seen(put_together(*split(text[:end]))) == as_seen(to_html(text[:end]))


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
def test_arbitrary_text_is_rendered_safely(text: str) -> None:
    blocks, rest = split(text, *range(0, 120, 4))
    assert "<script" not in put_together(blocks, rest)
    assert [block.index for block in blocks] == list(range(len(blocks)))


def test_a_block_that_is_too_long_is_left_to_the_whole_message() -> None:
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
        blocks_module, "parse", lambda text, env, parse=blocks_module.parse: parsed.append(text) or parse(text, env)
    )
    text = OPENINGS.get(kind, "") + LONG[kind] * (16_000 // len(LONG[kind])) + "```\n\nend\n\n"
    splitter = BlockSplitter()
    for offset in range(0, len(text), 4):
        splitter.feed(text[offset : offset + 4])
    assert sum(map(len, parsed)) <= len(text)
