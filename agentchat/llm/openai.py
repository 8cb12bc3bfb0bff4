"""The OpenAI SDK: which connections there are, how an answer is opened, what an error means. Nothing else imports it.

Importing this takes up to a second, so `client` does it late and in a thread. Each event loop has one pool of
connections that all its clients share; it is closed when the loop shuts down its asynchronous generators, as
`asyncio.run` does before it ends.
"""

import asyncio
import contextlib
import email.utils
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx2
import openai
import openai.resources.chat.completions  # else the SDK imports it at the first request, on the loop
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessage

from agentchat.errors import LLMAuthError, LLMError, LLMRateLimited, LLMStreamCut, LLMTimeout
from agentchat.llm.cost import cost_of
from agentchat.llm.demo import DemoTransport
from agentchat.llm.entries import Entry
from agentchat.llm.failure import Failure
from agentchat.llm.reply import Reply

__all__ = ["ChatCompletion", "ChatCompletionMessage", "answer_from", "completion_of", "cost_of", "failure_of"]

MOST_CLIENTS = 256  # of one loop: they are cheap, but a site may have a key for each of its people
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=60.0)
_TRUSTED = httpx2.create_ssl_context()  # once, with the import: it takes 0.1 s


@contextlib.asynccontextmanager
async def answer_from(entry: Entry, body: Mapping[str, Any]) -> AsyncIterator[httpx2.Response]:
    """Ask, and give the response as soon as its head is there. Leaving the block closes what is still open of it."""
    client = (await _clients_of_loop()).client_for(entry)
    limits = entry.timeout
    asked = client.chat.completions.with_streaming_response.create(
        model=entry.model,
        messages=[],  # they are in extra_body: the SDK need not walk through them, and parameters it does not know pass
        stream=True,
        timeout=httpx2.Timeout(limits.read, connect=limits.connect, pool=None),
        extra_body=body,
    )
    async with asked as response:
        yield response.http_response


def completion_of(reply: Reply) -> ChatCompletion:
    """An answer as the SDK gives it, for code that was written for that; with `cost`, `config_id` and `pass_filter`."""
    called = reply.function_call and {key: reply.function_call[key] for key in ("name", "arguments")}
    message = {
        "role": "assistant",
        "content": reply.content if reply.content or not reply.calls else None,
        "tool_calls": [*reply.tool_calls] or None,
        "function_call": called,
    }
    return ChatCompletion.model_validate(
        {
            "id": "",
            "object": "chat.completion",
            "created": 0,
            "model": reply.model,
            "choices": [{"index": 0, "finish_reason": _known(reply.finish_reason), "message": message}],
            "usage": {
                "prompt_tokens": reply.prompt_tokens,
                "completion_tokens": reply.completion_tokens,
                "total_tokens": reply.prompt_tokens + reply.completion_tokens,
            },
            "cost": reply.cost,
            "config_id": reply.config_id,
            "pass_filter": reply.pass_filter,
        }
    )


def _known(finish_reason: str) -> str:
    known = ("stop", "length", "tool_calls", "content_filter", "function_call")
    return finish_reason if finish_reason in known else "stop"


# --- clients ----------------------------------------------------------------------------------------------------------

_Who = tuple[str, str, str, str | None, str | None, str | None, tuple[tuple[str, str], ...]]


def _who(entry: Entry) -> _Who:
    return (
        entry.api_type,
        entry.api_key,
        entry.base_url,
        entry.organization,
        entry.project,
        entry.api_version,
        entry.headers,
    )


def _new_client(who: _Who, pool: httpx2.AsyncClient) -> AsyncOpenAI:
    api_type, api_key, base_url, organization, project, api_version, headers = who
    common: dict[str, Any] = {
        "api_key": api_key,
        "organization": organization,
        "project": project,
        "default_headers": dict(headers),
        "http_client": pool,
        "max_retries": 0,  # `client` retries: it knows of the other entries
    }
    if api_type == "azure":
        return AsyncAzureOpenAI(azure_endpoint=base_url, api_version=api_version, **common)
    return AsyncOpenAI(base_url=base_url, **common)


