"""What a project's own code does to chats, delivered after its transaction: messages and signals.

`agentchat.chats` writes an outbox row in the caller's transaction, without a lock. After the commit a thread of this
process delivers it; if that process dies first, or the database is away, a supervisor does, within seconds. Delivery
locks the chat session as every action does, and counts once: by the row's id.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import connections, transaction

from agentchat.actions.messages import message_from_code
from agentchat.actions.transactions import commit, publish_and_wake
from agentchat.core.log import get_logger
from agentchat.errors import Rejected
from agentchat.infra import moments
from agentchat.infra.database import alias, close_connections
from agentchat.infra.thread_pool import DaemonPool
from agentchat.models import ChatSession, ChatSignal, OutboxItem, Run
from agentchat.runs.session_lock import lock_session
from agentchat.runs.waits import wake_for
from agentchat.visitors import Visitor

logger = get_logger("agentchat.outbox")

BATCH = 50  # chats that one round of a supervisor delivers to
GRACE = timedelta(seconds=2)  # for the process that has written it

_POOL = DaemonPool("agentchat-outbox", lambda: 2, at_end=connections.close_all)


@dataclass(frozen=True, kw_only=True)
class Author(Visitor):
    """The owner of a chat session, with the name under which somebody writes into it."""

    shown_name: str = ""

    @property
    def name(self) -> str:
        return self.shown_name or super().name


def put(item: OutboxItem) -> None:
    """Write the row in the caller's transaction, once for each id, and deliver it after the commit."""
    OutboxItem.objects.bulk_create([item], ignore_conflicts=True)
    transaction.on_commit(partial(_POOL.submit, _deliver_now, item.session_id), using=alias())


def deliver_overdue() -> None:
    """Deliver what has been waiting for longer than it should. For the supervisor, in a thread."""
    overdue = OutboxItem.objects.filter(error="", due_at=None, created_at__lt=moments.now() - GRACE)
    for session_id in overdue.order_by().values_list("session_id", flat=True).distinct()[:BATCH]:
        deliver(session_id)


def deliver(session_id: UUID) -> None:
    """Deliver what is there for a chat session, in order. What cannot be delivered yet stays, with all after it."""
    for item in OutboxItem.objects.filter(session=session_id, error="", due_at=None).order_by("pk"):
        try:
            _deliver(item)
        except Rejected as error:
            if error.reason == "unavailable":
                return
            logger.error("%s %s for chat session %s cannot be delivered: %s", item.kind, item.key, session_id, error)
            OutboxItem.objects.filter(pk=item.pk).update(error=error.reason)
        else:
            OutboxItem.objects.filter(pk=item.pk).delete()


def _deliver_now(session_id: UUID) -> None:
    """In a thread of the process that has written it."""
    try:
        deliver(session_id)
    except Exception:
        logger.exception("what is in the outbox for chat session %s will be delivered later", session_id)
    finally:
        close_connections()


def _deliver(item: OutboxItem) -> None:
    session = ChatSession.objects.select_related("owner").get(pk=item.session_id)
    if item.kind == OutboxItem.Kind.MESSAGE:
        author = Author(user=session.owner, guest_key=session.guest_key, shown_name=item.name)
        message_from_code(session.pk, author, client_id=item.key, text=item.value)
    else:
        publish_and_wake(session.pk, [], commit(lambda is_retry: _store_signal(item)))


def _store_signal(item: OutboxItem) -> Run | None:
    """Store the signal, and queue the run that waits for it. It is the same once the signal is stored."""
    with lock_session(item.session_id, not_found=Rejected("not_found", "the chat no longer exists")):
        ChatSignal.objects.get_or_create(
            session_id=item.session_id, key=item.key, defaults={"name": item.name, "value": item.value}
        )
        return wake_for(item.session_id, item.name)
