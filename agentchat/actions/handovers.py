"""What staff do in the chats of others: look on, take a chat over, speak in it, and give it back to the agent.

Whether somebody may is judged at the moment when they act, in the transaction that takes it, with the user as the
database has them. Who takes part is in the transcript; who has read a chat, taken it over, joined, spoken and given it
back is in the log of Django's admin, too.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from agentchat.actions.colleagues import fresh_user, is_addressed, lock_chat, may_answer
from agentchat.actions.inbox import checked_text
from agentchat.actions.staff_access import has_rules, may_see
from agentchat.actions.staff_log import log_act, log_once
from agentchat.actions.transactions import ActionResult, commit, live_run, publish_and_wake
from agentchat.core.addressees import Addressee
from agentchat.core.file_references import FileReference, stored_message
from agentchat.errors import Rejected
from agentchat.events import HandoverEnded, RunFinished, TextMessageEnd, TextMessageStart
from agentchat.infra import moments
from agentchat.infra.statements import insert, update
from agentchat.models import ChatSession, Event, Handover, InboxItem, Run
from agentchat.realtime.frames import Frame
from agentchat.runs import handovers
from agentchat.runs.finalize import end_run
from agentchat.runs.session_lock import append
from agentchat.visitors import Visitor, name_of

VIEW, TAKE_OVER = "agentchat.view_chatsession", "agentchat.take_over_chatsession"
ANSWER, EXPORT = "agentchat.answer_chatsession", "agentchat.export_chatsession"

MAX_LISTED = 200  # handovers of an inbox; of those for whom a function decides, so many are looked at


# --- who may --------------------------------------------------------------------------------------------------------


def may_take_over(user: Any) -> bool:
    """Whether they may take over any chat, unasked, of the agents whose chats they may see."""
    return is_addressed(user, "permission", TAKE_OVER)


def may_take_part(user: Any, handover: Handover) -> bool:
    """Whether they may answer in this handover: it is for them, or they may answer in any, or take over any chat."""
    if has_rules() and not may_see(user, handover.session):
        return False
    return may_take_over(user) or is_addressed(user, "permission", ANSWER) or may_answer(user, handover)


def may_watch(user: Any, session_id: UUID) -> bool:
    """Whether they may read this chat of somebody else's: as in admin, or since they may take part in it now."""
    if has_rules():
        session = ChatSession.objects.filter(pk=session_id).first()
        if session is None or not may_see(user, session):
            return False
    if is_addressed(user, "permission", VIEW) or may_take_over(user):
        return True
    handover = find_open(session_id)
    return handover is not None and may_take_part(user, handover)


# --- which there are ------------------------------------------------------------------------------------------------


def find_open(session_id: UUID) -> Handover | None:
    return Handover.objects.filter(session=session_id, closed_at=None).first()


def unattended() -> QuerySet[Handover]:
    """The handovers that agent functions have asked for, and nobody has come to."""
    return Handover.objects.filter(closed_at=None, is_asked=True, taken_at=None, session__deleted_at=None)


def waiting_handovers(user: Any) -> list[Handover]:
    """Those of them that are for this user: the oldest first, MAX_LISTED at most."""
    addressees = unattended().order_by().values_list("to_kind", "to_value").distinct()
    condition = Q(to_kind="function")
    for kind, value in addressees:
        if is_addressed(user, kind, value):
            condition |= Q(to_kind=kind, to_value=value)
    rows = unattended().filter(condition).select_related("session__owner").order_by("opened_at", "pk")
    return [each for each in rows[:MAX_LISTED] if may_answer(user, each)]


def own_handovers(user: Any) -> list[Handover]:
    """The open ones that this user has come to, and may still take part in."""
    taken = Handover.objects.filter(closed_at=None, session__deleted_at=None).exclude(taken_at=None)
    rows = taken.select_related("session__owner").order_by("opened_at", "pk")
    own = [each for each in rows if any(one["id"] == str(user.pk) for one in each.staff)]
    return [each for each in own if may_take_part(user, each)]


def begun_handover(session: ChatSession) -> Handover | None:
    """The handover in which the agent of this locked chat session is silent."""
    handover = handovers.open_handover(session)
    return handover if handover is not None and handover.has_begun else None


# --- what the owner says --------------------------------------------------------------------------------------------


def say_to_staff(
    session: ChatSession,
    run: Run,
    handover: Handover,
    client_id: UUID,
    text: str,
    visitor: Visitor,
    files: Sequence[FileReference] = (),
) -> list[Frame]:
    """A message of the owner's to staff: the agent function does not get it as an answer."""
    value = stored_message(text, files)
    insert([InboxItem(session=session, client_id=client_id, request_id=handover.request, value=value)])
    return append(session, run, _message(client_id, text, visitor.name, "user", files))