class _LoopClients:
    """The clients of one event loop. A client is little more than a key and an address: it owns no connections."""

    def __init__(self) -> None:
        self._pool = openai.DefaultAsyncHttpxClient(limits=_LIMITS, verify=_TRUSTED)
        # Without trust_env=False, a proxy in the environment would take the transport's place.
        self._demo = openai.DefaultAsyncHttpxClient(transport=DemoTransport(), trust_env=False)
        self._clients: OrderedDict[_Who, AsyncOpenAI] = OrderedDict()

    def client_for(self, entry: Entry) -> AsyncOpenAI:
        who = _who(entry)
        client = self._clients.get(who)
        if client is None:
            client = _new_client(who, self._demo if entry.api_type == "demo" else self._pool)
            self._clients[who] = client
            if len(self._clients) > MOST_CLIENTS:
                self._clients.popitem(last=False)
        self._clients.move_to_end(who)
        return client

    async def close(self) -> None:
        self._clients.clear()
        await self._pool.aclose()
        await self._demo.aclose()


_Life = AsyncGenerator[_LoopClients, None]
_by_loop: dict[asyncio.AbstractEventLoop, tuple[_Life, _LoopClients]] = {}


async def _clients_of_loop() -> _LoopClients:
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        for other in [other for other in list(_by_loop) if other.is_closed()]:
            _by_loop.pop(other, None)  # it was closed without a word: its sockets close with its transports
        life = _life(loop)
        _by_loop[loop] = (life, await anext(life))
    return _by_loop[loop][1]


async def _life(loop: asyncio.AbstractEventLoop) -> _Life:
    """Live as long as the loop: it closes the asynchronous generators that it has left before it ends."""
    clients = _LoopClients()
    try:
        yield clients
    finally:
        _by_loop.pop(loop, None)
        await clients.close()


# --- errors -----------------------------------------------------------------------------------------------------------


def failure_of(error: Exception, entry: Entry) -> Failure | None:
    """What an exception of the SDK or its HTTP client means. None: it is not one of theirs."""
    if isinstance(error, openai.APIStatusError):
        return _refusal(error, entry)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        limits = entry.timeout
        words = f"{entry} did not answer within its time-out (connect: {limits.connect} s, read: {limits.read} s)"
        # Asking again would make the person wait as long again; another entry may be quicker.
        return Failure(error=LLMTimeout(f"{words}; 'timeout' in the llm_config changes it"), cause=error)
    if isinstance(error, openai.APIConnectionError):
        reason = f"{error.__cause__ or error}"
        return Failure(error=LLMError(f"{entry} cannot be reached: {reason}"), cause=error, worth_retrying=True)
    if isinstance(error, httpx2.HTTPError):
        return Failure(error=LLMStreamCut(f"{entry} broke off its answer: {error}"), cause=error, worth_retrying=True)
    if isinstance(error, openai.OpenAIError):
        return Failure(error=LLMError(f"{entry}: {entry.without_key(str(error))}"), cause=error)
    return None


def _refusal(error: openai.APIStatusError, entry: Entry) -> Failure:
    status = error.status_code
    # The cause is printed in tracebacks too, and services like to repeat the key that they refuse.
    error.args = tuple(entry.without_key(str(arg)) for arg in error.args)
    details = error.body.get("message") if isinstance(error.body, Mapping) else None
    words = f"(HTTP {status}): {entry.without_key(str(details or error.message))[:500]}"
    if status in (401, 403):
        hint = "check OPENAI_API_KEY, or the entry's 'api_key'"
        return Failure(error=LLMAuthError(f"{entry} refused our key {words}; {hint}"), cause=error)
    retry_after = _retry_after(error.response.headers)
    if status == 429:
        broke = error.code == "insufficient_quota"  # time does not bring money
        limited = LLMRateLimited(f"{entry} wants to be asked less {words}")
        return Failure(error=limited, cause=error, worth_retrying=not broke, retry_after=retry_after)
    return Failure(
        error=LLMError(f"{entry} refused the request {words}"),
        cause=error,
        worth_retrying=status >= 500 or status in (408, 409),
        retry_after=retry_after,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from any of the three ways to say it; None if it says nothing that makes sense."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            return seconds if math.isfinite(seconds) and seconds >= 0 else None
    if date := email.utils.parsedate_tz(headers.get("retry-after", "")):
        return max(0.0, email.utils.mktime_tz(date) - time.time())
    return None
