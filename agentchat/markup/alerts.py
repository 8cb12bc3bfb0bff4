"""Alerts: quotations that begin with `[!NOTE]`, `[!TIP]`, `[!IMPORTANT]`, `[!WARNING]` or `[!CAUTION]`.

The title is the word itself, or what stands beside it, in the language of the message. markdown-it has an option for
alerts, but then looks at all lines that follow for each of them: 20 KB of alerts take 2 s.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

KINDS = ("note", "tip", "important", "warning", "caution")

_MARK = re.compile(r"\[!(" + "|".join(KINDS) + r")\][ \t]*(.*)(?:\n|$)", re.IGNORECASE)


def alerts_plugin(markdown: MarkdownIt) -> None:
    """A plugin for markdown-it: `MarkdownIt().use(alerts_plugin)`."""
    markdown.core.ruler.before("inline", "alerts", _mark)


def _mark(state: StateCore) -> None:
    tokens: list[Token] = []
    quotations: list[Token] = []  # those that are open
    is_emptied = False  # the paragraph that ends here was only the mark
    for token in state.tokens:
        if token.type == "blockquote_open":
            quotations.append(token)
        elif token.type == "blockquote_close":
            if quotations.pop().type == "alert_open":
                token.type, token.tag = "alert_close", "div"
        elif token.type == "inline" and [each.type for each in tokens[-2:]] == ["blockquote_open", "paragraph_open"]:
            if mark := _MARK.match(token.content):
                paragraph = tokens.pop()
                kind, title, text = mark[1].lower(), mark[2].strip(), token.content[mark.end() :]
                if not text:
                    title, text = "", title  # all in one line: more than a title
                _open_alert(tokens[-1], kind)
                tokens += _title(title or kind.capitalize())
                is_emptied = not text
                if is_emptied:
                    continue
                token.content = text
                tokens.append(paragraph)
        elif is_emptied:
            is_emptied = False
            continue
        tokens.append(token)
    state.tokens = tokens


def _open_alert(quotation: Token, kind: str) -> None:
    quotation.type, quotation.tag = "alert_open", "div"
    quotation.attrs = {"class": f"markdown-alert markdown-alert-{kind}", "role": "note"}


def _title(text: str) -> list[Token]:
    return [
        Token("alert_title_open", "p", 1, attrs={"class": "markdown-alert-title"}, block=True),
        Token("inline", "", 0, content=text, children=[]),
        Token("alert_title_close", "p", -1, block=True),
    ]
