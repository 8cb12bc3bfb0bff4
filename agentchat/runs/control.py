"""What people do to a chat session: send a message, answer a question, stop.

Each is one transaction on the locked chat session, made in any thread of any process: what is said is saved first,
then told to those who look, and the run that it concerns is woken or stopped. Nothing here waits for an agent.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext

from agentchat import conf, registry
from agentchat.errors import Rejected
from agentchat.events import InputAnswered, InputRequested, RunFinished, TextMessageEnd, TextMessageStart
from agentchat.models import ChatSession, InboxItem, Run
from agentchat.models import Event as StoredEvent
from agentchat.runs import answers
from agentchat.runs.answers import Question
from agentchat.runs.engines import engine
from agentchat.runs.frames import Frame
from agentchat.runs.journal import append, end_unclaimed, locked, start_run
from agentchat.runs.publish import publish_soon
from agentchat.runs.runner import runner
from agentchat.runs.sealing import seal
from agentchat.visitors import Visitor

logger = logging.getLogger("agentchat.runs")

TITLE_CHARS = 80  # of the first message


def send(session_id: UUID, visitor: Visitor, *, client_id: UUID, text: str) -> None:
    """Take a person's message.

    It answers the open question, if the run waits for words; else it lies in the inbox until the run asks, and starts
    the next run if none lives. A message that was sent before (the same `client_id`) counts once.

    Raise Rejected if it cannot be taken; nothing has changed then.
    """
    text = _clean(text)
    if not text.strip():
        raise Rejected("empty", gettext("There is nothing in this message."))
    answers.check_length(text)
    with _own(session_id, visitor) as session:
        if session.inbox.filter(client_id=client_id).exists():
            return
        _check_rate(session)
        run = _live_run(session)
        frames: list[Frame] = []
        _check_agent(session, visitor)
        if run is None:
            run, frames = start_run(session)
        if not session.title:
            session.title = _title(text)
            session.save(update_fields=["title"])
        question = _open_question(run)
        if question is not None and (question["kind"] != "text" or "password" in question):
            question = None  # it wants another kind of answer; the message waits for its turn
        frames += _say(session, run, client_id, text, visitor)
        frames += _answer(session, run, client_id, text, question, visitor)
    publish_soon(session_id, frames, runner.loop)
    if run.status == Run.Status.QUEUED or question is not None:
        engine().wake(run.pk)


def answer(session_id: UUID, visitor: Visitor, *, client_id: UUID, request: str, value: Any) -> None:
    """Take a person's answer to one question: a text, a decision or a form, as its kind wants it; the first one wins.

    Raise Rejected("already_answered") if the question is not open any more, and Rejected if the answer does not fit.
    """
    with _own(session_id, visitor) as session:
        if session.inbox.filter(client_id=client_id).exists():
            return
        _check_rate(session)
        _check_agent(session, visitor)
        run = _live_run(session)
        question = _open_question(run) if run is not None else None
        if run is None or question is None or question["request"] != request:
            raise Rejected("already_answered", gettext("This question has been answered already."))
        value = answers.check(question, _clean_json(value))
        frames: list[Frame] = []
        if question["kind"] == "text" and "password" not in question and value.strip():
            frames = _say(session, run, client_id, value, visitor)
        frames += _answer(session, run, client_id, value, question, visitor)
    publish_soon(session_id, frames, runner.loop)
    engine().wake(run.pk)


def stop(session_id: UUID, *, by: str, visitor: Visitor | None = None) -> bool:
    """Stop the live run of a chat session, wherever it is. Return whether there was one.

    A run that waits or is queued ends here and now; one that advances is told to unwind, in its own process, and ends
    a moment later. `by` is for the log: whose wish it was. With a `visitor` it must be theirs, or Rejected is raised.
    """
    with locked(session_id) if visitor is None else _own(session_id, visitor) as session:
        run = _live_run(session)
        if run is None:
            return False
        frames: list[Frame] = []
        following: Run | None = None
        if run.owner_process:
            Run.objects.filter(pk=run.pk).update(stop_requested=True)
        else:
            fact = RunFinished(outcome={"type": "cancelled"})
            frames, following = end_unclaimed(session, run, Run.Status.STOPPED, fact)
    logger.info("run %d of chat session %s is stopped by %s", run.number, session_id, by)
    publish_soon(session_id, frames, runner.loop)
    runner.stop_soon(run.pk)
    if following is not None:
        engine().wake(following.pk)
    return True


def _say(session: ChatSession, run: Run, client_id: UUID, text: str, visitor: Visitor) -> list[Frame]:
    """Show what a person said."""
    message_id = str(client_id)
    start = TextMessageStart(message_id=message_id, role="user", name=visitor.name)
    return append(session, run, [start, TextMessageEnd(message_id=message_id, content=text)])


def _answer(
    session: ChatSession, run: Run, client_id: UUID, value: Any, question: Question | None, visitor: Visitor
) -> list[Frame]:
    """Put what a person said into the inbox; if it answers the question that the run waits with, queue the run."""
    is_secret = question is not None and "password" in question
    InboxItem.objects.create(
        session=session,
        client_id=client_id,
        request_id=question["request"] if question else "",
        value=seal(value) if is_secret else value,
    )
    if question is None:
        return []
    if not run.owner_process:  # else a thread holds it, waits for this and goes on by itself
        run.status = Run.Status.QUEUED
        run.queued_at, run.waits_until = timezone.now(), None
        run.save(update_fields=["status", "queued_at", "waits_until"])
    fact = InputAnswered(request=question["request"], value=None if is_secret else value, by=visitor.name)
    return append(session, run, [fact])


@contextmanager
def _own(session_id: UUID, visitor: Visitor) -> Iterator[ChatSession]:
    """The visitor's chat session, locked. Somebody else's is as good as none."""
    if not ChatSession.objects.of(visitor).filter(pk=session_id).exists():
        raise Rejected("not_found", gettext("This chat is not there any more."))
    with locked(session_id) as session:
        yield session


def _check_rate(session: ChatSession) -> None:
    since = timezone.now() - timedelta(minutes=1)
    owned = {"session__owner_id": session.owner_id, "session__guest_key": session.guest_key}
    limit = conf.app.messages_per_minute
    if InboxItem.objects.filter(created_at__gt=since, **owned).count() >= limit:
        raise Rejected("too_many_messages", gettext("That was a lot at once. Please wait a minute."))


def _check_agent(session: ChatSession, visitor: Visitor) -> None:
    agent = registry.find(session.agent)
    if agent is None or not agent.is_open_to(visitor.user):
        raise Rejected("agent_not_available", gettext("This agent is not available to you any more."))


def _live_run(session: ChatSession) -> Run | None:
    return session.runs.filter(status__in=Run.LIVE).first()


def _open_question(run: Run) -> Question | None:
    """The question that the run waits with, if nobody has answered it."""
    if run.status != Run.Status.WAITING:
        return None
    asked = StoredEvent.objects.filter(run=run, type=InputRequested.type).order_by("-seq").first()
    if asked is None or InboxItem.objects.filter(session=run.session_id, request_id=asked.payload["request"]).exists():
        return None
    question: Question = asked.payload
    return question


def _title(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= TITLE_CHARS else words[: TITLE_CHARS - 1].rstrip() + "…"


def _clean(text: str) -> str:
    """The text without what no database takes: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _clean_json(value: Any) -> Any:
    """A JSON value whose texts are clean."""
    match value:
        case str():
            return _clean(value)
        case dict():
            return {_clean(key): _clean_json(each) for key, each in value.items()}
        case list():
            return [_clean_json(each) for each in value]
    return value
