"""The frames of a turn as AG-UI's events, each with its position: what a client that comes back has seen already.

A position is the number of an event in the chat session, and how much of the message that began with it was sent. The
translation of a turn is the same each time, so a stream goes on after any position, in any process: it is made again
from the turn's beginning, and what was sent before is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agentchat.events import (
    HandoverEnded,
    HandoverJoined,
    HandoverRequested,
    InputRequested,
    NestedChatsFinished,
    NestedChatsStarted,
    Printed,
    ReasoningMessageContent,
    ReasoningMessageEnd,
    RunError,
    RunFinished,
    Sources,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
    Usage,
)
from agentchat.markup.markdown import without_end_signal
from agentchat.programs.reply_text import LiveText
from agentchat.programs.turns import is_client_call, waiting_in
from agentchat.realtime.frames import Frame

AguiEvent = dict[str, Any]

_EVENT, _REASONING, _TEXT = range(3)
_ALL = 2**53  # more than any text has


class Position(NamedTuple):
    """After which part of which event of the chat session."""

    seq: int
    phase: int = _EVENT
    sent: int = 0

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """The position in a Last-Event-ID; None if it is none."""
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 18 for part in parts):
            return None
        return cls(*map(int, parts))


Output = tuple[Position, AguiEvent]


@dataclass
class _Message:
    """A message that is being written. Its START is sent with its first text: agents write empty ones with calls."""

    seq: int
    name: str
    text: LiveText
    thoughts: LiveText
    has_begun: bool = False
    is_thinking: bool = False


@dataclass
class Translation:
    """`add` a frame, and send what comes of it. `after`: what the client has seen already."""

    after: Position
    is_changed: bool = False
    """Whether a message ended otherwise than it was sent: only a snapshot of all can say so."""
    usage: list[dict[str, Any]] = field(default_factory=list)
    interrupt: AguiEvent | None = None
    waiting: str | None = None
    end: Frame | None = None
    _live: dict[str, _Message] = field(default_factory=dict)
    _steps: list[str] = field(default_factory=list)
    _calls: dict[str, str] = field(default_factory=dict)
    seq: int = 0

    def add(self, frame: Frame) -> Iterator[Output]:
        self.seq = frame.get("seq", self.seq)
        self.waiting = waiting_in(frame) or self.waiting
        here = Position(self.seq)
        match frame["type"]:
            case TextMessageStart.type if not self._steps and frame["role"] in ("assistant", "staff"):
                texts = LiveText(self._known(_TEXT)), LiveText(self._known(_REASONING))
                live = _Message(self.seq, frame["name"], *texts)
                live.has_begun = self._has_seen(Position(self.seq, _TEXT, 1))
                live.is_thinking = self._has_seen(Position(self.seq, _REASONING, 1))
                self._live[frame["messageId"]] = live
            case ReasoningMessageContent.type | TextMessageContent.type if found := self._live.get(frame["messageId"]):
                yield from self._delta(frame, found)
            case ReasoningMessageEnd.type if found := self._live.get(frame["messageId"]):
                yield from self._think(frame["messageId"], found, found.thoughts.on_end(frame.get("content") or ""))
                yield from self._end_thoughts(frame["messageId"], found)
            case TextMessageEnd.type if found := self._live.pop(frame["messageId"], None):
                yield from self._end_text(frame["messageId"], found, without_end_signal(frame["content"]), here)
            case Printed.type if not self._steps:
                yield from _whole_text(here, f"printed-{self.seq}", frame["text"].rstrip("\n"))
            case NestedChatsStarted.type:
                self._steps.append(f"{frame['stepName']} {self.seq}")
                yield here, {"type": "STEP_STARTED", "stepName": self._steps[-1]}
            case NestedChatsFinished.type if self._steps:
                yield here, {"type": "STEP_FINISHED", "stepName": self._steps.pop()}
            case ToolCallStart.type | ToolCallArgs.type | ToolCallEnd.type | ToolCallResult.type:
                yield from self._tool(frame, here)
            case Usage.type if "promptTokens" in frame:
                spent, written = frame["promptTokens"], frame.get("completionTokens", 0)
                used = {"inputTokens": spent, "outputTokens": written, "totalTokens": spent + written}
                self.usage.append({"model": frame.get("model", ""), **used})
            case InputRequested.type if not frame.get("colleague"):
                self.interrupt = _interrupt(frame)
            case RunFinished.type | RunError.type:
                self.end = frame
            case Sources.type | HandoverRequested.type | HandoverJoined.type | HandoverEnded.type:
                yield here, {"type": "CUSTOM", "name": f"agentchat.{frame['type'].lower()}", "value": frame}

    def news(self, frame: Frame) -> list[Output]:
        """The same, without what the client has seen."""
        return [(position, event) for position, event in self.add(frame) if not self._has_seen(position)]

    def closing(self) -> Iterator[Output]:
        """The ends of what is open where the turn ends, at positions after all others."""
        for sent, (id_, live) in enumerate(list(self._live.items()), 1):
            if live.is_thinking:
                yield from self._end_thoughts(id_, live)
            if live.has_begun:
                yield Position(self.seq, _TEXT, _ALL + sent), {"type": "TEXT_MESSAGE_END", "messageId": id_}
        for sent, step in enumerate(reversed(self._steps), len(self._live) + 1):
            yield Position(self.seq, _TEXT, _ALL + sent), {"type": "STEP_FINISHED", "stepName": step}

    # --- what was seen ---------------------------------------------------------------------------------------------

    def _has_seen(self, position: Position) -> bool:
        return position <= self.after

    def _known(self, phase: int) -> int:
        """How many characters the client has of the text of the message that begins here."""
        if self.after.seq != self.seq or self.after.phase < phase:
            return 0
        return max(self.after.sent - 1, 0) if self.after.phase == phase else _ALL

    # --- messages --------------------------------------------------------------------------------------------------

    def _delta(self, frame: Frame, live: _Message) -> Iterator[Output]:
        is_text = frame["type"] == TextMessageContent.type
        text = live.text if is_text else live.thoughts
        new = text.on_delta(frame["attempt"], frame["offset"], frame["delta"])
        yield from (self._write if is_text else self._think)(frame["messageId"], live, new)

    def _write(self, id_: str, live: _Message, new: str) -> Iterator[Output]:
        if not new or (not live.has_begun and not new.strip()):
            return
        yield from self._end_thoughts(id_, live)
        if not live.has_begun:
            live.has_begun = True
            start = {"type": "TEXT_MESSAGE_START", "messageId": id_, "role": "assistant", "name": live.name}
            yield Position(live.seq, _TEXT, 1), start
        sent = Position(live.seq, _TEXT, live.text.length + 1)
        yield sent, {"type": "TEXT_MESSAGE_CONTENT", "messageId": id_, "delta": new}

    def _think(self, id_: str, live: _Message, new: str) -> Iterator[Output]:
        if not new or live.has_begun:
            return
        own = {"messageId": f"{id_}-reasoning"}
        if not live.is_thinking:
            live.is_thinking = True
            yield Position(live.seq, _REASONING, 0), {"type": "REASONING_START", **own}
            yield Position(live.seq, _REASONING, 1), {"type": "REASONING_MESSAGE_START", **own, "role": "reasoning"}
        sent = Position(live.seq, _REASONING, live.thoughts.length + 1)
        yield sent, {"type": "REASONING_MESSAGE_CONTENT", **own, "delta": new}

    def _end_thoughts(self, id_: str, live: _Message) -> Iterator[Output]:
        if live.is_thinking:
            live.is_thinking = False
            own = {"messageId": f"{id_}-reasoning"}
            yield Position(live.seq, _REASONING, _ALL), {"type": "REASONING_MESSAGE_END", **own}
            yield Position(live.seq, _REASONING, _ALL + 1), {"type": "REASONING_END", **own}

    def _end_text(self, id_: str, live: _Message, content: str, here: Position) -> Iterator[Output]:
        rest = live.text.rest(content)
        if rest is None:
            self.is_changed = True
        yield from self._write(id_, live, rest or "")
        yield from self._end_thoughts(id_, live)
        if live.has_begun:
            yield here, {"type": "TEXT_MESSAGE_END", "messageId": id_}

    def _tool(self, frame: Frame, here: Position) -> Iterator[Output]:
        """A call; nothing of one that is hidden, and in nested chats."""
        id_ = frame.get("toolCallId")
        if id_ is None or self._steps:
            return
        # A model may give two calls the same id, and another turn's may have it: clients tell them apart by it.
        if frame["type"] == ToolCallStart.type:
            self._calls[id_] = unique = f"{id_}-{self.seq}" if id_ in self._calls else id_
            yield here, {"type": frame["type"], "toolCallId": unique, "toolCallName": frame["toolCallName"]}
        elif frame["type"] == ToolCallArgs.type:
            if frame["args"]:
                yield here, {"type": frame["type"], "toolCallId": self._calls.get(id_, id_), "delta": frame["args"]}
        elif frame["type"] == ToolCallEnd.type:
            yield here, {"type": frame["type"], "toolCallId": self._calls.get(id_, id_)}
        else:
            unique = self._calls.get(id_, id_)
            result = {"messageId": f"{unique}-result", "content": frame["content"], "role": "tool"}
            yield here, {"type": frame["type"], "toolCallId": unique, **result}


def _whole_text(here: Position, id_: str, text: str) -> Iterator[Output]:
    if text.strip():
        yield here._replace(sent=1), {"type": "TEXT_MESSAGE_START", "messageId": id_, "role": "assistant"}
        yield here._replace(sent=2), {"type": "TEXT_MESSAGE_CONTENT", "messageId": id_, "delta": text}
        yield here._replace(sent=3), {"type": "TEXT_MESSAGE_END", "messageId": id_}


_REASONS = {"text": "input_required", "form": "input_required"}


def _interrupt(frame: Frame) -> AguiEvent | None:
    """A question as an interrupt; None where the user simply writes the next message."""
    if frame["kind"] == "text" and not frame["prompt"].strip() and not frame.get("password"):
        return None
    reason = _REASONS.get(frame["kind"]) or ("tool_call" if "toolCallId" in frame else "confirmation")
    schema = frame.get("schema") if frame["kind"] == "form" else {"type": "string"}
    if is_client_call(frame):
        reason, schema = "tool_call", None  # whatever the tool returns
    if frame["kind"] == "approval":
        schema = {
            "type": "object",
            "properties": {"approved": {"type": "boolean"}, "editedArgs": frame.get("schema") or {"type": "object"}},
            "required": ["approved"],
        }
    found = {
        "id": frame["request"],
        "reason": reason,
        "message": frame["prompt"] or None,
        "toolCallId": frame.get("toolCallId"),
        "responseSchema": schema,
        "expiresAt": frame.get("expiresAt"),
        "metadata": {"agentchat": frame},
    }
    return {name: value for name, value in found.items() if value is not None}
