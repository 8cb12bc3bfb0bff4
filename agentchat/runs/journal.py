"""Number, save, replay: what a run writes down, and how it finds it again.

The rules, each of which was paid for:

- Every transaction that touches a chat session locks its row first: one lock order, no deadlocks, no holes in `seq`.
- Then it checks that the run is still ours (`epoch`): a process that was frozen past its lease writes nothing.
- A fact has an origin (run, step, ordinal), and what exists already is not written again: a replay shows nothing twice.
- A step's result and the facts that tell of it are one transaction: neither is ever there without the other.

Synchronous, for the agent's thread. What is saved is returned as frames; to publish them is the caller's affair.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agentchat.errors import Diverged, Released, Stopped
from agentchat.events import (
    Event,
    InputRequested,
    RunError,
    RunFinished,
    RunStarted,
    TextMessage,
    TextMessageEnd,
    TextMessageStart,
    Usage,
)
from agentchat.models import ChatSession, InboxItem, Run, Step
from agentchat.models import Event as StoredEvent
from agentchat.runs.frames import Frame, frame_of

logger = logging.getLogger("agentchat.runs")

# Facts told between step n and step n+1 belong to n, with ordinals from here on; those told within n count from 0.
AFTER = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to advance a run, for as long as `epoch` is the run's."""

    run_id: int
    session_id: UUID
    number: int
    epoch: int
    agent: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a fact comes from: the same place gives the same fact in every life of the run."""

    step: int
    ordinal: int


@contextmanager
def locked(session_id: UUID, *, gone: type[BaseException] = ChatSession.DoesNotExist) -> Iterator[ChatSession]:
    """A transaction that holds the chat session: nobody else writes to it meanwhile. Raise `gone` if it was deleted."""
    with transaction.atomic():
        session = ChatSession.objects.select_for_update().filter(pk=session_id).first()
        if session is None:
            raise gone
        yield session


def append(
    session: ChatSession, run: Run | None, facts: Iterable[Event], origins: Iterable[Origin | None] = ()
) -> list[Frame]:
    """Number and save facts of a locked chat session. Where no origin is given, no step made them."""
    rows = []
    for fact, origin in itertools.zip_longest(facts, origins):
        rows.append(
            StoredEvent(
                session=session,
                seq=session.next_seq,
                run=run,
                step_number=origin.step if origin else None,
                ordinal=origin.ordinal if origin else 0,
                type=fact.type,
                payload=fact.payload(),
                created_at=timezone.now(),
            )
        )
        session.next_seq += 1
    StoredEvent.objects.bulk_create(rows)
    session.save(update_fields=["next_seq", "updated_at"])
    return [frame_of(row, run.number if run else None) for row in rows]


def start_run(session: ChatSession) -> tuple[Run, list[Frame]]:
    """A new run of a locked chat session that has no live one. It is queued."""
    last = session.runs.order_by("-number").first()
    run = Run.objects.create(session=session, number=last.number + 1 if last else 1, agent=session.agent)
    return run, append(session, run, [RunStarted()])


class Journal:
    """The journal of one claimed run. One thread uses it at a time, except `save`, which any of the run's may call."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._steps = {step.number: step for step in Step.objects.filter(run_id=claim.run_id)}
        self._origins = {
            Origin(step=step or 0, ordinal=ordinal): seq
            for step, ordinal, seq in StoredEvent.objects.filter(
                run_id=claim.run_id, step_number__isnull=False
            ).values_list("step_number", "ordinal", "seq")
        }
        self._numbers = itertools.count(1)

    # --- steps -----------------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """The number of the next step. In the agent's thread, in the order of the calls: a replay counts the same."""
        return next(self._numbers)

    def recorded(self, number: int, kind: str, name: str) -> Step | None:
        """The journal's step with this number. Raise Diverged if it is another one than the one that came."""
        step = self._steps.get(number)
        if step is not None and (step.kind, step.name) != (kind, name):
            raise Diverged(
                f"step {number} of run {self.claim.number} was {step.kind} {step.name!r}, and is now {kind} {name!r}: "
                f"did the code of {self.claim.agent!r} change while the run waited, or does it decide by a clock, a "
                f"random number or the database? Put such a decision into iostream.step(name, function)"
            )
        return step

    def begin(self, number: int, kind: str, name: str, request: Any) -> None:
        """Write down that a step begins: after a crash nobody can know otherwise whether it took effect."""
        with self._ours(going_on=True):
            Step.objects.get_or_create(
                run_id=self.claim.run_id,
                number=number,
                defaults={
                    "kind": kind,
                    "name": name,
                    "request_hash": _hash(request),
                    "status": Step.Status.STARTED,
                    "started_at": timezone.now(),
                },
            )

    def finish(
        self,
        number: int,
        kind: str,
        name: str,
        request: Any,
        result: Any,
        facts: Sequence[Event],
        *,
        ordinals: Iterator[int],
        started_at: Any,
    ) -> list[Frame]:
        """Save a step's result and the facts that tell of it."""
        usage = [fact for fact in facts if isinstance(fact, Usage)]
        with self._ours() as (session, run):
            Step.objects.update_or_create(
                run_id=self.claim.run_id,
                number=number,
                defaults={
                    "kind": kind,
                    "name": name,
                    "request_hash": _hash(request),
                    "status": Step.Status.DONE,
                    "result": result,
                    "usage": usage[0].payload() if usage else None,
                    "started_at": started_at,
                    "done_at": timezone.now(),
                },
            )
            if usage:
                Run.objects.filter(pk=run.pk).update(
                    prompt_tokens=F("prompt_tokens") + sum(fact.prompt_tokens for fact in usage),
                    completion_tokens=F("completion_tokens") + sum(fact.completion_tokens for fact in usage),
                )
            return self._append(session, run, number, facts, ordinals)

    # --- facts -----------------------------------------------------------------------------------------------------

    def seq_of(self, origin: Origin) -> int | None:
        """The number of the fact with this origin, if it was saved."""
        return self._origins.get(origin)

    def save(self, step: int, fact: Event, ordinals: Iterator[int]) -> list[Frame]:
        """Save a fact told in this step, or after it (as `ordinals` count); nothing, if it was saved before."""
        facts = [*self._expand(step, fact, ordinals)]
        if all(origin in self._origins for _, origin in facts):
            return []  # a replay: no transaction needed to know
        with self._ours(going_on=True) as (session, run):
            return self._append_new(session, run, facts)

    def _append(
        self, session: ChatSession, run: Run, step: int, facts: Sequence[Event], ordinals: Iterator[int]
    ) -> list[Frame]:
        return self._append_new(session, run, [pair for fact in facts for pair in self._expand(step, fact, ordinals)])

    def _append_new(self, session: ChatSession, run: Run, facts: Sequence[tuple[Event, Origin]]) -> list[Frame]:
        new = [(fact, origin) for fact, origin in facts if origin not in self._origins]
        frames = append(session, run, [fact for fact, _ in new], [origin for _, origin in new])
        self._origins |= {origin: frame["seq"] for (_, origin), frame in zip(new, frames, strict=True)}
        return frames

    def _expand(self, step: int, fact: Event, ordinals: Iterator[int]) -> Iterator[tuple[Event, Origin]]:
        """A fact with its origin; a whole message is a start and an end."""
        origin = Origin(step=step, ordinal=next(ordinals))
        if not isinstance(fact, TextMessage):
            yield fact, origin
            return
        message_id = f"{self.claim.number}-{step}-{origin.ordinal}"
        yield TextMessageStart(message_id=message_id, role=fact.role, name=fact.name), origin
        end = TextMessageEnd(message_id=message_id, content=fact.content)
        yield end, Origin(step=step, ordinal=next(ordinals))

    # --- people ----------------------------------------------------------------------------------------------------

    def take_input(self, number: int, name: str, prompt: str, *, password: bool) -> tuple[str | None, list[Frame]]:
        """Take what the person sent; or ask, and mark the run as waiting: then the first value is None."""
        request = InputRequested(
            request=f"{self.claim.number}-{number}", prompt=prompt, password=True if password else None
        )
        with self._ours(going_on=True) as (session, run):
            untaken = InboxItem.objects.filter(session=session, run=None).order_by("id")
            item = untaken.filter(request_id=request.request).first() or untaken.filter(request_id="").first()
            now = timezone.now()
            if item is None:
                run.status = Run.Status.WAITING
                run.owner_process, run.lease_until = "", None
                run.save(update_fields=["status", "owner_process", "lease_until"])
                return None, self._append(session, run, number, [request], itertools.count())
            item.run, item.step = run, number
            item.save(update_fields=["run", "step"])
            Step.objects.create(
                run=run,
                number=number,
                kind="input",
                name=name,
                status=Step.Status.DONE,
                result=item.value,
                started_at=now,
                done_at=now,
            )
            return str(item.value), []

    # --- the end of a life -----------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give the run away: the next process that looks takes it."""
        with self._ours() as (_, run):
            run.status = Run.Status.QUEUED
            run.owner_process, run.lease_until = "", None
            run.save(update_fields=["status", "owner_process", "lease_until"])

    def end(
        self, status: Run.Status, fact: RunFinished | RunError, *, half_written: dict[str, str]
    ) -> tuple[list[Frame], Run | None]:
        """The run is over. `half_written` is the text so far of its messages. Return also the run that follows it."""
        with self._ours() as (session, run):
            return _end(session, run, status, fact, half_written)

    @contextmanager
    def _ours(self, *, going_on: bool = False) -> Iterator[tuple[ChatSession, Run]]:
        """A transaction on the chat session. Raise Released if the run is no longer ours.

        `going_on`: raise Stopped if somebody asked for that. What is over (a step's result, the run) is written still.
        """
        with locked(self.claim.session_id, gone=Released) as session:
            run = session.runs.filter(pk=self.claim.run_id).first()
            if run is None or run.epoch != self.claim.epoch or run.status != Run.Status.RUNNING:
                raise Released
            if going_on and run.stop_requested:
                raise Stopped
            yield session, run


