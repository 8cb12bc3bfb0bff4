"""How long chats are kept: `RETENTION_DAYS`, or `@on_connect(retention=…)`, after their last change.

Then a supervisor deletes them permanently, and so those that their owners have deleted, when they can no longer be
restored, and uploads that nobody has sent. A chat is kept while a run of it is queued or at work; one in which an agent
waits for an answer is not.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from agentchat import conf
from agentchat.actions.chats import BATCH_SIZE, RESTORABLE, delete_permanently
from agentchat.core import registry
from agentchat.core.log import get_logger
from agentchat.files import removal
from agentchat.infra import moments
from agentchat.models import ChatSession, Run
from agentchat.realtime import chat_list

logger = get_logger("agentchat.runs")

INTERVAL_SECONDS = 900.0  # between two looks of a process, unless there was more than it deletes at once


def expired(now: datetime) -> QuerySet[ChatSession]:
    """The chats that are not to be kept any longer."""
    of_agents = {
        name: agent.retention
        for name in registry.names()
        if (agent := registry.find(name)) is not None and agent.retention is not None
    }
    ended = Q(deleted_at__lt=now - RESTORABLE)
    for name, retention in of_agents.items():
        ended |= Q(agent=name, updated_at__lt=_before(now, retention))
    if (days := conf.app.retention_days) is not None:
        ended |= ~Q(agent__in=[*of_agents]) & Q(updated_at__lt=_before(now, timedelta(days=days)))
    at_work = Run.objects.filter(session=OuterRef("pk"), status__in=(Run.Status.QUEUED, Run.Status.RUNNING))
    return ChatSession.objects.filter(ended).exclude(Exists(at_work))


class Keeper:
    """Deletes what has expired, a batch at a time. One for each process, for its supervisor's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = clock() + INTERVAL_SECONDS / 15  # not in the first moments of a process, which has other work

    def delete_next(self) -> None:
        """Delete the next batch, when it is time. Raises a transient database error if one of them is locked."""
        if self._clock() < self._next_at:
            return
        self._next_at = self._clock() + INTERVAL_SECONDS
        removal.remove(removal.removable())
        chats = expired(moments.now())
        rows = list(chats.order_by("updated_at").values_list("pk", "owner_id", "guest_key")[:BATCH_SIZE])
        if not rows:
            return
        deleted = delete_permanently(chats, [pk for pk, _, _ in rows])[ChatSession]
        logger.info("deleted %d chats permanently, which were not to be kept any longer", deleted)
        for owner_id, guest_key in {row[1:] for row in rows}:
            chat_list.notify_owner(owner_id, guest_key)
        if deleted and len(rows) == BATCH_SIZE:
            self._next_at = self._clock()


def _before(now: datetime, retention: timedelta) -> datetime:
    try:
        return now - retention
    except OverflowError:  # longer than there have been times
        return datetime.min.replace(tzinfo=now.tzinfo)
