"""What people do to a chat as a whole: name it, delete it and take that back, delete everything for good.

Deleting hides a chat at once, from its owner too, and stops what runs in it; a chat that is taken back is as it was. It
is gone for good when `agentchat_purge` finds it after KEPT_FOR.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from agentchat.models import ChatSession, Run
from agentchat.runs import control, lists
from agentchat.runs.journal import locked
from agentchat.visitors import Visitor

logger = logging.getLogger("agentchat.runs")

KEPT_FOR = timedelta(days=30)  # a deleted chat can be taken back
TITLE_CHARS = 100
BATCH = 50  # chat sessions: with 50 events in each, some 40 ms


def rename(session_id: UUID, visitor: Visitor, title: str) -> str | None:
    """Call the chat so. Return its title as it is kept, or None if it is not the visitor's."""
    title = _one_line(title)
    # Not `updated_at`: a chat with another name is no newer.
    if not ChatSession.objects.of(visitor).filter(pk=session_id).update(title=title):
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
    _stop(session_id, visitor)
    lists.ring(session.owner_id, session.guest_key)
    return True


def take_back(session_id: UUID, visitor: Visitor) -> bool:
    """The chat is there again. Return whether there was one to take back."""
    deleted = ChatSession.objects.all_of(visitor).filter(pk=session_id, deleted_at__isnull=False)
    if not deleted.update(deleted_at=None):
        return ChatSession.objects.of(visitor).filter(pk=session_id).exists()  # twice is as good as once
    lists.ring_for(session_id)
    return True


def erase_all(visitor: Visitor) -> int:
    """Delete all chats of the visitor for good, with all that was said. Return how many there were.

    What runs is stopped first; a run that does not hear it finds its chat gone at its next write, and unwinds.
    """
    own = ChatSession.objects.all_of(visitor)
    own.filter(deleted_at=None).update(deleted_at=timezone.now())  # from here on nothing begins in them
    for session_id in own.filter(runs__status__in=Run.LIVE).values_list("pk", flat=True).distinct():
        _stop(session_id, visitor)
    erased = 0
    while keys := list(own.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        erased += erase(own, keys)[ChatSession]
    lists.ring(visitor.user.pk if visitor.user else None, visitor.guest_key)
    return erased


@transaction.atomic
def erase(chats: "QuerySet[ChatSession]", keys: Collection[UUID]) -> Counter[type[Model]]:
    """Delete those of the chats that have these keys, for good. Return how many rows of which table went."""
    # Lock, then look again: somebody may have said something, and now nobody can.
    list(ChatSession.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
    _, gone = chats.filter(pk__in=keys).delete()
    return Counter({apps.get_model(label): count for label, count in gone.items()})


def _stop(session_id: UUID, visitor: Visitor) -> None:
    with contextlib.suppress(ChatSession.DoesNotExist):  # somebody was quicker
        control.stop(session_id, by=visitor.name)


def _one_line(title: str) -> str:
    words = " ".join("".join(each if each.isprintable() else " " for each in title).split())
    return words[:TITLE_CHARS].rstrip()
