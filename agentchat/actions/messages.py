"""Sending a message, starting a chat with one, answering a question, stopping a run.

Each is one transaction on the locked chat session (`transactions.py`): the message is saved first, then published to
subscribers, and its run is woken or stopped. `branches.py` has retry, edit and the selection of a branch.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from agentchat.actions import attachments, colleagues, validation
from agentchat.actions.allowances import check_paused, use_message
from agentchat.actions.guest_limits import size_of, use_as_guest
from agentchat.actions.handovers import begun_handover, say_to_staff
from agentchat.actions.inbox import checked_text, deliver, message_events, open_question
from agentchat.actions.seeding import ClientMessage, seed
from agentchat.actions.transactions import (
    ActionResult,
    apply_once,
    check_agent,
    check_rate,
    commit,
    create_and_apply_once,
    live_run,
    lock_own_session,
    logger,
    publish_and_wake,
)
from agentchat.core.file_references import stored_message
from agentchat.core.text import title_of
from agentchat.events import RunFinished
from agentchat.models import ChatSession, Run
from agentchat.realtime.frames import Frame, frames_after
from agentchat.realtime.publish import send_direct_soon
from agentchat.runs.finalize import end_run
from agentchat.runs.questions import Question, is_expired
from agentchat.runs.runner import runner
from agentchat.runs.session_lock import lock_session, start_run
from agentchat.visitors import Visitor

TITLE_CHARS = 80  # of a chat, made of its first message


def send(session_id: UUID, visitor: Visitor, *, client_id: UUID, text: str, files: Sequence[UUID] = ()) -> None:
    """Send a user's message, with the uploads that have these ids.

    It answers the open question if the run waits for text. Otherwise it stays in the inbox until the run asks for
    input; if no run is live, it starts one. Raise Rejected as `apply_once` does.
    """
    text = checked_text(text, may_be_empty=bool(files))
    apply_once(session_id, visitor, client_id, _sending(visitor, client_id, text, files))


def start_chat(
    session_id: UUID,
    agent: str,
    visitor: Visitor,
    *,
    client_id: UUID,
    text: str,
    earlier: Sequence[ClientMessage] = (),
    files: Sequence[UUID] = (),
) -> None:
    """Create the visitor's chat session and send its first message: both, or neither; once, however often it is called.

    `earlier`: what was said before, as the client says. Raise Rejected as `send` does.
    """
    text = checked_text(text, may_be_empty=bool(files))
    sending = _sending(visitor, client_id, text, files, chats=1)

    def apply(session: ChatSession) -> ActionResult:
        frames = seed(session, visitor, earlier) if earlier and session.next_seq == 1 else []
        more, run = sending(session)
        return frames + more, run

    create_and_apply_once(session_id, agent, visitor, client_id, apply)


def send_held(session_id: UUID, owner: Visitor, *, client_id: UUID, text: str, files: Sequence[UUID]) -> None:
    """Send a message that was held until its files were checked: no limit of rate concerns it once more."""
    apply_once(session_id, owner, client_id, _sending(owner, client_id, text, files, was_held=True))


def message_from_code(session_id: UUID, author: Visitor, *, client_id: UUID, text: str) -> None:
    """The same for a message of the project's own code, which no limit of rate concerns: see `outbox.py`."""
    apply_once(session_id, author, client_id, _sending(author, client_id, text, (), is_limited=False))


def _sending(
    visitor: Visitor,
    client_id: UUID,
    text: str,
    file_ids: Sequence[UUID],
    *,
    chats: int = 0,
    is_limited: bool = True,
    was_held: bool = False,
) -> Callable[[ChatSession], ActionResult]:
    def apply(session: ChatSession) -> ActionResult:
        if is_limited and not was_held:
            check_rate(session)
            use_as_guest(visitor, chats=chats, messages=1, size=size_of(text))
        check_agent(session, visitor)
        run = live_run(session)
        if session.handover_id is None and not was_held:  # what was held has been let in already
            check_paused(session)
            if is_limited:
                use_message(session, starts_run=run is None)
        files = attachments.attach(session, visitor, file_ids)
        if attachments.is_held(files):
            attachments.hold(session, client_id, text, files)
            return [], None
        if files:
            attachments.release(session, client_id)
        references = attachments.references(files)
        frames: list[Frame] = []
        if run is None:
            run, frames = start_run(session)
        if not session.title:
            session.title = title_of(text or ", ".join(file.name for file in files), TITLE_CHARS)
        if session.handover_id is not None and (handover := begun_handover(session)) is not None:
            return frames + say_to_staff(session, run, handover, client_id, text, visitor, references), None
        question = open_question(run)
        if question is not None and not _takes_messages(question):
            question = None  # it needs another kind of answer; the message waits for its turn
        shown = message_events(client_id, text, visitor, references)
        value = stored_message(text, references)
        frames += deliver(session, run, client_id, value, question, visitor, shown=shown)
        return frames, run if run.status == Run.Status.QUEUED or question is not None else None

    return apply


