"""Marks in scripts that put no spaces between words: Chinese, Japanese, Korean particles, Thai and others.

CommonMark takes a mark like `**` for the end of bold text by the spaces and punctuation around it, and the end of a
bare URL is found by a space. Neither works where none is written: `**「重点」**这是`, `见https://example.org。然后`.
The rule for emphasis is that of https://github.com/tats-u/markdown-cjk-friendly, which looks at the characters on both
sides of a mark; here, punctuation belongs to the letter that it follows or precedes.
"""

import re
from collections.abc import Iterator, MutableMapping
from types import MethodType
from typing import Any

from linkify_it import LinkifyIt
from linkify_it.main import Match
from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token

from agentchat.markup.budget import current
from agentchat.markup.inline_parser import MAX_URL

# Letters and full-width marks. Thai, Lao, Tibetan, Myanmar, Khmer; then Hangul, Han, Kana and what belongs to them.
_CHARACTERS = "\u0e00-\u109f\u1780-\u17ff\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
_CHARACTERS += "\ufe10-\ufe1f\ufe30-\ufe6f\uff01-\uffee\U0001aff0-\U0001b2ff\U0001f200-\U0001f2ff\U00020000-\U0003ffff"
# One, with up to two other marks between it and the mark for emphasis.
_ENDS_WITH_CHARACTER = re.compile(rf"[{_CHARACTERS}][^\w\s]{{0,2}}\Z")
_BEGINS_WITH_CHARACTER = re.compile(rf"[^\w\s]{{0,2}}[{_CHARACTERS}]")
_MARK = "\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"

_QUOTE = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb\u2026\u2014"  # quotation marks, … and —

# The parts of a text that may have a URL, within words. Only in one that is a whole word, letters of these scripts
# belong to it: https://ja.wikipedia.org/wiki/日本
_PART = re.compile(rf"[^\s{_CHARACTERS}{_QUOTE}]+")
_WHOLE_URL = re.compile(
    rf"https?://(?:[!-~]*(?<=[/=_#.-])(?:(?![{_MARK}])[{_CHARACTERS}])+)+[!-~]*(?!\S)", re.IGNORECASE
)
_WORD_OR_PART = re.compile(rf"(?<!\S){_WHOLE_URL.pattern}|{_PART.pattern}", re.IGNORECASE)
_URL_WORK = 40  # units

_SCHEME = re.compile(r"(?<![a-z0-9.+-])https?$", re.IGNORECASE)
_MAY_HAVE_URL = re.compile(r"://|www\.|mailto:", re.IGNORECASE)


