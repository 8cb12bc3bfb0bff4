"""Which process a run belongs to: claims and leases, in the database, for all processes.

A claim is one conditional UPDATE, so two processes never advance the same run; it raises `epoch`, so the previous
process can write nothing any more. The lease says until when no other process may claim the run; the supervisor renews
it. Claims of one owner's runs are serialized, or two of them could both find the last free slot.

A run may kill its process, by the memory that it uses or in an extension. So the claim of a run whose process has died
counts that; a recorded step resets the count, and at MAX_CRASHES the run is failed instead of called. No process can
tell which of its runs has killed the one before. So in the final attempt before that a run is quarantined: a process
has one such run at a time, and a run that was merely in the wrong process has time to record a step.

Nothing here waits long for a lock: a transaction that is stuck on one chat session prevents neither claims of other
runs nor the renewal of their leases.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import OperationalError
from django.db.models import Q, QuerySet

from agentchat import conf
from agentchat.infra import moments
from agentchat.infra.database import (
    USER_TIMEOUT_SECONDS,
    atomic,
    connection,
    is_lock_timeout,
    retry_transaction,
    set_lock_timeout,
)
from agentchat.infra.process import PROCESS
from agentchat.infra.statements import count, select_with, update_if_unchanged
from agentchat.models import ChatSession, Run
from agentchat.runs.owners_in_turn import in_turn, owner_of

# How long a claim waits for a lock: longer than locks are usually held. Without any waiting, half of the answers that
# one user gave in four chats at once were delayed until the supervisor's next heartbeat.
CLAIM_LOCK_TIMEOUT_SECONDS = 0.25
RENEWAL_PAUSES_SECONDS = (0.0, 0.02, 0.1)

MAX_CRASHES = 3  # processes that may die with a run, one after the other, without a step recorded in between
_FINAL_ATTEMPT = MAX_CRASHES - 1  # the crashes of a run in its final attempt

BATCH = 500  # ids in one query

# A condition on statuses names those that do not count: given a choice, a database would read all runs that wait, which
# may be very many, instead of the few that have a lease or a deadline.
_ENDED = [status for status in Run.Status if status not in Run.LIVE]
_ALL_BUT_WAITING = [status for status in Run.Status if status != Run.Status.WAITING]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to advance a run, for as long as `epoch` is the run's.

    `orphaned_by`: the process that seems to have died with it, if any. `crashes`: how many have in a row, this one
    included, without a step recorded in between. `row` is the run with its session, if they were read under the lock of
    the transaction that has claimed it.
    """

    run_id: int
    session_id: UUID
    number: int
    epoch: int
    agent: str
    orphaned_by: str = ""
    crashes: int = 0
    row: Run | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ReadyQuery:
    """A way to be ready: a condition, and the order of the index that answers it.

    In another order SQLite would read all runs.
    """

    condition: Q
    order: tuple[str, ...]


def _queued() -> ReadyQuery:
    return ReadyQuery(Q(status=Run.Status.QUEUED), ("queued_at", "pk"))


def _orphaned(now: datetime) -> ReadyQuery:
    """The lease has expired: the process has gone silent."""
    return ReadyQuery(Q(lease_until__lt=now) & ~Q(status__in=[*_ENDED, Run.Status.QUEUED]), ("lease_until",))


def _unanswered(now: datetime) -> ReadyQuery:
    """Waiting for an answer that can no longer come."""
    return ReadyQuery(Q(waits_until__lt=now, owner_process="") & ~Q(status__in=_ALL_BUT_WAITING), ("waits_until",))


def is_orphaned(run: Run, now: datetime) -> bool:
    """`_orphaned` of a run that was read: its process has gone silent, and any other may claim it."""
    return run.status not in (*_ENDED, Run.Status.QUEUED) and run.lease_until is not None and run.lease_until < now


