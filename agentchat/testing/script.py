"""The script of a scripted LLM: what one answer contains, and how it arrives.

`say`, `give`, `call`, `fail`, `cut`, `hang` and `raw` make answers; the server (`llm_server`) plays them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from agentchat.llm.results.request_form import RESULT_TOOL
from agentchat.testing import responses_dialect
from agentchat.testing.gate import Gate

WAIT_S = 10.0


@dataclass(kw_only=True)
class Scripted:
    """One answer. The functions of this module make it; `and_call` and `paused` change it and return it."""

    text: Sequence[str] = ()
    thoughts: str = ""
    sources: Sequence[Mapping[str, str]] = ()
    result: Mapping[str, Any] | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: tuple[int, int] | None = None
    delay: float = 0.0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Sequence[bytes] | None = None
    ending: Literal["whole", "cut", "never begins"] = "whole"
    gate: Gate = field(default_factory=Gate, repr=False)

    def and_call(self, tool: str, /, **arguments: Any) -> "Scripted":
        """Call another tool in the same message."""
        self.calls.append((tool, arguments))
        return self

    def paused(self, after: int = 0) -> "Scripted":
        """Hold the answer back after this many chunks, until `release()`."""
        self.gate.hold(after=after)
        return self

    def release(self, chunks: int | None = None) -> None:
        """Continue a paused answer: by this many chunks, or to its end."""
        self.gate.open(chunks)

    def wait_until_paused(self, timeout: float = WAIT_S) -> None:
        """Block until the server has sent all that it may, and holds the rest back."""
        if not self.gate.wait_until_holding(timeout):
            raise AssertionError(f"the scripted LLM was not held back at {self!r} within {timeout} s")

    def chunks(self, request: Mapping[str, Any]) -> Iterator[bytes]:
        """The body, in the chunks in which it is sent and held back; the last one is the end of the stream."""
        if self.body is not None:
            yield from self.body
            return
        model = request.get("model", "")
        calls, texts = self.calls, self.text
        if self.result is not None:
            tool = _result_tool(request)
            calls = [*calls, (tool, dict(self.result))] if tool else calls
            texts = texts if tool else _words(json.dumps(self.result, ensure_ascii=False))
        if "input" in request:
            yield from responses_dialect.events(
                request, thoughts=self.thoughts, text=texts, sources=self.sources, calls=calls
            )
            if self.ending == "whole":
                used = self.usage or (_word_count(request), len(texts) + len(calls))
                yield responses_dialect.end(request, finish_reason=self.finish_reason, usage=used)
            return
        if self.thoughts:
            yield _chunk(model, {"reasoning_content": self.thoughts})
        for text in texts:
            yield _chunk(model, {"content": text})
        if self.sources:
            cited = [{"type": "url_citation", "url_citation": dict(source)} for source in self.sources]
            yield _chunk(model, {"annotations": cited})
        for index, (name, arguments) in enumerate(calls):
            yield _call_chunks(model, index, f"call_{len(request.get('messages', ()))}_{index}", name, arguments)
        if self.ending == "whole":
            yield self._end(model, request, calls=bool(calls))

    def _end(self, model: str, request: Mapping[str, Any], *, calls: bool) -> bytes:
        reason = self.finish_reason or ("tool_calls" if calls else "stop")
        end = _chunk(model, {}, finish_reason=reason)
        if (request.get("stream_options") or {}).get("include_usage"):
            prompt, completion = self.usage or (_word_count(request), len(self.text) + len(self.calls))
            usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            end += _event({"model": model, "choices": [], "usage": usage})
        return end + b"data: [DONE]\n\n"


def say(
    text: str,
    *,
    chunks: Sequence[str] | None = None,
    delay: float = 0.0,
    finish_reason: str | None = None,
    usage: tuple[int, int] | None = None,
    thoughts: str = "",
    sources: Sequence[Mapping[str, str]] = (),
) -> Scripted:
    """Answer with a text, word by word, or in these `chunks`; `delay` is the pause after each, in seconds.

    `usage` is (prompt tokens, completion tokens). `thoughts` are what the model thinks before, `sources` what it cites:
    dicts with a `url` and a `title`.
    """
    return Scripted(
        text=_words(text) if chunks is None else chunks,
        delay=delay,
        finish_reason=finish_reason,
        usage=usage,
        thoughts=thoughts,
        sources=sources,
    )


def give(result: BaseModel | Mapping[str, Any] | None = None, /, **fields: Any) -> Scripted:
    """Answer with a result, in the way in which the request asks for it: as JSON, or as the call of a tool."""
    given = result.model_dump(mode="json", by_alias=True) if isinstance(result, BaseModel) else dict(result or {})
    return Scripted(result={**given, **fields})


def call(tool: str, /, **arguments: Any) -> Scripted:
    """Call a tool. `.and_call(…)` adds more calls to the same message."""
    return Scripted(calls=[(tool, arguments)])


def fail(
    status: int = 500, message: str = "a scripted failure", *, headers: Mapping[str, str] | None = None, code: str = ""
) -> Scripted:
    """Refuse the request with an HTTP status."""
    body = json.dumps({"error": {"message": message, "type": "scripted", "param": None, "code": code or None}})
    return Scripted(
        status=status, headers={"content-type": "application/json", **(headers or {})}, body=[body.encode()]
    )


def cut(text: str = "") -> Scripted:
    """Answer with the text, and close the connection before the end."""
    scripted = say(text)
    scripted.ending = "cut"
    return scripted


def hang() -> Scripted:
    """Do not start to answer. `release()` closes the connection."""
    return Scripted(ending="never begins").paused()


def raw(*body: bytes, content_type: str = "text/event-stream") -> Scripted:
    """Send these bytes as the body, each chunk by itself."""
    return Scripted(body=body, headers={"content-type": content_type})


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text)


def _result_tool(request: Mapping[str, Any]) -> str | None:
    """The tool whose arguments are the result, if the request asks for it so: it is the last one."""
    if request.get("tool_choice") is None or not request.get("tools"):
        return None
    last = request["tools"][-1]
    name = str((last.get("function") or last).get("name"))
    return name if name.startswith(RESULT_TOOL) else None


def _event(value: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair: services escape it
        text = json.dumps(value).encode()
    return b"data: " + text + b"\n\n"


def _chunk(model: str, delta: Mapping[str, Any], *, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({"object": "chat.completion.chunk", "model": model, "choices": [choice]})


def _call_chunks(model: str, index: int, id_: str, name: str, arguments: Mapping[str, Any]) -> bytes:
    """One tool call, its arguments split as models split them."""
    written = json.dumps(arguments, ensure_ascii=False)
    half = len(written) // 2
    start = {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
    parts = [{"index": index, "function": {"arguments": part}} for part in (written[:half], written[half:])]
    return b"".join(_chunk(model, {"tool_calls": [part]}) for part in [start, *parts])


def _word_count(request: Mapping[str, Any]) -> int:
    said = request.get("messages") or request.get("input") or ()
    return sum(len(str(message.get("content") or "").split()) for message in said)
