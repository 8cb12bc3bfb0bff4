"""Asking a model in an agent's name: one step, emitted while it is written.

Runs in the agent's thread and blocks it until the answer is complete; the request itself runs where the stream's
bridge takes it.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from agentchat.agents.message_events import Visible, call_events, calls_of
from agentchat.agents.protocols import Message
from agentchat.cache import Cache
from agentchat.core.async_bridge import bridge_of
from agentchat.core.json_values import as_json
from agentchat.core.steps import StepAttempt, step
from agentchat.core.text import utf16_len
from agentchat.events import ChatEvent, Notice, TextMessageContent, TextMessageEnd, TextMessageStart, Usage
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.llm.client import complete
from agentchat.llm.model_client import ModelClient
from agentchat.llm.response import Delta, ModelResponse

_cache: ContextVar[Cache | None] = ContextVar("agentchat_cache", default=None)

_RESTARTED = ">>>>>>>> THE ANSWER BROKE OFF, AND IS ASKED FOR AGAIN..."


@contextmanager
def using_cache(cache: Cache | None) -> Iterator[None]:
    """While this lasts, look for answers in the cache first. None leaves that as it is."""
    token = _cache.set(cache or _cache.get())
    try:
        yield
    finally:
        _cache.reset(token)


def ask(
    messages: Callable[[], Sequence[Message]],
    *,
    llm_config: Mapping[str, Any],
    name: str,
    to: str,
    silent: bool,
    clients: Mapping[int, ModelClient] | None = None,
    cache: Cache | None = None,
    context: Any = None,
    visible: Visible | None = None,
) -> ModelResponse:
    """Ask a model in the name of an agent that replies `to` another. Raise LLMError if no entry of the config answers.

    `messages` is called once, and only if the model is asked: an answer from a run's journal needs no conversation.
    `silent`: the answer is not emitted; its usage is all the same. `visible`: what users see of the calls in it. For
    the rest see `llm.client.complete`.
    """
    stream = IOStream.get_default()
    config = {key: value for key, value in llm_config.items() if key != "tools"}
    cache = cache or _cache.get()

    @functools.cache
    def request() -> dict[str, Any]:
        return {"messages": as_json(messages()), "tools": as_json(llm_config.get("tools") or [])}

    def send(event: ChatEvent) -> None:
        if not silent:
            send_to(stream, event)

    def call(try_: StepAttempt) -> dict[str, Any]:
        asked = request()  # in the language of this thread
        send(TextMessageStart(message_id=try_.key, name=name, to=to))
        try:
            response = bridge_of(stream).stream(
                lambda on_delta: complete(
                    config, **asked, on_delta=on_delta, clients=clients, cache=cache, context=context
                ),
                on_delta=_deltas(try_, send),
            )
        except (Exception, KeyboardInterrupt):
            send(Notice(text=""))  # a console is left in the middle of a line
            raise
        return {**response.to_json(), "message_id": try_.key}

    def events(result: Mapping[str, Any]) -> Iterable[ChatEvent]:
        response = _response_in(result)
        if not silent:
            yield TextMessageEnd(
                message_id=result["message_id"],
                content=response.content,
                finish_reason=response.cut_off,
                name=name,
                to=to,
                last=not response.calls,
            )
            yield from call_events(calls_of(response.message()), name=name, visible=visible or {})
        for one in response.paid_for:
            if not one.cached:
                yield Usage(
                    model=one.model,
                    prompt_tokens=one.prompt_tokens,
                    completion_tokens=one.completion_tokens,
                    cost=one.cost,
                )

    return _response_in(
        step(stream, "llm", name, request, call, events=events, send=lambda event: send_to(stream, event))
    )


def _deltas(try_: StepAttempt, send: Callable[[ChatEvent], None]) -> Callable[[Delta], None]:
    """Send each delta with its offset; a restarted answer counts from 0 again."""
    number, offset = 1, 0

    def on_delta(delta: Delta) -> None:
        nonlocal number, offset
        if delta.number > number:
            number, offset = delta.number, 0
            send(Notice(text=_RESTARTED))  # a page replaces what was shown; a console cannot
        attempt = try_.attempt_of_answer(number)
        send(TextMessageContent(message_id=try_.key, attempt=attempt, offset=offset, delta=delta.text))
        offset += utf16_len(delta.text)

    return on_delta


def _response_in(result: Mapping[str, Any]) -> ModelResponse:
    return ModelResponse.from_json({key: value for key, value in result.items() if key != "message_id"})
