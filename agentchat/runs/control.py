"""What people do to a chat session: send a message, answer a question, stop, try again, turn to another branch.

Each is one transaction on the locked chat session, made in any thread of any process: what is said is saved first,
then told to those who look, and the run that it concerns is woken or stopped. Nothing here waits for an agent. If the
database loses the transaction, it is made again for a few seconds; the client's id says whether it was written before.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext

from agentchat import conf, registry
from agentchat.errors import DatabaseAway, Rejected
from agentchat.events import (
    BranchSelected,
    InputAnswered,
    InputRequested,
    RunFinished,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.models import ChatSession, InboxItem, Run
from agentchat.models import Event as StoredEvent
from agentchat.runs import answers, lists, points
from agentchat.runs.answers import Question
from agentchat.runs.branches import Tree
from agentchat.runs.database import PERSON_S, whole
from agentchat.runs.ending import BRANCH, end_run
from agentchat.runs.engines import engine
from agentchat.runs.frames import Frame, frames_after
from agentchat.runs.publish import publish_soon, tell_owner_soon
from agentchat.runs.runner import runner
from agentchat.runs.sealing import seal
from agentchat.runs.session import append, locked, select, start_run
from agentchat.runs.storable import clean, clean_json
from agentchat.visitors import Visitor

T = TypeVar("T")

Told = tuple[list[Frame], Run | None]  # what is to be published, and the run that is to be woken

logger = logging.getLogger("agentchat.runs")

TITLE_CHARS = 80  # of the first message
MAX_COMMENT_CHARS = 2000
SET_ASIDE = "set_aside"  # of a run that waited when the person turned to another branch


def send(session_id: UUID, visitor: Visitor, *, client_id: UUID, text: str) -> None:
    """Take a person's message.

    It answers the open question, if the run waits for words; else it lies in the inbox until the run asks, and starts
    the next run if none lives. A message that was sent before (the same `client_id`) counts once.

    Raise Rejected if it cannot be taken; nothing has changed then, unless it is "unavailable": nobody knows.
    """
    text = _checked(text)

    def take(again: bool) -> Told:
        with _own(session_id, visitor) as session:
            if session.inbox.filter(client_id=client_id).exists():
                return _taken_before(session)
            _check_rate(session)
            run = _live_run(session)
            frames: list[Frame] = []
            _check_agent(session, visitor)
            if run is None:
                run, frames = start_run(session)
            if not session.title:
                session.title = _title(text)
            question = _open_question(run)
            if question is not None and (question["kind"] != "text" or "password" in question):
                question = None  # it wants another kind of answer; the message waits for its turn
            frames += _say(session, run, client_id, text, visitor)
            frames += _answer(session, run, client_id, text, question, visitor)
            return frames, run if run.status == Run.Status.QUEUED or question is not None else None

    _tell(session_id, *_saved(take))


def answer(session_id: UUID, visitor: Visitor, *, client_id: UUID, request: str, value: Any) -> None:
    """Take a person's answer to one question: a text, a decision or a form, as its kind wants it; the first one wins.

    Raise Rejected("already_answered") if the question is not open any more, and Rejected if the answer does not fit.
    """

    def take(again: bool) -> Told:
        with _own(session_id, visitor) as session:
            if session.inbox.filter(client_id=client_id).exists():
                return _taken_before(session)
            _check_rate(session)
            _check_agent(session, visitor)
            run = _live_run(session)
            question = _open_question(run) if run is not None else None
            if run is None or question is None or question["request"] != request:
                raise Rejected("already_answered", gettext("This question has been answered already."))
            fitting = answers.check(question, clean_json(value))
            frames: list[Frame] = []
            if question["kind"] == "text" and "password" not in question and fitting.strip():
                frames = _say(session, run, client_id, fitting, visitor)
            frames += _answer(session, run, client_id, fitting, question, visitor)
            return frames, run

    _tell(session_id, *_saved(take))


def stop(session_id: UUID, *, by: str, visitor: Visitor | None = None) -> bool:
    """Stop the live run of a chat session, wherever it is. Return whether there was one.

    A run that waits or is queued ends here and now; one that advances is told to unwind, in its own process, and ends
    a moment later. `by` is for the log: whose wish it was. With a `visitor` it must be theirs, or Rejected is raised.
    """
    meant: list[Run] = []  # at another try, one that follows may live: nobody wants that stopped

    def stop(again: bool) -> Told:
        with locked(session_id) if visitor is None else _own(session_id, visitor) as session:
            run = _live_run(session)
            if meant and (run is None or run.pk != meant[0].pk):
                return frames_after(session.pk, session.next_seq - 2), run
            if run is None:
                return [], None
            meant[:] = [run]
            if run.owner_process:
                Run.objects.filter(pk=run.pk).update(stop_requested=True)
                return [], None
            fact = RunFinished(outcome={"type": "cancelled"})
            return end_run(session, run, Run.Status.STOPPED, fact)

    frames, following = _saved(stop)
    if not meant:
        return False
    logger.info("run %d of chat session %s is stopped by %s", meant[0].number, session_id, by)
    runner.stop_soon(meant[0].pk)
    tell_owner_soon(meant[0].owner_process, "run.stop", meant[0].pk, runner.loop)
    _tell(session_id, frames, following)
    return True


# --- branches -------------------------------------------------------------------------------------------------------


def retry(session_id: UUID, visitor: Visitor, *, client_id: UUID, message_id: str | None = None) -> None:
    """Have an agent's message written again; without one, go on where the last run failed or was stopped.

    Asked twice with the same `client_id`, it is done once. Raise Rejected if it cannot be done, or a run is at work.
    """

    def take(again: bool) -> Told:
        with _own(session_id, visitor) as session:
            if session.inbox.filter(client_id=client_id).exists():
                return _taken_before(session)
            _check_rate(session)
            _check_agent(session, visitor)
            frames = _set_aside(session)
            point = points.of_the_break(session) if message_id is None else points.of_an_answer(session, message_id)
            run, parted, after = points.part(session, point)
            frames += parted + points.say_again(session, run, after)
            _remember(session, run, client_id, {"retry": message_id})
            return frames, run

    _tell(session_id, *_saved(take))


def edit(session_id: UUID, visitor: Visitor, *, client_id: UUID, message_id: str, text: str) -> None:
    """Take back what the person said, and all that came of it, and say this instead: in a new branch.

    `client_id` is the new message's; sent twice it counts once. Raise Rejected as `send` and `retry` do.
    """
    text = _checked(text)

    def take(again: bool) -> Told:
        with _own(session_id, visitor) as session:
            if session.inbox.filter(client_id=client_id).exists():
                return _taken_before(session)
            _check_rate(session)
            _check_agent(session, visitor)
            frames = _set_aside(session)
            point = points.of_words(session, message_id)
            run, parted, after = points.part(session, point)
            frames += parted + _say(session, run, client_id, text, visitor)
            question = {"request": point.question, "kind": "text"} if point.question else None
            frames += _answer(session, run, client_id, text, question, visitor)
            frames += points.say_again(session, run, after)
            return frames, run

    _tell(session_id, *_saved(take))


def select_branch(session_id: UUID, visitor: Visitor, *, client_id: UUID, number: int) -> None:
    """Look at the branch that goes on with the run of this number. A run that was set aside asks its question again.

    Raise Rejected if there is no such run, or a run is at work.
    """

    def take(again: bool) -> Told:
        with _own(session_id, visitor) as session:
            if session.inbox.filter(client_id=client_id).exists():
                return _taken_before(session)
            tree = Tree.of(session.pk)
            node = tree.numbered(number)
            if node is None:
                raise Rejected("no_such_run", gettext("This version is not there any more."))
            end = tree.end_of(node)
            if end.pk == session.head_id:
                return [], None
            _check_rate(session)
            frames = _set_aside(session)
            run = session.runs.get(pk=end.pk)
            select(session, run)
            frames += append(session, run, [BranchSelected()])
            _remember(session, run, client_id, {"branch": number})
            return frames, _take_up(session, run, visitor, frames)

    _tell(session_id, *_saved(take))


def _set_aside(session: ChatSession) -> list[Frame]:
    """End a run that only waits for the person, to be taken up again when they come back to its branch."""
    run = _live_run(session)
    if run is None:
        return []
    if run.status != Run.Status.WAITING or run.owner_process:
        raise Rejected("busy", gettext("Please wait until this answer is complete, or stop it."))
    session.inbox.filter(run=None).update(run=run)  # meant for this branch, and for no run that would follow in it
    run.error_code = SET_ASIDE
    frames, _ = end_run(session, run, Run.Status.STOPPED, RunFinished(outcome={"type": "cancelled"}))
    return frames


def _take_up(session: ChatSession, run: Run, visitor: Visitor, frames: list[Frame]) -> Run | None:
    """Let a run that was set aside go on to its question. One that cannot is only looked at."""
    if run.error_code != SET_ASIDE:
        return None
    try:
        _check_agent(session, visitor)
        again, parted, after = points.part(session, points.of_the_break(session))
    except Rejected:
        return None
    frames += parted + points.say_again(session, again, after)
    return again


def _remember(session: ChatSession, run: Run, client_id: UUID, value: dict[str, Any]) -> None:
    """That this was asked for: it counts once, and among the messages of a minute. No run takes it for a message."""
    InboxItem.objects.create(session=session, run=run, client_id=client_id, request_id=BRANCH, value=value)


def rate(session_id: UUID, visitor: Visitor, *, message_id: str, value: str | None, comment: str = "") -> None:
    """Keep what the person thinks of an agent's message: "up", "down", or None for nothing any more. Raise Rejected."""
    comment = clean(comment).strip()
    if len(comment) > MAX_COMMENT_CHARS:
        message = gettext("A comment has %(limit)d characters at most.") % {"limit": MAX_COMMENT_CHARS}
        raise Rejected("too_long", message)

    def keep(again: bool) -> None:
        with _own(session_id, visitor) as session:
            starts = StoredEvent.objects.filter(
                session=session, type=TextMessageStart.type, payload__messageId=message_id
            )
            if not starts.exclude(payload__role="user").exists():
                raise Rejected("no_such_message", gettext("This message is not there any more."))
            if value is None:
                session.feedback.filter(message_id=message_id).delete()
            else:
                session.feedback.update_or_create(message_id=message_id, defaults={"value": value, "comment": comment})

    _saved(keep)