def _message(
    client_id: UUID, text: str, name: str, role: Any, files: Sequence[FileReference] = ()
) -> list[TextMessageStart | TextMessageEnd]:
    message_id = str(client_id)
    return [
        TextMessageStart(message_id=message_id, role=role, name=name),
        TextMessageEnd(message_id=message_id, content=text, files=list(files) or None),
    ]


# --- what staff do --------------------------------------------------------------------------------------------------


def take_over(session_id: UUID, visitor: Visitor) -> None:
    """Take the chat over, or join those who have it. Raise Rejected("not_allowed") or ("not_found").

    Its agent falls silent before its next step; at once if it waits for its user, or no run is live.
    """

    def apply(session: ChatSession, user: Any) -> ActionResult:
        handover = handovers.open_handover(session)
        if handover is not None:
            _check(may_take_part(user, handover))
            return _join(session, handover, user), None
        _check(may_take_over(user) and may_see(user, session))
        log_act(session, user, "Took the chat over.")
        handover = handovers.open_(session, Addressee(kind="permission", value=TAKE_OVER), is_asked=False)
        handovers.join(session, handover, user.pk, name_of(user))
        run = live_run(session)
        if run is None:
            return handovers.begin_without_agent(session, handover), None
        return [], _woken(run)

    _apply(session_id, visitor, apply)


def say(session_id: UUID, visitor: Visitor, *, client_id: UUID, text: str) -> None:
    """Say something in the chat, under one's own public name: who has not joined yet joins. Once for each `client_id`.

    Raise Rejected("not_handed_over") if the agent has the chat, and as `take_over` does.
    """
    text = checked_text(text)

    def apply(session: ChatSession, user: Any) -> ActionResult:
        handover = _open(session, user)
        if not handover.has_begun or handover.run is None:
            raise Rejected("not_handed_over", gettext("The agent is still working. You have the chat in a moment."))
        starts = Event.objects.filter(session=session, type=TextMessageStart.type, payload__messageId=str(client_id))
        if starts.exists():
            return [], None  # sent again
        frames = _join(session, handover, user)
        log_once(session, user, "Wrote in the chat.")
        return frames + append(session, handover.run, _message(client_id, text, name_of(user), "staff")), None

    _apply(session_id, visitor, apply)


def give_back(session_id: UUID, visitor: Visitor) -> None:
    """Give the chat back: the agent goes on, and knows what was said. Raise Rejected as `say` does."""

    def apply(session: ChatSession, user: Any) -> ActionResult:
        handover = _open(session, user)
        log_act(session, user, "Gave the chat back to the agent.")
        run = handover.run
        if run is None or not handover.has_begun:
            handovers.close(session, handover, Handover.Outcome.CANCELLED)
            return [], None
        frames = append(session, run, [HandoverEnded(request=handover.request, name=name_of(user))])
        handovers.close(session, handover, Handover.Outcome.RETURNED)
        if not handovers.has_no_agent(run):
            return frames, _woken(run)
        ended, following = end_run(session, run, Run.Status.FINISHED, RunFinished(outcome={"type": "success"}))
        return frames + ended, following

    _apply(session_id, visitor, apply)


def _apply(session_id: UUID, visitor: Visitor, action: Callable[[ChatSession, Any], ActionResult]) -> None:
    def apply(is_retry: bool) -> ActionResult:
        with lock_chat(session_id, visitor) as session:
            try:
                return action(session, fresh_user(visitor))
            except Rejected as rejected:
                if is_retry and rejected.reason == "not_handed_over":
                    return [], live_run(session)  # an earlier attempt has given it back
                raise

    frames, run = commit(apply)
    publish_and_wake(session_id, frames, run)


def _open(session: ChatSession, user: Any) -> Handover:
    """The open handover, in which this user may take part. Raise Rejected."""
    handover = handovers.open_handover(session)
    if handover is None:
        _check(may_see(user, session) and (may_take_over(user) or is_addressed(user, "permission", VIEW)))
        raise Rejected("not_handed_over", gettext("This chat was given back to the agent."))
    _check(may_take_part(user, handover))
    return handover


def _check(is_allowed: bool) -> None:
    if not is_allowed:
        raise Rejected("not_allowed", gettext("This chat isn't yours to answer in."))


def _join(session: ChatSession, handover: Handover, user: Any) -> list[Frame]:
    if all(each["id"] != str(user.pk) for each in handover.staff):
        log_act(session, user, "Joined the chat.")
    return handovers.join(session, handover, user.pk, name_of(user))


def _woken(run: Run) -> Run:
    """The run, queued if it waits without a thread: it goes on where it waits."""
    if run.status == Run.Status.WAITING and not run.owner_process:
        run.status, run.queued_at, run.waits_until = Run.Status.QUEUED, moments.now(), None
        update(run, "status", "queued_at", "waits_until")
    return run
