"""Asking a model in an agent's name: one step, emitted while it is written.

Runs in the agent's thread and blocks it until the answer is complete; the request itself runs where the stream's
bridge takes it.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from agentchat.agents.answer_stream import AnswerStream
from agentchat.agents.file_messages import with_file_parts
from agentchat.agents.message_events import Visible, call_events, calls_of, hosted_call_events
from agentchat.agents.protocols import Message
from agentchat.cache import Cache
from agentchat.core.async_bridge import bridge_of
from agentchat.core.files import File
from agentchat.core.json_values import as_json
from agentchat.core.steps import StepAttempt, step
from agentchat.errors import Aborted, NonDeterminismError
from agentchat.events import ChatEvent, Notice, Sources, TextMessageEnd, TextMessageStart, Usage
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.llm.client import complete
from agentchat.llm.model_client import ModelClient
from agentchat.llm.response import ModelResponse
from agentchat.llm.results import Misfit, ResultFormat

_cache: ContextVar[Cache | None] = ContextVar("agentchat_cache", default=None)


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
    result: ResultFormat[Any] | None = None,
) -> ModelResponse:
    """Ask a model in the name of an agent that replies `to` another. Raise LLMError if no entry of the config answers.

    `messages` is called once, and only if the model is asked: an answer from a run's journal needs no conversation.
    `silent`: the answer is not emitted; its usage is all the same. `visible`: what users see of the calls in it. With a
    `result` the answer is its JSON, unless it calls tools, and users see its readable text; a recorded answer that does
    not fit any more ends the run (NonDeterminismError). For the rest see `llm.client.complete`.
    """
    stream = IOStream.get_default()
    config = {key: value for key, value in llm_config.items() if key != "tools"}
    cache = cache or _cache.get()
    stream_of_answer: AnswerStream | None = None  # None: the answer is recorded
    files: dict[str, File] = {}  # that the messages refer to

    @functools.cache
    def request() -> dict[str, Any]:
        asked, found = with_file_parts(messages(), getattr(stream, "find_file", lambda reference: None))
        files.update(found)
        return {"messages": as_json(asked), "tools": as_json(llm_config.get("tools") or [])}

    def send(event: ChatEvent) -> None:
        if not silent:
            send_to(stream, event)

    def call(try_: StepAttempt) -> dict[str, Any]:
        nonlocal stream_of_answer
        stream_of_answer = written = AnswerStream(try_, send, result)
        asked = request()  # in the language of this thread
        send(TextMessageStart(message_id=try_.key, name=name, to=to))
        try:
            response = bridge_of(stream).stream(
                lambda on_delta: complete(
                    config,
                    **asked,
                    on_delta=on_delta,
                    on_thought=on_delta,
                    clients=clients,
                    cache=cache,
                    context=context,
                    result=result,
                    files=files,
                ),
                on_delta=written.on_delta,
            )
        except (Exception, KeyboardInterrupt) as error:
            send(Notice(text=""))  # a console is left in the middle of a line
            for event in _usage(map(ModelResponse.from_json, getattr(error, "answers", ()))):
                send_to(stream, event)
            raise
        written.end()
        if response.cached:
            try_.notes.first_token_ms = None  # no model was waited for
        if result is not None:
            written.send_rest(_shown(response, result))
        return {**response.to_json(), "message_id": try_.key}

    def events(recorded: Mapping[str, Any]) -> Iterable[ChatEvent]:
        response = _response_in(recorded)
        if not silent:
            if stream_of_answer is not None and (thoughts := stream_of_answer.thoughts_before(response.content)):
                yield thoughts
            yield TextMessageEnd(
                message_id=recorded["message_id"],
                content=_shown(response, result),
                finish_reason=response.cut_off,
                name=name,
                to=to,
                last=not response.calls,
            )
            if response.sources:
                yield Sources(sources=response.sources)
            yield from hosted_call_events(response.hosted_calls, name=name)
            yield from call_events(calls_of(response.message()), name=name, visible=visible or {})
        yield from _usage(response.paid_for)

    response = _response_in(
        step(stream, "llm", name, request, call, events=events, send=lambda event: send_to(stream, event))
    )
    if result is not None and stream_of_answer is None and not response.calls:
        _check_recorded(result, response, name)
    return response


def _check_recorded(result: ResultFormat[Any], response: ModelResponse, name: str) -> None:
    try:
        result.read(response.content)
    except Misfit as misfit:
        changed = f"the recorded result of {name!r} is no {result.name} any more: {misfit}"
        raise Aborted(NonDeterminismError(f"{changed}. Was the class changed while the run was waiting?")) from None


def _shown(response: ModelResponse, result: ResultFormat[Any] | None) -> str:
    """What users see of an answer: of a result, its readable text; of what stands before calls instead, nothing."""
    if result is None:
        return response.content
    if response.calls:
        return "" if response.content.lstrip().startswith("{") else response.content
    return result.text_of(response.content)


def _usage(responses: Iterable[ModelResponse]) -> Iterator[Usage]:
    for each in responses:
        if not each.cached:
            yield Usage(
                model=each.model,
                prompt_tokens=each.prompt_tokens,
                completion_tokens=each.completion_tokens,
                cost=each.cost,
            )


def _response_in(result: Mapping[str, Any]) -> ModelResponse:
    return ModelResponse.from_json({key: value for key, value in result.items() if key != "message_id"})
