"""Whose run it is: claims and leases, in the database, for all processes.

A claim is one conditional UPDATE, so that two processes never advance the same run; it raises `epoch`, so that the one
before can write nothing any more. The lease says until when nobody else may claim; a keeper renews it.
"""

import os
import secrets
import socket
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from agentchat import conf
from agentchat.models import Run
from agentchat.runs.journal import Claim

# Unique for this process, and readable in admin.
PROCESS = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[-100:]


def _is_ready(now: datetime) -> Q:
    """Queued, or left behind by a process that has gone silent."""
    return Q(status=Run.Status.QUEUED) | Q(status=Run.Status.RUNNING, lease_until__lt=now)


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.app.lease_s)


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
    running = Run.objects.filter(
        status=Run.Status.RUNNING, lease_until__gte=now, session__owner_id=owner_id, session__guest_key=guest_key
    )
    return running.count() >= conf.app.max_runs_per_owner


def ready_runs(limit: int) -> list[int]:
    """The runs to claim next, oldest first; of each owner no more than may run at once."""
    now = timezone.now()
    ready = Run.objects.filter(_is_ready(now)).select_related("session").order_by("queued_at", "pk")
    taken: Counter[tuple[int | None, str]] = Counter()
    chosen: list[int] = []
    for run in ready[: 10 * limit]:
        taken[_owner(run)] += 1
        if taken[_owner(run)] <= conf.app.max_runs_per_owner:
            chosen.append(run.pk)
    return chosen[:limit]


def renew(claims: Collection[Claim]) -> set[int]:
    """Renew the leases of these runs. Return those that are still ours."""
    held: set[int] = set()
    for each in claims:
        still = Run.objects.filter(pk=each.run_id, epoch=each.epoch, status=Run.Status.RUNNING)
        if still.update(lease_until=_lease(timezone.now())):
            held.add(each.run_id)
    return held


def to_be_stopped(claims: Collection[Claim]) -> set[int]:
    """Those of these runs that somebody asked to stop."""
    runs = Run.objects.filter(pk__in=[each.run_id for each in claims], stop_requested=True)
    return set(runs.values_list("pk", flat=True))
