"""The command "clear history", said in the middle of a group chat:

    clear history                 everybody forgets everything
    clear history writer          only the writer does
    clear history 3               … but for the last three messages
    clear history writer 3        both

What it does is the manager's affair; here it is only read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentchat.agents.base import Agent

_COMMAND = re.compile(r"\bclear\s+history\b[.,;:!?]*", re.I)
_ARGUMENT = re.compile(r"\s*(\S+?)[.,;:!?]*(?=\s|$)")


@dataclass(frozen=True, kw_only=True)
class Clearing:
    """A command, taken out of what was said. `agent` is None for all; `keep` is a number of messages."""

    agent: Agent | None
    keep: int
    rest: str


def clearing_in(text: str, agents: Sequence[Agent]) -> Clearing | None:
    """The last command in a text, if there is one. Words that follow and are no arguments belong to the rest."""
    commands = list(_COMMAND.finditer(text))
    if not commands:
        return None
    begin, end = commands[-1].span()
    agent, keep = None, None
    while (word := _ARGUMENT.match(text, end)) is not None:
        named = next((each for each in agents if each.name == word[1]), None)
        if keep is None and word[1].isdecimal():
            keep = int(word[1])
        elif agent is None and named is not None:
            agent = named
        else:
            break
        end = word.end()
    rest = f"{text[:begin].rstrip()} {text[end:].lstrip()}".strip()
    return Clearing(agent=agent, keep=keep or 0, rest=rest)
