r"""LaTeX formulas as MathML Core, which browsers display natively and screen readers read aloud.

math-core translates: a parser of LaTeX's grammar, in Rust. This module prepares what it does not know (`split`,
`\tag`, `\text{if $x$}`), refuses what it would misread, and replaces its style attributes, which the page's
Content-Security-Policy forbids, by attributes and classes of `markdown.css`. Like all HTML of a message, the result
still goes through `sanitizer`.
"""

import re

from math_core import LatexError, LatexToMathML

from agentchat.markup.byte_cache import cached_up_to

MAX_FORMULA = 2_000  # characters
MAX_DEPTH = (
    60  # of braces, and of MathML elements. The parser is recursive: 2,000 characters need 1 MB of stack at most
)

_DEFINING_COMMAND = re.compile(
    r"\\(?:(?:re|provide)?(?:newcommand|command|newenvironment)|let|[gex]?def|DeclareMathOperator)\b"
)

# Environments by one that means the same without numbers: each formula would be numbered (1).
_SAME_ENVIRONMENT = {
    **dict.fromkeys(("align", "alignat", "alignedat", "flalign", "split"), "aligned"),
    **dict.fromkeys(("gather", "multline", "multlined"), "gathered"),
    "eqnarray": "array",
    "tabular": "array",
    "smallmatrix": "matrix",
}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(\w+)\*?\}(?:\s*\[[tbclr]\])?(?:(?<=at\})\{\d+\}|(?<=at\*\})\{\d+\})?")
_ROW_SPACING = re.compile(r"\\\\(?:\*|\s*\[\s*-?[\d.]+\s*(?:\\\w+|[a-z]{2})\s*\])")
_ROW_END = re.compile(r"\\cr(?![a-zA-Z])")
_IGNORED = re.compile(r"\\label\{[^{}]*\}|\\(?:nonumber|notag)\b|\\require\{[^{}]*\}")
_MACROS = {
    "tag": r"\qquad\text{(#1)}",
    "substack": r"\begin{subarray}{c}#1\end{subarray}",
    "cases": r"\begin{cases}#1\end{cases}",
    "matrix": r"\begin{matrix}#1\end{matrix}",
    "pmatrix": r"\begin{pmatrix}#1\end{pmatrix}",
    "intertext": r"\\ \text{#1} \\",
    "eqref": r"\text{(#1)}",
    "ref": r"\text{#1}",
    "href": "#2",
    "colorbox": "#2",
    "framebox": r"\boxed{\text{#1}}",
    "cancelto": r"\overset{#1}{\cancel{#2}}",
    "eqalign": r"\begin{aligned}#1\end{aligned}",
    "displaylines": r"\begin{gathered}#1\end{gathered}",
    "mathnormal": "#1",
    "dotsb": r"\cdots",
    "dotsc": r"\ldots",
    "mathds": r"\mathbb{#1}",
    "mathbbm": r"\mathbb{#1}",
    "bold": r"\mathbf{#1}",
    "smash": "#1",
    "bbox": "#1",
    "hfill": r"\quad",
    "abs": r"\left|#1\right|",
    "norm": r"\left\|#1\right\|",
    "dv": r"\frac{\mathrm{d}#1}{\mathrm{d}#2}",
    "pdv": r"\frac{\partial #1}{\partial #2}",
    "celsius": r"{}^\circ\mathrm{C}",
    **dict.fromkeys(("mbox", "hbox", "textnormal", "textup", "textsc"), r"\text{#1}"),
    **dict.fromkeys(("tiny", "small", "normalsize", "large", "Large", "LARGE", "huge", "Huge"), ""),
}
_WITH_ROWS = ("substack", "cases", "matrix", "pmatrix", "eqalign", "displaylines")  # commands whose argument has rows

_TEXT = re.compile(r"\\(?:text(?:rm|bf|it|sf|tt|normal|up)?|[mh]box)\{")
_STRUCTURE = re.compile(
    r"\\(?P<verb>begin|end)\{\w+\*?\}|\\(?:left|right)(?![a-zA-Z])|\\(?P<command>\w+)\{|\\\\|\\.|[{}&]", re.DOTALL
)
_LAST_LINE = re.compile(r'<mtd class="line-top[^"]*"></mtd></mtr></mtable>')
_EMPTY_LAST_ROW = re.compile(r"<mtr><mtd(?: columnalign=\"\w+\")?></mtd></mtr></mtable>")
_TAG = re.compile(r"<(/?)\w+[^>]*?(/?)>")
_STYLE = re.compile(r'(<\w+[^>]*?) style="([^"]*)"')

_translator = LatexToMathML(macros=_MACROS, max_expansions=200, fancy_error=False, allow_unreliable_rendering=True)


