"""The block that is being written, rendered as it stands: what is half-open is taken as closed.

The end of an unfinished text is ambiguous: `**` may open or close, `|` may begin a table, `[` a link. What cannot be
shown yet is left out for the moment, so that readers see no marks. The last words may change once more text comes.
"""

import re
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

from agentchat.core.text import replace_lone_surrogates
from agentchat.markup.budget import Budget, OverBudget, current
from agentchat.markup.footnotes import Footnotes, list_of_notes
from agentchat.markup.markdown import END_SIGNAL, ChatMarkdown, cleaned, plain
from agentchat.markup.math import closing_delimiter
from agentchat.markup.mathml import MAX_FORMULA
from agentchat.markup.sanitizer import clean

MAX_BLOCK = 20_000  # characters; a longer block is rendered only with the whole message
MAX_END = 400  # characters; what is before them is no unfinished mark
MAX_OPEN_EMPHASIS = 6  # with more of them, they are no emphasis

_CHARACTERS_SEARCHED = 256  # for a unit of work
_AT_END = "agentchat_at_end"  # key in an env: the line that is parsed is the last one

# What may become a mark, at the end of a text.
_MARKS_ALONE = re.compile(r"(?:^|\n)[ \t>]*(?:[-+*=#>|`~:]+|\d{1,9}[.)])?(?:(?<=[-+*.)])[ \t]+\[[ xX]?\]?)?[ \t]*$")
_PARTIAL = re.compile(r"(?:[*_~`]+|</?[a-zA-Z]{0,4}|\[\^[^\s\]]{0,60}|\[![A-Za-z]*|!?\[|!|\\|&[#\w]{0,8})$")
_OPENING_FENCE = re.compile(r"(?:^|\n)[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)?(?:`{3,}[^`\n]*|~{3,}[^\n]*)$")
_FENCE_LINE = re.compile(r"\n[ \t>]*(?:`+|~+)[ \t]*$")
_OPEN_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.)*)(?:\](?:\([^()\s]*(?:[ \t]+[^()]*)?)?)?$", re.DOTALL)
_TABLE = re.compile(r"(?:^|\n)([ \t>]*)(\|[^\n]*)(?:\n[ \t>]*\|?[-:| \t]*)?$")
_CELL_END = re.compile(r"(?<!\\)\|")
_FORMULA_ENDS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_LAST_WORD = re.compile(r"(?:^|\s)(\S+)\s*$")


def render_open(text: str, env: dict[str, Any]) -> SafeString:
    """The HTML of an unfinished block; its text, if that is too much work or too long.

    `env` is that of the blocks before it, and stays as it is.
    """
    if len(text) > MAX_BLOCK:
        return plain(text)
    try:
        with Budget(len(text)).used():
            return cleaned(_rendered(text, env))
    except OverBudget:
        return plain(text)


def _rendered(text: str, env: dict[str, Any]) -> str:
    env = {**env, "references": dict(env.get("references", {}))}
    footnotes = Footnotes.of(env).copy()
    footnotes.put_into(env)
    tokens = _markdown.parse(_completed(replace_lone_surrogates(text)), env)
    html: str = _markdown.renderer.render([*tokens, *list_of_notes(footnotes)], _markdown.options, env)
    return html


def render_open_fence(code: str, language: str) -> SafeString:
    """The HTML of a code block without its last line: much faster than to parse it, and it may be long."""
    code = _FENCE_LINE.sub("\n", "\n" + replace_lone_surrogates(code))[1:]
    language_class = f' class="language-{escape(language)}"' if language else ""
    return clean(f"<pre><code{language_class}>{escape(code)}</code></pre>")


# --- what is left out, or added -------------------------------------------------------------------------------------


def _completed(text: str) -> str:
    """The text without what may become a mark at its end, and with the line that makes a table of a header."""
    end = max(text.rfind("\n", 0, max(len(text) - MAX_END, 0)), len(text) - 2 * MAX_END, 0)
    return text[:end] + _completed_end(text[end:])


def _completed_end(text: str) -> str:
    text = _without_signal(text)
    shorter = _PARTIAL.sub("", _MARKS_ALONE.sub("", _OPENING_FENCE.sub("", text)))
    table = _TABLE.search(shorter)
    if table and _begins_here(shorter, table):
        prefix, header = table[1], table[2]
        columns = len(_CELL_END.split(header.strip().removeprefix("|").removesuffix("|")))
        shorter = f"{shorter[: table.end(2)]}\n{prefix}{'|---' * columns}|"
    return shorter


def _begins_here(text: str, table: re.Match[str]) -> bool:
    """Whether the line above belongs to no table: else this is one of its rows."""
    above = text[: table.start(2)].rstrip(" \t>").removesuffix("\n").rpartition("\n")[2]
    return not above.strip(" \t>").startswith("|")


