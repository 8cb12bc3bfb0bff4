"""What it costs to find the finished blocks of a message while it is streamed: BlockSplitter against parsing again.

    python -m benchmarks.blocks [number of characters, 16000 unless given]

The messages come in deltas of 4 characters, as from a model. These ways to find finished blocks are compared:

    lines       `agentchat.markup.blocks.BlockSplitter`, which looks at each line once and parses each block once
    each line   at every line break, let markdown-it parse all that no block stands for yet; every top-level token but
                the last is a finished block, and where it ends says `token.map` of the next one
    blank line  the same, at blank lines alone
    doubled     the same, but a tail that stayed open is not parsed again before it is twice as long

Measured are the processor time of a message, its longest single delta, and how many characters are waiting for
their block on average (a page shows those as plain text). Each long block is followed by some prose. Then a thousand
random messages are cut anywhere, and those are counted whose blocks do not look like the whole message.
"""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, Protocol

import django
from django.conf import settings

settings.configure()
django.setup()

from markdown_it.token import Token  # noqa: E402

from agentchat.core.text import utf16_len  # noqa: E402
from agentchat.markup import markdown  # noqa: E402
from agentchat.markup.blocks import MAX_BLOCK, Block, BlockSplitter  # noqa: E402
from agentchat.markup.math import closing_delimiter  # noqa: E402

DELTA = 4
RANDOM_MESSAGES = 1_000

ANSWER = """## How to sort a list

There are **two** ways, `sorted` and `list.sort`, and they differ in one thing:

1. `sorted(xs)` gives a new list, which costs $O(n)$ of memory.
2. `xs.sort()` sorts in place.

   It returns `None`, which surprises many.

```python
def newest_first(messages):
    \"\"\"Sort by date.\"\"\"

    return sorted(messages, key=lambda message: message.date, reverse=True)
```

| way | memory | stable |
|-----|-------:|:------:|
| `sorted` | $O(n)$ | yes |
| `list.sort` | none | yes |

> Both are *stable*: what is equal keeps its order.

$$
T(n) = O(n \\log n)
$$

"""
MESSAGES = {
    "an answer": ANSWER,
    "prose": "Some text with **bold** and `code` in a line of text.\n\n",
    "a fence": "print('a line of code')\n\n",
    "a loose list": "- an item of a **list**\n\n",
    "a table": "| a cell | another |\n",
    "one paragraph": "a line of one paragraph\n",
}
OPENINGS = {"a fence": "```python\n", "a table": "| a | b |\n|---|---|\n"}
ENDINGS = {"a fence": "```\n"}
AFTER = "\n" + MESSAGES["prose"] * 30


class Splitter(Protocol):
    def feed(self, delta: str) -> list[Block]: ...


class Reparser:
    """Finds blocks by parsing the unfinished tail of the message again and again."""

    def __init__(self, *, each_line: bool = False, growth: float = 0.0) -> None:
        self._each_line = each_line
        self._growth = growth
        self._retry_size = 0.0
        self._tail = ""
        self._line = ""
        self._env: dict[str, Any] = {}
        self._index = self._end = 0

    def feed(self, delta: str) -> list[Block]:
        *lines, self._line = (self._line + delta).split("\n")
        blocks: list[Block] = []
        for line in lines:
            self._tail += line + "\n"
            if (self._each_line or not line.strip()) and self._retry_size <= len(self._tail) <= MAX_BLOCK:
                blocks += self._finished()
                self._retry_size = self._growth * len(self._tail)
        return blocks

    def _finished(self) -> Iterator[Block]:
        tokens = [token for token in self._parsed() if token.level == 0 and token.nesting >= 0 and token.map]
        lines = self._tail.splitlines(keepends=True)
        first = 0
        for token, following in zip_longest(tokens, tokens[1:]):
            after = following.map[0] if following and following.map else len(lines)
            text = "".join(lines[first:after])
            if _may_become_a_formula(lines[first:after]) or (following is None and _may_go_on(token, lines, text)):
                break
            self._end += utf16_len(text)
            yield Block(index=self._index, end=self._end, html=markdown.render(self._parse(text), self._env))
            self._index += 1
            first = after
        self._tail = "".join(lines[first:])

    def _parsed(self) -> list[Token]:
        """The blocks of the tail, without what is in their lines: that takes most of the time."""
        tokens: list[Token] = []
        markdown._markdown.block.parse(self._tail, markdown._markdown, {}, tokens)
        return tokens

    def _parse(self, text: str) -> list[Token]:
        return markdown.parse(text, self._env)


