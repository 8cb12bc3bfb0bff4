"""An answer while it is written: its deltas become events, and what the model thinks before is kept until its end."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from agentchat.core.steps import StepAttempt
from agentchat.core.text import utf16_len
from agentchat.events import (
    ChatEvent,
    Notice,
    ReasoningMessageContent,
    ReasoningMessageEnd,
    TextMessageContent,
)
from agentchat.llm.response import Delta, Thought
from agentchat.llm.results import GrowingResult, ResultFormat

_RESTARTED = ">>>>>>>> THE ANSWER BROKE OFF, AND IS ASKED FOR AGAIN..."


class AnswerStream:
    """The deltas of one step, sent with their offsets; a restarted answer counts from 0 again.

    Of a result, what can be read of it is sent. In the thread in which the stream's bridge calls `on_delta`.
    """

    def __init__(
        self, try_: StepAttempt, send: Callable[[ChatEvent], None], result: ResultFormat[Any] | None = None
    ) -> None:
        self._try, self._send, self._result = try_, send, result
        self._began = monotonic()
        self._restart(1)

    def _restart(self, number: int) -> None:
        self._number = number
        self._offset = self._thought_offset = 0
        self._written: list[str] = []
        self._thoughts: list[str] = []
        self._thinks_since: float | None = None
        self._thought_for = 0.0
        self._readable = _readable(self._result)

    def on_delta(self, delta: Delta) -> None:
        if self._try.notes.first_token_ms is None:
            self._try.notes.first_token_ms = round((monotonic() - self._began) * 1000)
        if delta.number > self._number:
            self._restart(delta.number)
            self._send(Notice(text=_RESTARTED))  # a page replaces what was shown; a console cannot
        if isinstance(delta, Thought):
            self._think(delta.text)
        else:
            self._write(delta.text)

    def _write(self, text: str) -> None:
        self.end()
        if text := self._readable(text):
            self._send_text(text)

    def _send_text(self, text: str) -> None:
        event = TextMessageContent(message_id=self._try.key, attempt=self._attempt, offset=self._offset, delta=text)
        self._send(event)
        self._written.append(text)
        self._offset += utf16_len(text)

    def send_rest(self, whole: str) -> None:
        """Send what is missing of the text: of a result, little may have been readable before it was complete."""
        written = "".join(self._written)
        if whole != written and whole.startswith(written):
            self._send_text(whole[len(written) :])

    def _think(self, text: str) -> None:
        if self._thinks_since is None:
            self._thinks_since = monotonic()
        event = ReasoningMessageContent(
            message_id=self._try.key, attempt=self._attempt, offset=self._thought_offset, delta=text
        )
        self._send(event)
        self._thoughts.append(text)
        self._thought_offset += utf16_len(text)

    @property
    def _attempt(self) -> int:
        return self._try.attempt_of_answer(self._number)

    def end(self) -> None:
        """The model thinks no more: it writes, calls, or has ended."""
        if self._thinks_since is not None:
            self._thought_for += monotonic() - self._thinks_since
            self._thinks_since = None

    def thoughts_before(self, content: str) -> ReasoningMessageEnd | None:
        """What the model has thought before this answer; None if it has not, or if its thoughts are the answer."""
        thoughts = "".join(self._thoughts).strip()
        if not thoughts or thoughts == content.strip():
            return None
        return ReasoningMessageEnd(
            message_id=self._try.key, content=thoughts, duration_ms=round(self._thought_for * 1000)
        )


def _readable(result: ResultFormat[Any] | None) -> Callable[[str], str]:
    """What to show of an answer, given its pieces one after the other."""
    if result is None:
        return lambda text: text
    return (lambda text: "") if result.own_text else GrowingResult(result.model).add
