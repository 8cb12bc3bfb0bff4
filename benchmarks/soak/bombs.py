"""Texts of at most a message's length that used to be, or look, laborious: to render, to find links in, to cut."""

import itertools

MAX_CHARS = 32_000

TOKENS = [
    "*", "_", "**", "~~", "`", "```\n", "~~~\n", "[", "]", "![", "](", "[a]", "<", "<!--", "<a href=", "&", "&#", "\\",
    ">", "> ", "- ", "1. ", "# ", "|", "|-", "\n|a|b|\n|-|-|\n", "$", "$$", "\\(", "\\[", "://", "http://", "www.",
    "a@", "a@b.", "mailto:", "//", ".", "\n", "\n\n", "  \n", "\t", "    ", "---\n", "===\n", "<think>",
    "</think>", "\u202e", "\u200b", "\u0301", "\U0001f468\u200d", "::", "^", "{", "}",
    "\\frac{", "^{a", "\\left(", "\\sqrt", "&&", "x_",
]  # fmt: skip


def filled(piece: str) -> str:
    """The piece, repeated to the longest message."""
    return (piece * (MAX_CHARS // len(piece) + 1))[:MAX_CHARS]


NAMED = {
    "references": "[a]: http://b/" + "c" * 15_900 + "\n\n" + "[a]" * 5_300,
    "linkify": "://" * 10_666,
    "emphasis": filled("*a **b "),
    "quotes": ">" * 900 + "x\n" + filled("> ")[:30_000],
    "lists": "".join("  " * depth + "- a\n" for depth in range(150)),
    "table": "|" * 200 + "\n" + "|-" * 100 + "|\n" + filled("|")[:31_000],
    "maths": "$" + "\\frac{" * 300 + "a" + "}{b}" * 300 + "$ " + filled("$x^2_3$ ")[:28_000],
    "code": "```python\n" + filled('("')[:31_000],
    "words": filled("a"),
    "entities": filled("&amp;&#x41;&notanentity;"),
    "json": "[" * 16_000 + "]" * 16_000,
}


def texts() -> list[str]:
    """The named ones, each token by itself, and pairs of tokens."""
    pairs = [first + second for first, second in itertools.pairwise(TOKENS)]
    return [*NAMED.values(), *map(filled, TOKENS), *map(filled, pairs)]


def wide(number: int) -> dict[str, object]:
    """An object of so many short keys, under one long key."""
    return {"N" * 30_000: {f"k{index}": index for index in range(number)}}


def deep(levels: int) -> str:
    return '{"a":' + "[" * levels + "]" * levels + "}"
