"""How a user's message or answer reaches a run: it is saved as an event, and put into the inbox of its chat session."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from agentchat.actions import validation
from agentchat.core.file_references import FileReference, text_of_message
from agentchat.errors import Rejected
from agentchat.events import ChatEvent, InputAnswered, InputRequested, TextMessageEnd, TextMessageStart
from agentchat.infra.encryption import encrypt
from agentchat.infra.sanitize import clean
from agentchat.infra.statements import insert, select_one
from agentchat.models import ChatSession, InboxItem, Run
from agentchat.models import Event as StoredEvent
from agentchat.realtime.frames import Frame
from agentchat.runs import direct_claims
from agentchat.runs.questions import Question
from agentchat.runs.session_lock import append
from agentchat.visitors import Visitor


def checked_text(text: str, *, may_be_empty: bool = False) -> str:
    """The message's text, as it can be stored. Raise Rejected if it is empty or too long."""
    text = clean(text)
    if not text.strip() and not may_be_empty:
        raise Rejected("empty", gettext("This message is empty."))
    validation.check_length(text)
    return text


def message_events(
    client_id: UUID, text: str, visitor: Visitor, files: Sequence[FileReference] = ()
) -> list[ChatEvent]:
    """A user's message as events."""
    message_id = str(client_id)
    return [
        TextMessageStart(message_id=message_id, role="user", name=visitor.name),
        TextMessageEnd(message_id=message_id, content=text, files=list(files) or None),
    ]


def deliver(
    session: ChatSession,
    run: Run,
    client_id: UUID,
    value: Any,
    question: Question | None,
    visitor: Visitor,
    *,
    shown: Sequence[ChatEvent] = (),
) -> list[Frame]:
    """Put a message or an answer into the inbox; if it answers the run's open question, queue or claim the run.

    Save what is `shown` of it as events, and that the question is answered. Return their frames.
    """
    is_secret = question is not None and "password" in question
    item = InboxItem(
        session=session,
        client_id=client_id,
        request_id=question["request"] if question else "",
        value=encrypt(value) if is_secret else value,
    )
    insert([item])
    if question is None:
        return append(session, run, shown)
    if not run.owner_process:  # otherwise a thread waits for the answer, and continues by itself
        direct_claims.queue(session, run)
    said = text_of_message(value) if question["kind"] == "text" else value
    answered = InputAnswered(request=question["request"], value=None if is_secret else said, by=visitor.name)
    if question.get("colleague"):
        answered = replace(answered, kind=question["kind"], colleague=True, visible=question.get("visible"))
    return append(session, run, [*shown, answered])


def open_question(run: Run) -> Question | None:
    """The question that the run waits for, if it has not been answered."""
    if run.status != Run.Status.WAITING or run.waits_for is not None:
        return None
    # By the chat session's numbers, not by run: a run may have very many events.
    asked = select_one(StoredEvent, session_id=run.session_id, type=InputRequested.type, order=("-seq",))
    if asked is None or asked.type != InputRequested.type:  # there is none, or one that cannot be read
        return None
    # An answer queues a run that has let go of its process (`deliver`). Where a thread waits, or has died, it may be
    # in the inbox still.
    is_held = run.owner_process or run.lease_until is not None
    if is_held and select_one(InboxItem, session_id=run.session_id, request_id=asked.payload["request"]) is not None:
        return None
    question: Question = asked.payload
    return question
