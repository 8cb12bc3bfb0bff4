"""Notifying those whom a question is for: `NOTIFY`, at least once for each question, and again when it is escalated.
And staff, of budgets that are nearly used up.

A row of the outbox is written with the question, in its transaction. The supervisor has it delivered in a thread of its
own, whatever that takes. Whoever delivers it takes the row by moving the time at which it is due: after a failure, or
the death of the process, it is due again, each time later.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connections
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from agentchat import conf
from agentchat.actions.addressed_users import users_for, users_of
from agentchat.core.log import get_logger
from agentchat.infra import moments
from agentchat.infra.database import close_connections
from agentchat.infra.thread_pool import DaemonPool
from agentchat.models import BudgetWarning, DelegatedQuestion, OutboxItem

logger = get_logger("agentchat.outbox")

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
MAX_ATTEMPTS = 50  # two days

_POOL = DaemonPool("agentchat-notify", lambda: 1, at_end=connections.close_all)


@dataclass(frozen=True, kw_only=True)
class Notification:
    """What `NOTIFY` is called with.

    `id` is the same at each attempt, and another one when the question is escalated. `users` are those who may answer
    now, as far as they can be listed: none for a question to a function of the site. Of a `budget` there is no
    question: 80 % of it is used, and `users` are the staff who may view that in admin, at `url`.
    """

    id: uuid.UUID
    question: DelegatedQuestion | None
    users: list[Any]
    url: str
    is_escalated: bool = False
    budget: BudgetWarning | None = None


def deliver_due() -> None:
    """Have what is due delivered. For the supervisor: never waits."""
    if conf.app.notify is not None and not _POOL.busy:
        _POOL.submit(_deliver_all)


def notify(notification: Notification) -> Exception | None:
    """Call `NOTIFY`. Return what it raises."""
    try:
        import_string(conf.app.notify or "")(notification)
    except Exception as error:
        return error
    return None


def _deliver_all() -> None:
    try:
        while (item := _take()) is not None:
            _deliver(item)
        deliver_warnings()
    except Exception:
        logger.exception("notifications will be delivered later")
    finally:
        close_connections()


def _take() -> OutboxItem | None:
    """The next one that is due, which no other process delivers meanwhile."""
    due = OutboxItem.objects.filter(kind=OutboxItem.Kind.NOTICE, error="").order_by("due_at", "pk")
    while (item := due.filter(due_at__lte=moments.now()).first()) is not None:
        again = moments.now() + min(FIRST_PAUSE * 2 ** min(item.attempts, 10), LONGEST_PAUSE)
        unchanged = OutboxItem.objects.filter(pk=item.pk, due_at=item.due_at)
        if unchanged.update(due_at=again, attempts=item.attempts + 1):
            return item
    return None


def _deliver(item: OutboxItem) -> None:
    """Deliver it, unless the question is closed by now, or for somebody else. Never raises what `NOTIFY` raises."""
    questions = DelegatedQuestion.objects.filter(closed_at=None, session__deleted_at=None)
    question = questions.select_related("session__owner").filter(pk=item.value["question"]).first()
    row = OutboxItem.objects.filter(pk=item.pk)
    if question is None or [question.to_kind, question.to_value] != item.value["to"]:
        row.delete()
        return
    error = notify(_notification(item, question))
    if error is not None:
        has_failed = item.attempts + 1 >= MAX_ATTEMPTS
        if has_failed:
            row.update(error="not_notified")
        # What the error says may be the question, an address, or a mail server's answer to a password.
        level, what = (logging.ERROR, "given up") if has_failed else (logging.WARNING, "tried again")
        logger.log(level, "nobody was notified of question %s, which is %s: %s", question.pk, what, _kind_of(error))
    else:
        row.delete()


def _notification(item: OutboxItem, question: DelegatedQuestion) -> Notification:
    return Notification(
        id=item.key,
        question=question,
        users=users_for(question),
        url=f"{conf.app.site_url}{reverse('agentchat:inbox_question', args=[question.pk])}",
        is_escalated=bool(item.value["escalated"]),
    )


def _kind_of(error: Exception) -> str:
    code = getattr(error, "smtp_code", None) or getattr(error, "errno", None) or ""
    return f"{type(error).__name__} {code}".strip()


# --- budgets --------------------------------------------------------------------------------------------------------


def deliver_warnings() -> None:
    """Tell staff of budgets of which 80 % is used, each once: by the same function, and tried again as long."""
    due = BudgetWarning.objects.filter(due_at__isnull=False).order_by("due_at", "pk")
    while (warning := due.filter(due_at__lte=moments.now()).first()) is not None:
        row = BudgetWarning.objects.filter(pk=warning.pk, due_at=warning.due_at)
        again = moments.now() + min(FIRST_PAUSE * 2 ** min(warning.attempts, 10), LONGEST_PAUSE)
        if not row.update(due_at=again, attempts=warning.attempts + 1):
            continue  # another process delivers it
        error = notify(_notification_of(warning))
        if error is None or warning.attempts + 1 >= MAX_ATTEMPTS:
            BudgetWarning.objects.filter(pk=warning.pk).update(due_at=None)
        if error is not None:
            logger.warning("staff were not notified of budget warning %s: %s", warning.pk, _kind_of(error))


def _notification_of(warning: BudgetWarning) -> Notification:
    staff = [user for user in users_of("staff", "") if user.has_perm("agentchat.view_budgetwarning")]
    try:
        path = reverse("admin:agentchat_budgetwarning_changelist")
    except NoReverseMatch:  # a site without admin
        path = reverse("agentchat:inbox")
    return Notification(
        id=uuid.uuid5(_WARNINGS, f"{warning.pk} {warning.reached_at.isoformat()}"),
        question=None,
        budget=warning,
        users=staff,
        url=f"{conf.app.site_url}{path}",
    )


_WARNINGS = uuid.UUID("5b0d1a52-6f0e-4a57-8f0c-2f6a2d1c7f10")
