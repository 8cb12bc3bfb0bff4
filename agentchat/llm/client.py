"""Asking a model: `complete()`.

The entries of the config list are asked in turn until one gives an acceptable answer. Each is asked again if that may
help, after a pause. Where an answer breaks off, the deltas so far are void: the next one restarts, and its deltas say
so (`response.Delta`). Cached answers (`agentchat.cache`) are emitted as a model's are.

Runs on an event loop, and never blocks it. Cancelling the task that waits closes the connection at once.
"""

import asyncio
import contextlib
import functools
import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from agentchat.cache import Cache
from agentchat.core import observing
from agentchat.core.async_bridge import begin_in_thread, contained
from agentchat.core.files import File
from agentchat.core.log import get_logger
from agentchat.core.secrets import mask, mask_error
from agentchat.errors import LLMError, LLMNotFound, LLMRefused
from agentchat.llm.amendments import amended, learn
from agentchat.llm.config_entries import RESPONSES, ConfigEntry
from agentchat.llm.errors import Failure, is_transient
from agentchat.llm.model_client import ModelClient, response_of
from agentchat.llm.request import ModelRequest, requests_for
from agentchat.llm.response import Delta, ModelResponse, Thought
from agentchat.llm.responses_api.parser import ResponsesParser
from agentchat.llm.result_check import checked
from agentchat.llm.results import ResultFormat
from agentchat.llm.results.request_form import MAX_REPAIRS
from agentchat.llm.stream_parser import StreamParser
from agentchat.llm.timeouts import Timeout

if TYPE_CHECKING:
    import httpx2

logger = get_logger("agentchat.llm")

LINGER_SECONDS = 0.1  # for the end of a stream, when the answer is complete
USAGE_SECONDS = 3.0  # of silence after the finish reason: some servers send no end marker, and keep the stream open

_sdk: ModuleType | None = None


async def complete(
    llm_config: Mapping[str, Any],
    messages: Sequence[dict[str, Any]],
    *,
    on_delta: Callable[[Delta], None],
    on_thought: Callable[[Thought], None] = lambda thought: None,
    tools: Sequence[dict[str, Any]] = (),
    clients: Mapping[int, ModelClient] | None = None,
    cache: Cache | None = None,
    context: Any = None,
    result: ResultFormat[Any] | None = None,
    files: Mapping[str, File] = MappingProxyType({}),
) -> ModelResponse:
    """Ask for the next message, and call `on_delta` with each piece of its text, on the loop, when it arrives.

    `on_thought` is called with each piece of what the model thinks before, in the same way.
    `clients` are the custom model clients, by the positions of their entries. With a `cache`, or an entry's
    `cache_seed`, the same request is sent once. `context` is for a `filter_func`; the last answer counts, whatever that
    says. With a `result`, or a pydantic model as `response_format`, the answer is the JSON of one, unless it calls
    tools. `files` are those that the messages refer to, by their references. Raise LLMError, or the subclass that fits,
    if no entry of the config list answers: also an instance of the SDK's class of that kind. Raise ConfigError if the
    llm_config cannot be used.
    """
    sdk = await _load_sdk()
    requests = requests_for(
        llm_config, messages, tools=tools, clients=clients or {}, cache=cache, result=result, files=files
    )
    emitter = _DeltaEmitter(on_delta, on_thought)
    refused: list[dict[str, Any]] = []
    for position, request in enumerate(requests):
        last = position == len(requests) - 1
        outcome = await _answer(sdk, request, emitter)
        if isinstance(outcome, ModelResponse):
            if outcome.cut_off:
                logger.warning("%s left its answer incomplete (%s)", request.entry, outcome.cut_off)
            response = replace(outcome, config_id=position)
            accepted = await _accepts(sdk, request, response, context)
            if accepted or last:
                return replace(response, pass_filter=accepted, refused=(*refused, *response.refused))
            answers = (*response.refused, replace(response, refused=()).to_json())
            error = LLMError(f"the filter_func does not take the answer of {request.entry}")
            outcome = Failure(error=error, answers=answers)
        refused += outcome.answers
        if last:
            raised: LLMError = sdk.as_sdk_error(outcome.error, outcome.cause, request.entry)
            if refused:
                raised.answers = refused
            raise raised from outcome.cause
        logger.warning("%s. Asking %s instead.", outcome.error, requests[position + 1].entry)
    raise AssertionError("a config list has at least one entry")


