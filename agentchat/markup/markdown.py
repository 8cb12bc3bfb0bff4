"""Markdown messages as safe HTML.

Models, tools and users write them, and all of them may be hostile: Markdown is rendered with raw HTML switched off, and
the result goes through the allow-list in `sanitizer`. Pages and frames use what `to_html` returns.

The page around a message has headings itself, so those of a message start at h3. Scrollable boxes (code, tables,
formulas) can be focused, so that they can be scrolled by keyboard. What CommonMark does not have is in modules of its
own: `math`, `footnotes`, `alerts`, `inline_tags`, `spaceless`, `direction`, `thoughts`. Colors of code are in
`highlighting`, and messages that are still being streamed in `streaming`.
"""

import posixpath
import re
from collections.abc import Iterator, MutableMapping, Sequence
from hashlib import blake2s
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from agentchat.core.text import replace_lone_surrogates
from agentchat.markup import highlighting
from agentchat.markup.alerts import alerts_plugin
from agentchat.markup.budget import Budget, OverBudget, current
from agentchat.markup.byte_cache import cached_up_to
from agentchat.markup.direction import set_directions
from agentchat.markup.footnotes import Footnotes, footnotes_plugin
from agentchat.markup.inline_parser import MAX_URL, BudgetedRenderer, count_work
from agentchat.markup.inline_tags import inline_tags_plugin
from agentchat.markup.math import math_plugin
from agentchat.markup.sanitizer import clean
from agentchat.markup.spaceless import BareLinks, SpacelessParserInline, link_bare_urls, parse_bare_url
from agentchat.markup.thoughts import folded, split_thoughts

MAX_MARKDOWN = 200_000  # characters; longer messages are shown as plain text
CACHE_BYTES = 24 * 1024 * 1024  # of HTML, in each process
MAX_HIGHLIGHTED = 40_000  # characters of code in a message; code after them stays plain
END_SIGNAL = "TERMINATE"  # ends a conversation between agents
FIRST_HEADING = 3

# A path is one of the site that shows the message. "//…" would lead elsewhere.
_LINK = re.compile(r"(?:https?://|mailto:|tel:)[^\s]|/(?!/)", re.IGNORECASE)
_RELATIVE_PATH = re.compile(r"(?:\.\.?/)*(?=[^/?#]*[/.])[\w%~-][^\s:?#]*(?:[?#]\S*)?|\.\.?/")
_URL_WORK = 20  # units
_TEXT_ALIGN = re.compile(r"text-align:(left|center|right)")


def to_html(markdown: str, *, key: str = "") -> SafeString:
    """The HTML of a whole message, cached. Safe in any thread; 10,000 characters take about 10 ms.

    `key` is the message's id: the ids in the HTML have a hash of it, so that those of two messages do not collide.
    """
    in_ids = hashed(key) if "[^" in markdown else ""
    return _html(markdown, in_ids, get_language())


def hashed(key: str) -> str:
    """What of a message's key is in its ids."""
    return blake2s(key.encode(), digest_size=4).hexdigest() if key else ""


@cached_up_to(CACHE_BYTES)
def _html(markdown: str, key: str, language: str | None) -> SafeString:
    text = replace_lone_surrogates(without_end_signal(markdown))
    if len(text) > MAX_MARKDOWN:
        return _as_text(text)
    try:
        with Budget(len(text)).used():
            thoughts, answer = split_thoughts(text)
            html = _part_as_html(answer, key)
            return folded(_part_as_html(thoughts, f"t{key}")) + html if thoughts else html
    except OverBudget:
        return _as_text(text)


def _part_as_html(text: str, key: str) -> SafeString:
    env: dict[str, Any] = {}
    Footnotes(key=key).put_into(env)
    return cleaned(render(parse(text, env), env))


def safe_address(url: str) -> str:
    """The address of a link to this URL, as messages have it; empty if it must not become one."""
    with Budget(len(url)).used():
        address = _markdown.normalizeLink(url)
    return address if _LINK.match(address) else ""


