"""A message while it is streamed: its finished blocks, and the block that is being written. Thoughts are folded.

`BlockSplitter` finds the blocks of Markdown. This module tells the thoughts at the beginning, which are one block of
the message, from the answer, and renders the open block at intervals: at most each `MIN_INTERVAL`, and never more than
a twentieth of the time, so its cost is linear in the time that a message takes, however long a block is.

docs/decisions/0013-open-block.md compares this with a script in the page.
"""

import re
from dataclasses import dataclass, replace
from time import perf_counter

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from agentchat.core.text import utf16_len
from agentchat.core.think_tags import OPENING, closing_tag, may_be_opening
from agentchat.markup.blocks import Block, BlockSplitter
from agentchat.markup.budget import Budget
from agentchat.markup.markdown import hashed
from agentchat.markup.sanitizer import clean
from agentchat.markup.thoughts import CLOSING_LINE, folded

MIN_INTERVAL = 0.1  # seconds between two renderings of an open block …
COST_FACTOR = 20  # … or so many times what the last one took

_NOTHING = clean("")
_TAG_BEGINS = re.compile(r"[<\[](?:/\w*\]?(?:>[ \t]*)?)?\Z")
_CLOSING_LINE = re.compile(CLOSING_LINE.pattern.removesuffix("$") + r"\n", CLOSING_LINE.flags)


@dataclass(frozen=True)
class OpenBlock:
    """The block that is being written: the number that it will have, and its HTML so far."""

    index: int
    html: str


NO_BLOCK = OpenBlock(0, "")


class StreamedMarkdown:
    """A message that grows. Each character is parsed once for its block; the open block again and again."""

    def __init__(self, key: str = "") -> None:
        self._key = hashed(key)
        self._budget = Budget()
        self._blank: list[str] = []  # white space before the message
        self._start = ""  # of the message, until it is known whether it begins with thoughts
        self._thoughts: BlockSplitter | None = None  # those that do not stand in the text, while they are written
        self._closing: re.Pattern[str] | None = None  # the tag that ends the thoughts, while they are written
        self._splitter: BlockSplitter | None = None
        self._may_have_thoughts = True  # whose opening tag is missing: with some models it is in the prompt
        self._finished: list[SafeString] = []  # the HTML of the finished blocks of these thoughts, or of the answer
        self._held = ""  # the end of the text, which may be the beginning of that tag
        self._index = 0
        self._end = 0  # of the blocks of earlier splitters, and of tags, in UTF-16 code units
        self._is_stale = False
        self._due = 0.0
        self._open = NO_BLOCK

    def think(self, delta: str) -> None:
        """Add to the thoughts before the text, which are its first block. What comes later is left out."""
        if not delta or self._index or self._splitter is not None:
            return
        self._is_stale = True
        if self._thoughts is None:
            self._thoughts, self._may_have_thoughts = BlockSplitter(f"t{self._key}", self._budget), False
        self._finished += [block.html for block in self._thoughts.feed(delta)]

    def feed(self, delta: str) -> list[Block]:
        """The blocks that this delta finishes."""
        blocks: list[Block] = []
        if not delta:
            return blocks
        self._is_stale = True
        if self._thoughts is not None:
            self._finished.append(self._thoughts.finish())
            blocks.append(Block(index=0, end=0, html=self._folded(_NOTHING)))
            self._index, self._thoughts, self._finished = 1, None, []
        rest: str | None = delta
        while rest is not None:
            rest = self._feed(rest, blocks)
        return blocks

    def _feed(self, delta: str, blocks: list[Block]) -> str | None:
        """Add the blocks that this text finishes. Return the rest of it, if thoughts end within it."""
        if self._splitter is None:
            if not self._start and not delta.strip():
                self._blank.append(delta)
                return None
            self._start += delta
            opening = OPENING.match(self._start)
            if opening is None and may_be_opening(self._start):
                return None
            delta = "".join([*self._blank, self._start])
            opening = opening and OPENING.match(delta)
            self._blank, self._start = [], ""
            if opening is not None:
                self._closing = closing_tag(opening)
                self._end += utf16_len(delta[: opening.end()])
                delta = delta[opening.end() :]
            self._splitter = BlockSplitter(f"t{self._key}" if opening else self._key, self._budget)
        text = self._held + delta
        closing = self._find_closing(text)
        if closing is not None:
            blocks.append(self._fold(text[: closing.start()], closing[0]))
            return text[closing.end() :]
        self._held = self._possible_tag(text)
        for block in self._splitter.feed(text.removesuffix(self._held)):
            self._finished.append(block.html)
            if self._closing is None:
                blocks.append(replace(block, index=self._index, end=self._end + block.end))
                self._index += 1
        return None

    def _find_closing(self, text: str) -> re.Match[str] | None:
        """The tag that ends the thoughts. If their opening tag is missing, it has a line of its own."""
        assert self._splitter is not None
        if self._closing is not None:
            return self._closing.search(text)
        if not self._may_have_thoughts or self._splitter.is_in_code or "</" not in text:
            return None
        begin = 0 if self._splitter.is_at_line_start else text.find("\n") + 1
        is_new_line = begin > 0 or self._splitter.is_at_line_start
        return _CLOSING_LINE.search(text, begin) if is_new_line else None

    def _possible_tag(self, text: str) -> str:
        """The end of the text that may become a tag."""
        if self._closing is None and not self._may_have_thoughts:
            return ""
        found = _TAG_BEGINS.search(text)
        return found[0] if found else ""

    def _fold(self, text: str, tag: str) -> Block:
        """End the thoughts. Without an opening tag, all blocks so far were thoughts: they are replaced."""
        assert self._splitter is not None
        self._finished += [block.html for block in self._splitter.feed(text)]
        self._finished.append(self._splitter.finish())
        self._end += self._splitter.length + utf16_len(tag)
        index = 0 if self._closing is None else self._index
        block = Block(index=index, end=self._end, html=self._folded(_NOTHING))
        self._index = index + 1
        self._held, self._closing, self._splitter, self._finished = "", None, None, []
        self._may_have_thoughts = False
        return block

    def _folded(self, open_html: SafeString) -> SafeString:
        """The thoughts so far; nothing, if there are none."""
        html = format_html_join("", "{}", ((each,) for each in [*self._finished, open_html]))
        return folded(html) if html.strip() else _NOTHING

    # --- the open block --------------------------------------------------------------------------------------------

    def due(self, *, has_more: bool = False) -> float | None:
        """When the open block may be rendered next, by `time.perf_counter`; None if it has not changed.

        `has_more`: there is text that it has not been fed yet.
        """
        return self._due if self._is_stale or has_more else None

    def open_block(self) -> OpenBlock:
        """The open block as it was rendered last; rendered now, if that is due."""
        begun = perf_counter()
        if self._is_stale and begun >= self._due:
            splitter, is_thinking = self._thoughts or self._splitter, bool(self._thoughts or self._closing)
            html = splitter.open_html() if splitter else _NOTHING
            self._open = OpenBlock(self._index, self._folded(html) if is_thinking else html)
            self._is_stale = False
            self._due = begun + max(MIN_INTERVAL, COST_FACTOR * (perf_counter() - begun))
        return self._open
