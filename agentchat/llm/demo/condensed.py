"""The demo model's titles and summaries (`llm.condensing`): picked out of what was said, without a thought."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentchat.llm.condensing import SUMMARY_TASK, TITLE_TASK
from agentchat.llm.demo.words import UNSPECIFIC

MAX_WORDS, MAX_SENTENCES = 6, 24
_GREETING = re.compile(r"^(?:(?:hello|hi|hey|hallo|good (?:morning|day|evening)|please)\b[\s,!.]*)+", re.I)
# A digit; or a word that begins with a capital and no sentence, as names do.
_WORTH_KEEPING = re.compile(r"\d|(?<=[^.!?\s]\s)[^\W\d_a-z]\w+")


def condensed(messages: Sequence[Mapping[str, Any]]) -> str:
    """The title or the summary that these messages ask for; empty if they ask for something else."""
    task = messages[0].get("content") if messages else None
    if task not in (TITLE_TASK, SUMMARY_TASK):
        return ""
    said = [pair for line in str(messages[-1].get("content")).splitlines() for pair in json.loads(line).items()]
    return _title(said) if task == TITLE_TASK else _summary(said)


def _title(said: Sequence[tuple[str, str]]) -> str:
    first = next((text for role, text in said if role == "user"), "")
    words = _GREETING.sub("", first).split() or first.split()
    words = words[:MAX_WORDS]
    while len(words) > 1 and words[-1].lower() in UNSPECIFIC:
        words.pop()
    title = " ".join(words).rstrip("?!.,;: ")
    return title[:1].upper() + title[1:]


def _summary(said: Sequence[tuple[str, str]]) -> str:
    earlier = [line for role, text in said if role == "summary" for line in text.splitlines()]
    sentences = [
        (role, sentence)
        for role, text in said
        if role != "summary"
        for sentence in re.split(r"(?<=[.!?\u061f])\s+|\n+", text)
    ]
    kept = [f"- {role}: {each}" for role, each in sentences if _WORTH_KEEPING.search(each) or role == "user"]
    open_ones = [each for role, each in sentences[-4:] if role == "user" and each.rstrip().endswith(("?", "\u061f"))]
    lines = [*earlier, *kept][-MAX_SENTENCES:]
    return "\n".join([*lines, *(f"- open question: {each}" for each in open_ones)]) or "- nothing of note"
