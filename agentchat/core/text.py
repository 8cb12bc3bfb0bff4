"""Text: counted as browsers count it, repaired where Unicode is broken, cut to a title, shown with all characters."""

import json
import re
from unicodedata import category

# What `str.isprintable` does not know: letters and marks that have no width, and an empty pattern of Braille.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JOINER, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"


def utf16_len(text: str) -> int:
    """The length as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_from(text: str, offset: int) -> str:
    """The text from an offset on that JavaScript would use. It may begin with half a surrogate pair."""
    if text.isascii():
        return text[offset:]
    return text.encode("utf-16-le", "surrogatepass")[2 * offset :].decode("utf-16-le", "surrogatepass")


def common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning. Halves the rest: comparing is fast in pieces."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def replace_lone_surrogates(text: str) -> str:
    """The text with surrogate pairs joined, and U+FFFD for each half without its other one.

    Models write such halves, and a delta may end between two of them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def title_of(text: str, limit: int) -> str:
    """The text on one line, cut to `limit` characters; the last one is an ellipsis then."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def with_visible_characters(text: str) -> str:
    """The text with a code like \\u202e for each character that shows nothing, or that moves others.

    In JSON it is the same text. Line breaks and tabs stay, and what joins emoji.
    """
    if text.replace("\n", "").replace("\t", "").isprintable() and not _INVISIBLE.search(text):
        return text
    padded = f" {text} "
    return "".join(
        each if _is_visible(before, each, after) else _code_of(each)
        for before, each, after in zip(padded, text, padded[2:], strict=False)
    )


def exact_text(text: str) -> str:
    """The text as it is if a reader sees all of it; else as JSON, in quotes, with codes for what cannot be seen.

    No two texts are shown as the same one.
    """
    is_plain = text == text.strip() and not text.startswith('"') and with_visible_characters(text) == text
    return text if is_plain else with_visible_characters(json.dumps(text, ensure_ascii=False))


def _is_visible(before: str, character: str, after: str) -> bool:
    if character == _JOINER:
        return _is_emoji(after) and (_is_emoji(before) or before == _EMOJI_STYLE)
    if character == _EMOJI_STYLE:
        return _is_emoji(before) or after == _KEYCAP
    return character in "\n\t" or (character.isprintable() and not _INVISIBLE.match(character))


def _is_emoji(character: str) -> bool:
    return category(character) == "So" or "\U0001f3fb" <= character <= "\U0001f3ff"  # a colour of skin


def _code_of(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
