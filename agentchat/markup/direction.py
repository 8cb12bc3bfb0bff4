"""The direction of each block: one message can have an English paragraph and an Arabic list.

A block runs in the direction of its first letter, without counting code, formulas and bare URLs. `dir` is written only
where the direction changes; a message as a whole is left to right. The lines within a block are the stylesheet's
job (`unicode-bidi: plaintext`), but marks of lists, bars of quotations and the columns of tables need the attribute.
"""

import unicodedata
from collections.abc import Iterable, Iterator

from markdown_it.token import Token

BASE = "ltr"

_DIRECTIONS = {"L": "ltr", "R": "rtl", "AL": "rtl"}
_TAGS = {"p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "div", "table", "th", "td"}


def set_directions(tokens: list[Token]) -> None:
    """Write `dir` on the blocks whose direction differs from that of the block around them."""
    own: dict[int, str] = {}  # the directions of open blocks, by the ids of their tokens
    around: list[Token] = []
    for token in tokens:
        if token.nesting == 1:
            around.append(token)
        elif token.nesting == -1:
            if around:
                around.pop()
        elif token.type == "inline" and (direction := _direction_of(_texts(token.children or []))):
            for block in around:
                own.setdefault(id(block), direction)
    inherited = [BASE]
    for token in tokens:
        if token.nesting == 1:
            direction = own.get(id(token), inherited[-1]) if token.tag in _TAGS and not token.hidden else inherited[-1]
            if direction != inherited[-1]:
                token.attrs["dir"] = direction
            inherited.append(direction)
        elif token.nesting == -1 and len(inherited) > 1:
            inherited.pop()


def _texts(children: Iterable[Token]) -> Iterator[str]:
    is_bare_url = False
    for child in children:
        if child.markup == "linkify":
            is_bare_url = child.nesting == 1
        elif child.type == "text" and not is_bare_url:
            yield child.content


def _direction_of(texts: Iterable[str]) -> str:
    """The direction of the first letter; "" without letters."""
    for text in texts:
        for character in text:
            if direction := _DIRECTIONS.get(unicodedata.bidirectional(character)):
                return direction
    return ""
