"""How far back in the queue a run is, as its page shows it."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from agentchat.infra import moments
from agentchat.models import Run
from agentchat.runs.leases import BATCH

MOMENT = timedelta(seconds=0.5)
MAX_QUEUE_POSITION = 1000  # shown to everyone further back


def queue_positions(session_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many runs are ahead of the queued run of each of these chat sessions; a moment's wait does not count.

    Positions beyond MAX_QUEUE_POSITION are not counted: this is asked every second, however long the queue is.
    """
    queued = Run.objects.filter(status=Run.Status.QUEUED, queued_at__lt=moments.now() - MOMENT)
    queue = list(queued.order_by("queued_at", "pk").values_list("session_id", flat=True)[:MAX_QUEUE_POSITION])
    wanted = set(session_ids)
    positions = {session_id: position for position, session_id in enumerate(queue) if session_id in wanted}
    if len(queue) == MAX_QUEUE_POSITION:
        further = list(wanted - positions.keys())
        for start in range(0, len(further), BATCH):
            behind = queued.filter(session__in=further[start : start + BATCH]).values_list("session_id", flat=True)
            positions |= dict.fromkeys(behind, MAX_QUEUE_POSITION)
    return positions
