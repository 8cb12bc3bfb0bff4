"""A turn: what a program says to an agent, and all that comes of it until it is the program's turn again.

The same for all protocols. `begin` sends a message, or answers the question that is open; `frames_of` follows what
comes of it. A turn ends with the run, with a question to the caller, or where the agent waits for something that the
caller cannot give: a colleague's answer, a signal, staff. The run does not depend on anybody who follows it.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid5

from django.utils.translation import gettext

from agentchat.actions import messages
from agentchat.actions.colleagues import already_answered
from agentchat.actions.inbox import open_question
from agentchat.actions.seeding import ClientMessage
from agentchat.actions.transactions import live_run
from agentchat.errors import Rejected
from agentchat.events import (
    HandoverRequested,
    InputAnswered,
    InputRequested,
    RunError,
    RunFinished,
    RunWaiting,
    TextMessageStart,
)
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_read_thread
from agentchat.models import ChatSession, ClientThread, InboxItem
from agentchat.programs.callers import Caller
from agentchat.programs.errors import ProgramError
from agentchat.programs.session_stream import SessionStream
from agentchat.programs.threads import (
    find_thread,
    forget,
    new_thread,
    note_request,
    thread_named,
    thread_of_request,
    thread_with_history,
)
from agentchat.realtime.frames import Frame
from agentchat.runs.questions import Question
from agentchat.tools.client import CLIENT_QUESTION

Waiting = Literal["colleague", "signal", "staff"]

MAX_HISTORY = 1_000  # messages
MAX_NAME_CHARS = 500


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a program says, and in which conversation.

    `thread` is its name for it; without one, `history` is a digest of what was said before. `earlier` is what it says
    was said before, for a conversation that is not known here. `request` is the same if the request is sent again;
    `is_repeat`: it may have been. `message_id`: the message's own, if it has one.
    """

    agent: str
    text: str
    thread: str | None = None
    history: str = ""
    earlier: Sequence[ClientMessage] = ()
    request: str = ""
    is_repeat: bool = False
    client_tools: Sequence[Mapping[str, Any]] = ()
    message_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A turn that has begun. `waiting`: what the agent waits for, so that nothing comes of it for now."""

    thread: ClientThread
    answered: str = ""  # the question that it answers
    has_begun: bool = False  # with the first event after `thread.after`, whatever that is
    waiting: Waiting | None = None

    @property
    def session_id(self) -> UUID:
        found: UUID = self.thread.session_id
        return found

    @property
    def client_id(self) -> UUID:
        assert self.thread.client_id is not None
        return self.thread.client_id


def begin(caller: Caller, said: Said) -> Turn:
    """Send a message, or answer the open question with it. In a thread for database work.

    Sent again, it counts once. Raise Rejected or ProgramError; nothing was sent then.
    """
    visitor = caller.visitor
    thread = thread_of_request(visitor, said.agent, said.request) if said.is_repeat else None
    is_repeat = thread is not None
    if thread is None and said.thread is not None:
        thread = thread_named(visitor, said.agent, said.thread)
    elif thread is None and said.history:
        thread = thread_with_history(visitor, said.agent, said.history)
    if thread is None:
        thread = new_thread(visitor, said.agent)
    session = ChatSession.objects.filter(pk=thread.session_id).first()
    if not is_repeat:
        after = session.next_seq - 1 if session else 0
        note_request(thread, said.request, after=after, client_id=said.message_id, client_tools=said.client_tools)
    assert thread.client_id is not None
    if session is None:
        try:
            messages.start_chat(
                thread.session_id, said.agent, visitor, client_id=thread.client_id, text=said.text, earlier=said.earlier
            )
        except Rejected as rejected:
            if rejected.reason != "unavailable":  # then nobody knows whether there is a chat
                forget(thread)
            raise
        return Turn(thread=thread)
    return _continue(caller, thread, session, said.text)


def _continue(caller: Caller, thread: ClientThread, session: ChatSession, text: str) -> Turn:
    assert thread.client_id is not None
    sent = InboxItem.objects.filter(session=session, client_id=thread.client_id).first()
    if sent is not None:
        return Turn(thread=thread, answered=sent.request_id)
    own = {"client_id": thread.client_id}
    run = live_run(session)
    question = open_question(run) if run is not None else None
    if session.handover_id is not None or run is None or question is None:
        waits = run is not None and run.waits_for is not None
        messages.send(session.pk, caller.visitor, text=text, client_id=thread.client_id)
        return Turn(thread=thread, waiting="staff" if session.handover_id else "signal" if waits else None)
    if question.get("colleague"):
        messages.send(session.pk, caller.visitor, text=text, client_id=thread.client_id)
        return Turn(thread=thread, waiting="colleague")
    value = answer_in(question, text)
    messages.answer(session.pk, caller.visitor, request=question["request"], value=value, **own)
    return Turn(thread=thread, answered=question["request"])


def last_turn(caller: Caller, agent: str, name: str) -> Turn:
    """The last turn of the thread with this name, to be followed once more. Raise ProgramError if there is none."""
    thread = find_thread(caller.visitor, agent, name)
    session = ChatSession.objects.of(caller.visitor).filter(pk=thread.session_id).first() if thread else None
    if thread is None or session is None or thread.client_id is None:
        raise ProgramError(404, "not_found", "There is no such thread.")
    sent = InboxItem.objects.filter(session=session, client_id=thread.client_id).first()
    return Turn(thread=thread, answered=sent.request_id if sent else "", has_begun=sent is None)


def resume(
    caller: Caller,
    agent: str,
    name: str,
    *,
    request: str,
    answers: Mapping[str, Callable[[Question], Any] | None],
    client_tools: Sequence[Mapping[str, Any]] = (),
) -> Turn:
    """Answer the open question, once, however often it is answered; None declines to.

    `answers` are by the id of the question, or of the call that it is about. Who declines an approval or a call rejects
    it; any other question can only be declined by stopping the run. Raise ProgramError or Rejected.
    """
    turn = last_turn(caller, agent, name)
    thread, visitor = turn.thread, caller.visitor
    if thread.request == request:
        return turn
    session = ChatSession.objects.get(pk=thread.session_id)
    run = live_run(session)
    question = open_question(run) if run is not None else None
    ids = (question["request"], question.get("toolCallId", "")) if question is not None else ()
    found = [answers[each] for each in ids if each in answers]
    if question is None or not found:
        if any(thread.client_id == uuid5(session.pk, each) for each in answers):
            return turn
        raise already_answered()
    asked, value = question["request"], found[0]
    is_declined = value is None and question["kind"] != "approval" and not is_client_call(question)
    given = None if is_declined else _DECLINED[question["kind"]] if value is None else value(question)
    note_request(
        thread,
        request,
        after=session.next_seq - 1,
        client_id=uuid5(session.pk, asked),
        client_tools=client_tools,
    )
    if is_declined:
        messages.stop(session.pk, by=visitor.name, visitor=visitor)
        return Turn(thread=thread, has_begun=True)
    assert thread.client_id is not None
    messages.answer(session.pk, visitor, client_id=thread.client_id, request=asked, value=given)
    return Turn(thread=thread, answered=asked)


_DECLINED = {"approval": {"decision": "reject"}, "form": {"result": "Error: the client has declined this call"}}


def is_client_call(question: Question) -> bool:
    """Whether the client is asked for the result of a call of its own tool."""
    return question.get("name") == CLIENT_QUESTION and "toolCallId" in question


def answer_in(question: Question, text: str) -> Any:
    """The answer that a text is: itself, a decision, or the JSON of one or of a form. Raise Rejected("invalid")."""
    if question["kind"] == "text":
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    word, _, reason = text.strip().partition(" ")
    if question["kind"] == "approval" and word.casefold().rstrip(".,:!") in ("approve", "reject"):
        decision = word.casefold().rstrip(".,:!")
        return (
            {"decision": decision, "reason": reason.strip()}
            if reason and decision == "reject"
            else {"decision": decision}
        )
    if question["kind"] == "approval":
        raise Rejected("invalid", gettext("Approve or reject this."))
    raise Rejected("invalid", gettext("Answer this form with a JSON object."))


# --- what comes of it -------------------------------------------------------------------------------------------------


def waiting_in(frame: Frame) -> Waiting | None:
    """What the run waits for from this event on, that its user cannot give."""
    match frame["type"]:
        case HandoverRequested.type:
            return "staff"
        case RunWaiting.type if not frame.get("over"):
            return "signal"
        case InputRequested.type if frame.get("colleague"):
            return "colleague"
    return None


async def frames_of(turn: Turn, stream: SessionStream, *, pause: float) -> AsyncIterator[Frame | None]:
    """The frames of the turn up to its end, which comes last; None after each pause of so many seconds."""
    has_begun = turn.has_begun
    while True:
        frame = await stream.next(pause)
        if frame is None:
            yield None
            continue
        has_begun = has_begun or _begins(turn, frame)
        if not has_begun:
            continue
        yield frame
        if await _ends(turn, frame):
            return


def _begins(turn: Turn, frame: Frame) -> bool:
    if turn.answered and frame["type"] == InputAnswered.type:
        return bool(frame["request"] == turn.answered)
    return frame["type"] == TextMessageStart.type and bool(frame["messageId"] == str(turn.client_id))


async def _ends(turn: Turn, frame: Frame) -> bool:
    if frame["type"] in (RunFinished.type, RunError.type):
        return not await retry_until_available(lambda: in_read_thread(_is_unread)(turn))
    return frame["type"] == InputRequested.type or waiting_in(frame) is not None


def _is_unread(turn: Turn) -> bool:
    """Whether the message came too late for the run that has ended, and is read by the next one."""
    unread = InboxItem.objects.filter(session=turn.session_id, client_id=turn.client_id, run=None)
    return unread.exists()
