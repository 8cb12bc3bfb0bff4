"""What an agent says in a turn, as one text that only grows, for protocols in which an answer is a text.

A message is written in deltas, and its END wins. If the model is asked again in the middle, what was said cannot be
taken back: the text waits until the new attempt goes beyond it, or says so and begins anew. Messages are set apart by a
blank line; those within nested chats are the agents' own affair and are left out, and so is the word by which agents
end a chat.
"""

import re

from agentchat.core.text import utf16_from, utf16_len
from agentchat.events import (
    InputRequested,
    NestedChatsFinished,
    NestedChatsStarted,
    Printed,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.markup.markdown import END_SIGNAL, without_end_signal
from agentchat.realtime.frames import Frame

_LAST_WORD = re.compile(r"\s*(?<!\S)(\S+)$")

APART = "\n\n"


class ReplyText:
    """`add` returns what a frame adds to the text. `text` is all of it, with the messages as they ended."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._has_said = False
        self._depth = 0
        self._live: dict[str, LiveText] = {}

    @property
    def text(self) -> str:
        """What was said in the end, whatever was said on the way."""
        return APART.join(self._parts)

    def add(self, frame: Frame) -> str:
        match frame["type"]:
            case NestedChatsStarted.type:
                self._depth += 1
            case NestedChatsFinished.type:
                self._depth = max(self._depth - 1, 0)
            case TextMessageStart.type if self._depth == 0 and frame["role"] in ("assistant", "staff"):
                self._live[frame["messageId"]] = LiveText()
            case TextMessageContent.type if (live := self._live.get(frame["messageId"])) is not None:
                return self._said(live, live.on_delta(frame["attempt"], frame["offset"], frame["delta"]))
            case TextMessageEnd.type if (live := self._live.pop(frame["messageId"], None)) is not None:
                return self._ended(live, without_end_signal(frame["content"]))
            case Printed.type if self._depth == 0:
                return self._ended(LiveText(), frame["text"].rstrip("\n"))
            case InputRequested.type if not frame.get("colleague"):
                return self._ended(LiveText(), frame["prompt"])
        return ""

    def _ended(self, live: "LiveText", content: str) -> str:
        if content.strip():
            self._parts.append(content)
        return self._said(live, live.on_end(content))

    def _said(self, live: "LiveText", new: str) -> str:
        """The new text of a message, set apart from what was said before."""
        if not new or (not live.is_apart and not new.strip()):
            return ""
        if not live.is_apart:
            live.is_apart, before = True, self._has_said
            self._has_said = True
            return f"{APART}{new}" if before else new
        return new


class LiveText:
    """A message that is being written: what was said of it, and what the current attempt has so far.

    `known`: so many of its first characters were said before, by whoever cannot remember them.
    """

    def __init__(self, known: int = 0) -> None:
        self.is_apart = False
        self._known = known
        self._attempt = 1
        self._said = self._now = ""

    @property
    def length(self) -> int:
        """How many characters were said, with those that were known."""
        return max(len(self._said), self._known)

    def on_delta(self, attempt: int, offset: int, delta: str) -> str:
        """What to say now, of a delta."""
        if attempt != self._attempt:
            self._attempt, self._now = attempt, ""
        known = utf16_len(self._now)
        self._now += utf16_from(delta, known - offset) if known > offset else delta
        text = self._now.rstrip()
        last = _LAST_WORD.search(text)
        return self._grow(text[: last.start()] if last and END_SIGNAL.startswith(last[1]) else text)

    def _grow(self, text: str) -> str:
        """What the text has beyond what was said; nothing where they differ, for it may still be cut off."""
        if len(text) < self._known or not text.startswith(self._said):
            return ""
        new = text[max(len(self._said), self._known) :]
        self._said, self._known = text, 0
        return new

    def rest(self, content: str) -> str | None:
        """What is still to be said of the message as it ended; None if something else was said."""
        if content.startswith(self._said) and len(content) >= self._known:
            return self._grow(content)
        return "" if self._said.rstrip() == content.rstrip() else None

    def on_end(self, content: str) -> str:
        """The same, said anew where something else was said."""
        rest = self.rest(content)
        if rest is None:
            return f"{APART}{content}" if content.strip() else ""
        return rest
