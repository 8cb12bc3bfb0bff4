"""Split a message into blocks as it is streamed, and put the result together as a page does."""

import re
from itertools import pairwise

from agentchat.markup.blocks import Block, BlockSplitter
from agentchat.markup.markdown import to_html


def split(text: str, *cuts: int) -> tuple[list[Block], str]:
    """The blocks of a text that arrives in pieces, and the text after the last block."""
    splitter = BlockSplitter()
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    blocks = [block for start, end in pairwise(bounds) for block in splitter.feed(text[start:end])]
    units = text.encode("utf-16-le", "surrogatepass")
    return blocks, units[2 * (blocks[-1].end if blocks else 0) :].decode("utf-16-le", "surrogatepass")


def put_together(blocks: list[Block], rest: str) -> str:
    return "".join(block.html for block in blocks) + to_html(rest)


def as_seen(html: str) -> str:
    """The HTML without whitespace between blocks."""
    return re.sub(r"\s*\n\s*", "\n", html).strip()
