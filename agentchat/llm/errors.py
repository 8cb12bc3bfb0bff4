"""Why a model did not answer, as a value: what to raise, and whether asking it again may help.

Services agree on the HTTP status at most, and each has its own words for the rest: `kind_of` knows them.
"""

import importlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentchat.errors import (
    LLMAuthError,
    LLMContentFiltered,
    LLMContextTooLong,
    LLMError,
    LLMNotFound,
    LLMPermissionDenied,
    LLMQuotaExceeded,
    LLMRateLimited,
    LLMRefused,
    LLMTimeout,
    LLMUnavailable,
)

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 8.0
MAX_RETRY_AFTER_SECONDS = 20.0  # a user waits: a service that wants a longer pause is not asked again
MAX_MESSAGE_CHARS = 500  # of the service's own words

_ABOUT_FORM = re.compile(
    r"messages?\b|\bnames?\b|\broles?\b|content|tool[ _]?(call|use|result)|function[ _](call|response)|arguments"
    r"|system|assistant|prefill|\bturns?\b|reasoning|thought|template|jinja|extra|propert|fields?\b|deserializ|schema"
    r"|json|pars(e|ing)|pattern|string|\bids?\b|empty|null|\bnil\b|duplicate|unique|unicode|surrogate|utf-?8|消息|角色"
)
_LASTING = (LLMAuthError, LLMNotFound, LLMQuotaExceeded, LLMRefused)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One attempt that brought no usable answer.

    `error` is for the caller. `cause` is what the SDK raised, if it did. `retryable`: the same request may succeed in a
    moment, after `retry_after` seconds if the service said so. `answers` are those that could not be used, as JSON.
    """

    error: LLMError
    cause: Exception | None = None
    retryable: bool = False
    retry_after: float | None = None
    answers: tuple[dict[str, Any], ...] = ()

    @property
    def refuses_form(self) -> bool:
        """Whether the service refuses how the messages are written: it may accept them in another form."""
        return type(self.error) is LLMRefused and _ABOUT_FORM.search(str(self.error).lower()) is not None

    @property
    def may_retry(self) -> bool:
        return self.retryable and (self.retry_after or 0) <= MAX_RETRY_AFTER_SECONDS

    def pause_seconds(self, attempts: int) -> float:
        """Seconds to wait after this many attempts: what the service asks for, else twice as long each time.

        Up to a quarter more at random, so that chats that failed together do not retry together.
        """
        pause = (
            min(FIRST_PAUSE_SECONDS * 2 ** (attempts - 1), MAX_PAUSE_SECONDS)
            if self.retry_after is None
            else self.retry_after
        )
        return pause * random.uniform(1, 1.25)


def is_transient(kind: type[LLMError]) -> bool:
    """Whether the same request may succeed in a moment. After a time-out, the user would wait as long again."""
    return not issubclass(kind, (*_LASTING, LLMTimeout))


# --- what services say ------------------------------------------------------------------------------------------------

_BY_STATUS = {
    401: LLMAuthError,
    402: LLMQuotaExceeded,
    403: LLMPermissionDenied,
    **dict.fromkeys((404, 405), LLMNotFound),
    **dict.fromkeys((408, 409, 425), LLMUnavailable),
    413: LLMContextTooLong,
    429: LLMRateLimited,
}

# A kind, the statuses that say less than the words, and the words. None: an error in a stream, without a status.
_BY_WORDS: tuple[tuple[type[LLMError], set[int | None], re.Pattern[str]], ...] = (
    (
        LLMQuotaExceeded,
        {None, 400, 401, 403, 412, 429},
        re.compile(
            r"insufficient[ _](quota|balance|credits?|funds)|balance is insufficient|exceeded_current_quota"
            r"|credit balance|out of credits|(all|no) available credits|(spending|usage) limit|key limit exceeded"
            r"|billing_(hard|not)|arrearage|accountoverdue|余额"
        ),
    ),
    (
        LLMContextTooLong,
        {None, 400, 422, 500},
        re.compile(
            r"context[ _](length|window|size)|context (the )?overflow|(maximum|max) model len|token limit"
            r"|max\w* (prompt|context|input) length|(input|prompt) length|(input|prompt) token count|reduce the length"
            r"|(prompt|input|request|conversation|messages?|string)( tokens)? (is |are )?too (long|large)"
            r"|too many (input )?tokens|exceed\w* the (maximum|limit of) .*tokens|must have less than \d+ tokens"
            r"|max_new_tokens\W+must be|max_tokens\W+must be at least 1, got -|(prompt|input) exceeds max|超长"
        ),
    ),
    (LLMContextTooLong, {429}, re.compile(r"request too large")),  # for the tokens per minute, however long one waits
    (
        LLMContentFiltered,
        {None, 400, 403, 422, 500},
        re.compile(
            r"content[ _](filter|management|policy)|moderation|inappropriate content|data_inspection_failed"
            r"|content exists risk|high risk|safety (system|settings)|flagged|敏感|不安全"
            r"|sensitive (content|information|words?|material)"
        ),
    ),
    (
        LLMAuthError,
        {None, 400, 403},
        re.compile(r"(invalid|incorrect)[ _](api[ _]key|authentication)|api[ _]key( not |_in)valid"),
    ),
    (
        LLMNotFound,
        {None, 400, 422, 500},
        re.compile(
            r"(model|deployment)[ _]?not[ _]?(found|exist)|invalid[ _]model|unknown model|not a valid model"
            r"|no models loaded|\bmodels?\b.{0,80} (does not exist|doesn't exist|(is )?not found)|not found the model"
        ),
    ),
    (  # a model's template refuses the messages, whatever status its server makes of that
        LLMRefused,
        {None, 404, 500},
        re.compile(
            r"jinja|chat template|roles must alternate|system message must be|unexpected role"
            r"|parse tool call arguments|tool call id"
        ),
    ),
    (
        LLMUnavailable,
        {None, 400},
        re.compile(r"tool_use_failed|failed to call a function"),
    ),  # Groq's model wrote nonsense
    (LLMRateLimited, {None}, re.compile(r"rate[ _]limit|too many requests|throttl")),
    (LLMPermissionDenied, {None}, re.compile(r"permission[ _]denied")),
)


# The fields in which services write what is wrong, and the codes that are for programs.
TEXTS = (
    *("message", "msg", "detail", "error_message", "error_msg", "status_msg", "description", "error", "errors"),
    *("error_description", "title"),
)
_CODES = ("code", "type", "status", "status_code", "error_code", "error_type", "reason")


def kind_of(body: Any, status: int | None = None) -> type[LLMError]:
    """Which error a service means by `body`. `status` is HTTP's; an error in a stream has none."""
    try:
        codes = list(_codes_in(body))
    except RecursionError:
        codes = []
    # In a stream 5xx says nothing more: the service was not out of order, it has been answering.
    status = status or next((int(code) for code in codes if re.fullmatch("4[0-9][0-9]", code)), None)
    text = " ".join([*codes, words_of(body)]).lower()
    for kind, statuses, words in _BY_WORDS:
        if status in statuses and words.search(text):
            return kind
    if status is None:
        return LLMError
    return _BY_STATUS.get(status) or (LLMUnavailable if status >= 500 else LLMRefused)


