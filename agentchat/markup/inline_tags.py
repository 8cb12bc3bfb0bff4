"""The few HTML elements that are more than text in Markdown: `<br>`, `<sub>`, `<sup>` and `<kbd>`, without attributes.

Models write them because Markdown has nothing for it: a line break in a table cell, H<sub>2</sub>O. A tag without its
partner stays text.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_DEPTH = 4  # of tags within tags; deeper ones stay text

_TAG = re.compile(r"<(?:br[ \t]*/?|(/?)(sub|sup|kbd))>", re.IGNORECASE)


def inline_tags_plugin(markdown: MarkdownIt) -> None:
    """A plugin for markdown-it: `MarkdownIt().use(inline_tags_plugin)`."""
    markdown.inline.ruler.before("autolink", "inline_tag", _parse)
    markdown.inline.ruler2.after("emphasis", "inline_tag_pairs", _pair)


def _parse(state: StateInline, silent: bool) -> bool:
    found = _TAG.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        if found[2]:
            token = state.push("inline_tag", found[2].lower(), 0)
            token.info = "close" if found[1] else "open"
            token.content = found[0]
        else:
            state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _pair(state: StateInline) -> None:
    """Make elements of the tags that have a partner within the same link, emphasis and so on; text of the others."""
    around: list[Token] = []
    for token in state.tokens:
        if token.type == "inline_tag" and token.info == "open":
            around.append(token)
        elif token.type == "inline_tag":
            if around and around[-1].type == "inline_tag" and around[-1].tag == token.tag:
                around.pop().nesting, token.nesting = 1, -1
        elif token.nesting == 1:
            around.append(token)
        elif token.nesting == -1:
            while around and around.pop().type == "inline_tag":
                pass
    depth = 0
    for token in state.tokens:
        if token.type == "inline_tag":
            depth += token.nesting == 1
            if token.nesting == 0 or depth > MAX_DEPTH:
                token.type, token.tag = "text", ""
            depth -= token.nesting == -1
            if token.type == "text":
                is_half_open = token.info == "open" and state.md.options.get("is_open")
                token.nesting, token.content = 0, "" if is_half_open else token.content