def _may_go_on(last: Token, lines: list[str], text: str) -> bool:
    """Whether later lines can belong to the last block, too."""
    if last.type == "fence":
        assert last.map
        return last.map[1] - last.map[0] != last.content.count("\n") + 2
    if last.type in ("bullet_list_open", "ordered_list_open", "code_block"):
        return True
    if last.type in ("heading_open", "hr"):
        return False
    return bool(lines[-1].strip()) or text.rstrip().endswith(markdown.END_SIGNAL)


def _may_become_a_formula(lines: list[str]) -> bool:
    """Whether a formula begins in the lines that is not closed in them, nor by a blank line."""
    closing = ""
    for line in lines:
        text = line.strip()
        if not text:
            closing = ""
        elif closing:
            closing = "" if text.endswith(closing) else closing
        elif (opened := closing_delimiter(text)) and opened not in text[2:]:
            closing = opened
    return bool(closing)


WAYS: dict[str, Callable[[], Splitter]] = {
    "lines": BlockSplitter,
    "each line": lambda: Reparser(each_line=True),
    "blank line": Reparser,
    "doubled": lambda: Reparser(growth=2),
}


def measure(new: Callable[[], Splitter], text: str) -> tuple[float, float, float]:
    """Milliseconds of the processor for all deltas and for the longest one; characters without a block on average."""
    splitter = new()
    total = longest = 0.0
    end = waiting = 0
    for offset in range(0, len(text), DELTA):
        begun = time.thread_time()
        blocks = splitter.feed(text[offset : offset + DELTA])
        taken = time.thread_time() - begun
        total += taken
        longest = max(longest, taken)
        end = blocks[-1].end if blocks else end
        waiting += offset + DELTA - end
    return 1000 * total, 1000 * longest, waiting / (len(text) / DELTA)


# --- whether the blocks look like the whole -------------------------------------------------------------------------

PIECES = ["text **bold**", "- item", "1. item", "2. item", "  - item", "   more", "    code", "\tcode", "> quote"]
PIECES += ["> - a", "# heading", "---", "===", "```", "~~~", "  ```", "| a | b |", "|---|---|", "$$", "  $$", "$$ x $$"]
PIECES += ["\\[", "\\]", "\\begin{align}", "\\end{align}", "x $$ y", "- $$", "- \\[", "-", "TERMINATE", *[""] * 4]


def random_messages() -> Iterator[str]:
    choose = random.Random(12)
    for _ in range(RANDOM_MESSAGES):
        text = "\n".join(choose.choices(PIECES, k=choose.randint(2, 14)))
        yield text[: choose.randint(1, len(text))] if text else text


def is_like_the_whole(new: Callable[[], Splitter], text: str) -> bool:
    splitter = new()
    deltas = (text[offset : offset + DELTA] for offset in range(0, len(text), DELTA))
    blocks = [block for delta in deltas for block in splitter.feed(delta)]
    rest = text[blocks[-1].end if blocks else 0 :]
    html = "".join(block.html for block in blocks) + markdown.to_html(rest)
    return _as_seen(html) == _as_seen(markdown.to_html(text))


def _as_seen(html: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", html).strip()


def main(size: int) -> None:
    print(f"{size} characters in deltas of {DELTA}: ms of the processor / ms of the longest delta / characters waiting")
    for name, piece in MESSAGES.items():
        text = OPENINGS.get(name, "") + piece * ((size - len(AFTER)) // len(piece)) + ENDINGS.get(name, "") + AFTER
        markdown.to_html(text)  # lexers and the like are made ready
        figures = []
        for way, new in WAYS.items():
            cpu, longest, waiting = measure(new, text)
            figures.append(f"{way} {cpu:.0f} / {longest:.1f} / {waiting:.0f}")
        print(f"  {name + ':':14}", ", ".join(figures))
    messages = list(random_messages())
    for way, new in WAYS.items():
        wrong = sum(not is_like_the_whole(new, text) for text in messages)
        print(f"{way}: {wrong} of {len(messages)} random messages do not look like the whole")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16_000)