def cleaned(html: str) -> SafeString:
    """The sanitized HTML. Raise OverBudget if that is too much: attributes are added to some elements."""
    budget = current()
    budget.spend(len(html) // 8)
    safe = clean(html)
    budget.write(len(safe) - len(html))
    return safe


def _as_text(text: str) -> SafeString:
    """A text that is not rendered, with a note that says so."""
    # Translators: above a message whose Markdown is not rendered, but shown as it was written
    note = gettext("Shown as plain text: it is too long or too complex to be formatted.")
    return format_html('<p class="plain-text-note">{}</p>\n', note) + plain(text)


def plain(text: str) -> SafeString:
    """A text as it was written, for where a note would only come and go."""
    return clean(f"<pre>{escape(text)}</pre>")


def without_end_signal(markdown: str) -> str:
    """The text without an `END_SIGNAL` at its end, which is meant for agents and not for readers."""
    text = markdown.rstrip()
    before = text.removesuffix(END_SIGNAL)
    if len(before) == len(text) or before[-1:].strip():
        return markdown
    return before.rstrip()


# --- parsing --------------------------------------------------------------------------------------------------------


class ChatMarkdown(MarkdownIt):
    """CommonMark as models write it: with GitHub's additions and formulas; a line break is kept, as in other chats."""

    def __init__(self) -> None:
        super().__init__("commonmark", renderer_cls=BudgetedRenderer)
        self.inline = SpacelessParserInline()
        self.linkify = BareLinks()
        # Each level of nesting costs time on every line within it, and a list takes two levels.
        options = {"html": False, "breaks": True, "linkify": True, "maxNesting": 24, "tasklists": True}
        self.configure("commonmark", options)
        self.enable(["table", "strikethrough", "linkify"])
        self.disable(["html_block", "html_inline"])  # they would be tried at each mark, and do nothing
        self.inline.ruler.at("linkify", parse_bare_url)
        self.use(math_plugin).use(footnotes_plugin).use(alerts_plugin).use(inline_tags_plugin)
        self.use(count_work)
        self.add_render_rule("fence", _render_fence)
        self.core.ruler.at("linkify", link_bare_urls)
        self.core.ruler.push("adapt_to_page", _adapt_to_page)

    def normalizeLink(self, url: str) -> str:
        """A relative path counts from the root of the site: a message is shown at several addresses.

        A URL that is too long becomes none, and `validateLink` refuses it.
        """
        current().spend(_URL_WORK + len(url) // 2)
        if len(url) > MAX_URL:
            return ""
        url = super().normalizeLink(url)
        return posixpath.normpath(f"/{url}") + "/" * url.endswith("/") if _RELATIVE_PATH.fullmatch(url) else url

    def normalizeLinkText(self, link: str) -> str:
        current().spend(_URL_WORK + len(link) // 2)
        return super().normalizeLinkText(link)

    def validateLink(self, url: str) -> bool:
        """Whether the URL becomes a link; if not, its Markdown is shown as text."""
        return _LINK.match(url) is not None or url.startswith("#")


def _adapt_to_page(state: StateCore) -> None:
    """Shift headings, wrap tables in scrollable boxes, turn images into links, and give blocks their direction."""
    state.tokens = list(_adapted(state.tokens))
    set_directions(state.tokens)


def _adapted(tokens: list[Token]) -> Iterator[Token]:
    box = None  # the box of the table whose header this is: the header's text becomes its accessible name
    checked = None  # whether the box of the task that begins here is checked
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
                # The page's Content-Security-Policy forbids style attributes.
                if align := _TEXT_ALIGN.fullmatch(str(token.attrs.pop("style", ""))):
                    token.attrs["align"] = align[1]
            case "list_item_open":
                checked = token.meta.pop("checked", None)
            case "inline":
                token.children = list(_with_links(token.children or []))
                if checked is not None:
                    token.children = _as_task(token.children, checked)
                    checked = None
                if box is not None:
                    texts = (child.content for child in token.children if child.type in ("text", "code_inline"))
                    name = ", ".join(filter(None, [str(box.attrs.get("aria-label", "")), "".join(texts)]))
                    box.attrs["aria-label"] = name[:200]
        yield token
        if token.type == "table_close":
            yield Token("box_close", "div", -1, block=True)


def _as_task(text: list[Token], checked: bool) -> list[Token]:
    """The text as the label of a checkbox, which nobody can change."""
    box = Token("checkbox", "input", 0, attrs={"type": "checkbox", "disabled": ""})
    if checked:
        box.attrs["checked"] = ""
    gap = Token("text", "", 0, content=" ")
    return [Token("label_open", "label", 1), box, gap, *text, Token("label_close", "label", -1)]


def _with_links(tokens: list[Token]) -> Iterator[Token]:
    """The text with its links for this page.

    They open in a new tab. A link to a heading is only text: headings have no addresses here. An image is a link:
    loading it would tell its host who reads the message, and when.
    """
    is_in_link = is_dropped = False
    for token in tokens:
        if token.type == "link_open":
            href = str(token.attrs["href"])
            is_in_link, is_dropped = True, href.startswith("#") and token.markup != "footnote"
            if not is_dropped:
                yield token if href.startswith("#") else _opened_apart(token)
        elif token.type == "link_close":
            is_in_link = False
            if not is_dropped:
                yield token
        elif token.type == "image":
            source = str(token.attrs["src"])
            alt = "".join(child.content for child in token.children or [])
            text = Token("text", "", 0, content=alt or source)
            if is_in_link or source.startswith("#"):
                yield text
            else:
                opening = Token("link_open", "a", 1, attrs={"href": source})
                yield from (_opened_apart(opening), text, Token("link_close", "a", -1))
        else:
            yield token


def _opened_apart(link: Token) -> Token:
    link.attrs["target"] = "_blank"
    return link


_BUDGET = "agentchat_highlight_budget"  # key in a message's env: the characters of code that may still be highlighted


def _render_fence(self: Any, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]) -> str:
    code = tokens[index].content
    language = next(iter(unescapeAll(tokens[index].info).split()), "")
    html = ""
    is_being_written = options.get("is_open") and all(
        tokens[later].nesting < 0 for later in range(index + 1, len(tokens))
    )
    if not is_being_written and highlighting.can_highlight(code, language):
        current().spend(2 * len(code))
        env[_BUDGET] = env.get(_BUDGET, MAX_HIGHLIGHTED) - len(code)
        if env[_BUDGET] >= 0:
            html = highlighting.highlight(code, language)
    language_class = f' class="language-{escape(language)}"' if language else ""
    return f"<pre><code{language_class}>{html or escape(code)}</code></pre>\n"


_markdown = ChatMarkdown()


def parse(text: str, env: dict[str, Any]) -> list[Token]:
    """The tokens of a text. `env` holds the link definitions of earlier texts, and gets those of this one.

    Like `render`, it works within a budget, and raises OverBudget.
    """
    return _markdown.parse(text, env)


def render(tokens: list[Token], env: dict[str, Any]) -> str:
    """The HTML of tokens that `parse` returned with the same `env`. Not sanitized."""
    html: str = _markdown.renderer.render(tokens, _markdown.options, env)
    return html