def _checked(text: str) -> str:
    """A message that can be taken. Raise Rejected."""
    text = clean(text)
    if not text.strip():
        raise Rejected("empty", gettext("There is nothing in this message."))
    answers.check_length(text)
    return text


# --- transactions ---------------------------------------------------------------------------------------------------


def _saved(transaction: Callable[[bool], T]) -> T:
    """What the transaction returns, made again where the database has lost it. Raise Rejected("unavailable")."""
    try:
        return whole(transaction, within=PERSON_S)
    except DatabaseAway as error:
        logger.error("what a person did could not be saved: %s", error)
        words = gettext("This could not be saved at the moment. Please look whether it has arrived, and try again.")
        raise Rejected("unavailable", words) from error


def _tell(session_id: UUID, frames: list[Frame], run: Run | None) -> None:
    """It is saved: tell those who look, and wake the run that waits for it."""
    publish_soon(session_id, frames, runner.loop)
    lists.ring_for(session_id)
    if run is not None:
        engine().wake(run.pk)
        tell_owner_soon(run.owner_process, "run.nudge", run.pk, runner.loop)


def _taken_before(session: ChatSession) -> Told:
    """What is to be told of something that was written before: perhaps a moment ago, and nobody has heard of it."""
    run = _live_run(session)
    last = frames_after(session.pk, session.next_seq - 2)
    return last, run if run is not None and run.status == Run.Status.QUEUED else None


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
        if session.deleted_at is not None:  # a moment ago
            raise Rejected("not_found", gettext("This chat is not there any more."))
        yield session


def _check_rate(session: ChatSession) -> None:
    since = timezone.now() - timedelta(minutes=1)
    owned = {"session__owner_id": session.owner_id, "session__guest_key": session.guest_key}
    limit = conf.app.messages_per_minute
    # What somebody said changed its chat session: of an owner's thousands only those of the last minute are looked at.
    recent = InboxItem.objects.filter(created_at__gt=since, session__updated_at__gt=since, **owned)
    if recent.count() >= limit:
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
    # The last one of the chat session, by its numbers: a run may have told very much before.
    asked = StoredEvent.objects.filter(session=run.session_id, type=InputRequested.type).order_by("-seq").first()
    if asked is None or InboxItem.objects.filter(session=run.session_id, request_id=asked.payload["request"]).exists():
        return None
    question: Question = asked.payload
    return question


def _title(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= TITLE_CHARS else words[: TITLE_CHARS - 1].rstrip() + "…"