async def _load_sdk() -> ModuleType:
    """`agentchat.llm.openai_client`. It is imported in a thread, because that would block the loop for a second."""
    global _sdk
    if _sdk is None:
        _sdk = await asyncio.to_thread(importlib.import_module, "agentchat.llm.openai_client")
    return _sdk


async def _in_thread(function: Callable[[], Any]) -> Any:
    """Call a site's own code. This loop may be a server's: no exception of it may end it."""

    def work() -> Any:
        with contained("a model client or filter_func"):
            return function()

    return await asyncio.wrap_future(begin_in_thread(work))


class _DeltaEmitter:
    """Emits the text of one answer after another, each under a number of its own."""

    def __init__(self, on_delta: Callable[[Delta], None], on_thought: Callable[[Thought], None]) -> None:
        self._on_delta, self._on_thought = on_delta, on_thought
        self._number = 1
        self._has_emitted = False

    def emit(self, text: str) -> None:
        if text:
            self._has_emitted = True
            self._on_delta(Delta(self._number, text))

    def think(self, text: str) -> None:
        self._has_emitted = True
        self._on_thought(Thought(self._number, text))

    def restart(self) -> None:
        """Begin another answer: the deltas so far are void, if there were any."""
        self._number += self._has_emitted
        self._has_emitted = False


async def _answer(sdk: ModuleType, request: ModelRequest, emitter: _DeltaEmitter) -> ModelResponse | Failure:
    """The cached answer, or else a new one, which is cached from now on."""
    emitter.restart()
    if request.cache is None:
        return await _ask_for_result(sdk, request, emitter)
    cached = await asyncio.to_thread(request.cached_response)
    if cached is not None and await _is_usable(request, cached):
        emitter.emit(cached.content)
        return cached
    outcome = await _ask_for_result(sdk, request, emitter)
    if isinstance(outcome, ModelResponse):
        await asyncio.to_thread(request.store, outcome)
    return outcome


async def _accepts(sdk: ModuleType, request: ModelRequest, response: ModelResponse, context: Any) -> bool:
    filter_func = request.entry.filter_func
    if filter_func is None:
        return True
    return bool(await _in_thread(lambda: filter_func(context=context, response=sdk.completion_of(response))))


async def _is_usable(request: ModelRequest, response: ModelResponse) -> bool:
    return request.result is None or isinstance(await _in_thread(lambda: checked(request, response)), ModelResponse)


async def _ask_for_result(sdk: ModuleType, request: ModelRequest, emitter: _DeltaEmitter) -> ModelResponse | Failure:
    """Ask one entry; again, and told why, while its answer is not the result that was asked for."""
    if request.result is None:
        return await _ask(sdk, request, emitter)
    unusable: list[dict[str, Any]] = []
    while True:
        outcome = await _ask(sdk, request, emitter)
        if isinstance(outcome, Failure):
            return replace(outcome, answers=tuple(unusable))
        answer = await _in_thread(functools.partial(checked, request, outcome))
        if isinstance(answer, ModelResponse):
            return replace(answer, refused=tuple(unusable))
        unusable.append(outcome.to_json())
        error, misfit = answer
        if misfit is None or len(unusable) > MAX_REPAIRS:
            return Failure(error=error, answers=tuple(unusable))
        logger.info("%s: %s. Asking again (%d of %d).", request.entry, misfit, len(unusable), MAX_REPAIRS)
        request = request.for_repair(outcome.content, misfit)


async def _ask(sdk: ModuleType, request: ModelRequest, emitter: _DeltaEmitter) -> ModelResponse | Failure:
    """Ask one entry, again and again while that may help."""
    if request.client is not None:
        return await _ask_client(request.client, request, emitter)
    entry, attempts = request.entry, 0
    simpler_requests, refusal = request.simpler(), None
    while True:
        attempts += 1
        emitter.restart()
        body = amended(entry, request.body)
        sent = await _in_thread(functools.partial(request.with_data, body)) if request.files else body
        outcome = await _ask_once(sdk, entry, sent, emitter)
        if isinstance(outcome, Failure) and (other := request.without_refused(str(outcome.error))) is not None:
            logger.info("%s. Asking again with text instead.", outcome.error)
            request, attempts = other, 0
            simpler_requests, refusal = request.simpler(), None
            continue
        if _is_refused(outcome):
            learn(entry, body, str(outcome.error))
            if amended(entry, request.body) != body:  # learned now, or meanwhile in another chat
                logger.info("%s. Asking again without what it does not know.", outcome.error)
                attempts -= 1
                continue
            if (other := request.in_other_form(str(outcome.error))) is not None:
                logger.info("%s. Asking for the result in another way (%s).", outcome.error, other.form)
                request, attempts = other, 0
                simpler_requests, refusal = request.simpler(), None
                continue
        if isinstance(outcome, Failure) and outcome.refuses_form:
            refusal = refusal or outcome  # it says what is wrong with the request that was meant
            simpler = next(simpler_requests, None)
            if simpler is None:
                return refusal
            logger.info("%s. Asking again in a simpler form.", outcome.error)
            request, attempts = simpler, 0
            continue
        if refusal and isinstance(outcome, ModelResponse):
            logger.warning("%s. A simpler form was accepted, and is used from now on.", refusal.error)
            request.learn()
        if isinstance(outcome, ModelResponse) or attempts > entry.max_retries or not outcome.may_retry:
            return outcome
        pause = outcome.pause_seconds(attempts)
        logger.info("%s. Asking again in %.1f s (%d of %d).", outcome.error, pause, attempts, entry.max_retries)
        await asyncio.sleep(pause)


