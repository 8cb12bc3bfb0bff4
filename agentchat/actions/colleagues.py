"""Questions to somebody else than the owner of a chat: who may answer them, which are open, and the answer.

Whether somebody may answer is judged at the moment when they do, by what they may at that moment: in the transaction
that takes the answer, with the user as the database has them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from agentchat.actions import validation
from agentchat.actions.inbox import deliver
from agentchat.actions.staff_access import has_rules, may_see
from agentchat.actions.staff_log import log_act
from agentchat.actions.transactions import ActionResult, apply_once, commit, live_run, logger
from agentchat.core.addressees import function_at
from agentchat.errors import Rejected
from agentchat.models import ChatSession, DelegatedQuestion, Run
from agentchat.runs import delegated_questions
from agentchat.runs.questions import is_expired
from agentchat.runs.session_lock import lock_session
from agentchat.visitors import Visitor

MAX_LISTED = 200  # questions of an inbox; of those for whom a function decides, so many are looked at


# --- who may answer -------------------------------------------------------------------------------------------------


class Addressed(Protocol):
    """What is for somebody: a question, or a chat that is handed over."""

    pk: Any
    to_kind: str
    to_value: str
    session: Any

    @property
    def since(self) -> Any: ...


def may_answer(user: Any, question: Addressed) -> bool:
    """Whether the question is for this user, as they are now. May query the database."""
    if has_rules() and not may_see(user, question.session):
        return False
    if question.to_kind != "function":
        return is_addressed(user, question.to_kind, question.to_value)
    try:
        return bool(_is_active(user) and function_at(question.to_value)(user, question))
    except Exception:
        logger.exception("%s could not say who may answer question %s", question.to_value, question.pk)
        return False


def is_addressed(user: Any, kind: str, value: str) -> bool:
    """The same for everything but functions, for which it depends on the question."""
    if not _is_active(user):
        return False
    match kind:
        case "permission":
            return bool(user.has_perm(value))
        case "group":
            return hasattr(user, "groups") and bool(user.groups.filter(name=value).exists())
        case "user":
            return str(user.pk) == value
        case "staff":
            return bool(getattr(user, "is_staff", False))
    return False


def _is_active(user: Any) -> bool:
    return user is not None and bool(getattr(user, "is_active", True))


# --- which there are ------------------------------------------------------------------------------------------------


def open_questions(user: Any) -> list[DelegatedQuestion]:
    """The questions that this user may answer now, the oldest first; MAX_LISTED at most."""
    return _for(user, DelegatedQuestion.objects.filter(closed_at=None), "asked_at")


def closed_questions(user: Any) -> list[DelegatedQuestion]:
    """Those that were for them, and are answered, expired or canceled: the last ones first."""
    return _for(user, DelegatedQuestion.objects.exclude(closed_at=None), "-closed_at")


def question_for(user: Any, pk: int) -> DelegatedQuestion | None:
    """The question with this key, open or closed, if it is for this user."""
    question = _of_chats().filter(pk=pk).first()
    return question if question is not None and may_answer(user, question) else None


def _of_chats() -> QuerySet[DelegatedQuestion]:
    return DelegatedQuestion.objects.filter(session__deleted_at=None).select_related("session__owner", "answered_by")


def _for(user: Any, questions: QuerySet[DelegatedQuestion], order: str) -> list[DelegatedQuestion]:
    if not _is_active(user):
        return []
    addressees = questions.order_by().values_list("to_kind", "to_value").distinct()
    own = [Q(to_kind=kind, to_value=value) for kind, value in addressees if is_addressed(user, kind, value)]
    rows = _of_chats().filter(pk__in=questions.values("pk")).order_by(order, "pk")
    condition = Q(to_kind="function")
    for each in own:
        condition |= each
    found = rows.filter(condition)[:MAX_LISTED]
    is_judged = has_rules()
    return [each for each in found if not (is_judged or each.to_kind == "function") or may_answer(user, each)]


# --- the answer -----------------------------------------------------------------------------------------------------


def answer(session_id: UUID, visitor: Visitor, *, client_id: UUID, request: str, value: Any) -> None:
    """Answer a question that is for this visitor, in whosever chat. The first answer wins.

    It is recorded in the transcript, and in the log of Django's admin. Raise Rejected as `messages.answer` does;
    "not_allowed" if the question is not for them.
    """
    asked = commit(lambda is_retry: delegated_questions.find_open(session_id, request))
    if asked is None:
        raise already_answered()
    is_owner = ChatSession.objects.of(visitor).filter(pk=session_id).exists()
    _check_allowed(visitor, asked)
    valid = validation.check(asked.question, value, is_owner=is_owner)

    def apply(session: ChatSession) -> ActionResult:
        run, question = live_run(session), delegated_questions.find_open(session.pk, request)
        if run is None or question is None or run.status != Run.Status.WAITING:
            raise already_answered()
        _check_allowed(visitor, question)
        if is_expired(question.question):
            raise validation.expired()
        frames = deliver(session, run, client_id, valid, question.question, visitor)
        outcome = DelegatedQuestion.Outcome.ANSWERED
        delegated_questions.close(session, request, outcome, by=visitor.user.pk)
        decision = f": {valid['decision']}" if question.question["kind"] == "approval" else ""
        log_act(session, visitor.user, f"Answered question {question}{decision}.")
        return frames, run

    apply_once(session_id, visitor, client_id, apply, lock=lock_chat)


def already_answered() -> Rejected:
    return Rejected("already_answered", gettext("This question has already been answered."))


def _check_allowed(visitor: Visitor, question: DelegatedQuestion) -> None:
    """Raise Rejected if the question is not for the visitor, as the database has them now."""
    if not may_answer(fresh_user(visitor), question):
        raise Rejected("not_allowed", gettext("A colleague decides about this."))


def fresh_user(visitor: Visitor) -> Any:
    """The visitor's account, as the database has it now; None for a guest, and for one that is deleted."""
    return visitor.user and get_user_model()._default_manager.filter(pk=visitor.user.pk).first()


@contextmanager
def lock_chat(session_id: UUID, visitor: Visitor) -> Iterator[ChatSession]:
    """The chat session, locked, whoever it belongs to. Raise Rejected("not_found") if it is deleted."""
    not_found = Rejected("not_found", gettext("This chat no longer exists."))
    with lock_session(session_id, not_found=not_found, deleted_at=None) as session:
        yield session
