"""What a model thinks before it answers: `<think>…</think>` at the beginning of a message.

Answers of models arrive without them (`core.think_tags`). Here they are found in messages that come from elsewhere, and
where only the closing tag was written. They are shown folded, apart from the answer, and are left out of copies and of
plain text.
"""

import re
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from agentchat.core.think_tags import NAMES, OPENING, closing_tag

# The opening tag may be missing: with some models it is in the prompt.
CLOSING_LINE = re.compile(rf"^[ \t]*</({NAMES})>[ \t]*$", re.IGNORECASE | re.MULTILINE)


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


def without_thoughts(markdown: str) -> str:
    """The answer alone."""
    return split_thoughts(markdown).answer


def folded(html: SafeString, heading: str = "") -> SafeString:
    """The HTML of thoughts, folded under a line."""
    # Translators: what a language model thought before it answered; a heading that can be unfolded
    heading = heading or gettext("Thoughts")
    return format_html('<details class="thoughts"><summary>{}</summary>\n{}</details>\n', heading, html)


def _is_outside_code(line: re.Match[str]) -> bool:
    before = line.string[: line.start()]
    return before.count("\n```") % 2 == before.startswith("```")
