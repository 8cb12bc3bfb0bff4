"""What a run says to people by itself: why it failed, and the questions that no agent asks.

These words are facts of a chat session, and several people may read them, in several languages: they are stored in
English, and translated when a page or a socket shows them. Knows no requests; the language is the active one.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext, gettext_noop

from agentchat.errors import AgentChatError
from agentchat.events import InputRequested, RunError

UNSURE = gettext_noop("%(tool)s was interrupted: it may or may not have happened. Run it again, or go on without?")
STEPS = gettext_noop("Steps that this run has taken: %(used)d. May it go on?")
TOKENS = gettext_noop("Tokens that it has used: %(used)d. May it go on?")
COST = gettext_noop("It has cost %(used).2f dollars so far. May it go on?")
SECONDS = gettext_noop("Seconds that it has taken: %(used)d. May it go on?")

_QUESTIONS = (UNSURE, STEPS, TOKENS, COST, SECONDS)
_PLACE = re.compile(r"%\((\w+)\)[\d.]*[a-z]")


def translated(words: str) -> str:
    """The same in the reader's language. What a run has not said by itself comes back as it is."""
    if words in _kind_words():
        return gettext(words)
    for question in _QUESTIONS:
        if said := _pattern(question).fullmatch(words):
            return _PLACE.sub(lambda place, said=said: said[place[1]], gettext(question))  # type: ignore[misc]
    return words


def translated_frame(frame: dict[str, Any]) -> dict[str, Any]:
    """A fact on its way to one reader."""
    match frame["type"]:
        case RunError.type:
            return {**frame, "message": translated(frame["message"])}
        case InputRequested.type if frame["kind"] == "approval" and frame["prompt"]:
            return {**frame, "prompt": translated(frame["prompt"])}
    return frame


def _kind_words() -> set[str]:
    return {AgentChatError.kind_words, *(error.kind_words for error in _below(AgentChatError))}


def _below(kind: type[AgentChatError]) -> Iterator[type[AgentChatError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template)  # text, name, text, name, …, text
    return re.compile(
        "".join(f"(?P<{part}>.+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)), re.DOTALL
    )