class _StateInline(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        before = self.src[start - 1] if start > 0 else " "
        after = self.src[start + scanned.length] if start + scanned.length < self.posMax else " "
        end = start + scanned.length
        is_before_spaceless = _ENDS_WITH_CHARACTER.search(self.src, max(0, start - 3), start) is not None
        is_after_spaceless = _BEGINS_WITH_CHARACTER.match(self.src, end, min(end + 3, self.posMax)) is not None
        if not (is_before_spaceless or is_after_spaceless):
            return scanned
        hugs_before = not is_before_spaceless and _is_punctuation(before)
        hugs_after = not is_after_spaceless and _is_punctuation(after)
        opens = not _is_space(after) and (not hugs_after or _is_space(before) or hugs_before or is_before_spaceless)
        closes = not _is_space(before) and (not hugs_before or _is_space(after) or hugs_after or is_after_spaceless)
        return Scanned(
            opens and (canSplitWord or not closes or _is_punctuation(before)),
            closes and (canSplitWord or not opens or _is_punctuation(after)),
            scanned.length,
        )


def _is_space(character: str) -> bool:
    return isWhiteSpace(ord(character))


def _is_punctuation(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


class SpacelessParserInline(ParserInline):
    """The parser of what is within lines, with the rule for emphasis beside these scripts."""

    def parse(self, src: str, md: MarkdownIt, env: MutableMapping[str, Any], tokens: list[Token]) -> list[Token]:
        current().spend(4)
        state = _StateInline(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class BareLinks(LinkifyIt):  # type: ignore[misc]  # it has no types
    """Finds URLs with http:, https:, mailto: or www. in running text, also between letters without spaces."""

    def __init__(self) -> None:
        www = {
            "validate": MethodType(_www_length, self),
            "normalize": MethodType(_add_scheme, self),
        }
        super().__init__(
            {"www.": www, "ftp:": None, "//": None}, {"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False}
        )

    def pretest(self, text: str) -> bool:
        return _MAY_HAVE_URL.search(text) is not None

    test = pretest

    def match(self, text: str) -> list[Match]:
        found = []
        for part in _WORD_OR_PART.finditer(text):
            if len(part[0]) > MAX_URL or not self.pretest(part[0]):
                continue
            # Each place where a URL may begin is tried, and may look as far as the end of the part.
            budget = current()
            budget.spend(_URL_WORK)
            for _ in _MAY_HAVE_URL.finditer(part[0]):
                budget.spend(len(part[0]) // 16)
            for match in super().match(part[0]) or []:
                match.index += part.start()
                match.last_index += part.start()
                found.append(match)
        return found

    def match_at(self, text: str, start: int) -> Match | None:
        """The URL that begins there, if one does."""
        is_word = start == 0 or text[start - 1].isspace()
        end = start + MAX_URL
        part = (_WHOLE_URL.match(text, start, end) if is_word else None) or _PART.match(text, start, end)
        if part is None:
            return None
        current().spend(_URL_WORK + len(part[0]) // 32)
        return self.match_at_start(part[0]) if part.end() < end else None


def _www_length(links: LinkifyIt, text: str, start: int) -> int:
    """The length of what follows `www.` in a URL; 0 if it is none. Within a longer host, it is not looked for again."""
    is_in_host = text[start - 5 : start - 4] in {".", "-", "_", "/", "@"}
    length: int = 0 if is_in_host else links._validate_double_slash(text, start)
    return length


def _add_scheme(_links: LinkifyIt, match: Match) -> None:
    match.url = f"http://{match.url}"


def parse_bare_url(state: StateInline, silent: bool) -> bool:
    """A URL in running text, before its `_` and `*` can become emphasis. markdown-it's own rule finds it by spaces."""
    if state.linkLevel > 0 or not state.src.startswith("://", state.pos):
        return False
    scheme = _SCHEME.search(state.src, max(0, state.pos - 8), state.pos)
    if not scheme or not state.pending.endswith(scheme[0]) or not state.md.linkify:
        return False
    link = state.md.linkify.match_at(state.src, scheme.start())
    url = link.url.rstrip("*") if link else ""
    href = state.md.normalizeLink(url)
    if not url or not state.md.validateLink(href):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        opening = state.push("link_open", "a", 1)
        opening.attrs = {"href": href}
        opening.markup, opening.info = "linkify", "auto"
        state.push("text", "", 0).content = state.md.normalizeLinkText(url)
        closing = state.push("link_close", "a", -1)
        closing.markup, closing.info = "linkify", "auto"
    state.pos += len(url) - len(scheme[0])
    return True


def link_bare_urls(state: StateCore) -> None:
    """Make links of the URLs in the texts that are in none. markdown-it's own rule copies all tokens for each link."""
    links = state.md.linkify
    for block in state.tokens:
        if block.type == "inline" and block.children and links is not None and links.pretest(block.content):
            block.children = list(_with_bare_links(state.md, block.children))


def _with_bare_links(markdown: MarkdownIt, tokens: list[Token]) -> Iterator[Token]:
    depth = 0  # of links
    before = ""
    for token in tokens:
        depth += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type == "text" and depth == 0 and _MAY_HAVE_URL.search(token.content):
            # Not after an escaped character: `http\\://example.org` is text.
            yield from _split_at_urls(markdown, token, may_begin_with_url=before != "text_special")
        else:
            yield token
        before = token.type


def _split_at_urls(markdown: MarkdownIt, token: Token, *, may_begin_with_url: bool) -> Iterator[Token]:
    text, position = token.content, 0
    for link in markdown.linkify.match(text) if markdown.linkify else ():
        href = markdown.normalizeLink(link.url)
        if (link.index == 0 and not may_begin_with_url) or not markdown.validateLink(href):
            continue
        if link.index > position:
            yield Token("text", "", 0, content=text[position : link.index], level=token.level)
        shown = markdown.normalizeLinkText(link.text)
        if link.schema == "mailto:":
            shown = shown.removeprefix("mailto:")
        yield Token("link_open", "a", 1, attrs={"href": href}, level=token.level, markup="linkify", info="auto")
        yield Token("text", "", 0, content=shown, level=token.level + 1)
        yield Token("link_close", "a", -1, level=token.level, markup="linkify", info="auto")
        position = link.last_index
    if position < len(text):
        yield Token("text", "", 0, content=text[position:], level=token.level)