def _without_signal(text: str) -> str:
    """The text without a last word that is, or may become, the signal to the program."""
    last = _LAST_WORD.search(text)
    return text[: last.start()] if last and END_SIGNAL.startswith(last[1]) else text


# --- parsing --------------------------------------------------------------------------------------------------------


def _open_block_plugin(markdown: MarkdownIt) -> None:
    markdown.block.ruler.after("math", "open_math", _parse_formula_block, {"alt": ["paragraph", "blockquote", "list"]})
    markdown.core.ruler.at("inline", _parse_lines)
    markdown.inline.ruler.after("math", "open_math", _parse_formula)
    markdown.inline.ruler.before("backticks", "open_code", _parse_code)
    markdown.inline.ruler.before("link", "open_link", _parse_link)
    markdown.inline.ruler2.after("balance_pairs", "open_emphasis", _close_emphasis)
    markdown.options["is_open"] = True  # code is not highlighted while it grows


def _parse_lines(state: StateCore) -> None:
    last = next((token for token in reversed(state.tokens) if token.nesting == 0 and token.content), None)
    for token in state.tokens:
        if token.type == "inline":
            token.children = []
            state.env[_AT_END] = token is last
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _parse_formula_block(state: StateBlock, first: int, end_line: int, silent: bool) -> bool:
    """A formula without its end is shown as its source: half of it can seldom be translated."""
    start = state.bMarks[first] + state.tShift[first]
    closing = closing_delimiter(state.src[start : start + 30])
    if not closing or len(state.src) - start - 2 > MAX_FORMULA or state.is_code_block(first):
        return False
    rest = state.src[start + 2 :]
    if closing in rest or "\n\n" in rest:
        return False
    if not silent:
        token = state.push("fence", "code", 0)
        token.info = "latex"
        token.content = state.getLines(first, end_line, state.blkIndent, False)
        token.map = [first, end_line]
        state.line = end_line
    return True


def _parse_formula(state: StateInline, silent: bool) -> bool:
    closing = _FORMULA_ENDS.get(state.src[state.pos : state.pos + 2])
    if not state.env[_AT_END] or closing is None:
        return False
    current().spend((state.posMax - state.pos) // _CHARACTERS_SEARCHED)
    if state.src.find(closing, state.pos + 2, state.posMax) >= 0:
        return False
    if not silent:
        state.push("code_inline", "code", 0).content = state.src[state.pos : state.posMax]
    state.pos = state.posMax
    return True


def _parse_code(state: StateInline, silent: bool) -> bool:
    """Code without its closing mark goes to the end."""
    if not state.env[_AT_END] or state.src[state.pos] != "`":
        return False
    start = state.pos
    while start < state.posMax and state.src[start] == "`":
        start += 1
    marks = "`" * (start - state.pos)
    current().spend((state.posMax - state.pos) // _CHARACTERS_SEARCHED)
    if re.search(f"(?<!`){marks}(?!`)", state.src[start : state.posMax]):
        return False
    if not silent:
        token = state.push("code_inline", "code", 0)
        token.content = state.src[start : state.posMax].replace("\n", " ").strip()
    state.pos = state.posMax
    return True


def _parse_link(state: StateInline, silent: bool) -> bool:
    """A link without its address is its text."""
    if silent or not state.env[_AT_END]:
        return False
    opening = _OPEN_LINK.match(state.src, state.pos, state.posMax)
    if opening is None or state.src[opening.end(1) :] == "]":
        return False
    end = state.posMax
    state.pos, state.posMax = opening.start(1), opening.end(1)
    state.md.inline.tokenize(state)
    state.pos = state.posMax = end
    return True


def _close_emphasis(state: StateInline) -> None:
    """Close emphasis at the end of the text. The rules after this one make elements of the pairs."""
    if not state.env[_AT_END]:
        return
    end_of_pair = -1
    open_ones = []
    for index, delimiter in enumerate(state.delimiters):
        end_of_pair = max(end_of_pair, delimiter.end)
        if delimiter.open and delimiter.end < 0 and index > end_of_pair:
            open_ones.append(delimiter)
    if len(open_ones) > MAX_OPEN_EMPHASIS:
        return
    for delimiter in reversed(open_ones):
        token = state.push("text", "", 0)
        token.content = state.tokens[delimiter.token].content
        delimiter.end = len(state.delimiters)
        closing = Delimiter(
            marker=delimiter.marker, length=0, token=len(state.tokens) - 1, end=-1, open=False, close=True
        )
        state.delimiters.append(closing)


_markdown = ChatMarkdown()
_markdown.use(_open_block_plugin)
