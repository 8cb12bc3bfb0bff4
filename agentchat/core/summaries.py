"""The older part of a long chat as a summary: what a model reads instead of those messages, and from where on.

`agentchat.agents.reply_history` makes summaries. In a run they are events, so the next run of the same branch goes on
with the last one, and users see what the model was told.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.events import ChatEvent


@dataclass(frozen=True, kw_only=True)
class HistorySummarized(ChatEvent):
    """From here on the model reads `summary` instead of the first `messages` of the chat.

    When it was made, `kept` messages followed; `first` is the digest of the first of them.
    """

    type = "HISTORY_SUMMARIZED"
    summary: str
    messages: int
    kept: int
    first: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What stands for the first `messages` messages of a chat."""

    text: str
    messages: int


class History(list[dict[str, str]]):
    """The messages of a chat before a run, and the last summary of their older part, if there is one."""

    summary: Summary | None = None

    def note(self, event: Mapping[str, Any]) -> None:
        """A summary was made after the messages that are here by now.

        Where it ends is found by what follows: what the run has read and what the chat has are not the same messages.
        """
        for place in range(len(self) - int(event["kept"]), -1, -1):
            if place < len(self) and digest_of(self[place]) == event["first"]:
                self.summary = Summary(text=event["summary"], messages=place)
                return
        # None: all is summed up anew when it is next asked for.


def digest_of(message: Mapping[str, Any]) -> str:
    """Tells messages apart by who has said what."""
    what = json.dumps([message["role"], message["content"]], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def keep_together(messages: Sequence[Mapping[str, Any]], place: int) -> int:
    """The place, or the next one before it, at which messages can be cut: never between a call and its results."""
    while 0 < place < len(messages) and messages[place]["role"] in ("tool", "function"):
        place -= 1
    return place
