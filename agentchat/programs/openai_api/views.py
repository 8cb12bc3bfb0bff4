"""The addresses under `/v1/`."""

import json
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from agentchat.core import registry
from agentchat.core.text import replace_lone_surrogates
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_db_thread, in_read_thread
from agentchat.programs.callers import Caller
from agentchat.programs.endpoints import endpoint
from agentchat.programs.errors import ProgramError
from agentchat.programs.openai_api.replies import Reply
from agentchat.programs.openai_api.requests import CompletionRequest, read_request, said_in
from agentchat.programs.session_stream import SessionStream
from agentchat.programs.threads import note_history
from agentchat.programs.turns import Turn, begin, frames_of
from agentchat.programs.whole_events import whole_frame
from agentchat.realtime.frames import Frame

PAUSE_SECONDS = 15.0  # without anything to say: then a comment is sent, so that proxies wait

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(error: ProgramError) -> dict[str, Any]:
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}


def write_error(error: ProgramError) -> HttpResponse:
    response = JsonResponse(error_body(error))
    if error.status in (408, 409):
        response.headers["X-Should-Retry"] = "false"  # the SDK would, and get the same answer
    return response


# --- models -----------------------------------------------------------------------------------------------------------


@endpoint("GET", write_error=write_error)
async def models(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """The agents that this key may use."""
    agents = await in_read_thread(caller.agents)()
    return JsonResponse({"object": "list", "data": [_model(each) for each in agents]})


@endpoint("GET", write_error=write_error)
async def model(request: HttpRequest, caller: Caller, model_name: str) -> HttpResponseBase:
    await in_read_thread(caller.check_agent)(model_name)
    found = registry.find(model_name)
    assert found is not None
    return JsonResponse(_model(found))


def _model(agent: registry.AgentFunction) -> dict[str, Any]:
    about = {"title": str(agent.title), "description": str(agent.description)}
    return {"id": agent.name, "object": "model", "created": 0, "owned_by": "agentchat", "agentchat": about}


# --- completions ------------------------------------------------------------------------------------------------------


@endpoint("POST", write_error=write_error)
async def chat_completions(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Say something to an agent, and answer with all that it says until it is the client's turn again."""
    caller.check_write()
    asked = read_request(request)
    await in_read_thread(caller.check_agent)(asked.model)
    turn = await in_db_thread(begin)(caller, said_in(asked, request.headers, request.body))
    chat_id = (asked.metadata or {}).get("chat_id") or str(turn.session_id)
    reply = Reply(model=asked.model, client_id=turn.client_id, chat_id=chat_id, waiting=turn.waiting)
    if asked.stream:
        events = _events(caller, turn, reply, asked)
        headers = {"X-Accel-Buffering": "no"}
        return StreamingHttpResponse(events, content_type="text/event-stream; charset=utf-8", headers=headers)
    async for _ in _followed(caller, turn, reply):
        pass
    if reply.error is not None:
        # The agent has answered, with a failure: the same request again would be another message.
        return _json(reply.error_body, status=500, headers={"X-Should-Retry": "false"})
    await _remember(turn, reply, asked)
    return _json(reply.completion)


async def _followed(caller: Caller, turn: Turn, reply: Reply) -> AsyncIterator[tuple[str, Frame | None] | None]:
    """Have the reply follow the turn to its end. What each frame adds to it; None after each pause."""
    if turn.waiting is not None:
        return
    async with SessionStream(caller, turn.session_id, after=turn.thread.after) as stream:
        async for frame in frames_of(turn, stream, pause=PAUSE_SECONDS):
            if frame is None:
                yield None
            else:
                yield reply.add(await whole_frame(frame, turn.session_id, caller.visitor))


async def _events(caller: Caller, turn: Turn, reply: Reply, asked: CompletionRequest) -> AsyncIterator[str]:
    """The body of a streamed answer. What goes wrong after its first byte is an event, too."""
    yield _event(reply.chunk(is_first=True))
    try:
        async for added in _followed(caller, turn, reply):
            if added is None:
                yield ": still here\n\n"
                continue
            text, event = added
            if event is not None:
                yield _event(reply.chunk(event=event))
            if text:
                yield _event(reply.chunk(text))
    except ProgramError as error:
        yield _event(error_body(error))
        return
    if reply.error is not None:
        yield _event(reply.error_body)
        return
    await _remember(turn, reply, asked)
    yield _event(reply.last_chunk)
    if asked.includes_usage:
        yield _event(reply.usage_chunk)
    yield "data: [DONE]\n\n"


async def _remember(turn: Turn, reply: Reply, asked: CompletionRequest) -> None:
    """A client without a name for the chat repeats all of it: find it again by that."""
    if (asked.metadata or {}).get("chat_id"):
        return
    said = [*asked.said, ("assistant", reply.text)]
    await retry_until_available(lambda: in_db_thread(note_history)(turn.thread, said))


def _event(body: dict[str, Any]) -> str:
    return f"data: {_text(body)}\n\n"


def _json(body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(_text(body), status=status, content_type="application/json", headers=headers)


def _text(body: dict[str, Any]) -> str:
    return replace_lone_surrogates(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
