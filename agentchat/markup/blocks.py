"""The finished Markdown blocks of a message that is still being streamed, as safe HTML.

`benchmarks/blocks.py` compares this with parsing the unfinished rest of the message again and again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from markdown_it.token import Token

from agentchat.core.text import replace_lone_surrogates, utf16_len
from agentchat.markup.budget import Budget, OverBudget, current
from agentchat.markup.footnotes import DEFINITION, Footnotes, list_of_notes
from agentchat.markup.markdown import END_SIGNAL, cleaned, parse, plain, render
from agentchat.markup.math import closing_delimiter
from agentchat.markup.mathml import MAX_FORMULA
from agentchat.markup.open_block import MAX_BLOCK, render_open, render_open_fence

MAX_CODE_BLOCK = 200_000
_BLOCK_WORK = 60  # units that any block takes

_UNTIL_BLANK = "\n"  # a delimiter that no line contains
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_HEADING_OR_RULE = re.compile(r" {0,3}(?:#{1,6}(?:[ \t]|$)|([-*_])[ \t]*(?:\1[ \t]*){2,}$)")
_LIST_ITEM = re.compile(r"( {0,3}(?:[-+*]|(\d{1,9})[.)]))(?:([ \t]+)(?=[^ \t])|$)")
_TABLE_RULE = re.compile(r"[-:| \t]+")
_BLANK = " \t\r\n"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a message that later text cannot change. It replaces the text up to `end`, in UTF-16 code units."""

    index: int
    end: int
    html: SafeString