def _is_refused(outcome: ModelResponse | Failure) -> TypeGuard[Failure]:
    return isinstance(outcome, Failure) and type(outcome.error) is LLMRefused


async def _ask_client(client: ModelClient, request: ModelRequest, emitter: _DeltaEmitter) -> ModelResponse | Failure:
    try:
        response: ModelResponse = await _in_thread(lambda: response_of(client, dict(request.with_data(request.body))))
    except Exception as error:  # a client may raise anything, and the next entry may answer
        mask_error(error)
        return Failure(error=LLMError(mask(f"{request.entry}: {error!r}")), cause=error)
    emitter.emit(response.content)
    return response


async def _ask_once(
    sdk: ModuleType, entry: ConfigEntry, body: Mapping[str, Any], emitter: _DeltaEmitter
) -> ModelResponse | Failure:
    with observing.model_call(entry, body) as report:
        report(outcome := await _request(sdk, entry, body, emitter))
        return outcome


async def _request(
    sdk: ModuleType, entry: ConfigEntry, body: Mapping[str, Any], emitter: _DeltaEmitter
) -> ModelResponse | Failure:
    parser = (ResponsesParser if entry.api == RESPONSES else StreamParser)(
        emitter.emit,
        model=entry.model,
        new_call_id=lambda position: _call_id(body, position),
        on_thought=emitter.think,
    )

    def complete_response() -> ModelResponse:
        response = parser.response()
        if not parser.usage:
            _warn_of_missing_usage(str(entry))
        return replace(response, cost=sdk.cost_of(entry, response.model, parser.usage))

    try:
        async with sdk.answer_from(entry, body) as (http_response, patience):
            await _read(http_response, parser, entry.timeout, patience)
        return complete_response()
    except LLMError as error:
        kind = type(error)
        return Failure(error=kind(mask(f"{entry}: {error}")), retryable=is_transient(kind))
    except Exception as error:
        failure: Failure | None = sdk.failure_of(error, entry)
        if failure is None:
            raise
        return complete_response() if parser.finished else failure


@functools.cache  # once for each
def _warn_of_missing_usage(model: str) -> None:
    logger.warning("%s reports no usage: limits on tokens and cost do not count its answers", model)


async def _read(response: "httpx2.Response", parser: StreamParser, timeout: Timeout, patience: asyncio.Timeout) -> None:
    """Feed the parser with the response's body, to its end, with patience for the next piece of it."""
    if response.headers.get("content-type", "").startswith("application/json"):
        parser.feed_unstreamed(await response.aread())
        return
    # Closed here: left to the collector, it would be closed in whichever thread the collector runs in, while the loop's
    # thread may be closing it too.
    async with contextlib.aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            parser.feed(chunk)
            if parser.done:
                break
            silence = USAGE_SECONDS if parser.finished else timeout.read if parser.has_begun else timeout.first
            patience.reschedule(None if silence is None else asyncio.get_running_loop().time() + silence)
        is_page = response.headers.get("content-type", "").startswith("text/html")
        if is_page and not (parser.has_begun or parser.finished):
            raise LLMNotFound("it answered with a web page, so its API is elsewhere; check the entry's 'base_url'")
        # Only a connection that was read to its end can be reused; some servers keep it open, and are not waited for.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                async for _ in chunks:
                    pass


def _call_id(body: Mapping[str, Any], position: int) -> str:
    """An id for a tool call that came without one: the same at every attempt, different for every other request."""
    messages = json.dumps(body["messages"], default=str, sort_keys=True).encode()
    return f"call_{hashlib.sha256(messages).hexdigest()[:16]}_{position}"
