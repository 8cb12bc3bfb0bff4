"""A message's transaction claims the run that it queues, if this process has room for it: no other one has to.

Room is reserved before the transaction, for what is committed must be advanced, and given back if nothing is claimed
(`Runner.room`). Where a run waits for room already, or an owner has as many running as they may, the run is queued, and
claimed in its turn as any other (`leases.py`). Nothing is claimed here where workers advance the runs.

For the thread that has the room, and within it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agentchat.infra import moments
from agentchat.infra.process import PROCESS
from agentchat.infra.statements import update
from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from agentchat.runs.leases import Claim


class Room:
    """Room for one run in this process: the claim of the last try of a transaction, and that which was committed."""

    last_try: Claim | None = None
    committed: Claim | None = None


_room: ContextVar[Room | None] = ContextVar("agentchat_room", default=None)


@contextmanager
def using(room: Room) -> Iterator[None]:
    """Within, this thread's transactions may claim a run."""
    token = _room.set(room)
    try:
        yield
    finally:
        _room.reset(token)


def queue(session: ChatSession, run: Run) -> None:
    """Queue a run of a locked chat session that has let go of its process, or claim it."""
    run.status, run.queued_at, run.waits_until = Run.Status.QUEUED, moments.now(), None
    if not claim(session, run):
        update(run, "status", "queued_at", "waits_until")


def claim(session: ChatSession, run: Run) -> bool:
    """Claim a queued run of a locked chat session, if there is room for it. Its row is saved only then.

    No other process can claim it meanwhile: that takes the lock, too.
    """
    room = _room.get()
    if room is None:
        return False
    run.session = session
    now = moments.now()
    if run.lease_until is not None or not leases.may_claim_at_once(run, now):
        return False
    run.status, run.owner_process, run.lease_until = Run.Status.RUNNING, PROCESS, leases.lease_from(now)
    run.epoch, run.started_at = run.epoch + 1, run.started_at or now
    fields = ("status", "queued_at", "waits_until", "owner_process", "lease_until", "epoch", "started_at")
    update(run, *fields)
    room.last_try = leases.claim_of(run, "", row=run)
    return True


def is_claimed(run: Run) -> bool:
    """Whether this very execution of the run was claimed here, by this try of the transaction or an earlier one."""
    room = _room.get()
    tried = room.last_try if room else None
    return tried is not None and (tried.run_id, tried.epoch, PROCESS) == (run.pk, run.epoch, run.owner_process)


def advance(run: Run) -> bool:
    """After the commit: have the run advanced, if it is claimed. Return whether it is."""
    room = _room.get()
    if room is None or not is_claimed(run):
        return False
    room.committed = room.last_try
    return True
