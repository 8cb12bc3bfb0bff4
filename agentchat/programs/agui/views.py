"""The addresses under `/agui/`."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ag_ui.core import PROTOCOL_VERSION, RunAgentInput
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from agentchat.core import registry
from agentchat.core.text import replace_lone_surrogates
from agentchat.events import InputAnswered, RunError, TextMessageEnd, ToolCallResult
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_db_thread, in_read_thread
from agentchat.programs.agui.client_tools import client_tools_in
from agentchat.programs.agui.requests import answer_of, read_input, results_in, said_in
from agentchat.programs.agui.snapshots import messages_of
from agentchat.programs.agui.state_events import StateEvents
from agentchat.programs.agui.translation import AguiEvent, Output, Position, Translation
from agentchat.programs.callers import Caller
from agentchat.programs.endpoints import endpoint
from agentchat.programs.errors import ProgramError
from agentchat.programs.session_stream import SessionStream
from agentchat.programs.threads import digest_of
from agentchat.programs.turns import Turn, begin, frames_of, last_turn, resume
from agentchat.programs.whole_events import whole_frame

PAUSE_SECONDS = 15.0
BEFORE_ALL = Position(-1)
_OF_STEPS = (TextMessageEnd.type, ToolCallResult.type, InputAnswered.type)  # saved with what a step has changed
_LAST = 2**54  # positions of what comes at the end of a turn: the same each time, whatever else there is
_ORDER = {"STATE_SNAPSHOT": 0, "STATE_DELTA": 0, "MESSAGES_SNAPSHOT": 1, "CUSTOM": 2, "RUN_ERROR": 3, "RUN_FINISHED": 3}


def write_error(error: ProgramError) -> HttpResponse:
    return JsonResponse({"error": {"code": error.code, "message": str(error)}})


@endpoint("GET", "POST", write_error=write_error, by_cookie=True)
async def agent(request: HttpRequest, caller: Caller, agent_name: str) -> HttpResponseBase:
    """POST runs the agent: a message, or the answer to an interrupt, and all that comes of it. GET: what it can do."""
    await in_read_thread(caller.check_agent)(agent_name)
    if request.method == "GET":
        return JsonResponse(_capabilities(agent_name))
    caller.check_write()
    found = read_input(request)
    turn = await in_db_thread(_begin)(caller, agent_name, found)
    return _stream(_events(caller, turn, found.thread_id, found.run_id, after=BEFORE_ALL))


@endpoint("GET", write_error=write_error, by_cookie=True)
async def events(request: HttpRequest, caller: Caller, agent_name: str, thread_id: str) -> HttpResponseBase:
    """The last turn of a thread, from its beginning or after the event whose id is in Last-Event-ID."""
    await in_read_thread(caller.check_agent)(agent_name)
    turn = await in_read_thread(last_turn)(caller, agent_name, thread_id)
    sent = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId", "")
    after = Position.parse(sent) if sent else BEFORE_ALL
    if after is None:
        raise ProgramError(400, "invalid_event_id", f"{sent!r:.100} is no id of an event.")
    run_id = request.GET.get("runId") or str(turn.client_id)
    return _stream(
        _events(caller, turn, thread_id, run_id, after=after if after.seq >= turn.thread.after else BEFORE_ALL)
    )


def _begin(caller: Caller, agent_name: str, found: RunAgentInput) -> Turn:
    tools = client_tools_in(found)
    if found.resume and len(found.resume) > 1:
        raise ProgramError(400, "invalid_input", "resume: an agent asks one question at a time.")
    answers = {each.interrupt_id: answer_of(each) for each in found.resume} if found.resume else results_in(found)
    if not answers:
        return begin(caller, said_in(agent_name, found, tools))
    request = digest_of("run", found.thread_id, found.run_id)
    return resume(caller, agent_name, found.thread_id, request=request, answers=answers, client_tools=tools)


async def _events(
    caller: Caller, turn: Turn, thread_id: str, run_id: str, *, after: Position
) -> AsyncIterator[Output | None]:
    """The events of the turn after a position; None after each pause."""
    own = {"threadId": thread_id, "runId": run_id}
    last = Position(turn.thread.after) if after == BEFORE_ALL else after
    if after == BEFORE_ALL:
        started = {"type": "RUN_STARTED", **own, "protocolVersion": PROTOCOL_VERSION}
        yield last, started
    state = StateEvents(turn.session_id)
    translation = Translation(after)
    translation.waiting = turn.waiting
    try:
        if turn.waiting is None:
            async with SessionStream(caller, turn.session_id, after=turn.thread.after) as stream:
                async for frame in frames_of(turn, stream, pause=PAUSE_SECONDS):
                    if frame is None:
                        yield None
                        continue
                    for position, event in translation.news(await whole_frame(frame, turn.session_id, caller.visitor)):
                        yield position, event
                        last = position
                    if frame["type"] in _OF_STEPS and frame["seq"] > after.seq:
                        changed = await retry_until_available(lambda: in_read_thread(state.news)())
                        if changed is not None:
                            yield last, changed
        ends = await retry_until_available(lambda: in_read_thread(_ends)(caller, turn, translation, state, own))
        for position, event in ends:
            if position > after:
                yield position, event
    except ProgramError as error:
        yield BEFORE_ALL, {"type": "RUN_ERROR", "message": str(error), "code": error.code}


def _ends(
    caller: Caller, turn: Turn, translation: Translation, state: StateEvents, own: dict[str, str]
) -> list[tuple[Position, AguiEvent]]:
    """What comes at the end of a turn: everything is closed, and the last event says how it ended."""
    closing = list(translation.closing())
    last = closing[-1][0].seq if closing else translation.seq
    events = _last_events(caller, turn, translation, state, own)
    return closing + [(Position(last, 2, _LAST + _ORDER[event["type"]]), event) for event in events]


def _last_events(
    caller: Caller, turn: Turn, translation: Translation, state: StateEvents, own: dict[str, str]
) -> Iterator[AguiEvent]:
    if (changed := state.last(whole=translation.interrupt is not None)) is not None:
        yield changed
    needs_messages = translation.interrupt is not None or translation.is_changed
    if needs_messages and (messages := messages_of(turn.session_id, caller.visitor)) is not None:
        yield {"type": "MESSAGES_SNAPSHOT", "messages": messages}
    end = translation.end
    usage = {"usage": translation.usage} if translation.usage else {}
    if end is not None and end["type"] == RunError.type:
        yield {"type": "RUN_ERROR", "message": end["message"], "code": end["code"], **usage}
        return
    if translation.waiting is not None:
        yield {"type": "CUSTOM", "name": "agentchat.waiting", "value": translation.waiting}
    outcome: dict[str, Any] = {"type": "success"}
    if translation.interrupt is not None:
        outcome = {"type": "interrupt", "interrupts": [translation.interrupt]}
    elif end is not None and end["outcome"].get("type") == "cancelled":
        outcome = {"type": "cancelled"}
    yield {"type": "RUN_FINISHED", **own, "outcome": outcome, **usage}


def _stream(events: AsyncIterator[Output | None]) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        async for each in events:
            if each is None:
                yield ": still here\n\n"
                continue
            position, event = each
            text = replace_lone_surrogates(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
            yield f"data: {text}\n\n" if position == BEFORE_ALL else f"id: {position}\ndata: {text}\n\n"

    headers = {"X-Accel-Buffering": "no"}
    return StreamingHttpResponse(lines(), content_type="text/event-stream; charset=utf-8", headers=headers)


def _capabilities(name: str) -> dict[str, Any]:
    agent = registry.find(name)
    assert agent is not None
    human = {"supported": True, "approvals": True, "interrupts": True, "approveWithEdits": True}
    return {
        "identity": {"name": str(agent.title), "description": str(agent.description), "provider": "agentchat"},
        "transport": {"streaming": True, "resumable": True},
        "tools": {"supported": True, "clientProvided": True},
        "state": {"snapshots": True, "deltas": True, "persistentState": True},
        "reasoning": {"supported": True, "streaming": True},
        "humanInTheLoop": human,
    }
