"""Whose run it is: claims and leases, in the database, for all processes.

A claim is one conditional UPDATE, so that two processes never advance the same run; it raises `epoch`, so that the one
before can write nothing any more. The lease says until when nobody else may claim; a keeper renews it. Claims of one
owner's runs are made one after another, so that two cannot both find the last place free.

A run may kill its process, by the memory that it takes or in an extension. So a claim of a run whose process has died
counts that; a recorded step begins the count anew, and at MOST_CRASHES the run is failed instead of called. Nobody can
tell which of its runs has killed a process. So in its last life before that a run is apart from its like: a process has
one of these at a time, and one that was only in the wrong place has time to record a step.

Nothing here waits long for a lock: a transaction that stands still on one chat session keeps nobody from claiming the
others, nor from renewing their leases.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import OperationalError, connections, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from agentchat import conf
from agentchat.models import ChatSession, Run
from agentchat.runs.database import PERSON_S, is_held_up, wait_for_locks, whole
from agentchat.runs.journal import Claim
from agentchat.runs.process import PROCESS

MOMENT = timedelta(seconds=0.5)

# So long a claim waits for a lock. Longer than what holds one as a rule: with no patience at all, half of the answers
# that one person gave in four chats at once waited for the keeper's next beat.
PATIENCE_S = 0.25
RENEWAL_PAUSES_S = (0.0, 0.02, 0.1)

MOST_CRASHES = 3  # so many processes may die with a run, one after the other, without a step recorded in between
_LAST_LIFE = MOST_CRASHES - 1

MOST_AHEAD = 1000  # nobody is told of more who are before them

# Said by what a run is not: a database that may choose would look at all runs that wait, which may be very many, where
# the few that have a lease or a last moment are meant.
_ENDED = [status for status in Run.Status if status not in Run.LIVE]
_ALL_BUT_WAITING = [status for status in Run.Status if status != Run.Status.WAITING]


@dataclass(frozen=True)
class Way:
    """A way to be ready: a condition, and the order of the index that answers it.

    In another order SQLite would go through all runs.
    """

    condition: Q
    order: tuple[str, ...]


def _queued() -> Way:
    return Way(Q(status=Run.Status.QUEUED), ("queued_at", "pk"))


def _left_behind(now: datetime) -> Way:
    """By a process that has gone silent."""
    return Way(Q(lease_until__lt=now) & ~Q(status__in=[*_ENDED, Run.Status.QUEUED]), ("lease_until",))


def _unanswered(now: datetime) -> Way:
    """Waiting for an answer that cannot come any more."""
    return Way(Q(waits_until__lt=now, owner_process="") & ~Q(status__in=_ALL_BUT_WAITING), ("waits_until",))


def _is_ready(now: datetime) -> Q:
    return _queued().condition | _left_behind(now).condition | _unanswered(now).condition


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.app.lease_s)


def claim(run_id: int) -> Claim | None:
    """Make the run ours.

    None: it is not ready, another process was first, its owner has enough running, or somebody holds a lock for longer
    than a moment. Raise DatabaseAway if the database cannot be used.
    """
    claimed = _Claimed()

    def once(again: bool) -> Claim | None:
        try:
            with transaction.atomic():
                return _claim(run_id, claimed, again)
        except OperationalError as error:
            if is_held_up(error):
                return None
            raise

    return whole(once, within=PERSON_S)


@dataclass
class _Claimed:
    """By what a claim knows the row that an earlier try of it has written: no other claim has this lease and epoch."""

    lease_until: datetime | None = None
    epoch: int = 0
    left_by: str = ""


def _claim(run_id: int, claimed: _Claimed, again: bool) -> Claim | None:
    run = Run.objects.select_related("session").filter(pk=run_id).first()
    if run is None:
        return None
    if again and (run.lease_until, run.epoch, run.owner_process) == (claimed.lease_until, claimed.epoch, PROCESS):
        return _claim_of(run, claimed.left_by)  # it was committed
    now = timezone.now()
    left_by = _dead_process(run, now)
    crashes = _crashes(run, now)
    _one_after_another(run, apart=crashes == _LAST_LIFE)
    if _owner_is_busy(run, now) or (crashes == _LAST_LIFE and _one_is_in_its_last_life(now)):
        return None
    lease = _lease(now)
    claimed.lease_until, claimed.epoch, claimed.left_by = lease, run.epoch + 1, left_by
    as_it_was = Q(pk=run_id, epoch=run.epoch, owner_process=run.owner_process, crashes=run.crashes)
    won = Run.objects.filter(_is_ready(now), as_it_was).update(
        status=Run.Status.RUNNING,
        epoch=F("epoch") + 1,
        owner_process=PROCESS,
        lease_until=lease,
        waits_until=None,
        crashes=crashes,
        started_at=run.started_at or now,
    )
    if not won:
        return None
    run.epoch, run.crashes = run.epoch + 1, crashes
    return _claim_of(run, left_by)


def _claim_of(run: Run, left_by: str) -> Claim:
    return Claim(
        run_id=run.pk,
        session_id=run.session_id,
        number=run.number,
        epoch=run.epoch,
        agent=run.session.agent,
        left_by=left_by,
        crashes=run.crashes,
    )


def _dead_process(run: Run, now: datetime) -> str:
    """The process that has gone silent with the run; empty if none has.

    It may be frozen instead, or cut off from the database: nobody can tell from here. But this process is alive, if it
    has let go of the run, and one that left in order has given it away.
    """
    is_left_behind = run.status != Run.Status.QUEUED and run.lease_until is not None and run.lease_until < now
    return run.owner_process if is_left_behind and run.owner_process != PROCESS else ""


def _crashes(run: Run, now: datetime) -> int:
    """How many there are, if the run is claimed now."""
    return run.crashes + bool(_dead_process(run, now))


def _would_be_in_its_last_life(now: datetime) -> Q:
    """Whether `_crashes` is _LAST_LIFE, for a database."""
    has_died = ~Q(status=Run.Status.QUEUED) & Q(lease_until__lt=now) & ~Q(owner_process__in=["", str(PROCESS)])
    return Q(crashes=_LAST_LIFE) & ~has_died | Q(crashes=_LAST_LIFE - 1) & has_died


def _one_is_in_its_last_life(now: datetime) -> bool:
    """In this process, as yet without a step."""
    return _held(now).filter(owner_process=PROCESS, crashes=_LAST_LIFE).exists()


def _one_after_another(run: Run, *, apart: bool = False) -> None:
    """Hold up other claims of this owner's runs, and other writers to this chat session, until the claim is made.

    `apart`: and claims of this process for others that are in their last life.

    The chat session first, then the owner, then the run: whoever waits for a chat session must not hold up the owner's
    others meanwhile. Nobody else who locks a chat session locks an owner. On SQLite there is one writer at a time in
    any case.
    """
    wait_for_locks(PATIENCE_S)
    connection = connections[router.db_for_write(Run)]
    if connection.features.has_select_for_update:
        list(ChatSession.objects.select_for_update().filter(pk=run.session_id).values_list("pk"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number_of(_owner(run))])
            if apart:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number_of(str(PROCESS))])


def _number_of(owner: tuple[int | None, str] | str) -> int:
    """A number for the owner, or a process, as PostgreSQL's advisory locks want one: 64 bits, everywhere the same."""
    return int.from_bytes(hashlib.sha256(f"agentchat owner {owner!r}".encode()).digest()[:8], signed=True)


