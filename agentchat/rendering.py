"""Markdown as safe HTML: whole messages, and the complete blocks of a message that is still being written.

Models, tools and people write these words, and all of them are hostile. Markdown is rendered without HTML of its own,
then everything is cleaned against a list of what may stay. This is the only place where such words become a
`SafeString`; pages and frames take what it returns.

A page shows a message under headings of its own, so the headings in a message start at h3. Scrolling boxes (code,
tables, formulas) can be focused, so that a keyboard can scroll them. Formulas have a module of their own, `maths`, and
so have the colours of code, `highlighting`.
"""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from agentchat import highlighting
from agentchat.maths import MAX_FORMULA, closing_of, maths

MAX_MARKDOWN = 200_000  # characters; what is longer is shown as it was written
MAX_BLOCK = 20_000  # characters; a longer block of a message being written is rendered with the whole message
MAX_CACHED = 16_000  # characters
MAX_COLOURED = 40_000  # characters of code in one message; what comes after them is plain
END_SIGNAL = "TERMINATE"  # the word by which agents tell each other that they are done
FIRST_HEADING = 3

_WEB_LINK = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_LANGUAGE = re.compile(r"language-[\w+#.-]{1,40}")
_ALIGNED = re.compile(r"text-align:(left|center|right)")


def to_html(markdown: str) -> SafeString:
    """A whole message. Safe in any thread; 10,000 characters take about 10 ms, the same ones again nothing."""
    return (_cached_html if len(markdown) <= MAX_CACHED else _html)(markdown)


def _html(markdown: str) -> SafeString:
    text = without_end_signal(markdown)
    if len(text) > MAX_MARKDOWN:
        return _clean(f"<pre>{escape(_whole_characters(text))}</pre>")
    env: dict[str, Any] = {}
    return _render(_parse(text, env), env)


_cached_html = lru_cache(maxsize=512)(_html)


def without_end_signal(markdown: str) -> str:
    """The text without a last word that is meant for programs alone."""
    text = markdown.rstrip()
    before = text.removesuffix(END_SIGNAL)
    if len(before) == len(text) or before[-1:].strip():
        return markdown
    return before.rstrip()


# --- parsing --------------------------------------------------------------------------------------------------------


class _ChatMarkdown(MarkdownIt):
    """CommonMark with tables, strikethrough and bare links; a line break breaks the line, as in other chats."""

    def __init__(self) -> None:
        # Each level costs on every line below it, and a list takes two. Deeper ones are cut off.
        super().__init__("commonmark", {"html": False, "breaks": True, "linkify": True, "maxNesting": 24})
        self.enable(["table", "strikethrough", "linkify"])
        self.use(maths)
        self.add_render_rule("fence", _code)
        self.core.ruler.push("fit_into_page", _fit_into_page)
        assert self.linkify is not None
        self.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
        for schema in ("ftp:", "//"):
            self.linkify.add(schema, None)

    def validateLink(self, url: str) -> bool:
        """Whether it becomes a link. If not, the reader sees what was written."""
        return _WEB_LINK.match(url) is not None


def _fit_into_page(state: StateCore) -> None:
    """Shift headings, put tables into boxes that scroll, and turn images into links."""
    state.tokens = list(_fitted(state.tokens))


def _fitted(tokens: list[Token]) -> Iterator[Token]:
    box = None  # the box of a table whose header we are in: the header's words become its name
    for token in tokens:
        match token.type:
            case "heading_open" | "heading_close":
                token.tag = f"h{min(int(token.tag[1]) + FIRST_HEADING - 1, 6)}"
            case "table_open":
                box = Token("box_open", "div", 1, attrs={"role": "group", "tabindex": "0"}, block=True)
                yield box
            case "thead_close":
                box = None
            case "th_open" | "td_open":
                # A style attribute is against the page's policy.
                if align := _ALIGNED.fullmatch(str(token.attrs.pop("style", ""))):
                    token.attrs["align"] = align[1]
            case "inline":
                token.children = list(_without_images(token.children or []))
                if box is not None:
                    words = (child.content for child in token.children if child.type in ("text", "code_inline"))
                    name = ", ".join(filter(None, [str(box.attrs.get("aria-label", "")), "".join(words)]))
                    box.attrs["aria-label"] = name[:200]
        yield token
        if token.type == "table_close":
            yield Token("box_close", "div", -1, block=True)