def is_ready(run: Run, now: datetime) -> bool:
    """Whether a run that was read is queued, orphaned or unanswered: a supervisor would claim it."""
    is_unanswered = run.status == Run.Status.WAITING and run.waits_until is not None and run.waits_until < now
    return run.status == Run.Status.QUEUED or is_orphaned(run, now) or (is_unanswered and not run.owner_process)


def lease_from(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.app.lease_s)


# --- claiming -------------------------------------------------------------------------------------------------------


def claim(run_id: int) -> Claim | None:
    """Claim the run for this process.

    None: it is not ready, another process was first, its owner has enough running, or another transaction holds a lock
    for longer than a moment. Raise DatabaseUnavailable if the database cannot be used.
    """
    claimed = _Claimed()

    def once(is_retry: bool) -> Claim | None:
        try:
            with atomic():
                return _claim(run_id, claimed, is_retry)
        except OperationalError as error:
            if is_lock_timeout(error):
                return None
            raise

    return retry_transaction(once, timeout=USER_TIMEOUT_SECONDS)


@dataclass
class _Claimed:
    """How a retry recognizes the row that an earlier try has written: no other claim has this lease and epoch."""

    lease_until: datetime | None = None
    epoch: int = 0
    orphaned_by: str = ""


def _claim(run_id: int, claimed: _Claimed, is_retry: bool) -> Claim | None:
    run = select_with(Run, "session", id=run_id)
    if run is None:
        return None
    if is_retry and (run.lease_until, run.epoch, run.owner_process) == (claimed.lease_until, claimed.epoch, PROCESS):
        return claim_of(run, claimed.orphaned_by)  # it was committed
    now = moments.now()
    if not is_ready(run, now):
        return None
    orphaned_by = _dead_process(run, now)
    crashes = _crashes(run, now)
    is_final_attempt = crashes == _FINAL_ATTEMPT
    _serialize_claims(run, quarantined=is_final_attempt)
    if _owner_is_busy(run, now) or (is_final_attempt and _has_quarantined_run(now)):
        return None
    lease = lease_from(now)
    claimed.lease_until, claimed.epoch, claimed.orphaned_by = lease, run.epoch + 1, orphaned_by
    changes = {
        "status": Run.Status.RUNNING,
        "epoch": run.epoch + 1,
        "owner_process": PROCESS,
        "lease_until": lease,
        "waits_until": None,
        "crashes": crashes,
        "started_at": run.started_at or now,
    }
    # What makes it ready is as it was read: on PostgreSQL it was not locked then.
    won = update_if_unchanged(run, changes, "status", "epoch", "owner_process", "lease_until", "waits_until", "crashes")
    return claim_of(run, orphaned_by) if won else None


def claim_of(run: Run, orphaned_by: str, *, row: Run | None = None) -> Claim:
    return Claim(
        run_id=run.pk,
        session_id=run.session_id,
        number=run.number,
        epoch=run.epoch,
        agent=run.session.agent,
        orphaned_by=orphaned_by,
        crashes=run.crashes,
        row=row,
    )


def may_claim_at_once(run: Run, now: datetime) -> bool:
    """Whether a run that is queued, and that no process has died with, may be claimed by who holds its chat session.

    Not if it has to wait for another claim of its owner's: that of a message waits for nobody.
    """
    if run.crashes >= _FINAL_ATTEMPT:
        return False
    if connection().vendor == "postgresql":
        with connection().cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_lock_number(owner_of(run))])
            if not cursor.fetchone()[0]:
                return False
    return not _owner_is_busy(run, now)


def _dead_process(run: Run, now: datetime) -> str:
    """The process that has gone silent with the run; empty if none has.

    It may be frozen instead, or cut off from the database: that is not known here. But this process is alive if
    it has let go of the run, and a process that stopped in order has released it.
    """
    return run.owner_process if is_orphaned(run, now) and run.owner_process != PROCESS else ""