def _owner(run: Run) -> tuple[int | None, str]:
    return run.session.owner_id, run.session.guest_key


def _owner_is_busy(run: Run, now: datetime) -> bool:
    owner_id, guest_key = _owner(run)
    held = _held(now).filter(session__owner_id=owner_id, session__guest_key=guest_key)
    return held.count() >= conf.app.max_runs_per_owner


def _held(now: datetime) -> QuerySet[Run]:
    """The runs that occupy a thread somewhere: those that run, and those that wait with their thread."""
    return Run.objects.filter(lease_until__gte=now).exclude(owner_process="").exclude(status__in=_ENDED)


def ready_runs(limit: int) -> list[int]:
    """The runs to claim next, oldest first: of each owner no more than may run at once, and one in its last life."""
    now = timezone.now()
    return _chosen(limit, now, (_queued(), _left_behind(now), _unanswered(now)))


def ready_runs_of_nobody(limit: int) -> list[int]:
    """The same, without those that a process has left behind: it may be there still, and renew their leases."""
    now = timezone.now()
    return _chosen(limit, now, (_queued(), _unanswered(now)))


def _chosen(limit: int, now: datetime, ways: Sequence[Way]) -> list[int]:
    held = list(_held(now).values_list("session__owner_id", "session__guest_key", "owner_process", "crashes"))
    taken: Counter[tuple[int | None, str]] = Counter((owner_id, guest_key) for owner_id, guest_key, _, _ in held)
    is_taken_apart = any((process, crashes) == (PROCESS, _LAST_LIFE) for _, _, process, crashes in held)
    ready = Run.objects.all()
    if is_taken_apart:
        ready = ready.exclude(_would_be_in_its_last_life(now))
    for (owner_id, guest_key), running in taken.items():
        if running >= conf.app.max_runs_per_owner:
            # All that they have queued, however much it is, must not hide the run of somebody else.
            ready = ready.exclude(session__owner_id=owner_id, session__guest_key=guest_key)
    chosen: list[int] = []
    for run in _oldest(ready, ways, 10 * limit):
        is_apart = _crashes(run, now) == _LAST_LIFE
        if is_apart and is_taken_apart:
            continue
        taken[_owner(run)] += 1
        if taken[_owner(run)] <= conf.app.max_runs_per_owner:
            chosen.append(run.pk)
            is_taken_apart = is_taken_apart or is_apart
    return chosen[:limit]