def end_unclaimed(
    session: ChatSession, run: Run, status: Run.Status, fact: RunFinished
) -> tuple[list[Frame], Run | None]:
    """End a run that no process advances (queued or waiting), in a locked chat session."""
    return _end(session, run, status, fact, {})


def _end(
    session: ChatSession, run: Run, status: Run.Status, fact: RunFinished | RunError, half_written: dict[str, str]
) -> tuple[list[Frame], Run | None]:
    run.status = status
    run.owner_process, run.lease_until, run.finished_at = "", None, timezone.now()
    if isinstance(fact, RunError):
        run.error_code, run.error_id = fact.code, fact.id
    run.save()
    # A message that begins must end: what was written so far is kept.
    unfinished = [
        TextMessageEnd(message_id=message_id, content=half_written.get(message_id, ""), stopped=True)
        for message_id in _unfinished_messages(run)
    ]
    frames = append(session, run, [*unfinished, fact])
    untaken = InboxItem.objects.filter(session=session, run=None)
    if not InboxItem.objects.filter(run=run).exists():
        # It asked for nothing: what lies in the inbox was meant for it, and would only start it again, for ever.
        untaken.update(run=run)
    if not untaken.exists():
        return frames, None
    following, started = start_run(session)
    return frames + started, following


def _unfinished_messages(run: Run) -> list[str]:
    messages = StoredEvent.objects.filter(run=run).order_by("seq").values_list("type", "payload__messageId")
    open_ones: dict[str, None] = {}
    for type_, message_id in messages.filter(type__in=[TextMessageStart.type, TextMessageEnd.type]):
        if type_ == TextMessageStart.type:
            open_ones[message_id] = None
        else:
            open_ones.pop(message_id, None)
    return list(open_ones)


def _hash(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