class BlockSplitter:
    """Finds the finished blocks of a message while it is streamed. Looks at each line once and parses it once.

    The lines alone show where a block ends: most blocks end at a blank line, a fence at its closing line, and a list or
    indented code at the first line after a blank one that is not indented enough to belong to it. Nothing ends within a
    formula. Only then is the block parsed; if the parser finds that it is still open, it goes on. `open_html` shows the
    rest as it stands.

    Three things can differ from the whole message, whose HTML replaces the blocks at its end: a link whose definition
    comes later, a reference to a footnote that never comes, and a block that alone is beyond the budget: it is shown as
    plain text.
    """

    def __init__(self, key: str = "", budget: Budget | None = None) -> None:
        """`key` is what its ids begin with; `budget` is that of the message, and grows with it."""
        self._budget = budget or Budget()
        self._line: list[str] = []  # pieces of the current, unfinished line
        self._env: dict[str, Any] = {}
        Footnotes(key=key, is_partial=True).put_into(self._env)
        self._index = 0
        self._end = 0
        self._start_block()

    def _start_block(self) -> None:
        self._lines: list[str] = []  # complete lines of the current block
        self._size = 0  # of these lines, in characters
        self._is_blank = True  # all of these lines are blank
        self._after_blank = False
        self._is_fence = False  # it is a code block, which may be long
        self._fence = ""  # the marker of the open fence, if there is one
        self._math_closing = ""  # the delimiter that closes the formula, if one may be open
        self._math_start = 0  # the size at which it began
        self._indent = 0  # that continues the block after a blank line; 0: nothing does
        self._retry_size = 0  # the size below which the block is not parsed again

    def feed(self, delta: str) -> list[Block]:
        """The blocks that this delta finishes. A delta without a line break costs next to nothing."""
        self._budget.allow(len(delta), at_once=MAX_BLOCK)
        if "\n" not in delta:
            self._line.append(delta)
            return []
        *lines, rest = ("".join(self._line) + delta).split("\n")
        self._line = [rest]
        return [block for line in lines for block in self._feed_line(line + "\n")]

    def open_html(self) -> SafeString:
        """The HTML of the rest, which is no block yet, as it stands. Takes 1 ms for 1,000 characters."""
        rest = "".join([*self._lines, *self._line])
        if self._is_fence and self._fence:
            opening, _, code = rest.lstrip().partition("\n")
            return render_open_fence(code, opening.strip(" `~").partition(" ")[0])
        return render_open(rest, self._env)

    @property
    def is_in_code(self) -> bool:
        return bool(self._fence)

    @property
    def is_at_line_start(self) -> bool:
        return not any(self._line)

    @property
    def length(self) -> int:
        """Of all that was fed, in UTF-16 code units."""
        return self._end + utf16_len("".join([*self._lines, *self._line]))

    def finish(self) -> SafeString:
        """The HTML of the rest, with all footnotes. Nothing can be fed after it."""
        text = replace_lone_surrogates("".join([*self._lines, *self._line]))
        try:
            with self._budget.used():
                tokens = parse(text, self._env)
                return cleaned(render([*tokens, *list_of_notes(Footnotes.of(self._env))], self._env))
        except OverBudget:
            return plain(text)

    def _feed_line(self, line: str) -> Iterator[Block]:
        text = line.rstrip(_BLANK)
        if self._fence:
            self._append(line)
            if _closes(text, self._fence):
                self._fence = ""
                yield from self._finish_block()
        elif text and self._math_closing:
            self._append(line)
            self._look_for_math_end(text)
        elif text:
            yield from self._feed_text(line, text)
        else:
            if self._math_closing:
                self._math_closing, self._indent = "", 1  # not a formula: only the parser knows what the lines are
            is_final = not self._is_blank and not self._indent
            if is_final and self._lines[-1].rstrip(_BLANK).endswith(END_SIGNAL):
                self._indent, is_final = 1, False  # hidden from readers if nothing follows
            self._append(line)
            self._after_blank = True
            if is_final:
                yield from self._finish_block()

    def _feed_text(self, line: str, text: str) -> Iterator[Block]:
        indent = _indent_of(text)
        is_outside = indent < (self._indent or 4)
        is_last = is_outside and _HEADING_OR_RULE.match(text) is not None
        fence = _FENCE.match(text) if is_outside else None
        item = _LIST_ITEM.match(text) if is_outside and not is_last else None
        if item and not (self._is_blank or self._indent or _can_interrupt(item)):
            item = None
        if fence or (item and not self._indent) or (is_outside and not item and self._after_blank):
            yield from self._finish_block()
            if self._fence:
                yield from self._feed_line(line)
                return
        if item:
            self._indent = _content_indent(item)
        elif (self._is_blank and indent >= 4) or (is_outside and DEFINITION.match(text.lstrip(" "))):
            self._indent = 4  # of indented code, or of a footnote's further blocks
        self._append(line)
        self._is_blank = self._after_blank = False
        if fence:
            self._fence, self._is_fence = fence[1], not "".join(self._lines[:-1]).strip()
        elif is_last:
            yield from self._finish_block()
        elif not item and (is_outside or self._indent) and (closing := closing_delimiter(text.lstrip(" "))):
            self._math_closing, self._math_start = closing, self._size - len(line)
            self._look_for_math_end(text.lstrip(" ").removeprefix("$$"))
            if self._indent:
                self._math_closing = _UNTIL_BLANK  # it may belong to the paragraph of an item: only the parser knows

    def _look_for_math_end(self, text: str) -> None:
        """Look for the end of the formula that may be open. If unsure, the next blank line counts as its end."""
        if self._math_closing in text:
            is_whole = text.endswith(self._math_closing) and text.count(self._math_closing) == 1
            is_short = self._size - self._math_start < MAX_FORMULA // 2
            # Empty delimiters are no formula, and the closing one may open the next formula.
            formula = "".join(self._lines)[self._math_start :].strip() if is_short else ""
            is_filled = formula[2 : -len(self._math_closing)].strip()
            self._math_closing = "" if is_whole and is_filled else _UNTIL_BLANK

    def _append(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _finish_block(self) -> Iterator[Block]:
        """Make a block of the complete lines, unless the parser finds that it is still open."""
        is_too_long = self._size > (MAX_CODE_BLOCK if self._is_fence else MAX_BLOCK)
        if self._is_blank or is_too_long or self._size < self._retry_size:
            return
        text = "".join(self._lines)
        html = self._html(replace_lone_surrogates(text))
        if html is None:
            self._retry_size = 2 * self._size  # keeps the total cost linear
            return
        self._end += utf16_len(text)
        yield Block(index=self._index, end=self._end, html=html)
        self._index += 1
        self._start_block()

    def _html(self, text: str) -> SafeString | None:
        """The HTML of the block, or None if it is still open."""
        try:
            with self._budget.used():
                current().spend(_BLOCK_WORK)
                tokens = parse(text, self._env)
                if tokens and self._is_open(tokens[-1]):
                    return None
                return cleaned(render(tokens, self._env))
        except OverBudget:
            return plain(text)

    def _is_open(self, last: Token) -> bool:
        """Whether later lines can continue the block of the last token. Notes what the lines did not show."""
        if last.type == "fence" and not _is_closed(last):
            self._fence = last.markup
        elif last.type in ("bullet_list_close", "ordered_list_close", "code_block") and not self._indent:
            self._indent = 1
        else:
            return False
        return True


def _indent_of(text: str) -> int:
    return len(text[: len(text) - len(text.lstrip(" \t"))].expandtabs(4))


def _content_indent(item: re.Match[str]) -> int:
    """The indent of the lines that belong to a list item."""
    marker, content = item.end(1), len(item[0].expandtabs(4))
    return content if 1 <= content - marker <= 4 else marker + 1


def _can_interrupt(item: re.Match[str]) -> bool:
    """Whether a list that begins with this item may interrupt a paragraph."""
    has_text, number = item[3] is not None, item[2]
    return has_text and (number is None or int(number) == 1) and not _TABLE_RULE.fullmatch(item.string)


def _closes(text: str, fence: str) -> bool:
    marker = text.lstrip(" ")
    return len(marker) >= len(fence) and not marker.strip(fence[0]) and _indent_of(text) < 4


def _is_closed(fence: Token) -> bool:
    first, after = fence.map or (0, 0)
    return after - first == fence.content.count("\n") + 2  # the content, and both fence lines
