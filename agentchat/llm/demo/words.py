"""What the demo model sees in a text: words without the endings that change, and numbers."""

import re

MAX_READ_CHARS = 1_000
"""Of a text, what is searched for the subject of a call: some patterns take time by the square of what they read."""

UNSPECIFIC = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by can could do does for from get give had has have he her him his i if in is it"
        " its let make me my of on or our please she so tell than that the their them then there these they this to us"
        " was we were what which will with would you your",
    )
)
"""Words that are in every text, and about nothing."""


def stems_of(text: str) -> frozenset[str]:
    """The words of a text or a name (`bookTable`, `book_table`) in a form to compare."""
    return frozenset(map(stem, re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+", text)))


def stem(word: str) -> str:
    return re.sub(r"(?<=\w{3})(?:ing|ed|es|s)$", "", word.lower())


def numbers_in(text: str) -> list[float]:
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)  # 1,000
    return [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w-])", plain)]
