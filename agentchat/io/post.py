"""What an agent function says in its agent's name, without a model: `iostream.post`."""

from collections.abc import Iterable
from typing import Any, Protocol

from agentchat.core.json_values import as_text
from agentchat.core.steps import StepAttempt, step
from agentchat.core.text import utf16_len
from agentchat.errors import ConfigError
from agentchat.events import ChatEvent, TextMessageContent, TextMessageEnd, TextMessageStart


class Sends(Protocol):
    """A stream that takes events."""

    def send(self, event: ChatEvent) -> None: ...


def post(stream: Sends, text: str | Iterable[str], *, name: str) -> str:
    """Say a text, or its pieces as they come; return the whole. A step: what was said is not made again."""
    if hasattr(text, "casefold"):  # a lazy translation is no str, but like one
        text = as_text(text)
    if not isinstance(text, Iterable):
        raise _no_text(text)
    pieces = [text] if isinstance(text, str) else text

    def call(attempt: StepAttempt) -> dict[str, Any]:
        stream.send(TextMessageStart(message_id=attempt.key, name=name))
        whole, offset = "", 0
        for piece in pieces:
            if not isinstance(piece, str):
                raise _no_text(piece)
            stream.send(
                TextMessageContent(
                    message_id=attempt.key, attempt=attempt.attempt_of_answer(1), offset=offset, delta=piece
                )
            )
            whole, offset = whole + piece, offset + utf16_len(piece)
        return {"content": whole, "message_id": attempt.key}

    def events(result: dict[str, Any]) -> Iterable[ChatEvent]:
        yield TextMessageEnd(message_id=result["message_id"], content=result["content"], name=name)

    result = step(stream, "step", "post", None, call, send=stream.send, events=events, retry_safe=True)
    return str(result["content"])


def _no_text(given: object) -> ConfigError:
    return ConfigError(f"iostream.post() got {given!r:.200}: use a text, or an iterable of texts")