def _without_images(tokens: list[Token]) -> Iterator[Token]:
    """An image from elsewhere would tell its host who reads, and when: a link leaves that to the reader."""
    in_link = False
    for token in tokens:
        if token.type in ("link_open", "link_close"):
            in_link = token.type == "link_open"
        if token.type != "image":
            yield token
            continue
        source = str(token.attrs["src"])
        alt = "".join(child.content for child in token.children or [])
        text = Token("text", "", 0, content=alt or source)
        if in_link:
            yield text
        else:
            yield from (Token("link_open", "a", 1, attrs={"href": source}), text, Token("link_close", "a", -1))


_LEFT = "agentchat_code_left"  # in the env of a message: the characters of code that may still be coloured


def _code(self: Any, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]) -> str:
    """A block of code behind a fence."""
    code = tokens[index].content
    language = next(iter(unescapeAll(tokens[index].info).split()), "")
    html = ""
    if highlighting.is_colourable(code, language):
        env[_LEFT] = env.get(_LEFT, MAX_COLOURED) - len(code)
        if env[_LEFT] >= 0:
            html = highlighting.coloured(code, language)
    named = f' class="language-{escape(language)}"' if language else ""
    return f"<pre><code{named}>{html or escape(code)}</code></pre>\n"


_markdown = _ChatMarkdown()


def _parse(text: str, env: dict[str, Any]) -> list[Token]:
    """The tokens of a text. `env` collects the link definitions that are found, and gives those of earlier texts."""
    return _markdown.parse(_whole_characters(text), env)


