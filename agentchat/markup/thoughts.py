"""What a model thinks before it answers: `<think>…</think>` at the beginning of a message.

Local models write it into their text if the server in front of them has no parser for it. It is shown folded, apart
from the answer, and is left out of copies and of plain text.
"""

import re
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

_NAMES = "think|thinking|thought|thoughts|reasoning"
OPENING = re.compile(rf"\s*(?:<({_NAMES})>|\[THINK\])", re.IGNORECASE)
# The opening tag may be missing: with some models it is in the prompt.
CLOSING_LINE = re.compile(rf"^[ \t]*</({_NAMES})>[ \t]*$", re.IGNORECASE | re.MULTILINE)
LONGEST_TAG = len("</reasoning>")


class Parts(NamedTuple):
    """The two parts of a message."""

    thoughts: str
    answer: str


def split_thoughts(markdown: str) -> Parts:
    """The thoughts, without their tags, and the answer. What is not closed is all thoughts."""
    thoughts = []
    position = 0
    while opening := OPENING.match(markdown, position):
        closing = closing_tag(opening).search(markdown, opening.end())
        if closing is None:
            thoughts.append(markdown[opening.end() :])
            return Parts("\n\n".join(thoughts).strip(), "")
        thoughts.append(markdown[opening.end() : closing.start()])
        position = closing.end()
    answer = markdown[position:]
    if not thoughts and "</" in markdown and (line := CLOSING_LINE.search(markdown)) and _is_outside_code(line):
        return Parts(markdown[: line.start()].strip(), markdown[line.end() :].lstrip())
    return Parts("\n\n".join(thoughts).strip(), answer.lstrip() if thoughts else answer)


def closing_tag(opening: re.Match[str]) -> re.Pattern[str]:
    """The tag that ends the thoughts which this one begins."""
    return re.compile(rf"</{opening[1]}>" if opening[1] else r"\[/THINK\]", re.IGNORECASE)


def without_thoughts(markdown: str) -> str:
    """The answer alone."""
    return split_thoughts(markdown).answer


def folded(html: SafeString) -> SafeString:
    """The HTML of thoughts, folded."""
    # Translators: what a language model thought before it answered; a heading that can be unfolded
    heading = gettext("Thoughts")
    return format_html('<details class="thoughts"><summary>{}</summary>\n{}</details>\n', heading, html)


def _is_outside_code(line: re.Match[str]) -> bool:
    before = line.string[: line.start()]
    return before.count("\n```") % 2 == before.startswith("```")
