"""The transactions of a claimed run: locked, checked against the claim, and safe to be made again.

Each one locks the chat session, then checks that the run still belongs to this process (`epoch`): a process that was
frozen beyond its lease writes nothing. Where the database has lost a transaction it is made again as a whole, and the
functions here find what an earlier try may have committed.

Synchronous, for the agent's thread.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agentchat.budgets import metering
from agentchat.errors import Cancelled, LeaseLost
from agentchat.events import RunError, Usage
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, in_background, retry_transaction
from agentchat.infra.process import PROCESS
from agentchat.infra.sanitize import short
from agentchat.infra.statements import update
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.realtime.frames import Frame, frame_of, frames_after
from agentchat.runs.finalize import end_run
from agentchat.runs.leases import Claim
from agentchat.runs.limits import counted_cost
from agentchat.runs.origins import Origin
from agentchat.runs.questions import Question
from agentchat.runs.session_lock import lock_session_of

# What the columns hold: a service may claim any usage.
MAX_TOKENS, MAX_COST = 2**63 - 1, Decimal(999_999)


@dataclass(kw_only=True)
class JournalTransaction:
    """One try of a transaction: the rows that it has locked, and what the journal learns when it is committed.

    `is_retry`: an earlier try may have been committed. `was_released`: it was, for it has released the run.
    """

    session: ChatSession
    run: Run
    is_retry: bool
    was_released: bool
    origins: dict[Origin, int] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    questions: dict[int, Question] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)  # to be published, beside what the work itself returns


@contextmanager
def claimed_transaction(
    claim: Claim, *, is_retry: bool, unless_cancelled: bool = False, may_release: bool = False
) -> Iterator[JournalTransaction]:
    """A transaction on the chat session of a claimed run. Raise LeaseLost if the run belongs to this process no longer.

    `unless_cancelled`: raise Cancelled if a stop was requested. What has happened already (a step's result, the end of
    the run) is saved in any case. `may_release`: it may release the run, so an earlier try of it may have done so.
    """
    with in_background(), lock_session_of(claim.session_id, claim.run_id, not_found=LeaseLost) as run:
        if run.epoch != claim.epoch:
            raise LeaseLost
        was_released = is_retry and may_release and not run.owner_process
        if run.owner_process != PROCESS and not was_released:
            raise LeaseLost
        if unless_cancelled and run.stop_requested:
            raise Cancelled
        yield JournalTransaction(session=run.session, run=run, is_retry=is_retry, was_released=was_released)


def fail_unread(claim: Claim, error: RunError) -> tuple[list[Frame], Run | None]:
    """End a claimed run as failed without reading its journal, which may be what kills each process.

    Return what `Journal.end` does. Raise LeaseLost if the run belongs to this process no longer, and
    DatabaseUnavailable if its end cannot be saved.
    """

    def fail(is_retry: bool) -> tuple[list[Frame], Run | None]:
        with claimed_transaction(claim, is_retry=is_retry, may_release=True) as tx:
            if tx.was_released:
                return committed_end(tx)
            return end_run(tx.session, tx.run, Run.Status.FAILED, error)

    return retry_transaction(fail, timeout=RUN_TIMEOUT_SECONDS)


# --- what an earlier try has committed ------------------------------------------------------------------------------


def saved_step(run: Run, number: int) -> Step | None:
    return Step.objects.filter(run=run, number=number).first()


def saved_frames(run: Run, origins: Sequence[Origin]) -> dict[Origin, Frame]:
    """The frames of those of these events that are saved."""
    wanted = set(origins)
    rows = Event.objects.filter(run=run, step_number__in={each.step for each in wanted}).order_by("seq")
    found = {Origin.of(row): row for row in rows}
    return {origin: frame_of(row, run.number) for origin, row in found.items() if origin in wanted}


def committed_end(tx: JournalTransaction) -> tuple[list[Frame], Run | None]:
    """The last event of a run that an earlier try has ended, and the run that it has started."""
    session, run = tx.session, tx.run
    following = session.runs.filter(number__gt=run.number, status__in=Run.LIVE).first()
    return frames_after(session.pk, session.next_seq - 2), following


def step_columns(kind: str, name: str, digest: str, status: Step.Status) -> dict[str, Any]:
    """What every record of a step has."""
    return {"kind": kind, "name": short(name), "request_hash": digest, "status": status}


# --- what the run's row counts --------------------------------------------------------------------------------------


def reset_crash_count(run: Run) -> None:
    """A step is recorded: even if this process dies now, the next execution gets further."""
    if run.crashes:
        run.crashes = 0
        update(run, "crashes")


def add_usage(run: Run, usage: Sequence[Usage]) -> None:
    for each in usage:
        run.prompt_tokens = min(run.prompt_tokens + each.prompt_tokens, MAX_TOKENS)
        run.completion_tokens = min(run.completion_tokens + each.completion_tokens, MAX_TOKENS)
        if each.cost is not None and math.isfinite(each.cost):
            run.cost = min((run.cost or Decimal(0)) + Decimal(str(each.cost)), MAX_COST)
    if usage:
        update(run, "prompt_tokens", "completion_tokens", "cost")
        cost = sum(counted_cost(each.prompt_tokens, each.completion_tokens, each.cost) for each in usage)
        tokens = sum(each.prompt_tokens + each.completion_tokens for each in usage)
        metering.record(metering.spender_of(run.session), {"tokens": tokens, "cost": cost})
