"""What an AG-UI client sends: a `RunAgentInput`, of which its own last message or its answers count."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from pydantic import ValidationError

from agentchat.actions.seeding import ClientMessage, ClientRole
from agentchat.programs.errors import ProgramError
from agentchat.programs.threads import digest_of
from agentchat.programs.turns import MAX_HISTORY, MAX_NAME_CHARS, Said, is_client_call
from agentchat.runs.questions import Question

try:
    from ag_ui.core import Message, ResumeEntry, RunAgentInput
except ImportError as error:
    raise ImproperlyConfigured("APIS has 'agui', which needs ag-ui-protocol: pip install 'agentchat[agui]'") from error

_ROLES: dict[str, ClientRole] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
}


def read_input(request: HttpRequest) -> RunAgentInput:
    """The input in the body. Raise ProgramError."""
    if request.content_type != "application/json":
        raise ProgramError(415, "unsupported_media_type", "Send JSON, with “Content-Type: application/json”.")
    try:
        found = RunAgentInput.model_validate_json(request.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ProgramError(400, "invalid_input", f"{where}: {first['msg']}" if where else first["msg"]) from error
    for name in (found.thread_id, found.run_id):
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise ProgramError(
                400, "invalid_input", f"threadId and runId have 1 to {MAX_NAME_CHARS} printable characters."
            )
    if len(found.messages) > MAX_HISTORY:
        raise ProgramError(400, "invalid_input", f"messages: {MAX_HISTORY} at most.")
    return found


def said_in(agent: str, found: RunAgentInput, client_tools: Sequence[Mapping[str, Any]]) -> Said:
    """The last message, which must be the user's, and what the client says was said before. Raise ProgramError."""
    last = found.messages[-1] if found.messages else None
    if last is None or last.role != "user":
        raise ProgramError(400, "last_message", "The last of the messages must be the user's, or resume an interrupt.")
    before = [each for each in found.messages[:-1] if each.role in _ROLES and text_of(each).strip()]
    return Said(
        agent=agent,
        text=text_of(last),
        thread=found.thread_id,
        earlier=[ClientMessage(role=_ROLES[each.role], text=text_of(each)) for each in before],
        request=digest_of("run", found.thread_id, found.run_id),
        is_repeat=True,
        client_tools=client_tools,
        message_id=_uuid(last.id),
    )


def text_of(message: Message) -> str:
    """The text of a message. Raise ProgramError for other parts."""
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ProgramError(400, "invalid_input", "messages: only texts are understood.")
    for part in content:
        if part.type != "text":
            raise ProgramError(400, "invalid_input", f"messages: only texts are understood, not {part.type!r:.50}.")
    return "\n".join(part.text for part in content if part.type == "text")


Answer = Callable[[Question], Any]


def answer_of(entry: ResumeEntry) -> Answer | None:
    """The answer in an interrupt that is resolved, as the question wants it; None in one that is cancelled."""
    return (lambda question: _answer(question, entry.payload)) if entry.status == "resolved" else None


def results_in(found: RunAgentInput) -> dict[str, Answer | None]:
    """The results of client tools that the messages end with, by the ids of their calls. Raise ProgramError."""
    answers: dict[str, Answer | None] = {}
    for message in takewhile(lambda each: each.role == "tool", reversed(found.messages)):
        assert message.role == "tool"
        text = text_of(message) or (f"Error: {message.error}" if message.error else "")
        answers[message.tool_call_id] = partial(_result, text)
    return answers


def _result(text: str, question: Question) -> Any:
    if not is_client_call(question):
        raise ProgramError(400, "invalid_input", "messages: the agent waits for no result of a tool.")
    return {"result": text}


def _answer(question: Question, payload: Any) -> Any:
    """AG-UI has names of its own for approvals. The result of a client tool is any value."""
    if is_client_call(question):
        return {"result": payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)}
    if question["kind"] != "approval" or not isinstance(payload, dict) or "decision" in payload:
        return payload
    if not payload.get("approved"):
        reason = payload.get("reason")
        return {"decision": "reject", "reason": reason} if isinstance(reason, str) else {"decision": "reject"}
    edited = payload.get("editedArgs")
    return {"decision": "approve", "arguments": edited} if edited is not None else {"decision": "approve"}


def _uuid(text: str) -> uuid.UUID | None:
    """The id of a message, where it can be ours, too."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
