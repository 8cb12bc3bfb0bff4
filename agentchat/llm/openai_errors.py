"""Errors that code for the OpenAI SDK catches: `except openai.RateLimitError` around a chat works.

Each is an instance of our class and of the SDK's, made of the same facts when a model fails and when the run is
replayed. The SDK's constructors are not called: they differ, and each sets a `code` that would hide ours.
"""

import functools
import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import openai

from agentchat.core.secrets import mask, mask_json
from agentchat.errors import (
    LLMAuthError,
    LLMError,
    LLMNotFound,
    LLMPermissionDenied,
    LLMRateLimited,
    LLMRefused,
    LLMStreamTruncated,
    LLMTimeout,
    LLMUnavailable,
    LLMUnreachable,
)
from agentchat.llm.config_entries import ConfigEntry

MAX_BODY_CHARS = 8_000
MAX_HEADER_CHARS = 200
_KEPT_HEADERS = ("retry-after", "x-ratelimit-", "x-request-id", "x-should-retry")

# Where the SDK has raised nothing itself: the first class that fits.
_KINDS: tuple[tuple[type[LLMError], str, int | None], ...] = (
    (LLMPermissionDenied, "PermissionDeniedError", 403),
    (LLMAuthError, "AuthenticationError", 401),
    (LLMNotFound, "NotFoundError", 404),
    (LLMRefused, "BadRequestError", 400),
    (LLMRateLimited, "RateLimitError", 429),
    (LLMUnavailable, "InternalServerError", 500),
    (LLMTimeout, "APITimeoutError", None),
    (LLMUnreachable, "APIConnectionError", None),
    (LLMStreamTruncated, "APIConnectionError", None),
    (LLMError, "APIError", None),
)


def as_sdk_error(error: LLMError, cause: Exception | None, entry: ConfigEntry) -> LLMError:
    """The error as it is raised. `cause` is what the SDK raised, if it did."""
    return joined(error, _origin_of(error, cause, entry))


def joined(error: LLMError, origin: Mapping[str, Any]) -> LLMError:
    """The error, as an instance of the SDK's class that `origin` names, too."""
    ours: Any = type(error)
    theirs: Any = getattr(openai, str(origin.get("kind")), openai.APIError)
    if issubclass(ours, openai.OpenAIError):
        return error
    both = _class_of(ours, theirs)(str(error))
    body = origin.get("body")
    fields = body if isinstance(body, Mapping) else {}
    request = httpx2.Request("POST", origin["url"])
    both.origin = origin
    vars(both).update(
        message=str(error), request=request, body=body, param=fields.get("param"), type=fields.get("type")
    )
    if issubclass(theirs, openai.APIStatusError):
        response = httpx2.Response(origin["status"], headers=origin.get("headers"), json=body, request=request)
        vars(both).update(
            response=response, status_code=response.status_code, request_id=response.headers.get("x-request-id")
        )
    return both


@functools.cache
def _class_of(ours: Any, theirs: Any) -> type[LLMError]:
    def __init__(self: LLMError, message: str) -> None:
        Exception.__init__(self, message)

    def __reduce__(self: LLMError) -> Any:
        return _again, (ours, str(self), self.origin)

    names = {"__module__": ours.__module__, "__qualname__": ours.__qualname__, "__doc__": ours.__doc__}
    return cast(
        "type[LLMError]",
        type(ours.__name__, (ours, theirs), {**names, "__init__": __init__, "__reduce__": __reduce__}),
    )


def _again(ours: type[LLMError], message: str, origin: Mapping[str, Any]) -> LLMError:
    return joined(ours(message), origin)


def _origin_of(error: LLMError, cause: Exception | None, entry: ConfigEntry) -> dict[str, Any]:
    """What is kept of a failure: JSON, and without the key."""
    address = urlsplit(entry.base_url)
    without_secrets = address._replace(netloc=address.netloc.rpartition("@")[2], query="", fragment="")
    origin: dict[str, Any] = {"url": without_secrets.geturl()}
    if isinstance(cause, openai.APIStatusError):
        headers = cause.response.headers.items()
        kept = {name: mask(value)[:MAX_HEADER_CHARS] for name, value in headers if name.startswith(_KEPT_HEADERS)}
        origin |= {"kind": _public_name(cause), "status": cause.status_code, "headers": kept}
        written = _written(cause.body)
        if len(written) <= MAX_BODY_CHARS:
            origin["body"] = json.loads(written)
        return origin
    if isinstance(cause, openai.APIError):
        return {**origin, "kind": _public_name(cause)}
    _, kind, status = next(each for each in _KINDS if isinstance(error, each[0]))
    return {**origin, "kind": kind, "status": status}


def _written(body: Any) -> str:
    """A response's body as JSON, without secrets; of one that is nested too deeply, null."""
    try:
        return json.dumps(mask_json(body), default=str)
    except RecursionError:
        return "null"


def _public_name(error: openai.APIError) -> str:
    """The name of the SDK's class, or of its nearest base: the class may be someone else's."""
    return next(str(each.__name__) for each in type(error).__mro__ if getattr(openai, each.__name__, None) is each)
