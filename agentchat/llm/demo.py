"""The demo model's service: an HTTP transport in this process, behind the real SDK.

It answers as OpenAI's API does, with Server-Sent Events in real time, tool calls split over several deltas, and usage
at the end; so whatever holds for streaming, stopping and counting with a real model holds here. What it says is
`demo_script`'s affair.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2

from agentchat.llm.demo_script import answer_to, pieces_of

TOKENS_PER_SECOND = 45.0


def tokens_per_second() -> float:
    """How fast it writes. AGENTCHAT_DEMO_RATE says otherwise, for tests; 0 is as fast as it can."""
    try:
        return max(0.0, float(os.environ["AGENTCHAT_DEMO_RATE"]))
    except (KeyError, ValueError):
        return TOKENS_PER_SECOND


class DemoTransport(httpx2.AsyncBaseTransport):
    """Answers each request for a chat completion, whatever its address."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(await request.aread())
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, stream=_Stream(asked), request=request
        )


class _Stream(httpx2.AsyncByteStream):
    """The answer's bytes, each when its time has come. Closing it, or cancelling its reader, ends it."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rate, begun = tokens_per_second(), time.monotonic()
        for number, chunk in enumerate(_chunks(self._asked)):
            # The first chunk only opens the message, and the first token is there at once.
            due = begun + (number - 1) / rate if rate else begun
            await asyncio.sleep(max(0, due - time.monotonic()))
            yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"


def _chunks(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as `chat.completion.chunk` objects, one for each token."""
    answer = answer_to(asked.get("messages") or [], asked.get("tools") or [])
    tokens = 0

    def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
        model = asked.get("model", "demo")
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
    for index, call in enumerate(answer.calls):
        start = {"name": call.name, "arguments": ""}
        yield chunk(choice({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": start}]}))
        for piece in pieces_of(json.dumps(call.arguments, ensure_ascii=False)):
            tokens += 1
            yield chunk(choice({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    yield chunk(choice({}, "tool_calls" if answer.calls else "stop"))
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield chunk(usage=_usage(asked, tokens))


def _usage(asked: dict[str, Any], completion_tokens: int) -> dict[str, int]:
    prompt_tokens = sum(len(pieces_of(str(message.get("content") or ""))) for message in asked.get("messages") or ())
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
