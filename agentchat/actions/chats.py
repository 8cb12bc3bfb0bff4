"""Actions on a chat as a whole: claim it at sign-in, rename, delete, restore, delete permanently.

Deleting hides a chat at once, from its owner too, and stops its run; a restored chat is as it was. Once it can no
longer be restored, a supervisor deletes it permanently (`retention.py`), or `agentchat_purge` does. If another
transaction holds a chat for seconds, these raise a transient database error.
"""

from collections import Counter
from collections.abc import Collection, MutableMapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import OperationalError
from django.db.models import Model, QuerySet

from agentchat.actions import messages
from agentchat.actions.guest_limits import use_as_guest
from agentchat.budgets import metering
from agentchat.core.log import get_logger
from agentchat.errors import DatabaseUnavailable, Rejected
from agentchat.files import removal
from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, lock_timeout
from agentchat.models import ChatSession, Run, StoredFile
from agentchat.models.title_request import TitleBy
from agentchat.realtime import chat_list
from agentchat.runs.session_lock import lock_session
from agentchat.visitors import GUEST_KEY, Visitor, guest_digest

logger = get_logger("agentchat.runs")

RESTORABLE = timedelta(days=30)  # how long a deleted chat can be restored
TITLE_CHARS = 100
BATCH_SIZE = 50  # chat sessions: with 50 events in each, some 40 ms


def claim_guest_chats(session: MutableMapping[str, Any], user: Any) -> None:
    """Move the guest's chats to the account that has signed in with the same browser session.

    If they are locked for seconds, the session keeps the guest's key, and the next page tries again.
    """
    guest_key = session.get(GUEST_KEY, "")
    if not guest_key:
        return
    try:
        with lock_timeout(USER_TIMEOUT_SECONDS):
            for model in (ChatSession, StoredFile):
                of_guest = model._default_manager.filter(owner=None, guest_key=guest_digest(guest_key))
                of_guest.update(owner=user, guest_key="")
            metering.move(guest_digest(guest_key), user.pk)
    except OperationalError as error:
        logger.warning("the chats of a guest who is now user %s will be moved later: %s", user.pk, error)
        return
    del session[GUEST_KEY]
    chat_list.notify_owner(user.pk)


def create(agent: str, visitor: Visitor) -> ChatSession:
    """Create a chat without a message. Raise Rejected if the visitor is a guest and too many were created."""
    with lock_timeout(USER_TIMEOUT_SECONDS):
        use_as_guest(visitor, chats=1)
        return ChatSession.objects.create(agent=agent, **visitor.owner_fields)


def rename(session_id: UUID, visitor: Visitor, title: str) -> str | None:
    """Rename the chat. Return the title as it is stored, or None if the chat is not the visitor's."""
    title = _one_line(title)
    with lock_timeout(USER_TIMEOUT_SECONDS):
        # Not `updated_at`: renaming does not move a chat up the list.
        found = ChatSession.objects.of(visitor).filter(pk=session_id).update(title=title, title_by=TitleBy.USER)
    if not found:
        return None
    chat_list.notify_owner_of(session_id)
    return title


def delete(session_id: UUID, visitor: Visitor) -> bool:
    """Delete the chat, so that it can be restored, and stop its run. Return whether it was the visitor's."""
    if not ChatSession.objects.of(visitor).filter(pk=session_id).exists():
        return False
    try:
        with lock_session(session_id) as session:
            if session.deleted_at is None:
                ChatSession.objects.filter(pk=session_id).update(deleted_at=moments.now())
    except ChatSession.DoesNotExist:  # permanently, a moment ago
        return False
    stop_run(session_id, by=visitor.name)
    chat_list.notify_owner(session.owner_id, session.guest_key)
    return True


def restore(session_id: UUID, visitor: Visitor) -> bool:
    """Restore a deleted chat. Return whether the visitor has such a chat."""
    deleted = ChatSession.objects.all_of(visitor).filter(pk=session_id, deleted_at__isnull=False)
    with lock_timeout(USER_TIMEOUT_SECONDS):
        found = deleted.update(deleted_at=None)
    if not found:
        return ChatSession.objects.of(visitor).filter(pk=session_id).exists()  # restoring twice is fine
    chat_list.notify_owner_of(session_id)
    return True


def delete_all_permanently(visitor: Visitor) -> int:
    """Delete all of the visitor's chats permanently, with their messages. Return how many there were.

    Their runs are stopped first; a run that misses that finds its chat gone at its next write, and unwinds.
    """
    own = ChatSession.objects.all_of(visitor)
    with lock_timeout(USER_TIMEOUT_SECONDS):
        own.filter(deleted_at=None).update(deleted_at=moments.now())  # from here on no run starts in them
    for session_id in own.filter(runs__status__in=Run.LIVE).values_list("pk", flat=True).distinct():
        stop_run(session_id, by=visitor.name)
    removal.remove(StoredFile.objects.of(visitor).filter(session=None))
    deleted = 0
    while keys := list(own.order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE]):
        deleted += delete_permanently(own, keys)[ChatSession]
    chat_list.notify_owner(visitor.user.pk if visitor.user else None, visitor.guest_key)
    return deleted


def delete_permanently(chats: "QuerySet[ChatSession]", keys: Collection[UUID]) -> Counter[type[Model]]:
    """Delete those of the chats that have these keys, permanently, and what the storage has of their files. Return the
    number of rows deleted per table. What the storage cannot delete now, a supervisor does later.
    """
    with lock_timeout(USER_TIMEOUT_SECONDS):
        # Lock, then filter again: a message may have come in, and none can any more.
        list(ChatSession.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
        files = list(StoredFile.objects.filter(session__in=chats.filter(pk__in=keys)).values_list("pk", flat=True))
        _, gone = chats.filter(pk__in=keys).delete()
    deleted: Counter[type[Model]] = Counter({apps.get_model(label): count for label, count in gone.items()})
    if files:
        deleted[StoredFile] += removal.remove(StoredFile.objects.filter(pk__in=files, session=None))
    return deleted


def stop_run(session_id: UUID, *, by: str) -> None:
    """Stop the run of a chat that is being deleted. Raise DatabaseUnavailable if that could not be saved."""
    try:
        messages.stop(session_id, by=by)
    except ChatSession.DoesNotExist:
        pass  # deleted meanwhile
    except Rejected as error:
        raise DatabaseUnavailable(str(error)) from error


def _one_line(title: str) -> str:
    line = " ".join("".join(each if each.isprintable() else " " for each in title).split())
    return line[:TITLE_CHARS].rstrip()
