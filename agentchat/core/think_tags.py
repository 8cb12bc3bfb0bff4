"""Thoughts in the text of an answer: `<think>…</think>` at its beginning, as local models write them.

`ThinkTags` parts them from the answer while it is written, in the half that asks models; `agentchat.markup.thoughts`
knows the same tags in texts that are there.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

NAMES = "think|thinking|thought|thoughts|reasoning"
OPENING = re.compile(rf"\s*(?:<({NAMES})>|\[THINK\])", re.IGNORECASE)
LONGEST_TAG = len("</reasoning>")

_MAY_BE_OPENING = re.compile(r"<\w*|\[[A-Za-z]*")
_MAY_BE_CLOSING = re.compile(r"(?:</?\w*|\[/?\w*)\Z")


def closing_tag(opening: re.Match[str]) -> re.Pattern[str]:
    """The tag that ends the thoughts which this one begins."""
    return re.compile(rf"</{opening[1]}>" if opening[1] else r"\[/THINK\]", re.IGNORECASE)


def may_be_opening(text: str) -> bool:
    """Whether more text may make it begin with thoughts."""
    start = text.lstrip()
    return len(start) < LONGEST_TAG and (not start or _MAY_BE_OPENING.fullmatch(start) is not None)


class Piece(NamedTuple):
    """A piece of what a model has written."""

    text: str
    is_thought: bool


class ThinkTags:
    """The text of one answer, fed piece by piece. Tags are left out, and the blank lines after them."""

    def __init__(self) -> None:
        self.held = ""  # the end of the text, which may be a part of a tag
        self._closing: re.Pattern[str] | None = None  # while thoughts are written
        self._has_thoughts = False
        self.is_answer = False  # from now on, all is text

    def feed(self, text: str) -> Iterator[Piece]:
        """The pieces that are certain now."""
        while not self.is_answer:
            text, self.held = self.held + text, ""
            if self._closing is None:
                opening = OPENING.match(text)
                if opening is None:
                    if may_be_opening(text):
                        self.held = text
                        return
                    self.is_answer = True
                    text = text.lstrip() if self._has_thoughts else text
                    break
                self._closing, self._has_thoughts = closing_tag(opening), True
                text = text[opening.end() :]
            if (end := self._closing.search(text)) is None:
                partial = _MAY_BE_CLOSING.search(text)
                self.held = partial[0] if partial and len(partial[0]) < LONGEST_TAG else ""
                yield Piece(text.removesuffix(self.held), is_thought=True)
                return
            yield Piece(text[: end.start()], is_thought=True)
            text, self._closing = text[end.end() :], None
        yield Piece(text, is_thought=False)

    def end(self) -> Piece:
        """What was held back: no more comes."""
        held, self.held = self.held, ""
        is_thought = self._closing is not None
        return Piece(held if is_thought or not self._has_thoughts else held.lstrip(), is_thought)
