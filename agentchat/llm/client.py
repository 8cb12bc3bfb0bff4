"""Asking a model: `complete()`.

The entries of the config list are asked in turn until one begins to answer. Each is asked again if that may help, after
a pause. Once a piece of an answer has been told, nothing is asked again: it would be said twice.

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

from agentchat.errors import LLMAuthError, LLMError
from agentchat.llm.answer import Answer
from agentchat.llm.entries import Entry, entries_of
from agentchat.llm.failure import Failure
from agentchat.llm.reply import Reply

if TYPE_CHECKING:
    import httpx2

__all__ = ["Reply", "complete"]

logger = logging.getLogger("agentchat.llm")

LINGER_S = 0.1  # for the end of a stream, when the answer is complete

_sdk: ModuleType | None = None


async def complete(
    llm_config: Mapping[str, Any],
    messages: Sequence[dict[str, Any]],
    *,
    tools: Sequence[dict[str, Any]] = (),
    on_delta: Callable[[str], None],
) -> Reply:
    """Ask for the next message, and tell each piece of its text to `on_delta`, on the loop, when it comes.

    Raise LLMError, or the subclass that fits, if no entry of the config list answers or an answer breaks off;
    ConfigError if the llm_config cannot be used.
    """
    entries = entries_of(llm_config)
    tools = [*(llm_config.get("tools") or ()), *tools]
    sdk = await _loaded_sdk()
    for entry, next_entry in zip(entries, [*entries[1:], None], strict=True):
        outcome = await _ask(sdk, entry, _body(entry, messages, tools), on_delta)
        if isinstance(outcome, Reply):
            return outcome
        if next_entry is None or outcome.begun:
            raise outcome.error from outcome.cause
        logger.warning("%s. Asking %s instead.", outcome.error, next_entry)
    raise AssertionError("a config list has at least one entry")


async def _loaded_sdk() -> ModuleType:
    """`agentchat.llm.openai`. It is imported in a thread: the loop must not stand still for a second."""
    global _sdk
    if _sdk is None:
        _sdk = await asyncio.to_thread(importlib.import_module, "agentchat.llm.openai")
    return _sdk


def _body(entry: Entry, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    body = {
        "model": entry.model,
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        **({"tools": list(tools)} if tools else {}),
        **entry.parameters,
    }
    return {key: value for key, value in body.items() if value is not None}


async def _ask(
    sdk: ModuleType, entry: Entry, body: Mapping[str, Any], on_delta: Callable[[str], None]
) -> Reply | Failure:
    """Ask one entry, again and again while that may help."""
    tries = 0
    while True:
        tries += 1
        outcome = await _ask_once(sdk, entry, body, on_delta)
        if isinstance(outcome, Reply) or tries > entry.max_retries or not outcome.may_retry:
            return outcome
        pause = outcome.pause_s(tries)
        logger.info("%s. Asking again in %.1f s (%d of %d).", outcome.error, pause, tries, entry.max_retries)
        await asyncio.sleep(pause)


async def _ask_once(
    sdk: ModuleType, entry: Entry, body: Mapping[str, Any], on_delta: Callable[[str], None]
) -> Reply | Failure:
    answer = Answer(on_delta, model=entry.model, new_call_id=lambda position: _call_id(body, position))
    try:
        async with sdk.answer_from(entry, body) as response:
            await _read(response, answer)
        return answer.reply()
    except LLMError as error:
        words = entry.without_key(f"{entry}: {error}")
        again = not isinstance(error, LLMAuthError)
        return Failure(error=type(error)(words), worth_retrying=again, begun=answer.begun)
    except Exception as error:
        failure: Failure | None = sdk.failure_of(error, entry)
        if failure is None:
            raise
        return answer.reply() if answer.finished else replace(failure, begun=answer.begun)


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
