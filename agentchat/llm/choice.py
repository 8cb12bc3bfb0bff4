"""One choice of an answer, put together from its deltas: text, reasoning, tool calls, and why it ended."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentchat.core.text import replace_lone_surrogates
from agentchat.core.think_tags import Piece, ThinkTags
from agentchat.llm.chunk_fields import of_kind
from agentchat.llm.finish_reasons import finish_reason_of
from agentchat.llm.response import message_of
from agentchat.llm.tool_call_deltas import ToolCallAccumulator


class Choice:
    """The choice so far. `on_delta` is called with each piece of its text, `on_thought` with what it thinks before."""

    def __init__(
        self,
        on_delta: Callable[[str], None],
        new_call_id: Callable[[int], str],
        on_thought: Callable[[str], None] = lambda text: None,
        on_annotations: Callable[[Any], None] = lambda annotations: None,
    ) -> None:
        self.finish_reason: str | None = None
        self.declined = False
        self._on_delta, self._on_thought, self._on_annotations = on_delta, on_thought, on_annotations
        self._tags = ThinkTags()
        self._tagged: list[str] = []  # thoughts that stood in the text
        self._thinks_in = ""  # the field whose thoughts are emitted: some services write them into two
        self._text: list[str] = []
        self._high_surrogate = ""
        self._reasoning: dict[str, list[str]] = {}
        self._details: list[dict[str, Any]] = []
        self._calls = ToolCallAccumulator(new_call_id)
        self._function_call = ToolCallAccumulator(new_call_id)
        self._has_delta = False

    def __bool__(self) -> bool:
        """Whether the model has written anything."""
        thinks = self._reasoning or self._details or self._tagged or self._tags.held
        return bool(self._text or self._high_surrogate or thinks or self._calls_anything)

    @property
    def has_whole_calls(self) -> bool:
        return self._calls.is_whole

    @property
    def content(self) -> str:
        return "".join(self._text)

    @property
    def tool_calls(self) -> tuple[dict[str, Any], ...]:
        return self._calls.complete()

    @property
    def function_call(self) -> dict[str, Any] | None:
        """The older shape: one call, without a type. The id is kept, but never sent to a model."""
        calls = self._function_call.complete()
        return {**calls[0]["function"], "id": calls[0]["id"]} if calls else None

    @property
    def reasoning(self) -> dict[str, Any] | None:
        """What the model thought before it called tools, in the fields in which its service wrote it."""
        if not self._calls_anything:
            return None
        fields: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._reasoning.items()}
        return {**fields, **({"reasoning_details": self._details} if self._details else {})} or None

    @property
    def reason(self) -> str:
        """Why it ended, also where the service does not say."""
        return self.finish_reason or ("tool_calls" if self._calls_anything else "stop")

    def to_json(self) -> dict[str, Any]:
        """The choice in OpenAI's shape."""
        return {
            "finish_reason": self.reason,
            "message": message_of(self.content, self.tool_calls, self.function_call, self.reasoning),
        }

    def apply(self, choice: Mapping[str, Any]) -> None:
        """Add a chunk's part of this choice. Raise LLMStreamTruncated if the service says that it gave up."""
        if delta := choice.get("delta"):
            self._has_delta = True
        elif not self._has_delta:  # a whole message; after deltas it would repeat them
            delta = choice.get("message")
        if isinstance(delta, str):
            self._write(delta)
        elif fields := of_kind(dict, delta, "delta"):
            self._apply_delta(fields)
        if reason := finish_reason_of(choice.get("finish_reason")):
            self.finish_reason = reason

    def end(self) -> None:
        """Emit what was held back. An answer that is all reasoning is the answer: some servers sort it wrongly."""
        self._add(self._tags.end())
        self._emit("", last=True)
        if not self.content.strip() and not self._calls_anything and self.finish_reason != "content_filter":
            thoughts = [*("".join(pieces) for pieces in self._reasoning.values()), _texts_of(self._details)]
            thoughts.append("".join(self._tagged))
            self._emit(next(filter(None, thoughts), ""), last=True)

    @property
    def _calls_anything(self) -> bool:
        return bool(self._calls or self._function_call)

    def _apply_delta(self, delta: Mapping[str, Any]) -> None:
        if content := of_kind((str, list, dict), delta.get("content"), "content"):
            if isinstance(content, str):
                self._write(content)
            else:
                self._write(_texts_of(content))
                self._think("reasoning_content", _thoughts_of(content))  # Mistral's place for it
        if refusal := of_kind(str, delta.get("refusal"), "refusal"):
            self.declined = True
            self._emit(refusal)
        for name in ("reasoning_content", "reasoning"):
            if thought := delta.get(name):
                self._think(name, thought if isinstance(thought, str) else _texts_of(thought))
        if details := delta.get("reasoning_details"):
            self._add_details(details)
        if annotations := delta.get("annotations"):
            self._on_annotations(annotations)
        if calls := of_kind((list, dict), delta.get("tool_calls"), "tool_calls"):
            self._calls.add(calls)
        if function_call := of_kind(dict, delta.get("function_call"), "function_call"):
            self._function_call.add({"index": 0, "function": function_call})

    def _think(self, name: str, thought: str) -> None:
        if thought := replace_lone_surrogates(thought):
            self._reasoning.setdefault(name, []).append(thought)
            self._emit_thought(name, thought)

    def _emit_thought(self, field: str, thought: str) -> None:
        self._thinks_in = self._thinks_in or field
        if field == self._thinks_in:
            self._on_thought(thought)

    def _add_details(self, details: Any) -> None:
        """Join the pieces of OpenRouter's reasoning blocks: the service wants them back as they were."""
        for piece in details if isinstance(details, list) else ():
            if not isinstance(piece, Mapping):
                continue
            if thought := next((piece[key] for key in ("text", "summary") if isinstance(piece.get(key), str)), ""):
                self._emit_thought("reasoning_details", replace_lone_surrogates(thought))
            last = self._details[-1] if self._details else {}
            if any(piece.get(key) != last.get(key) for key in ("type", "index")) or not last:
                self._details.append(dict(piece))
                continue
            for key, value in piece.items():
                if key in ("text", "summary", "data") and isinstance(value, str):
                    last[key] = (last.get(key) or "") + value
                elif value is not None:
                    last[key] = value

    def _write(self, text: str) -> None:
        """Emit a piece of the content: as text, or as thoughts if it begins with them."""
        if self._tags.is_answer:
            self._emit(text)
        else:
            for piece in self._tags.feed(text):
                self._add(piece)

    def _add(self, piece: Piece) -> None:
        if not piece.is_thought:
            self._emit(piece.text)
        elif thought := replace_lone_surrogates(piece.text):
            self._tagged.append(thought)
            self._emit_thought("content", thought)

    def _emit(self, text: str, *, last: bool = False) -> None:
        """Emit a piece of text; a surrogate pair that is split over two pieces, when it is complete."""
        if not text.isascii() or self._high_surrogate:
            text = self._high_surrogate + text
            cut = len(text) - 1 if not last and "\ud800" <= text[-1:] <= "\udbff" else len(text)
            text, self._high_surrogate = text[:cut], text[cut:]
            text = replace_lone_surrogates(text)
        if text:
            self._text.append(text)
            self._on_delta(text)


def _texts_of(parts: Any) -> str:
    """The texts of content that is a list of parts, or one part."""
    return "".join(str(part["text"]) for part in _parts(parts) if isinstance(part.get("text"), str))


def _thoughts_of(parts: Any) -> str:
    thoughts = (part["thinking"] for part in _parts(parts) if part.get("thinking"))
    return "".join(thought if isinstance(thought, str) else _texts_of(thought) for thought in thoughts)


def _parts(parts: Any) -> Iterator[Mapping[str, Any]]:
    yield from (part for part in (parts if isinstance(parts, list) else [parts]) if isinstance(part, Mapping))