def words_of(body: Any) -> str:
    """What a service says in an error, for people: from any of the shapes in which services write them."""
    try:
        return _words_of(body)[:MAX_MESSAGE_CHARS]
    except RecursionError:
        return "an error that is nested too deeply to be read"


def _words_of(body: Any) -> str:
    match body:
        case Mapping():
            said = next((body[key] for key in TEXTS if body.get(key) and body[key] is not True), None)
            words = json.dumps(dict(body), default=str) if said is None else _words_of(said)
            where = body.get("loc")
            if isinstance(where, list):
                words = f"{'.'.join(map(str, where))}: {words}"
            gateway = body.get("metadata")  # it hands on the words of the service behind it
            behind = gateway.get("raw") if isinstance(gateway, Mapping) else None
            return f"{words}: {_words_of(behind)}" if behind else words
        case list() | tuple():
            return "; ".join(map(_words_of, body))
        case None:
            return ""
    # A proxy writes HTML.
    return " ".join(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", str(body), flags=re.DOTALL).split())


def _codes_in(body: Any) -> Iterator[str]:
    match body:
        case Mapping():
            yield from (str(body[key]) for key in _CODES if body.get(key) is not None)
            yield from _codes_in([body.get(key) for key in ("error", "details", "metadata", "message")])
        case list():
            for each in body:
                yield from _codes_in(each)


# --- what is raised ---------------------------------------------------------------------------------------------------


def error_again(error: LLMError, origin: Mapping[str, Any]) -> LLMError:
    """An error that was raised before, from what is kept of it: of the SDK's class again, if the SDK is installed.

    Blocks while it is imported.
    """
    error.origin = origin
    try:
        openai_errors = importlib.import_module("agentchat.llm.openai_errors")
    except ImportError:
        vars(error).update(message=str(error), status_code=origin.get("status"), body=origin.get("body"))
        return error
    joined: LLMError = openai_errors.joined(error, origin)
    return joined
