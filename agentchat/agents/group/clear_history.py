"""The command "clear history" in a message of a group chat:

    clear history                 all agents forget everything
    clear history writer          only the writer does
    clear history 3               … except the last three messages
    clear history writer 3        both

It is only parsed here; the manager carries it out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentchat.agents.protocols import Agent

_COMMAND = re.compile(r"\bclear\s+history\b[.,;:!?]*", re.I)
_ARGUMENT = re.compile(r"\s*(\S+?)[.,;:!?]*(?=\s|$)")


@dataclass(frozen=True, kw_only=True)
class ClearHistoryCommand:
    """A parsed command. `agent` is None for all; `keep` is a number of messages; `rest` is the text without it."""

    agent: Agent | None
    keep: int
    rest: str


def find_clear_history(text: str, agents: Sequence[Agent]) -> ClearHistoryCommand | None:
    """The last command in a text, if there is one. Following words that are not arguments belong to the rest."""
    commands = list(_COMMAND.finditer(text))
    if not commands:
        return None
    start, end = commands[-1].span()
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
    rest = f"{text[:start].rstrip()} {text[end:].lstrip()}".strip()
    return ClearHistoryCommand(agent=agent, keep=keep or 0, rest=rest)
