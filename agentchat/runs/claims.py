"""Whose run it is: claims and leases, in the database, for all processes.

A claim is one conditional UPDATE, so that two processes never advance the same run; it raises `epoch`, so that the one
before can write nothing any more. The lease says until when nobody else may claim; a keeper renews it.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from agentchat import conf
from agentchat.models import Run
from agentchat.runs.journal import PROCESS, Claim

MOMENT = timedelta(seconds=0.5)


def _is_ready(now: datetime) -> Q:
    """Queued, or left behind by a process that has gone silent, or waiting for an answer that cannot come any more."""
    return (
        Q(status=Run.Status.QUEUED)
        | Q(status__in=[Run.Status.RUNNING, Run.Status.WAITING], lease_until__lt=now)
        | Q(status=Run.Status.WAITING, waits_until__lt=now, owner_process="")
    )


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.app.lease_s)


@transaction.atomic
def claim(run_id: int) -> Claim | None:
    """Make the run ours. None: it is not ready, another process was first, or its owner has enough running."""
    now = timezone.now()
    run = Run.objects.select_related("session").filter(_is_ready(now), pk=run_id).first()
    if run is None or _owner_is_busy(run, now):
        return None
    won = Run.objects.filter(_is_ready(now), pk=run_id, epoch=run.epoch).update(
        status=Run.Status.RUNNING,
        epoch=F("epoch") + 1,
        owner_process=PROCESS,
        lease_until=_lease(now),
        waits_until=None,
        started_at=run.started_at or now,
    )
    if not won:
        return None
    return Claim(
        run_id=run.pk, session_id=run.session_id, number=run.number, epoch=run.epoch + 1, agent=run.session.agent
    )


def _owner(run: Run) -> tuple[int | None, str]:
    return run.session.owner_id, run.session.guest_key


def _owner_is_busy(run: Run, now: datetime) -> bool:
    owner_id, guest_key = _owner(run)
    held = _held(now).filter(session__owner_id=owner_id, session__guest_key=guest_key)
    return held.count() >= conf.app.max_runs_per_owner


def _held(now: datetime) -> QuerySet[Run]:
    """The runs that occupy a thread somewhere: those that run, and those that wait with their thread."""
    return Run.objects.exclude(owner_process="").filter(status__in=Run.LIVE, lease_until__gte=now)


def ready_runs(limit: int) -> list[int]:
    """The runs to claim next, oldest first; of each owner no more than may run at once."""
    now = timezone.now()
    ready = Run.objects.filter(_is_ready(now)).select_related("session").order_by("queued_at", "pk")
    owners = _held(now).values_list("session__owner_id", "session__guest_key")
    taken: Counter[tuple[int | None, str]] = Counter(owners)
    chosen: list[int] = []
    for run in ready[: 10 * limit]:
        taken[_owner(run)] += 1
        if taken[_owner(run)] <= conf.app.max_runs_per_owner:
            chosen.append(run.pk)
    return chosen[:limit]


def places_in_line(session_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many runs are before the queued run of each of these chat sessions; a moment's wait does not count."""
    queued = Run.objects.filter(status=Run.Status.QUEUED, queued_at__lt=timezone.now() - MOMENT)
    line = list(queued.order_by("queued_at", "pk").values_list("session_id", flat=True))
    wanted = set(session_ids)
    return {session_id: place for place, session_id in enumerate(line) if session_id in wanted}


def renew(claims: Collection[Claim]) -> set[int]:
    """Renew the leases of these runs. Return those that are lost: another process has taken them, or they are gone.

    One that has just ended here, or waits, has no lease any more, and is not lost.
    """
    lost: set[int] = set()
    for each in claims:
        run = Run.objects.filter(pk=each.run_id, epoch=each.epoch)
        if not run.filter(owner_process=PROCESS).update(lease_until=_lease(timezone.now())) and not run.exists():
            lost.add(each.run_id)
    return lost


def to_be_stopped(claims: Collection[Claim]) -> set[int]:
    """Those of these runs that somebody asked to stop."""
    runs = Run.objects.filter(pk__in=[each.run_id for each in claims], stop_requested=True)
    return set(runs.values_list("pk", flat=True))
