"""Texts of anybody as Markdown that they cannot break out of: on one line, in a quotation, in a fence."""

import re

_LINE_END = re.compile(r"\r\n?|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal that shows the file would obey these
_INLINE = re.compile(r"[\\`*_\[\]<>&#~|!]")


def inline(text: str) -> str:
    """One line of plain text, with Markdown's special characters escaped."""
    return _INLINE.sub(r"\\\g<0>", " ".join(_CONTROL.sub(" ", text).split()))


def quoted(text: str) -> str:
    """A block quotation."""
    return "\n".join(f"> {_CONTROL.sub('', line)}".rstrip() for line in _LINE_END.split(text.strip("\r\n")))


def fenced(text: str, language: str = "") -> str:
    """A block of code."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    lines = _CONTROL.sub("", _LINE_END.sub("\n", text)).strip("\n")
    return f"{fence}{language}\n{lines}\n{fence}"