def _takes_messages(question: Question) -> bool:
    """Whether whatever its user sends is the answer."""
    return question["kind"] == "text" and "password" not in question and not question.get("colleague")


def answer(session_id: UUID, visitor: Visitor, *, client_id: UUID, request: str, value: Any) -> None:
    """Answer a question with a text, a decision or a form, depending on its kind. The first answer wins.

    One to somebody else than the owner of the chat is answered as `colleagues.answer` does. Raise
    Rejected("already_answered") if the question is not open any more, and Rejected if the answer is invalid. That
    is found out before the transaction: nobody else waits for it. A question does not change.
    """
    asked = commit(lambda is_retry: _question_of(session_id, visitor, request))
    if asked is not None and asked.get("colleague"):
        colleagues.answer(session_id, visitor, client_id=client_id, request=request, value=value)
        return
    valid: Any = None if asked is None else validation.check(asked, value)

    def apply(session: ChatSession) -> ActionResult:
        check_rate(session)
        use_as_guest(visitor, messages=1, size=size_of(value))
        check_agent(session, visitor)
        if asked is not None and _takes_messages(asked):  # as a message would
            check_paused(session)
            use_message(session, starts_run=False)
        run = live_run(session)
        question = open_question(run) if run is not None else None
        if run is None or question is None or asked is None or question["request"] != request:
            raise colleagues.already_answered()
        if is_expired(question):
            raise validation.expired()
        is_message = question["kind"] == "text" and "password" not in question and valid.strip()
        shown = message_events(client_id, valid, visitor) if is_message else []
        return deliver(session, run, client_id, valid, question, visitor, shown=shown), run

    apply_once(session_id, visitor, client_id, apply)


def _question_of(session_id: UUID, visitor: Visitor, request: str) -> Question | None:
    """The visitor's open question with this id."""
    session = ChatSession.objects.of(visitor).filter(pk=session_id).first()
    run = live_run(session) if session is not None else None
    question = open_question(run) if run is not None else None
    return question if question is not None and question["request"] == request else None


def stop(session_id: UUID, *, by: str, visitor: Visitor | None = None) -> bool:
    """Stop the live run of a chat session, in whatever process it is. Return whether there was one.

    A run that waits or is queued ends in this transaction; a running one is told to unwind, in its own process, and
    ends a moment later. `by` is the user's name, for the log. With a `visitor`, raise Rejected if the session is
    not theirs.
    """
    targets: list[Run] = []  # at another attempt the following run may be live: it must not be stopped

    def apply(is_retry: bool) -> ActionResult:
        with lock_session(session_id) if visitor is None else lock_own_session(session_id, visitor) as session:
            run = live_run(session)
            if targets and (run is None or run.pk != targets[0].pk):
                return frames_after(session.pk, session.next_seq - 2), run
            if run is None:
                return [], None
            targets[:] = [run]
            if run.owner_process:
                Run.objects.filter(pk=run.pk).update(stop_requested=True)
                return [], None
            return end_run(session, run, Run.Status.STOPPED, RunFinished(outcome={"type": "cancelled"}))

    frames, following = commit(apply)
    if not targets:
        return False
    logger.info("run %d of chat session %s is stopped by %s", targets[0].number, session_id, by)
    runner.stop_soon(targets[0].pk)
    send_direct_soon(targets[0].owner_process, "run.stop", targets[0].pk, runner.loop)
    publish_and_wake(session_id, frames, following)
    return True
