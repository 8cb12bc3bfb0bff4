"""A text that is being written, kept once, and how much of it each reader has."""

from dataclasses import dataclass

from agentchat.core.text import utf16_from, utf16_len


class GrowingText:
    """It only grows. `length` counts UTF-16 code units. Rendering takes it piece by piece."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.has_line = False  # among the parts that were not taken: a block may be complete
        self._taken = 0  # of the parts: they have been rendered, or are in the text …
        self._text = ""  # … of which this much has been rendered:
        self._position = 0

    def __str__(self) -> str:
        return "".join(self.parts)

    def write(self, delta: str) -> None:
        self.parts.append(delta)
        self.length += utf16_len(delta)
        self.has_line = self.has_line or "\n" in delta

    @property
    def is_partly_taken(self) -> bool:
        return self._position < len(self._text)

    @property
    def has_more(self) -> bool:
        """Whether there is a next piece."""
        return self._taken < len(self.parts) or self.is_partly_taken

    def next_piece(self, size: int) -> str:
        """What was not taken yet, at most so many characters of it."""
        if not self.is_partly_taken:
            self._text, self._position = "".join(self.parts[self._taken :]), 0
            self._taken, self.has_line = len(self.parts), False
        piece = self._text[self._position : self._position + size]
        self._position += len(piece)
        return piece


@dataclass
class TextCursor:
    """How much of a growing text a reader has: this many of its parts, of which `offset` was sent."""

    parts: int = 0
    offset: int = 0

    def advance(self, text: GrowingText) -> str:
        """What is new, up to the end of the text."""
        if self.offset >= text.length:
            return ""
        new = "".join(text.parts[self.parts :])
        if (known := utf16_len(new) - (text.length - self.offset)) > 0:
            new = utf16_from(new, known)
        self.parts, self.offset = len(text.parts), text.length
        return new
