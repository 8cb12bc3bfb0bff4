"""Asking a model: `complete()`.

The entries of the config list are asked in turn until one answers, and its answer will do. Each is asked again if that
may help, after a pause. Where an answer breaks off, what was told of it is void: the next one begins anew, and its
deltas say so (`reply.Delta`). Kept answers (`agentchat.cache`) are told as a model's are.

Runs on an event loop, and never blocks it. Cancelling the task that waits closes the connection at once.
"""

import asyncio
import contextlib
import hashlib
import importlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from agentchat.bridge import begin_in_thread
from agentchat.cache import Cache
from agentchat.errors import LLMAuthError, LLMError
from agentchat.llm.answer import Answer
from agentchat.llm.failure import Failure
from agentchat.llm.model_client import ModelClient, reply_of
from agentchat.llm.question import Question, questions_of
from agentchat.llm.reply import Delta, Reply

if TYPE_CHECKING:
    import httpx2

__all__ = ["Delta", "Reply", "complete"]

logger = logging.getLogger("agentchat.llm")

LINGER_S = 0.1  # for the end of a stream, when the answer is complete

_sdk: ModuleType | None = None


async def complete(
    llm_config: Mapping[str, Any],
    messages: Sequence[dict[str, Any]],
    *,
    on_delta: Callable[[Delta], None],
    tools: Sequence[dict[str, Any]] = (),
    clients: Mapping[int, ModelClient] | None = None,
    cache: Cache | None = None,
    context: Any = None,
) -> Reply:
    """Ask for the next message, and tell each piece of its text to `on_delta`, on the loop, when it comes.

    `clients` are the model clients of one's own, by the positions of their entries. With a `cache`, or an entry's
    `cache_seed`, the same is asked once. `context` is for a `filter_func`; the last answer counts, whatever that says.
    Raise LLMError, or the subclass that fits, if no entry of the config list answers; ConfigError if the llm_config
    cannot be used.
    """
    questions = questions_of(llm_config, messages, tools=tools, clients=clients or {}, cache=cache)
    sdk = await _loaded_sdk()
    telling = _Telling(on_delta)
    refused: list[dict[str, Any]] = []
    for position, question in enumerate(questions):
        last = position == len(questions) - 1
        outcome = await _answer(sdk, question, telling)
        if isinstance(outcome, Reply):
            reply = replace(outcome, config_id=position)
            will_do = await _will_do(sdk, question, reply, context)
            if will_do or last:
                return replace(reply, pass_filter=will_do, refused=tuple(refused))
            refused.append(reply.to_json())
            outcome = Failure(error=LLMError(f"the filter_func does not take the answer of {question.entry}"))
        if last:
            raise outcome.error from outcome.cause
        logger.warning("%s. Asking %s instead.", outcome.error, questions[position + 1].entry)
    raise AssertionError("a config list has at least one entry")


async def _loaded_sdk() -> ModuleType:
    """`agentchat.llm.openai`. It is imported in a thread: the loop must not stand still for a second."""
    global _sdk
    if _sdk is None:
        _sdk = await asyncio.to_thread(importlib.import_module, "agentchat.llm.openai")
    return _sdk


async def _in_thread(function: Callable[[], Any]) -> Any:
    return await asyncio.wrap_future(begin_in_thread(function))


class _Telling:
    """Tells the text of one answer after another, each under a number of its own."""

    def __init__(self, on_delta: Callable[[Delta], None]) -> None:
        self._on_delta = on_delta
        self._number = 1
        self._begun = False

    def tell(self, text: str) -> None:
        if text:
            self._begun = True
            self._on_delta(Delta(self._number, text))

    def begin_anew(self) -> None:
        """What was told is void, if anything was."""
        self._number += self._begun
        self._begun = False


async def _answer(sdk: ModuleType, question: Question, telling: _Telling) -> Reply | Failure:
    """The answer that was kept, or else one that is kept from now on."""
    telling.begin_anew()
    if question.cache is None:
        return await _ask(sdk, question, telling)
    kept = await asyncio.to_thread(question.kept_answer)
    if kept is not None:
        telling.tell(kept.content)
        return kept
    outcome = await _ask(sdk, question, telling)
    if isinstance(outcome, Reply):
        await asyncio.to_thread(question.keep, outcome)
    return outcome


async def _will_do(sdk: ModuleType, question: Question, reply: Reply, context: Any) -> bool:
    filter_func = question.entry.filter_func
    if filter_func is None:
        return True
    return bool(await _in_thread(lambda: filter_func(context=context, response=sdk.completion_of(reply))))


async def _ask(sdk: ModuleType, question: Question, telling: _Telling) -> Reply | Failure:
    """Ask one entry, again and again while that may help."""
    if question.client is not None:
        return await _ask_client(question.client, question, telling)
    entry, tries = question.entry, 0
    while True:
        tries += 1
        telling.begin_anew()
        outcome = await _ask_once(sdk, question, telling)
        if isinstance(outcome, Reply) or tries > entry.max_retries or not outcome.may_retry:
            return outcome
        pause = outcome.pause_s(tries)
        logger.info("%s. Asking again in %.1f s (%d of %d).", outcome.error, pause, tries, entry.max_retries)
        await asyncio.sleep(pause)


async def _ask_client(client: ModelClient, question: Question, telling: _Telling) -> Reply | Failure:
    try:
        reply: Reply = await _in_thread(lambda: reply_of(client, dict(question.body)))
    except Exception as error:  # a client may raise anything, and the next entry may answer
        return Failure(error=LLMError(question.entry.without_key(f"{question.entry}: {error!r}")), cause=error)
    telling.tell(reply.content)
    return reply


async def _ask_once(sdk: ModuleType, question: Question, telling: _Telling) -> Reply | Failure:
    entry, body = question.entry, question.body
    answer = Answer(telling.tell, model=entry.model, new_call_id=lambda position: _call_id(body, position))

    def whole() -> Reply:
        reply = answer.reply()
        return replace(reply, cost=sdk.cost_of(entry, reply.model, answer.usage))

    try:
        async with sdk.answer_from(entry, body) as response:
            await _read(response, answer)
        return whole()
    except LLMError as error:
        words = entry.without_key(f"{entry}: {error}")
        again = not isinstance(error, LLMAuthError)
        return Failure(error=type(error)(words), worth_retrying=again)
    except Exception as error:
        failure: Failure | None = sdk.failure_of(error, entry)
        if failure is None:
            raise
        return whole() if answer.finished else failure


async def _read(response: "httpx2.Response", answer: Answer) -> None:
    """Feed the answer with the response's body, to its end."""
    if response.headers.get("content-type", "").startswith("application/json"):
        answer.feed_whole(await response.aread())
        return
    chunks = response.aiter_bytes()
    async for chunk in chunks:
        answer.feed(chunk)
        if answer.done:
            break
    # Only a connection that was read to its end can be used again; some servers leave it open, and are not waited for.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            async for _ in chunks:
                pass


def _call_id(body: Mapping[str, Any], position: int) -> str:
    """An id for a tool call that came without one: the same at every try, another one for every other request."""
    asked = json.dumps(body["messages"], default=str, sort_keys=True).encode()
    return f"call_{hashlib.sha256(asked).hexdigest()[:16]}_{position}"