def _crashes(run: Run, now: datetime) -> int:
    """The crashes of the run if it is claimed now."""
    return run.crashes + bool(_dead_process(run, now))


def _would_be_final_attempt(now: datetime) -> Q:
    """Whether `_crashes` is _FINAL_ATTEMPT, as a condition for the database."""
    has_died = ~Q(status=Run.Status.QUEUED) & Q(lease_until__lt=now) & ~Q(owner_process__in=["", str(PROCESS)])
    return Q(crashes=_FINAL_ATTEMPT) & ~has_died | Q(crashes=_FINAL_ATTEMPT - 1) & has_died


def _has_quarantined_run(now: datetime) -> bool:
    """Whether this process has a run in its final attempt that has recorded no step yet."""
    return _held(now).filter(owner_process=PROCESS, crashes=_FINAL_ATTEMPT).exists()


def _serialize_claims(run: Run, *, quarantined: bool = False) -> None:
    """Block other claims of this owner's runs, and other writers to this chat session, until the claim is made.

    `quarantined`: and this process's claims of other runs in their final attempt.

    First the chat session, then the owner, then the run: a claim that waits for a chat session must not block the
    owner's other runs meanwhile, and no other code that locks a chat session locks an owner. On SQLite there is one
    writer at a time in any case.
    """
    set_lock_timeout(CLAIM_LOCK_TIMEOUT_SECONDS)
    if connection().features.has_select_for_update:
        list(ChatSession.objects.select_for_update().filter(pk=run.session_id).values_list("pk"))
    if connection().vendor == "postgresql":
        with connection().cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number(owner_of(run))])
            if quarantined:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number(str(PROCESS))])


def _lock_number(owner: tuple[int | None, str] | str) -> int:
    """The number of an owner's, or a process's, advisory lock in PostgreSQL: 64 bits, the same in every process."""
    return int.from_bytes(hashlib.sha256(f"agentchat owner {owner!r}".encode()).digest()[:8], signed=True)


def _owner_is_busy(run: Run, now: datetime) -> bool:
    owner_id, guest_key = owner_of(run)
    held = count(
        Run,
        ("lease_until", ">=", now),
        ("owner_process", "<>", ""),
        ("status", "NOT IN", tuple(_ENDED)),
        ("session__owner_id", "=", owner_id),
        ("session__guest_key", "=", guest_key),
    )
    return held >= conf.app.max_runs_per_owner


def _held(now: datetime) -> QuerySet[Run]:
    """The runs that occupy a thread in some process: those that run, and those that wait with their thread."""
    return Run.objects.filter(lease_until__gte=now).exclude(owner_process="").exclude(status__in=_ENDED)


# --- what is ready --------------------------------------------------------------------------------------------------


def is_anything_queued() -> bool:
    """Whether any run is queued, if only by an owner who has as many running as they may."""
    return Run.objects.filter(_queued().condition).exists()


def ready_runs(limit: int) -> list[int]:
    """The runs to claim next: no more of one owner than may run at once, and one in its final attempt.

    Owners with an account and guests take turns, and so do the owners; each of them, the oldest first.
    """
    now = moments.now()
    return _choose(limit, now, (_queued(), _orphaned(now), _unanswered(now)))


def ready_unowned_runs(limit: int) -> list[int]:
    """The same without orphaned runs: their processes may be alive still, and renew the leases."""
    now = moments.now()
    return _choose(limit, now, (_queued(), _unanswered(now)))


