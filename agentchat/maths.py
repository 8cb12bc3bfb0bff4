r"""Formulas in Markdown, as MathML: browsers show it by themselves, and read it aloud.

`$…$` and `\(…\)` stand in a line; `$$…$$`, `\[…\]` and `\begin{align}…\end{align}` and their like by themselves. Prices
("$5 and $10") are no formulas, and code is none either. A formula that cannot be understood, or that is too long or too
deep, is shown as its source.

latex2mathml does the translation and escapes nothing, so its tree is taken and not its text: what it says is text again
here. What may reach a page is `rendering`'s affair, which cleans this as it cleans everything.
"""

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element, tostring

from django.utils.html import escape
from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_FORMULA = 2_000  # characters; 20 µs each
MAX_FORMULAS = 8_000  # characters of all formulas in one message
MAX_DEPTH = 60

_LEFT = "agentchat_maths_left"  # in the env of a message: the characters that are left

# --- where a formula is ---------------------------------------------------------------------------------------------

_ENVIRONMENTS = "equation|multline|gather|align|alignat|flalign|eqnarray|[pbBvV]?matrix|cases"
_OPENING = re.compile(r"\$\$|\\\[|\\begin\{((?:" + _ENVIRONMENTS + r")\*?)\}")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_PRICE = re.compile(r"\d[^\\]*[A-Za-z]{2}")


def closing_of(line: str) -> str:
    """What closes the formula that a line opens at its beginning; "" if it opens none."""
    opening = _OPENING.match(line)
    if opening is None:
        return ""
    if opening[1]:
        return f"\\end{{{opening[1]}}}"
    return {"$$": "$$", "\\[": "\\]"}[opening[0]]


def _block(state: StateBlock, first: int, end_line: int, silent: bool) -> bool:
    """A formula of whole lines, without a blank one. It may interrupt a paragraph: models put it right below."""
    start = state.bMarks[first] + state.tShift[first]
    closing = closing_of(state.src[start : start + 30])
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
        return False  # it would end outside of the list that it begins in
    if not silent:
        written = state.getLines(first, last + 1, state.blkIndent, False).strip()
        token = state.push("maths", "math", 0)
        token.block = True
        token.markup = written
        token.content = written if closing.startswith("\\end") else written[2:-2]
        token.map = [first, last + 1]
        state.line = last + 1
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening[:1] == "$":
        opening = "$$" if opening == "$$" else "$"
    elif opening not in ("\\(", "\\["):
        return False
    closing = {"\\(": "\\)", "\\[": "\\]"}.get(opening, opening)
    begin = state.pos + len(opening)
    end = _end_of(state.src, closing, begin, state.posMax)
    content = state.src[begin:end] if end > begin else ""
    if not content.strip() or (opening == "$" and not _is_formula(state.src, begin, end)):
        return False
    state.pos = end + len(closing)
    if not silent:
        token = state.push("maths", "math", 0)
        token.content = content
        token.markup = f"{opening}{content}{closing}"
        token.meta = {"is_display": opening in ("$$", "\\[")}
    return True


def _end_of(text: str, closing: str, begin: int, limit: int) -> int:
    limit = min(limit, begin + MAX_FORMULA)
    end = text.find(closing, begin, limit)
    while end > begin and closing[0] == "$" and text[end - 1] == "\\":  # a dollar in the formula
        end = text.find(closing, end + 1, limit)
    return end


def _is_formula(text: str, begin: int, end: int) -> bool:
    """Whether what is between two dollars is one: not two prices, and not the names of two variables of a shell."""
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


# --- what it looks like ---------------------------------------------------------------------------------------------


def _render(self: Any, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]) -> str:
    token = tokens[index]
    env.setdefault(_LEFT, MAX_FORMULAS)
    env[_LEFT] -= len(token.content)
    is_display = token.block or token.meta["is_display"]
    mathml = to_mathml(token.content, is_display) if env[_LEFT] >= 0 else ""
    if token.block:
        # A box that scrolls can be focused, and needs a name. What is written in it is a name in every language.
        name = escape(" ".join(token.content.split())[:200])
        source = f'<pre><code class="language-latex">{escape(token.markup)}\n</code></pre>\n'
        return f'<div role="group" tabindex="0" aria-label="{name}">{mathml}</div>\n' if mathml else source
    return mathml or f"<code>{escape(token.markup)}</code>"


def maths(markdown: MarkdownIt) -> None:
    """A plugin for markdown-it."""
    interrupts = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.block.ruler.before("fence", "maths", _block, interrupts)
    markdown.inline.ruler.before("escape", "maths", _inline)
    markdown.add_render_rule("maths", _render)


_FORBIDDEN = re.compile(r"\\(?:(?:re)?newcommand|providecommand|newenvironment|let|[gex]?def|DeclareMathOperator)\b")
_NUMBERED = re.compile(r"(\\(?:begin|end)\{(?:align|equation|gather|multline|alignat|flalign))\}")
_CHARACTER = re.compile(r"&#x([0-9A-Fa-f]{1,6});")
_PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}


@lru_cache(maxsize=1024)
def to_mathml(latex: str, is_display: bool) -> str:
    r"""The formula as a `<math>` element, escaped but not clean; "" if it cannot be understood.

    `\newcommand` and its like can double a text with every line of theirs, so they are not understood.
    """
    if len(latex) > MAX_FORMULA or _FORBIDDEN.search(latex):
        return ""
    latex = _NUMBERED.sub(r"\1*}", latex.strip())  # each formula would begin with (1)
    try:
        tree = Converter(display="block" if is_display else "inline").convert_to_element(latex)
        return tostring(tree, encoding="unicode") if _is_understood(tree) else ""
    except Exception:  # a RecursionError too; of somebody else's parser, on a text that may be anything
        return ""


def _is_understood(tree: Element) -> bool:
    """Whether every command was known, and has what belongs to it. Puts in the characters that stand as references."""
    level = [tree]
    for _ in range(MAX_DEPTH):
        for element in level:
            element.text = _CHARACTER.sub(lambda found: chr(int(found[1], 16)), element.text or "")
            if element.tag != "mtext" and element.text.startswith("\\"):
                return False
            if len(element) != _PARTS.get(element.tag, len(element)):
                return False
        level = [child for element in level for child in element]
        if not level:
            return True
    return False
