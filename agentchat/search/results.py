"""What a page shows of the chats that were found: their titles and an excerpt, with the hits marked.

An excerpt is of the text that a reader sees, not of its Markdown. The link leads to the message, and says what to mark
in it: the words as they stand there, so that the page need not know how texts are folded.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from agentchat.markup.markdown import without_end_signal
from agentchat.markup.text import to_text
from agentchat.models import ChatSession, Event
from agentchat.presentation.chat_list import agent_title
from agentchat.presentation.items import anchor_of
from agentchat.search.expressions import phrase_pattern
from agentchat.search.folding import Folded, fold
from agentchat.search.index import MAX_CHARS

SNIPPET_BEFORE, SNIPPET_AFTER = 60, 160  # characters of a message, around the first match
RENDERED_AROUND = 3_000  # characters of Markdown before and after it
CHUNK = 1_000  # characters
MAX_MARKED = 12  # different spellings, in a link
MAX_MARKED_CHARS = 100


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A part of a text. `is_hit`: it matches a term of the query."""

    text: str
    is_hit: bool


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A chat that contains the terms. `snippet` is from the newest message that does, and `url` leads to it."""

    url: str
    title: list[Fragment]
    agent: str
    at: datetime
    snippet: list[Fragment]
    marked: Sequence[str] = ()

    @property
    def marking_url(self) -> str:
        """`url`, with what the page is to mark (deep_link.js)."""
        page, _, anchor = self.url.partition("#")
        return f"{page}?{urlencode([('mark', text) for text in self.marked])}#{anchor}" if self.marked else self.url


@dataclass(frozen=True, kw_only=True)
class SearchResults:
    chats: list[SearchResult]
    has_more: bool


def result_of(chat: ChatSession, message: Event | None, terms: Sequence[str]) -> SearchResult:
    """A chat that contains the folded terms; `message` does, if it is not only the title."""
    pattern = re.compile("|".join(map(phrase_pattern, sorted(terms, key=len, reverse=True))))
    agent = agent_title(chat.agent)
    visible = _visible_text(message.payload["content"], pattern) if message and "content" in message.payload else ""
    return SearchResult(
        url=chat.get_absolute_url() + (f"#{anchor_of(message.seq)}" if message else ""),
        title=list(_fragments(chat.title or agent, pattern)),
        agent=agent,
        at=chat.updated_at,
        snippet=list(_fragments(_snippet(visible, pattern), pattern)),
        marked=_spellings(visible, pattern),
    )


def _visible_text(message: str, pattern: re.Pattern[str]) -> str:
    """The text that a reader sees around the first match, in one line."""
    message = without_end_signal(message[:MAX_CHARS])
    if len(message) > 2 * RENDERED_AROUND:
        hit = _about_the_first_hit(message, pattern)
        begin = message.rfind("\n", 0, max(0, hit - RENDERED_AROUND)) + 1
        message = message[begin : hit + 2 * RENDERED_AROUND]
    return " ".join(to_text(message).split())


def _about_the_first_hit(text: str, pattern: re.Pattern[str]) -> int:
    """A place at most CHUNK characters before the first match. Unlike `_hits`, fast in the longest messages."""
    hit = pattern.search(fold(text))
    left = hit.start() if hit else 0
    for begin in range(0, len(text), CHUNK):
        left -= len(fold(text[begin : begin + CHUNK]))
        if left < 0:
            return begin
    return 0


def _snippet(text: str, pattern: re.Pattern[str]) -> str:
    first, _ = next(_hits(text, pattern), (0, 0))
    start, end = max(0, first - SNIPPET_BEFORE), first + SNIPPET_AFTER
    return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")


def _spellings(text: str, pattern: re.Pattern[str]) -> list[str]:
    """The different texts that match, as they are written."""
    found = dict.fromkeys(text[start:end] for start, end in _hits(text, pattern))
    return [each for each in found if len(each) <= MAX_MARKED_CHARS][:MAX_MARKED]


def _fragments(text: str, pattern: re.Pattern[str]) -> Iterator[Fragment]:
    at = 0
    for start, end in _hits(text, pattern):
        if start > at:
            yield Fragment(text=text[at:start], is_hit=False)
        yield Fragment(text=text[start:end], is_hit=True)
        at = end
    if at < len(text):
        yield Fragment(text=text[at:], is_hit=False)


def _hits(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The spans that match when the text is folded; none overlap."""
    folded = Folded(text)
    last = 0
    for hit in pattern.finditer(folded.text):
        start, end = folded.original(*hit.span())
        if start >= last:  # otherwise both are parts of one character
            yield start, end
            last = end
