"""The OpenAI SDK: which connections there are, how an answer is opened, what an error means. Nothing else imports it.

Importing this takes up to a second, so `client` does it late and in a thread. Each event loop has one connection pool
that all its clients share; it is closed when the loop shuts down its asynchronous generators, as `asyncio.run` does
before it ends.
"""

import asyncio
import contextlib
import email.utils
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import openai
import openai.resources.chat.completions
import openai.resources.responses  # else the SDK imports it at the first request, on the loop
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessage

from agentchat.core.secrets import mask, mask_error
from agentchat.errors import (
    LLMAuthError,
    LLMError,
    LLMNotFound,
    LLMRateLimited,
    LLMStreamTruncated,
    LLMTimeout,
    LLMUnavailable,
    LLMUnreachable,
)
from agentchat.llm.config_entries import RESPONSES, ConfigEntry
from agentchat.llm.demo.transport import DemoTransport
from agentchat.llm.errors import Failure, is_transient, kind_of, words_of
from agentchat.llm.http_clients import async_client_of
from agentchat.llm.openai_errors import as_sdk_error
from agentchat.llm.pricing import cost_of
from agentchat.llm.response import ModelResponse
from agentchat.llm.responses_api.request_body import as_responses

__all__ = [
    "ChatCompletion",
    "ChatCompletionMessage",
    "answer_from",
    "as_sdk_error",
    "completion_of",
    "cost_of",
    "failure_of",
]

MAX_CLIENTS = 256  # per loop: they are cheap, but a site may have a key for each of its users
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=60.0)
_TRUSTED = httpx2.create_ssl_context()  # once, with the import: it takes 0.1 s


@contextlib.asynccontextmanager
async def answer_from(
    entry: ConfigEntry, body: Mapping[str, Any]
) -> AsyncIterator[tuple[httpx2.Response, asyncio.Timeout]]:
    """Ask, and yield the response as soon as its headers are there. Leaving the block closes it.

    Raise TimeoutError when the time for the first word is over, unless the caller reschedules it.
    """
    client = (await _clients_of_loop()).client_for(entry)
    common: dict[str, Any] = {
        "model": entry.model,
        "stream": True,
        "timeout": httpx2.Timeout(None, connect=entry.timeout.connect),
    }
    # The messages are in extra_body: the SDK need not process them, and parameters it does not know pass.
    if entry.api == RESPONSES:
        body = as_responses(body, entry.hosted_tools)
        request = client.responses.with_streaming_response.create(**common, input=[], extra_body=body)
    else:
        request = client.chat.completions.with_streaming_response.create(**common, messages=[], extra_body=body)
    async with asyncio.timeout(entry.timeout.first) as patience, request as response:
        yield response.http_response, patience


def completion_of(response: ModelResponse) -> ChatCompletion:
    """An answer as the SDK's type, for code that was written for it.

    With `cost`, which is 0 and not `cost_is_known` where there is no price, `config_id` and `pass_filter`.
    """
    function_call = response.function_call and {key: response.function_call[key] for key in ("name", "arguments")}
    message = {
        "role": "assistant",
        "content": response.content if response.content or not response.calls else None,
        "tool_calls": [*response.tool_calls] or None,
        "function_call": function_call,
    }
    choices = [{"finish_reason": response.finish_reason, "message": message}, *response.alternatives]
    return ChatCompletion.model_validate(
        {
            "id": "",
            "object": "chat.completion",
            "created": 0,
            "model": response.model,
            "choices": [
                {**choice, "index": index, "finish_reason": _known_reason(choice["finish_reason"])}
                for index, choice in enumerate(choices)
            ],
            "usage": {
                "prompt_tokens": response.prompt_tokens,
                "completion_tokens": response.completion_tokens,
                "total_tokens": response.prompt_tokens + response.completion_tokens,
            },
            "cost": response.cost or 0.0,
            "cost_is_known": response.cost is not None,
            "config_id": response.config_id,
            "pass_filter": response.pass_filter,
        }
    )


def _known_reason(finish_reason: str) -> str:
    known = ("stop", "length", "tool_calls", "content_filter", "function_call")
    return finish_reason if finish_reason in known else "stop"


# --- clients ----------------------------------------------------------------------------------------------------------


class _ClientKey(NamedTuple):
    """What of an entry makes its client."""

    api_type: str
    api_key: str
    base_url: str
    organization: str | None
    project: str | None
    api_version: str | None
    deployment: str | None
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    http_client: Any


def _client_key(entry: ConfigEntry) -> _ClientKey:
    return _ClientKey(*(getattr(entry, name) for name in _ClientKey._fields))


def _new_client(key: _ClientKey, pool: httpx2.AsyncClient) -> AsyncOpenAI:
    common: dict[str, Any] = {
        "api_key": key.api_key,
        "organization": key.organization,
        "project": key.project,
        "default_headers": dict(key.headers),
        "default_query": dict(key.query),
        "http_client": pool if key.http_client is None else async_client_of(key.http_client),
        "max_retries": 0,  # `client` retries: it knows the other entries
    }
    if key.api_type != "azure":
        return AsyncOpenAI(base_url=key.base_url, **common)
    common["api_version"] = key.api_version
    if "/openai" in urlsplit(key.base_url).path:
        return AsyncAzureOpenAI(base_url=key.base_url, **common)
    return AsyncAzureOpenAI(azure_endpoint=key.base_url, azure_deployment=key.deployment, **common)