def _choose(limit: int, now: datetime, queries: Sequence[ReadyQuery]) -> list[int]:
    held = list(_held(now).values_list("session__owner_id", "session__guest_key", "owner_process", "crashes"))
    running: Counter[tuple[int | None, str]] = Counter((owner_id, guest_key) for owner_id, guest_key, _, _ in held)
    has_quarantined = any((process, crashes) == (PROCESS, _FINAL_ATTEMPT) for _, _, process, crashes in held)
    ready = Run.objects.all()
    if has_quarantined:
        ready = ready.exclude(_would_be_final_attempt(now))
    for (owner_id, guest_key), occupied in running.items():
        if occupied >= conf.app.max_runs_per_owner:
            # Everything that they have queued, however much it is, must not hide another owner's run.
            ready = ready.exclude(session__owner_id=owner_id, session__guest_key=guest_key)
    oldest = _oldest(ready, queries, 10 * limit)
    if len(oldest) == 10 * limit:  # those of guests, who may be many, must not hide the others
        oldest += _oldest(ready.filter(session__owner__isnull=False), queries, 10 * limit)
    chosen: list[int] = []
    for run in in_turn({run.pk: run for run in oldest}.values(), running):
        is_final_attempt = _crashes(run, now) == _FINAL_ATTEMPT
        if is_final_attempt and has_quarantined:
            continue
        chosen.append(run.pk)
        has_quarantined = has_quarantined or is_final_attempt
        if len(chosen) == limit:
            break
    return chosen


def _oldest(runs: QuerySet[Run], queries: Sequence[ReadyQuery], limit: int) -> list[Run]:
    """Those that are ready. One query for each way to be ready: an index answers each, and none answers all."""
    found: list[Run] = []
    for query in queries:
        found += runs.filter(query.condition).select_related("session").order_by(*query.order)[:limit]
    return sorted(found, key=lambda run: (run.queued_at, run.pk))[:limit]


def owners_of(session_ids: Collection[UUID]) -> dict[UUID, str]:
    """The processes that advance the runs of these chat sessions; sessions in which no run advances are left out."""
    owners: dict[UUID, str] = {}
    ids = list(session_ids)
    for start in range(0, len(ids), BATCH):
        live = Run.objects.filter(session__in=ids[start : start + BATCH], status__in=Run.LIVE)
        owners.update(live.exclude(owner_process="").values_list("session_id", "owner_process"))
    return owners


# --- keeping and releasing ------------------------------------------------------------------------------------------


def renew(claims: Collection[Claim]) -> set[int]:
    """Renew the leases of these runs. Return those that are lost: another process has claimed them, or they are gone.

    A lease that has expired is renewed as well, if no other process has claimed the run. A run that has just ended
    here, or waits, has no lease any more, and is not lost. A run that another transaction has locked is skipped, or one
    stuck transaction would let all leases expire; most hold it for a moment, so there are three tries.
    """
    if not claims:
        return set()
    runs = Run.objects.filter(_is_one_of(claims))
    owners: dict[int, str] = {}
    for pause in RENEWAL_PAUSES_SECONDS:
        time.sleep(pause)
        with atomic():
            # no_key: inserting an event refers to the run's key, and is no reason to skip it.
            ours = runs.select_for_update(skip_locked=True, no_key=True).filter(owner_process=PROCESS)
            free = set(ours.values_list("pk", flat=True))
            Run.objects.filter(pk__in=free).update(lease_until=lease_from(moments.now()))
            owners = dict(runs.values_list("pk", "owner_process"))
        if all(run_id in free for run_id, owner in owners.items() if owner == PROCESS):
            break
    return {each.run_id for each in claims} - owners.keys()


def _is_one_of(claims: Collection[Claim]) -> Q:
    return reduce(or_, (Q(pk=each.run_id, epoch=each.epoch) for each in claims))


def disown(claims: Collection[Claim]) -> None:
    """This process ends while these runs still occupy threads in it: that must not count as a crash.

    Their leases stay. Nothing that these executions write from now on is accepted.
    """
    Run.objects.filter(_is_one_of(claims), owner_process=PROCESS).update(owner_process="")


def stop_requests(claims: Collection[Claim]) -> set[int]:
    """Those of these runs for which a stop was requested."""
    runs = Run.objects.filter(pk__in=[each.run_id for each in claims], stop_requested=True)
    return set(runs.values_list("pk", flat=True))