def _whole_characters(text: str) -> str:
    """The text without half characters: models write them, and deltas cut between halves."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


# --- cleaning -------------------------------------------------------------------------------------------------------


def _only_harmless(tag: str, attribute: str, value: str) -> str | None:
    """A class is the language of a code block, or a colour; a length is short. Others have passed the lists below."""
    if tag == "span":
        return value if value in highlighting.CLASSES else None
    shape = _LANGUAGE if attribute == "class" else _LENGTH if attribute in _LENGTHS else None
    return value if shape is None or shape.fullmatch(value) else None


_ALIGNMENTS = {"align": {"left", "center", "right"}}

# MathML that shows, and does nothing else: no links, no colours, no classes, no <annotation-xml>.
_YES_OR_NO = {"true", "false"}
_LENGTHS = {"width", "height", "depth", "lspace", "rspace", "minsize", "maxsize"}
_LENGTH = re.compile(r"-?(?:[0-3]|[0-3]?\.\d{1,4})(?:em|ex)|0")  # nothing is pushed far, or over its neighbours
_MATHS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mpadded", "mphantom", "mstyle", "mfrac", "msqrt", "mroot"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts"),
    *("mtable", "mtr", "mtd", "menclose"),
}
_MATHS_LENGTHS = {
    "mspace": {"width", "height", "depth"},
    "mpadded": {"width", "height", "depth", "lspace"},
    "mo": {"lspace", "rspace", "minsize", "maxsize"},
}
_MATHS_VALUES = {
    "math": {"display": {"block", "inline"}},
    "mstyle": {"displaystyle": _YES_OR_NO, "scriptlevel": {"0", "1", "2"}},
    "mfrac": {"linethickness": {"0"}},
    "mi": {"mathvariant": {"normal"}},
    "mo": {
        name: _YES_OR_NO
        for name in ("stretchy", "fence", "separator", "symmetric", "largeop", "movablelimits", "accent")
    }
    | {"form": {"prefix", "infix", "postfix"}},
    "mover": {"accent": _YES_OR_NO},
    "munder": {"accentunder": _YES_OR_NO},
    "mtable": {"displaystyle": _YES_OR_NO},
    "mtd": {"columnalign": {"left", "center", "right"}},
    "menclose": {"notation": {"box", "top", "bottom", "left", "right", "circle"}},
}

_cleaner = nh3.Cleaner(
    tags={
        *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code"),
        *("span", "em", "strong", "s", "a", "div", "table", "thead", "tbody", "tr", "th", "td"),
        *_MATHS,
    },
    attributes={
        **{"a": {"href", "title"}, "code": {"class"}, "span": {"class"}, "ol": {"start"}, "div": {"aria-label"}},
        **_MATHS_LENGTHS,
    },
    tag_attribute_values={
        **_MATHS_VALUES,
        **{"th": _ALIGNMENTS, "td": _ALIGNMENTS, "div": {"role": {"group"}, "tabindex": {"0"}}},
    },
    set_tag_attribute_values={"pre": {"tabindex": "0"}, "a": {"target": "_blank"}},
    attribute_filter=_only_harmless,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener nofollow",
)


def _clean(html: str) -> SafeString:
    return SafeString(_cleaner.clean(html))


def _render(tokens: list[Token], env: dict[str, Any]) -> SafeString:
    return _clean(_markdown.renderer.render(tokens, _markdown.options, env))


# --- a message being written ----------------------------------------------------------------------------------------


def utf16_len(text: str) -> int:
    """The length as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a message that no later text will change. It stands for the text up to `end`, in UTF-16 code units."""

    index: int
    end: int
    html: SafeString


class BlockSplitter:
    """Finds the blocks of a message while it is written. Every line is looked at once and parsed once.

    Where a block ends is seen from its lines alone: most end at a blank line, a fence at its closing line, and a list
    or indented code at a line after a blank one that is not indented enough to belong to it. Nothing ends within a
    formula. Only then is the block parsed; if the parser finds it open nevertheless, it goes on. Text behind the last
    block is the page's to show as it is.

    A link that is defined below its use is the one thing that differs from the whole message: END's HTML wins.
    """

    def __init__(self) -> None:
        self._line: list[str] = []  # pieces of the line that is being written
        self._env: dict[str, Any] = {}
        self._index = 0
        self._end = 0
        self._begin()

    def _begin(self) -> None:
        self._lines: list[str] = []  # complete lines that no block stands for yet
        self._size = 0  # their characters
        self._is_empty = True  # they are blank
        self._after_blank = False
        self._fence = ""  # the marker of the open fence
        self._maths = ""  # what closes the formula that may be open
        self._maths_at = 0  # the size where it began
        self._indent = 0  # of lines that go on after a blank one; 0: none can
        self._try_at = 0  # the size from which parsing again is worth it

    def feed(self, delta: str) -> list[Block]:
        """The blocks that became complete. A delta without a line break costs next to nothing."""
        if "\n" not in delta:
            self._line.append(delta)
            return []
        *lines, rest = ("".join(self._line) + delta).split("\n")
        self._line = [rest]
        return [block for line in lines for block in self._take(line + "\n")]

    def _take(self, line: str) -> Iterator[Block]:
        text = line.rstrip(_BLANK)
        if self._fence:
            self._append(line)
            if _closes(text, self._fence):
                self._fence = ""
                yield from self._complete()
        elif text and self._maths:
            self._append(line)
            self._look_for_the_end(text)
        elif text:
            yield from self._take_text(line, text)
        else:
            if self._maths:
                self._maths, self._indent = "", 1  # it was none: what its lines are, items perhaps, the parser says
            is_final = not self._is_empty and not self._indent
            if is_final and self._lines[-1].rstrip(_BLANK).endswith(END_SIGNAL):
                self._indent, is_final = 1, False  # if nothing follows, it is no word for the reader
            self._append(line)
            self._after_blank = True
            if is_final:
                yield from self._complete()

    def _take_text(self, line: str, text: str) -> Iterator[Block]:
        indent = _indent_of(text)
        is_outside = indent < (self._indent or 4)
        is_last = is_outside and _HEADING_OR_RULE.match(text) is not None
        fence = _FENCE.match(text) if is_outside else None
        item = _LIST_ITEM.match(text) if is_outside and not is_last else None
        if item and not (self._is_empty or self._indent or _can_interrupt(item)):
            item = None
        if fence or (item and not self._indent) or (is_outside and not item and self._after_blank):
            yield from self._complete()
            if self._fence:
                yield from self._take(line)
                return
        if item:
            self._indent = _content_indent(item)
        elif self._is_empty and indent >= 4:
            self._indent = 4
        self._append(line)
        self._is_empty = self._after_blank = False
        if fence:
            self._fence = fence[1]
        elif is_last:
            yield from self._complete()
        elif not item and (is_outside or self._indent) and (closing := closing_of(text.lstrip(" "))):
            self._maths, self._maths_at = closing, self._size - len(line)
            self._look_for_the_end(text.lstrip(" ").removeprefix("$$"))
            if self._indent:
                self._maths = _UNTIL_BLANK  # it may go on with an item's paragraph: only the parser knows

    def _look_for_the_end(self, text: str) -> None:
        """Of the formula that may be open. If it ends within a line, or late, the next blank line will do."""
        if self._maths in text:
            is_whole = text.endswith(self._maths) and text.count(self._maths) == 1
            is_short = self._size - self._maths_at < MAX_FORMULA // 2
            # With nothing in it, it is none, and what closes it may open the next.
            is_filled = is_short and "".join(self._lines)[self._maths_at :].strip()[2 : -len(self._maths)].strip()
            self._maths = "" if is_whole and is_filled else _UNTIL_BLANK

    def _append(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _complete(self) -> Iterator[Block]:
        """Make a block of the complete lines, unless the parser finds them open."""
        if self._is_empty or not self._try_at <= self._size <= MAX_BLOCK:
            return
        text = "".join(self._lines)
        tokens = _parse(text, self._env)
        if tokens and self._stays_open(tokens[-1]):
            self._try_at = 2 * self._size  # keeps the cost linear, whatever comes
            return
        self._end += utf16_len(text)
        yield Block(index=self._index, end=self._end, html=_render(tokens, self._env))
        self._index += 1
        self._begin()

    def _stays_open(self, last: Token) -> bool:
        """Whether later lines can go on with the last token's block. Notes what the lines did not show."""
        if last.type == "fence" and not _is_closed(last):
            self._fence = last.markup
        elif last.type in ("bullet_list_close", "ordered_list_close", "code_block") and not self._indent:
            self._indent = 1
        else:
            return False
        return True


