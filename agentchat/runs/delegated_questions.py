"""The rows of questions to somebody else than the user: opened, closed and escalated.

Such a question is in its chat's events, as any other is. Its row says whom it is for, and finds it for them. Within the
caller's transaction, on the locked chat session; except for `escalate_due`, which changes rows by one conditional
UPDATE each, whatever else happens. What shows inboxes learns of each change after the commit.
"""

from functools import partial
from uuid import UUID, uuid5

from django.db import transaction

from agentchat import conf
from agentchat.core.addressees import Delegation
from agentchat.events import InputRequested
from agentchat.infra import moments
from agentchat.infra.database import alias
from agentchat.infra.sanitize import clean_json, short
from agentchat.models import ChatSession, DelegatedQuestion, OutboxItem, Run
from agentchat.realtime.chat_list import INBOX_GROUP, notify_group

ESCALATED_AT_ONCE = 500  # rows; the others a second later


def open_(session: ChatSession, run: Run, question: InputRequested, delegation: Delegation) -> None:
    """Save a question that is asked; one that is open stays as it is, whoever it has been escalated to."""
    saved = DelegatedQuestion.objects.filter(session=session, request=question.request).first()
    if saved is not None and saved.closed_at is None:
        return
    now, later = moments.now(), delegation.escalate_to
    row, _ = DelegatedQuestion.objects.update_or_create(
        session=session,
        request=question.request,
        defaults={
            "run": run,
            "question": clean_json(question.payload()),
            "tool": short(question.tool),
            "to_kind": delegation.to.kind,
            "to_value": delegation.to.value,
            "escalate_at": now + delegation.escalate_after if later and delegation.escalate_after else None,
            "escalate_kind": later.kind if later else "",
            "escalate_value": later.value if later else "",
            "asked_at": now,
            "closed_at": None,
            "outcome": "",
            "answered_by": None,
        },
    )
    _notify(row)
    notify_inboxes()


def find_open(session_id: UUID, request: str) -> DelegatedQuestion | None:
    return DelegatedQuestion.objects.filter(session=session_id, request=request, closed_at=None).first()


def close(session: ChatSession, request: str, outcome: DelegatedQuestion.Outcome, *, by: int | None = None) -> None:
    """Close a question, if it is one to somebody else and open."""
    opened = DelegatedQuestion.objects.filter(session=session, request=request, closed_at=None)
    if opened.update(closed_at=moments.now(), outcome=outcome, answered_by=by):
        notify_inboxes()


def cancel_all_of(run: Run) -> None:
    """The run ends, and none of its questions can be answered any more."""
    opened = DelegatedQuestion.objects.filter(session=run.session_id, run=run, closed_at=None)
    if opened.update(closed_at=moments.now(), outcome=DelegatedQuestion.Outcome.CANCELLED):
        notify_inboxes()


def escalate_due() -> int:
    """Address those questions to somebody else again that nobody has answered in time. Return how many."""
    now = moments.now()
    due = DelegatedQuestion.objects.filter(closed_at=None, escalate_at__lte=now).order_by("escalate_at")
    escalated = 0
    for each in due[:ESCALATED_AT_ONCE]:
        escalated += _escalate(each)
    if escalated:
        notify_inboxes()
    return escalated


def _escalate(question: DelegatedQuestion) -> int:
    """Return 1, or 0 if it was closed or escalated meanwhile."""
    to = {"to_kind": question.escalate_kind, "to_value": question.escalate_value}
    unchanged = DelegatedQuestion.objects.filter(pk=question.pk, closed_at=None, escalate_at=question.escalate_at)
    with transaction.atomic(using=alias()):
        if not unchanged.update(**to, escalate_at=None):
            return 0
        question.to_kind, question.to_value = to.values()
        _notify(question, escalated=True)
    return 1


def _notify(question: DelegatedQuestion, *, escalated: bool = False) -> None:
    """Have those notified whom it is for now, if the site wants that: `agentchat.actions.notifications` does it."""
    if conf.app.notify is None:
        return
    to, asked = [question.to_kind, question.to_value], question.asked_at.isoformat()
    notice = OutboxItem(
        key=uuid5(question.session_id, f"{question.request} {asked} {escalated}"),
        session_id=question.session_id,
        kind=OutboxItem.Kind.NOTICE,
        value={"question": question.pk, "to": to, "escalated": escalated},
        due_at=moments.now(),
    )
    OutboxItem.objects.bulk_create([notice], ignore_conflicts=True)


def notify_inboxes() -> None:
    """After the commit, what shows how much waits for colleagues reads it again."""
    transaction.on_commit(partial(notify_group, INBOX_GROUP), using=alias())