def _oldest(runs: QuerySet[Run], ways: Sequence[Way], limit: int) -> list[Run]:
    """Those that are ready. One question for each way to be so: an index answers each, and none answers all."""
    found: list[Run] = []
    for way in ways:
        found += runs.filter(way.condition).select_related("session").order_by(*way.order)[:limit]
    return sorted(found, key=lambda run: (run.queued_at, run.pk))[:limit]


def places_in_line(session_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many runs are before the queued run of each of these chat sessions; a moment's wait does not count.

    Beyond MOST_AHEAD nobody counts: it is asked every second, however long the line is.
    """
    queued = Run.objects.filter(status=Run.Status.QUEUED, queued_at__lt=timezone.now() - MOMENT)
    line = list(queued.order_by("queued_at", "pk").values_list("session_id", flat=True)[:MOST_AHEAD])
    wanted = set(session_ids)
    places = {session_id: place for place, session_id in enumerate(line) if session_id in wanted}
    if len(line) == MOST_AHEAD:
        further = list(wanted - places.keys())
        for start in range(0, len(further), 500):
            behind = queued.filter(session__in=further[start : start + 500]).values_list("session_id", flat=True)
            places |= dict.fromkeys(behind, MOST_AHEAD)
    return places


def owners_of(session_ids: Collection[UUID]) -> dict[UUID, str]:
    """The processes that advance the runs of these chat sessions; those in which no run advances are left out."""
    owners: dict[UUID, str] = {}
    ids = list(session_ids)
    for start in range(0, len(ids), 500):
        live = Run.objects.filter(session__in=ids[start : start + 500], status__in=Run.LIVE)
        owners.update(live.exclude(owner_process="").values_list("session_id", "owner_process"))
    return owners


def renew(claims: Collection[Claim]) -> set[int]:
    """Renew the leases of these runs. Return those that are lost: another process has taken them, or they are gone.

    A lease that has ended is renewed as well, if nobody has taken the run. One that has just ended here, or waits, has
    no lease any more, and is not lost. A run that somebody else holds locked is passed over, or one transaction that
    stands still would let all leases end; most hold it for a moment, so it is tried three times.
    """
    if not claims:
        return set()
    runs = Run.objects.filter(_is_one_of(claims))
    owners: dict[int, str] = {}
    for pause in RENEWAL_PAUSES_S:
        time.sleep(pause)
        with transaction.atomic():
            # no_key: inserting a fact refers to the run's key, and is no reason to pass it over.
            ours = runs.select_for_update(skip_locked=True, no_key=True).filter(owner_process=PROCESS)
            free = set(ours.values_list("pk", flat=True))
            Run.objects.filter(pk__in=free).update(lease_until=_lease(timezone.now()))
            owners = dict(runs.values_list("pk", "owner_process"))
        if all(run_id in free for run_id, owner in owners.items() if owner == PROCESS):
            break
    return {each.run_id for each in claims} - owners.keys()


def _is_one_of(claims: Collection[Claim]) -> Q:
    return reduce(or_, (Q(pk=each.run_id, epoch=each.epoch) for each in claims))


def give_away(claims: Collection[Claim]) -> None:
    """This process ends, and these runs are at work in it to the last: nobody shall take that for its death.

    Their leases stay. What they write from now on is not taken any more.
    """
    Run.objects.filter(_is_one_of(claims), owner_process=PROCESS).update(owner_process="")


def to_be_stopped(claims: Collection[Claim]) -> set[int]:
    """Those of these runs that somebody asked to stop."""
    runs = Run.objects.filter(pk__in=[each.run_id for each in claims], stop_requested=True)
    return set(runs.values_list("pk", flat=True))