_UNTIL_BLANK = "\n"  # is in no line
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_HEADING_OR_RULE = re.compile(r" {0,3}(?:#{1,6}(?:[ \t]|$)|([-*_])[ \t]*(?:\1[ \t]*){2,}$)")
_LIST_ITEM = re.compile(r"( {0,3}(?:[-+*]|(\d{1,9})[.)]))(?:([ \t]+)(?=[^ \t])|$)")
_TABLE_RULE = re.compile(r"[-:| \t]+")
_BLANK = " \t\r\n"


def _indent_of(text: str) -> int:
    return len(text[: len(text) - len(text.lstrip(" \t"))].expandtabs(4))


def _content_indent(item: re.Match[str]) -> int:
    """How far the lines that belong to a list item are indented."""
    marker, content = item.end(1), len(item[0].expandtabs(4))
    return content if 1 <= content - marker <= 4 else marker + 1


def _can_interrupt(item: re.Match[str]) -> bool:
    """Whether a list may begin right below a paragraph with this item."""
    has_text, number = item[3] is not None, item[2]
    return has_text and (number is None or int(number) == 1) and not _TABLE_RULE.fullmatch(item.string)


def _closes(text: str, fence: str) -> bool:
    marker = text.lstrip(" ")
    return len(marker) >= len(fence) and not marker.strip(fence[0]) and _indent_of(text) < 4


def _is_closed(fence: Token) -> bool:
    first, after = fence.map or (0, 0)
    return after - first == fence.content.count("\n") + 2  # with its first and its last line
