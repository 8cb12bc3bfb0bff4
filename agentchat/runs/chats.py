"""What people do to a chat as a whole: take it along when they sign in, name it, delete it and take that back, delete
everything for good.

Deleting hides a chat at once, from its owner too, and stops what runs in it; a chat that is taken back is as it was. It
is gone for good when `agentchat_purge` finds it after KEPT_FOR.

Whoever cannot have a chat within seconds, because a transaction stands still on it, gets a database error that passes.
"""

import logging
from collections import Counter
from collections.abc import Collection, MutableMapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import OperationalError
from django.db.models import Model, QuerySet
from django.utils import timezone

from agentchat.errors import DatabaseAway, Rejected
from agentchat.models import ChatSession, Run
from agentchat.runs import control, lists
from agentchat.runs.database import PERSON_S, brief_locks
from agentchat.runs.session import locked
from agentchat.visitors import GUEST_KEY, Visitor

logger = logging.getLogger("agentchat.runs")

KEPT_FOR = timedelta(days=30)  # a deleted chat can be taken back
TITLE_CHARS = 100
BATCH = 50  # chat sessions: with 50 events in each, some 40 ms


def adopt_guests(session: MutableMapping[str, Any], user: Any) -> None:
    """Move the chats of the guest whose browser's session this is to the account that has signed in with it.

    If they cannot be had within seconds, the session keeps the guest's key, and the next page tries again.
    """
    guest_key = session.get(GUEST_KEY, "")
    if not guest_key:
        return
    try:
        with brief_locks(PERSON_S):
            ChatSession.objects.filter(owner=None, guest_key=guest_key).update(owner=user, guest_key="")
    except OperationalError as error:
        logger.warning("the chats of a guest who is user %s now are moved later: %s", user.pk, error)
        return
    del session[GUEST_KEY]
    lists.ring(user.pk)


def rename(session_id: UUID, visitor: Visitor, title: str) -> str | None:
    """Call the chat so. Return its title as it is kept, or None if it is not the visitor's."""
    title = _one_line(title)
    with brief_locks(PERSON_S):
        # Not `updated_at`: a chat with another name is no newer.
        found = ChatSession.objects.of(visitor).filter(pk=session_id).update(title=title)
    if not found:
        return None
    lists.ring_for(session_id)
    return title


def delete(session_id: UUID, visitor: Visitor) -> bool:
    """Delete the chat, so that it can be taken back, and stop what runs in it. Return whether it was the visitor's."""
    if not ChatSession.objects.of(visitor).filter(pk=session_id).exists():
        return False
    with locked(session_id) as session:
        if session.deleted_at is None:
            ChatSession.objects.filter(pk=session_id).update(deleted_at=timezone.now())
    stop(session_id, by=visitor.name)
    lists.ring(session.owner_id, session.guest_key)
    return True


def take_back(session_id: UUID, visitor: Visitor) -> bool:
    """The chat is there again. Return whether there was one to take back."""
    deleted = ChatSession.objects.all_of(visitor).filter(pk=session_id, deleted_at__isnull=False)
    with brief_locks(PERSON_S):
        found = deleted.update(deleted_at=None)
    if not found:
        return ChatSession.objects.of(visitor).filter(pk=session_id).exists()  # twice is as good as once
    lists.ring_for(session_id)
    return True


def erase_all(visitor: Visitor) -> int:
    """Delete all chats of the visitor for good, with all that was said. Return how many there were.

    What runs is stopped first; a run that does not hear it finds its chat gone at its next write, and unwinds.
    """
    own = ChatSession.objects.all_of(visitor)
    with brief_locks(PERSON_S):
        own.filter(deleted_at=None).update(deleted_at=timezone.now())  # from here on nothing begins in them
    for session_id in own.filter(runs__status__in=Run.LIVE).values_list("pk", flat=True).distinct():
        stop(session_id, by=visitor.name)
    erased = 0
    while keys := list(own.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        erased += erase(own, keys)[ChatSession]
    lists.ring(visitor.user.pk if visitor.user else None, visitor.guest_key)
    return erased


def erase(chats: "QuerySet[ChatSession]", keys: Collection[UUID]) -> Counter[type[Model]]:
    """Delete those of the chats that have these keys, for good. Return how many rows of which table went."""
    with brief_locks(PERSON_S):
        # Lock, then look again: somebody may have said something, and now nobody can.
        list(ChatSession.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
        _, gone = chats.filter(pk__in=keys).delete()
    return Counter({apps.get_model(label): count for label, count in gone.items()})


def stop(session_id: UUID, *, by: str) -> None:
    """Stop what runs in a chat that goes. Raise DatabaseAway if it could not be said."""
    try:
        control.stop(session_id, by=by)
    except ChatSession.DoesNotExist:
        pass  # somebody was quicker
    except Rejected as error:
        raise DatabaseAway(str(error)) from error


def _one_line(title: str) -> str:
    words = " ".join("".join(each if each.isprintable() else " " for each in title).split())
    return words[:TITLE_CHARS].rstrip()
