"""A streamed answer, put together from its bytes as they come. No I/O: whoever reads the connection feeds it.

The stream is Server-Sent Events whose data are OpenAI's `chat.completion.chunk` objects, from OpenAI or from a server
that resembles it more or less: comments to keep the connection alive, CRLF, no blank after "data:", tool calls without
an index or an id, or all at once. The objects are read by `json.loads`: the SDK's models cost twice as much per token.
"""

import json
from collections.abc import Callable
from typing import Any

from agentchat.errors import LLMAuthError, LLMError, LLMRateLimited, LLMStreamCut
from agentchat.llm.reply import Reply
from agentchat.llm.tool_calls import ToolCallParts

LONGEST_LINE = 16 * 2**20  # bytes; a server that never ends its line must not fill the memory


class Answer:
    """What has come so far. Each piece of text is told to `on_delta` when it is there.

    `new_call_id(position)` makes ids for tool calls that come without one. `feed` and `feed_whole` raise LLMError for
    an error in the stream, LLMStreamCut for what is no answer at all.
    """

    def __init__(self, on_delta: Callable[[str], None], *, model: str, new_call_id: Callable[[int], str]) -> None:
        self._on_delta = on_delta
        self._model = model
        self._text: list[str] = []
        self._half_character = ""
        self._calls = ToolCallParts(new_call_id)
        self._function_call = ToolCallParts(new_call_id)
        self._finish_reason: str | None = None
        self.usage: dict[str, Any] = {}
        """What was used, as the service says it; empty until then."""
        self._line: list[bytes] = []
        self._line_length = 0
        self._object = b""
        self.done = False

    @property
    def finished(self) -> bool:
        """The model has said everything; at most the usage is missing."""
        return self._finish_reason is not None

    def reply(self) -> Reply:
        """The answer, now that the stream is at its end. Raise LLMStreamCut if the model had not finished."""
        if self._line:
            self.feed(b"\n")  # the last line may lack its end
        if self._finish_reason is None:
            raise LLMStreamCut("the answer ended without a finish reason")
        self._tell("", last=True)
        return Reply(
            content="".join(self._text),
            tool_calls=self._calls.complete(),
            function_call=_as_function_call(self._function_call.complete()),
            finish_reason=self._finish_reason,
            model=self._model,
            prompt_tokens=_count(self.usage.get("prompt_tokens")),
            completion_tokens=_count(self.usage.get("completion_tokens")),
        )

    # --- bytes → lines → objects -------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream, cut anywhere. `done` is set when the server says that this was all."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._line:
                line = b"".join([*self._line, line])
                self._line, self._line_length = [], 0
            self._take_line(line)
        if rest:
            self._line.append(rest)
            self._line_length += len(rest)
            if self._line_length > LONGEST_LINE:
                raise LLMStreamCut(f"a line of the answer is longer than {LONGEST_LINE} bytes")

    def feed_whole(self, body: bytes) -> None:
        """Take an answer that was not streamed, from a server that cannot."""
        self._take(_object_in(body))

    def _take_line(self, line: bytes) -> None:
        line = line.rstrip(b"\r")
        if line.startswith(b"data:"):
            self._take_data(line[5:])
        elif not line and self._object:
            raise LLMStreamCut(f"a piece of the answer is not JSON: {self._object[:80]!r}")
        # Else a comment, or a field that says nothing to us: "event", "id", "retry".

    def _take_data(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            self.done = True
            return
        # One object may have several lines, which only a blank line ends; some servers send no blank lines at all.
        data = self._object + b"\n" + data if self._object else data
        try:
            chunk = json.loads(data)
        except ValueError as error:
            if len(data) > LONGEST_LINE:
                raise LLMStreamCut(f"a piece of the answer is longer than {LONGEST_LINE} bytes") from error
            self._object = data
            return
        self._object = b""
        self._take(chunk)

    # --- objects → text and calls ------------------------------------------------------------------------------------

    def _take(self, chunk: Any) -> None:
        if not isinstance(chunk, dict):
            raise LLMStreamCut(f"a piece of the answer is not an object: {str(chunk)[:80]!r}")
        if error := chunk.get("error"):
            raise _error_of(error)
        if usage := chunk.get("usage"):
            self.usage = usage
        if model := chunk.get("model"):
            self._model = model
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):
                self._take_choice(choice)

    def _take_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message") or {}
        if content := delta.get("content") or delta.get("refusal"):
            self._tell(content if isinstance(content, str) else _text_of(content))
        if calls := delta.get("tool_calls"):
            self._calls.add(calls)
        if function_call := delta.get("function_call"):
            self._function_call.add([{"index": 0, "function": function_call}])
        if reason := choice.get("finish_reason"):
            self._finish_reason = reason

    def _tell(self, text: str, *, last: bool = False) -> None:
        """Tell a piece of text; a character whose two halves come in two pieces, when it is whole."""
        if not text.isascii() or self._half_character:
            text = self._half_character + text
            cut = len(text) - 1 if not last and "\ud800" <= text[-1:] <= "\udbff" else len(text)
            text, self._half_character = text[:cut], text[cut:]
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if text:
            self._text.append(text)
            self._on_delta(text)


def _object_in(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise LLMStreamCut(f"the answer is not JSON: {body[:80]!r}") from error


def _text_of(parts: Any) -> str:
    """Some services send content as a list of parts."""
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _as_function_call(calls: tuple[dict[str, Any], ...]) -> dict[str, Any] | None:
    """The older shape: one call, without a type. The id is kept, and never sent to a model."""
    return {**calls[0]["function"], "id": calls[0]["id"]} if calls else None


def _count(tokens: Any) -> int:
    return tokens if isinstance(tokens, int) else 0


def _error_of(error: Any) -> LLMError:
    """An error that came in the stream, after the service had answered that all is well."""
    details = error if isinstance(error, dict) else {"message": error}
    words = f"{details.get('message') or details}"
    what = f"{details.get('code')} {details.get('type')}"
    kind = LLMError
    if "429" in what or "rate_limit" in what:
        kind = LLMRateLimited
    elif "401" in what or "403" in what or "invalid_api_key" in what:
        kind = LLMAuthError
    return kind(f"the answer held an error: {words[:500]}")