@cached_up_to(4 * 1024 * 1024)
def to_mathml(latex: str, is_display: bool) -> str:
    r"""The formula as a `<math>` element, escaped but not sanitized; "" if it cannot be translated. Safe in any thread.

    Commands that define others, like `\newcommand`, are refused: each can double the length of the text.
    """
    if len(latex) > MAX_FORMULA or _DEFINING_COMMAND.search(latex):
        return ""
    latex = _ENVIRONMENT.sub(_environment, _ROW_SPACING.sub(r"\\\\ ", _IGNORED.sub("", latex.strip())))
    latex = _with_formulas_out_of_text(_ROW_END.sub(r"\\\\", latex).replace(r"\tag*{", r"\qquad\text{"))
    rows = _rows_outside_tables(latex)
    if rows is None:
        return ""
    if rows:
        latex = rf"\begin{{{rows}}}{latex}\end{{{rows}}}"
    try:
        mathml = _translator.convert_with_local_state(latex, displaystyle=is_display)
    except LatexError:
        return ""
    content = mathml[mathml.index(">") + 1 : -len("</math>")].replace("&ApplyFunction;", "\u2061")
    content = content.replace("<b>", "<strong>").replace("</b>", "</strong>").replace("<i>", "<em>")
    content = _STYLE.sub(_without_style, content.replace("</i>", "</em>"))
    content = _LAST_LINE.sub(_line_below, _EMPTY_LAST_ROW.sub("</mtable>", content))
    if _depth(content) > MAX_DEPTH:
        return ""
    return f'<math display="{"block" if is_display else "inline"}"><mrow>{content}</mrow></math>'


# --- what the translator does not know ------------------------------------------------------------------------------


def _environment(found: re.Match[str]) -> str:
    verb, name = found[1], found[2]
    if name == "equation":
        return ""
    columns = "{rcl}" if (verb, name) == ("begin", "eqnarray") else ""
    return rf"\{verb}{{{_SAME_ENVIRONMENT.get(name, name)}}}{columns}"


def _with_formulas_out_of_text(latex: str) -> str:
    r"""`\text{if $x$ is}` as `\text{if }x\text{ is}`."""
    pieces = []
    position = 0
    while found := _TEXT.search(latex, position):
        end = _closing_brace(latex, found.end())
        inner = re.split(r"(?<!\\)\$", latex[found.end() : end])
        pieces.append(latex[position : found.start()])
        for number, piece in enumerate(inner):
            pieces.append(f"{{{piece}}}" if number % 2 else f"{found[0]}{piece}}}")
        position = min(end + 1, len(latex))
    return "".join(pieces) + latex[position:]


def _closing_brace(latex: str, start: int) -> int:
    depth = 1
    for found in re.finditer(r"\\.|[{}]", latex[start:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return start + found.start()
    return len(latex)


def _rows_outside_tables(latex: str) -> str | None:
    r"""The environment that is missing around rows (`\\`, `&`), "" if none is, None if the formula makes no sense.

    The translator would run the rows together without a word.
    """
    around: list[str] = []  # what is open: "table" or "group"
    missing = ""
    for found in _STRUCTURE.finditer(latex):
        if found["verb"] == "begin" or found["command"] in _WITH_ROWS:
            around.append("table")
        elif found[0] in ("{", r"\left") or found["command"]:
            around.append("group")
        elif found[0] in ("}", r"\right") or found["verb"]:
            if not around:
                return None
            around.pop()
        elif found[0] in ("&", r"\\"):
            if around and around[-1] != "table":
                return None
            if not around:
                missing = "aligned" if found[0] == "&" else missing or "gathered"
        if len(around) > MAX_DEPTH:
            return None
    return missing


# --- what it returns ------------------------------------------------------------------------------------------------


def _without_style(found: re.Match[str]) -> str:
    """The beginning of an element with the alignment and the lines that its style has."""
    style = found[2].replace(" ", "")
    align = re.search(r"text-align:(left|right)", style)
    classes = [f"line-{side}" for side in re.findall(r"border-(\w+):", style)]
    attributes = f' columnalign="{align[1]}"' if align else ""
    return found[1] + attributes + (f' class="{" ".join(classes)}"' if classes else "")


def _line_below(found: re.Match[str]) -> str:
    """The line below the last row of a table: a cell as wide as the row before."""
    last_row = found.string.rindex("<mtr>", 0, found.start())
    width = found.string.count("<mtd", found.string.rfind("<mtr>", 0, last_row), last_row)
    return f'<mtd class="line-top" columnspan="{max(width, 1)}"></mtd></mtr></mtable>'


def _depth(mathml: str) -> int:
    depth = deepest = 0
    for closing, empty in _TAG.findall(mathml):
        depth += -1 if closing else 0 if empty else 1
        deepest = max(deepest, depth)
    return deepest
