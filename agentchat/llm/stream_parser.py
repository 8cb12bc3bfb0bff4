"""A streamed answer, parsed from its bytes as they arrive. No I/O: the caller reads the connection and feeds it.

`event_stream` makes objects of the bytes; here they are `chat.completion.chunk`s, from OpenAI or from a server that is
more or less compatible. The objects are plain dicts: the SDK's models cost twice as much per token.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from agentchat.errors import LLMError, LLMStreamTruncated
from agentchat.llm.choice import Choice
from agentchat.llm.chunk_fields import of_kind
from agentchat.llm.citations import Citations
from agentchat.llm.event_stream import EventStream
from agentchat.llm.response import ModelResponse
from agentchat.llm.stream_errors import error_in

MAX_MODEL_CHARS = 200  # of the name that a service gives its model


class StreamParser:
    """The answer so far. `on_delta` is called with each piece of text of its first choice when it arrives, `on_thought`
    with each piece of what the model thinks before.

    `new_call_id(position)` makes ids for tool calls that come without one. `feed` and `feed_unstreamed` raise LLMError
    for an error in the stream, LLMStreamTruncated for what is not an answer at all.
    """

    def __init__(
        self,
        on_delta: Callable[[str], None],
        *,
        model: str,
        new_call_id: Callable[[int], str],
        on_thought: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._listener, self._thought_listener = on_delta, on_thought
        self._listener_error: Exception | None = None
        self._model = model
        self._events = EventStream()
        self._citations = Citations()
        self._first = Choice(self._on_delta, new_call_id, self._on_thought, self._citations.add_annotations)
        self._choices = {0: self._first}
        self._new_choice = partial(Choice, lambda text: None, new_call_id)
        self._is_whole = False  # not streamed
        self.usage: dict[str, Any] = {}
        """The usage as the service reports it; empty until then."""

    @property
    def done(self) -> bool:
        """Whether the server's end marker was there."""
        return self._events.done or self._is_whole

    @property
    def has_begun(self) -> bool:
        """Whether the model has written anything: words, thoughts or a call."""
        return any(self._choices.values())

    @property
    def finished(self) -> bool:
        """Whether the model has finished its answer; at most the usage is missing."""
        return all(choice.finish_reason for choice in self._choices.values() if choice or choice is self._first)

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the stream, split anywhere."""
        with self._readable():
            self._apply_all(self._events.feed(data))

    def feed_unstreamed(self, body: bytes) -> None:
        """Parse an answer that was not streamed, from a server that cannot stream, or calls its stream JSON."""
        if body.lstrip()[:1] not in (b"{", b"["):
            self.feed(body)
            return
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise LLMStreamTruncated(f"the answer is not JSON: {body[:80]!r}") from error
        self._is_whole = True
        with self._readable():
            self._apply(answer)

    def response(self) -> ModelResponse:
        """The answer, now that the stream is at its end. Raise LLMStreamTruncated if the model had not finished."""
        with self._readable():
            return self._response()

    def _response(self) -> ModelResponse:
        self._apply_all(self._events.close())
        choice, *others = self._in_order()
        # Some servers give no reason. A model that wrote something up to the end marker has finished; so has one whose
        # calls have all their arguments, even without a marker.
        if not (choice.finish_reason or (choice and self.done) or choice.has_whole_calls):
            noise = f"; the server wrote {self._events.noise!r}" if self._events.noise else ""
            raise LLMStreamTruncated(f"the answer ended without a finish reason{noise}")
        for each in (choice, *others):
            each.end()
        if choice is not self._first:
            self._on_delta(choice.content)
        return ModelResponse(
            content=choice.content,
            tool_calls=choice.tool_calls,
            function_call=choice.function_call,
            reasoning=choice.reasoning,
            finish_reason=choice.reason,
            declined=choice.declined,
            sources=self._citations.sources(),
            alternatives=tuple(each.to_json() for each in others),
            model=self._model,
            prompt_tokens=_count(self.usage.get("prompt_tokens")),
            completion_tokens=_count(self.usage.get("completion_tokens")),
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Whatever goes wrong with what a service has sent is that its answer cannot be read: another one may be asked.

        An error of the listener's is its own.
        """
        try:
            yield
        except LLMError:
            raise
        except Exception as error:
            if error is self._listener_error:
                raise
            raise LLMStreamTruncated(f"the answer cannot be read: {type(error).__name__}: {error}") from error

    def _on_delta(self, text: str) -> None:
        self._call(self._listener, text)

    def _on_thought(self, text: str) -> None:
        self._call(self._thought_listener, text)

    def _call(self, listener: Callable[[str], None], text: str) -> None:
        try:
            listener(text)
        except Exception as error:
            self._listener_error = error
            raise

    def _in_order(self) -> list[Choice]:
        """The choices, the first one first, whatever number its server gave it."""
        in_order = [choice for _, choice in sorted(self._choices.items()) if choice or choice.finish_reason]
        return in_order or [self._first]

    def _apply_all(self, chunks: Iterable[Any]) -> None:
        for chunk in chunks:
            self._apply(chunk)

    def _apply(self, chunk: Any) -> None:
        if isinstance(chunk, list) and chunk and isinstance(chunk[0], dict):
            chunk = chunk[0]  # Gemini's errors are in a list
        if not isinstance(chunk, dict):
            raise LLMStreamTruncated(f"a chunk of the answer is not an object: {str(chunk)[:80]!r}")
        if error := error_in(chunk):
            raise error
        if model := chunk.get("model"):
            self._model = str(model)[:MAX_MODEL_CHARS]
        if "citations" in chunk or "search_results" in chunk:
            self._citations.add_lists(chunk)
        self._note_usage(chunk)
        self._note_usage(chunk.get("x_groq"))
        for choice in of_kind(list, chunk.get("choices"), "choices") or ():
            if of_kind(dict, choice, "choices"):
                self._note_usage(choice)  # Kimi's place for it
                self._choice_at(choice.get("index")).apply(choice)

    def _choice_at(self, index: Any) -> Choice:
        number = int(index) if str(index).isdigit() else 0
        if number not in self._choices:
            self._choices[number] = self._new_choice()
        return self._choices[number]

    def _note_usage(self, holder: Any) -> None:
        if isinstance(holder, dict) and (usage := of_kind(dict, holder.get("usage"), "usage")):
            self.usage = usage


def _count(tokens: Any) -> int:
    """As the service says it; ModelResponse refuses what is no count."""
    return int(tokens) if isinstance(tokens, float) and tokens.is_integer() else tokens or 0
