"""Markdown messages as the plain text that a reader sees, for excerpts: without marks, addresses, tags and thoughts."""

from collections.abc import Iterator
from typing import Any

from markdown_it.token import Token

from agentchat.core.text import replace_lone_surrogates
from agentchat.markup.budget import Budget, OverBudget
from agentchat.markup.footnotes import WAY_BACK
from agentchat.markup.markdown import MAX_MARKDOWN, parse
from agentchat.markup.thoughts import without_thoughts

_BREAKS = ("softbreak", "hardbreak")
_MARKUP = ("html_inline", "html_block", "inline_tag")


def to_text(markdown: str) -> str:
    """The visible text of a message; blocks, and cells of tables, are separated by line breaks.

    Formulas are shown by their source. Safe in any thread; as expensive as `to_html`. What is not rendered is returned
    as it is.
    """
    env: dict[str, Any] = {}
    text = without_thoughts(replace_lone_surrogates(markdown))
    if len(text) > MAX_MARKDOWN:
        return text
    try:
        with Budget(len(text)).used():
            return "\n".join(filter(None, map(_text_of, parse(text, env))))
    except OverBudget:
        return text


def _text_of(block: Token) -> str:
    if block.type in _MARKUP:
        return ""
    return block.content.strip("\n") if block.children is None else "".join(_texts(block.children)).strip()


def _texts(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in _BREAKS:
            yield "\n"
        elif token.type == "image":  # its content is Markdown
            yield from _texts(token.children or [])
        elif token.type not in _MARKUP and token.content != WAY_BACK:
            yield token.content
