r"""Formulas in Markdown: where they are, and how much of a message they may be. `mathml` translates them.

Inline formulas are written as `$…$` or `\(…\)`, display formulas as `$$…$$`, `\[…\]`, `\begin{align}…\end{align}` or a
similar environment. Prices ("$5 and $10") and code are left alone. A formula that cannot be translated, or that is too
long or too deeply nested, is shown as its LaTeX source.
"""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from agentchat.markup.budget import current
from agentchat.markup.mathml import MAX_FORMULA, to_mathml

MAX_FORMULAS = 32_000  # characters of all formulas in one message

MAX_EXCESS = 40_000  # characters of MathML beyond sixteen for each character of the formulas in a message

_BUDGET = "agentchat_math_budget"  # key in a message's env: the characters of formulas that may still be translated
_EXCESS = "agentchat_math_excess"  # … and those of MathML that may still exceed their share

# --- parsing --------------------------------------------------------------------------------------------------------

_ENVIRONMENTS = (
    "equation|multline|gather|gathered|align|aligned|alignat|alignedat|flalign|eqnarray|split|[pbBvV]?matrix"
)
_ENVIRONMENTS += "|smallmatrix|[dr]?cases|drcases|array"
_OPENING_DELIMITER = re.compile(r"\$\$|\\\[|\\begin\{((?:" + _ENVIRONMENTS + r")\*?)\}")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_PRICE = re.compile(r"\d[^\\]*[A-Za-z]{2}")


def closing_delimiter(line: str) -> str:
    """The delimiter that closes the display formula at the beginning of a line; "" if there is no formula."""
    opening = _OPENING_DELIMITER.match(line)
    if opening is None:
        return ""
    if opening[1]:
        return f"\\end{{{opening[1]}}}"
    return {"$$": "$$", "\\[": "\\]"}[opening[0]]


def _parse_block(state: StateBlock, first: int, end_line: int, silent: bool) -> bool:
    """A display formula on lines of its own. It may interrupt a paragraph, since models write it right below one."""
    start = state.bMarks[first] + state.tShift[first]
    closing = closing_delimiter(state.src[start : start + 30])
    if not closing or state.is_code_block(first):
        return False
    begin = start + len(closing if closing in ("$$", "\\]") else "")
    end = state.src.find(closing, begin, begin + MAX_FORMULA)
    if end < 0 or not state.src[begin:end].strip() or _BLANK_LINE.search(state.src, begin, end):
        return False
    last = first + state.src.count("\n", start, end)
    after = end + len(closing)
    if last >= end_line or state.src[after : state.eMarks[last]].strip() or after > state.eMarks[last]:
        return False
    if any(state.sCount[line] < state.blkIndent for line in range(last, first, -1)):
        return False  # it would end outside the list item in which it begins
    if not silent:
        source = state.getLines(first, last + 1, state.blkIndent, False).strip()
        token = state.push("math", "math", 0)
        token.block = True
        token.markup = source
        token.content = source if closing.startswith("\\end") else source[2:-2]
        token.map = [first, last + 1]
        state.line = last + 1
    return True


def _parse_inline(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening[:1] == "$":
        opening = "$$" if opening == "$$" else "$"
    elif opening not in ("\\(", "\\["):
        return False
    closing = {"\\(": "\\)", "\\[": "\\]"}.get(opening, opening)
    begin = state.pos + len(opening)
    end = _find_closing(state.src, closing, begin, state.posMax)
    content = state.src[begin:end] if end > begin else ""
    if not content.strip() or (opening == "$" and not _is_plausible(state.src, begin, end)):
        return False
    state.pos = end + len(closing)
    if not silent:
        token = state.push("math", "math", 0)
        token.content = content
        token.markup = f"{opening}{content}{closing}"
        token.meta = {"is_display": opening in ("$$", "\\[")}
    return True


def _find_closing(text: str, closing: str, begin: int, limit: int) -> int:
    limit = min(limit, begin + MAX_FORMULA)
    end = text.find(closing, begin, limit)
    while end > begin and closing[0] == "$" and text[end - 1] == "\\":  # an escaped dollar
        end = text.find(closing, end + 1, limit)
    return end


def _is_plausible(text: str, begin: int, end: int) -> bool:
    """Whether the text between two dollars is a formula, and not between two prices or two shell variables."""
    before, after = text[begin - 2 : begin - 1], text[end + 1 : end + 2]
    first, last = text[begin], text[end - 1]
    return not (
        (before and (before.isalnum() or before == "$"))
        or first.isspace()
        or last.isspace()
        or last in "/:(,;"
        or (after and (after.isdigit() or after.isupper() or after in "_$"))
        or _PRICE.match(text, begin, end)
    )


# --- rendering ------------------------------------------------------------------------------------------------------


def _render(self: Any, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]) -> str:
    token = tokens[index]
    env.setdefault(_BUDGET, MAX_FORMULAS)
    env[_BUDGET] -= len(token.content)
    is_display = token.block or token.meta["is_display"]
    mathml = ""
    if env[_BUDGET] >= 0:
        current().spend(20 + 3 * len(token.content))
        mathml = to_mathml(token.content, is_display)
        current().spend(len(mathml) // 4)
    env[_EXCESS] = env.get(_EXCESS, MAX_EXCESS) - max(0, len(mathml) - 16 * len(token.markup))
    if env[_EXCESS] < 0:
        mathml = ""
    if token.block:
        # A box that can be focused needs an accessible name. The LaTeX source is one in every language.
        name = escape(" ".join(token.content.split())[:200])
        source = f'<pre><code class="language-latex">{escape(token.markup)}\n</code></pre>\n'
        return f'<div role="group" tabindex="0" aria-label="{name}">{mathml}</div>\n' if mathml else source
    return mathml or f"<code>{escape(token.markup)}</code>"


def math_plugin(markdown: MarkdownIt) -> None:
    """A plugin for markdown-it: `MarkdownIt().use(math_plugin)`."""
    interrupted = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "math", _parse_block, {"alt": interrupted})
    markdown.inline.ruler.before("escape", "math", _parse_inline)
    markdown.add_render_rule("math", _render)
