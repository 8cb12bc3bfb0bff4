"""The demo model's service: an HTTP transport in this process, behind the real SDK.

It answers as OpenAI's API does, with Server-Sent Events in real time, tool calls split over several deltas, and usage
at the end; so streaming, stopping and counting work as with a real model. Its answers are in `script`.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2

from agentchat.llm.demo.requests import asks_for_result, messages_in, tools_in, wants_older_form
from agentchat.llm.demo.script import answer_to, pieces_of

TOKENS_PER_SECOND = 45.0


def tokens_per_second() -> float:
    """How fast it writes. Tests override it with AGENTCHAT_DEMO_RATE; 0 is as fast as possible."""
    try:
        return max(0.0, float(os.environ["AGENTCHAT_DEMO_RATE"]))
    except (KeyError, ValueError):
        return TOKENS_PER_SECOND


class DemoTransport(httpx2.AsyncBaseTransport):
    """Answers each request for a chat completion, at any URL."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(await request.aread())
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, stream=_Stream(body), request=request
        )


class _Stream(httpx2.AsyncByteStream):
    """The answer's bytes, at the demo's rate. Closing it, or cancelling its reader, ends it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rate, started = tokens_per_second(), time.monotonic()
        for number, chunk in enumerate(_chunks(self._request)):
            # The first chunk only opens the message, and the first token is sent at once.
            due = started + (number - 1) / rate if rate else started
            await asyncio.sleep(max(0, due - time.monotonic()))
            yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"


def _chunks(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as `chat.completion.chunk` objects, one for each token."""
    answer = answer_to(messages_in(request), tools_in(request), wants_result=asks_for_result(request))
    tokens = 0

    def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
        model = request.get("model", "demo")
        return {
            "id": "demo",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": model,
            "choices": choices,
            **more,
        }

    def choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "finish_reason": finish_reason}

    yield chunk(choice({"role": "assistant", "content": None if answer.calls else ""}))
    for piece in pieces_of(answer.text):
        tokens += 1
        yield chunk(choice({"content": piece}))
    is_older = wants_older_form(request)
    for index, call in enumerate(answer.calls[:1] if is_older else answer.calls):
        start = {"name": call.name, "arguments": ""}
        whole = {"index": index, "id": call.id, "type": "function", "function": start}
        yield chunk(choice({"function_call": start} if is_older else {"tool_calls": [whole]}))
        for piece in pieces_of(json.dumps(call.arguments, ensure_ascii=False)):
            tokens += 1
            part = {"arguments": piece}
            more = {"function_call": part} if is_older else {"tool_calls": [{"index": index, "function": part}]}
            yield chunk(choice(more))
    called = "function_call" if is_older else "tool_calls"
    yield chunk(choice({}, called if answer.calls else "stop"))
    if (request.get("stream_options") or {}).get("include_usage"):
        yield chunk(usage=_usage(request, tokens))


def _usage(request: dict[str, Any], completion_tokens: int) -> dict[str, int]:
    prompt_tokens = sum(len(pieces_of(str(message.get("content") or ""))) for message in request.get("messages") or ())
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
