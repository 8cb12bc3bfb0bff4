"""What an agent does in a turn, as OpenAI's chat completions have it: a text, how it ended, usage.

What those have no place for is in the field `agentchat`, which other clients ignore: the id of the chat, which tools
were called, the question that is open, what the agent waits for.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from agentchat.events import (
    InputRequested,
    RunError,
    RunFinished,
    Sources,
    TextMessageEnd,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
    Usage,
)
from agentchat.programs.reply_text import ReplyText
from agentchat.programs.turns import Waiting, waiting_in
from agentchat.realtime.frames import Frame

FinishReason = Literal["stop", "length", "content_filter"]

EXTENSIONS = {
    each.type: None for each in (ToolCallStart, ToolCallArgs, ToolCallEnd, ToolCallResult, Sources, InputRequested)
}
"""The types of the events that are sent as they are, as an extension."""


@dataclass
class Reply:
    """A turn as it goes on: `add` each frame, and read what has become of it."""

    model: str
    client_id: UUID
    chat_id: str
    waiting: Waiting | None = None
    finish_reason: FinishReason = "stop"
    error: Frame | None = None
    is_stopped: bool = False
    question: Frame | None = None
    events: list[Frame] = field(default_factory=list)
    created: int = field(default_factory=lambda: int(time.time()))
    _text: ReplyText = field(default_factory=ReplyText)
    _prompt_tokens: int | None = None
    _completion_tokens: int = 0

    @property
    def text(self) -> str:
        return self._text.text

    @property
    def usage(self) -> dict[str, int] | None:
        """The tokens of all model calls of the turn; None if the caller may not see them, or there were none."""
        if self._prompt_tokens is None:
            return None
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "total_tokens": self._prompt_tokens + self._completion_tokens,
        }

    def add(self, frame: Frame) -> tuple[str, Frame | None]:
        """What the frame adds to the text, and the event to be sent as an extension, if it is one."""
        self.waiting = waiting_in(frame) or self.waiting
        match frame["type"]:
            case Usage.type if "promptTokens" in frame:
                self._prompt_tokens = (self._prompt_tokens or 0) + frame["promptTokens"]
                self._completion_tokens += frame.get("completionTokens", 0)
            case TextMessageEnd.type:
                self.finish_reason = frame.get("finishReason", "stop")
            case RunError.type:
                self.error = frame
            case RunFinished.type:
                self.is_stopped = frame["outcome"].get("type") == "cancelled"
            case InputRequested.type if not frame.get("colleague"):
                self.question = frame
        new = self._text.add(frame)
        event = frame if frame["type"] in EXTENSIONS else None
        if event is not None:
            self.events.append(event)
        return new, event

    # --- as JSON ---------------------------------------------------------------------------------------------------

    @property
    def completion(self) -> dict[str, Any]:
        """The whole answer, not streamed."""
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        extension = {**self._end, "events": self.events}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage, "agentchat": extension}

    def chunk(self, text: str = "", *, event: Frame | None = None, is_first: bool = False) -> dict[str, Any]:
        """A piece of the answer."""
        delta: dict[str, Any] = {"role": "assistant", "content": text} if is_first else {}
        if text and not is_first:
            delta = {"content": text}
        chunk = self._chunk(delta, None)
        if is_first:
            chunk["agentchat"] = {"chat_id": self.chat_id}
        if event is not None:
            chunk["agentchat"] = {"event": event}
        return chunk

    @property
    def last_chunk(self) -> dict[str, Any]:
        return {**self._chunk({}, self.finish_reason), "agentchat": self._end}

    @property
    def usage_chunk(self) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage}

    @property
    def error_body(self) -> dict[str, Any]:
        """The failure of the run, as a body."""
        assert self.error is not None
        error = {"message": self.error["message"], "type": "agent_error", "param": None, "code": self.error["code"]}
        return {"error": {**error, "id": self.error["id"]}, "agentchat": {"chat_id": self.chat_id}}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        id_ = f"chatcmpl-{self.client_id.hex}"
        return {"id": id_, "object": kind, "created": self.created, "model": self.model}

    @property
    def _end(self) -> dict[str, Any]:
        end: dict[str, Any] = {"chat_id": self.chat_id}
        if self.question is not None:
            end["question"] = self.question
        if self.waiting is not None:
            end["waiting"] = self.waiting
        if self.is_stopped:
            end["stopped"] = True
        return end