class _LoopClients:
    """The clients of one event loop. A client is little more than a key and a URL: it owns no connections."""

    def __init__(self) -> None:
        self._pool = openai.DefaultAsyncHttpxClient(limits=_LIMITS, verify=_TRUSTED)
        # Without trust_env=False, a proxy in the environment would replace the transport.
        self._demo = openai.DefaultAsyncHttpxClient(transport=DemoTransport(), trust_env=False)
        self._clients: OrderedDict[_ClientKey, AsyncOpenAI] = OrderedDict()

    def client_for(self, entry: ConfigEntry) -> AsyncOpenAI:
        key = _client_key(entry)
        client = self._clients.get(key)
        if client is None:
            client = _new_client(key, self._demo if entry.api_type == "demo" else self._pool)
            self._clients[key] = client
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        self._clients.move_to_end(key)
        return client

    async def close(self) -> None:
        self._clients.clear()
        await self._pool.aclose()
        await self._demo.aclose()


_LoopLifetime = AsyncGenerator[_LoopClients, None]
_by_loop: dict[asyncio.AbstractEventLoop, tuple[_LoopLifetime, _LoopClients]] = {}


async def _clients_of_loop() -> _LoopClients:
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        for other in [other for other in list(_by_loop) if other.is_closed()]:
            _by_loop.pop(
                other, None
            )  # it was closed without shutdown_asyncgens(): its sockets close with its transports
        lifetime = _until_loop_closes(loop)
        _by_loop[loop] = (lifetime, await anext(lifetime))
    return _by_loop[loop][1]


async def _until_loop_closes(loop: asyncio.AbstractEventLoop) -> _LoopLifetime:
    """Keep clients until the loop shuts down its asynchronous generators."""
    clients = _LoopClients()
    try:
        yield clients
    finally:
        _by_loop.pop(loop, None)
        await clients.close()


# --- errors -----------------------------------------------------------------------------------------------------------


def failure_of(error: Exception, entry: ConfigEntry) -> Failure | None:
    """What an exception of the SDK or its HTTP client means, or a time-out; None for any other exception."""
    mask_error(error)
    if isinstance(error, openai.APIStatusError):
        return _refusal(error, entry)
    if isinstance(error, TimeoutError | openai.APITimeoutError | httpx2.TimeoutException):
        message = f"{entry} did not answer within its time-out ({entry.timeout})"
        # Asking again would make the user wait as long again; another entry may be quicker.
        return Failure(error=LLMTimeout(f"{message}; 'timeout' in the llm_config changes it"), cause=error)
    if isinstance(error, openai.APIConnectionError):
        reason = error.__cause__ or error
        # A server may close a connection just when it is used again (llama.cpp's does): another one is opened at once.
        pause = 0.0 if isinstance(reason, httpx2.RemoteProtocolError) else None
        unreachable = LLMUnreachable(mask(f"{entry} cannot be reached: {reason}"))
        return Failure(error=unreachable, cause=error, retryable=True, retry_after=pause)
    if isinstance(error, httpx2.HTTPError) or _is_of_httpx(error):
        return Failure(
            error=LLMStreamTruncated(mask(f"{entry} broke off its answer: {error}")), cause=error, retryable=True
        )
    if isinstance(error, openai.OpenAIError):
        return Failure(error=LLMError(f"{entry}: {mask(str(error))}"), cause=error)
    return None


def _is_of_httpx(error: Exception) -> bool:
    """Whether it comes from the former version of the HTTP library, which an entry's `http_client` may be of."""
    return any(kind.__name__ == "HTTPError" and kind.__module__.startswith("httpx") for kind in type(error).__mro__)


# What happened, for the log, and what to do about it.
_REFUSALS: tuple[tuple[type[LLMError], str, str], ...] = (
    (LLMAuthError, "refused our key", "; check OPENAI_API_KEY, or the entry's 'api_key'"),
    (LLMNotFound, "does not know this model, or has no such address", "; check the entry's 'model' and 'base_url'"),
    (LLMRateLimited, "wants to be asked less", ""),
    (LLMUnavailable, "is out of order", ""),
    (LLMError, "refused the request", ""),
)


def _refusal(error: openai.APIStatusError, entry: ConfigEntry) -> Failure:
    kind = kind_of(error.body, error.status_code)
    words = mask(words_of(error.body) or str(error.message))
    _, what, hint = next(each for each in _REFUSALS if issubclass(kind, each[0]))
    return Failure(
        error=kind(f"{entry} {what} (HTTP {error.status_code}): {words}{hint}"),
        cause=error,
        retryable=is_transient(kind),
        retry_after=_retry_after(error.response.headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from any of the three forms; None if there is none, or none that makes sense."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            return seconds if math.isfinite(seconds) and seconds >= 0 else None
    if date := email.utils.parsedate_tz(headers.get("retry-after", "")):
        return max(0.0, email.utils.mktime_tz(date) - time.time())
    return None
