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
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agentchat.errors import Diverged, Released, Stopped
from agentchat.events import (
    Event,
    InputAnswered,
    InputRequested,
    NestedChatsFinished,
    NestedChatsStarted,
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
from agentchat.runs.answers import Question, is_expired
from agentchat.runs.caps import Spent
from agentchat.runs.frames import Frame, frame_of
from agentchat.runs.sealing import ERASED

logger = logging.getLogger("agentchat.runs")

# Facts told between step n and step n+1 belong to n, with ordinals from AFTER on; those told within n count from 0, and
# those that tell its result from RESULT: another try may tell more or less before it. The questions whether n is to be
# made again count from ASKED_AGAIN.
RESULT = 400_000
ASKED_AGAIN = 500_000
AFTER = 1_000_000

# This process, as a run's `owner_process` has it: unique, and readable in admin.
PROCESS = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[-100:]

WAITS = object()
EXPIRED = {"expired": True}


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
    rows: list[StoredEvent] = []
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
    if not rows:
        return []
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
        questions = StoredEvent.objects.filter(run_id=claim.run_id, type=InputRequested.type, ordinal=0)
        self._questions: dict[int, Question] = {event.step_number or 0: event.payload for event in questions}
        self._next_number = 1
        run = Run.objects.get(pk=claim.run_id)
        self.spent = Spent(
            steps=sum(step.kind != "input" and step.status == Step.Status.DONE for step in self._steps.values()),
            tokens=run.prompt_tokens + run.completion_tokens,
            cost=float(run.cost or 0),
            seconds_before=run.running_s,
        )

    # --- steps -----------------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """The number of the next step. In the agent's thread, in the order of the calls: a replay counts the same."""
        self._next_number += 1
        return self._next_number - 1

    def peek(self) -> Step | None:
        """The journal's next step, if it has one."""
        return self._steps.get(self._next_number)

    @property
    def last_number(self) -> int:
        return self._next_number - 1

    def recorded(self, number: int, kind: str, name: str, *, digest: str | None = None) -> Step | None:
        """The journal's step with this number. Raise Diverged if it is another one than the one that came.

        `digest`: of what a person approved, which must be the same too.
        """
        step = self._steps.get(number)
        first_possible = number + 1 if kind == "input" else number  # a question that was asked here may be this one
        if step is None and any(later >= first_possible for later in (*self._steps, *self._questions)):
            raise Diverged(
                f"step {number} of run {self.claim.number} is {kind} {name!r} now, and was another one before: a "
                f"question, or a step that failed and was caught. Did the code of {self.claim.agent!r} change while "
                f"the run waited? An own step that may fail should return what went wrong instead of raising it"
            )
        if step is not None and digest is not None and step.request_hash != digest and step.name == name:
            raise Diverged(
                f"step {number} of run {self.claim.number} was {name!r}, and the person has approved it with other "
                f"arguments than it has now: a recorded model reply decides them, so did the code change?"
            )
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
                    "request_hash": digest_of(request),
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
        started_at: Any,
        status: Step.Status = Step.Status.DONE,
    ) -> list[Frame]:
        """Save a step's result, or how it failed, and the facts that tell of it."""
        usage = [fact for fact in facts if isinstance(fact, Usage)]
        with self._ours() as (session, run):
            Step.objects.update_or_create(
                run_id=self.claim.run_id,
                number=number,
                defaults={
                    "kind": kind,
                    "name": name,
                    "request_hash": digest_of(request),
                    "status": status,
                    "result": result,
                    "usage": usage[0].payload() if usage else None,
                    "started_at": started_at,
                    "done_at": timezone.now(),
                },
            )
            _count(run, usage)
            frames = self._append(session, run, number, facts, itertools.count(RESULT))
        self.spent.steps += 1
        self.spent.add(usage)
        return frames

    # --- facts -----------------------------------------------------------------------------------------------------

    def seq_of(self, origin: Origin) -> int | None:
        """The number of the fact with this origin, if it was saved."""
        return self._origins.get(origin)

    def save(self, step: int, fact: Event, ordinals: Iterator[int]) -> list[Frame]:
        """Save a fact told in this step, or after it (as `ordinals` count); nothing, if it was saved before."""
        facts = [*self._expand(step, fact, ordinals)]
        if all(origin in self._origins for _, origin in facts):
            return []  # a replay: no transaction needed to know
        usage = [fact] if isinstance(fact, Usage) else []
        with self._ours(going_on=True) as (session, run):
            _count(run, usage)
            frames = self._append_new(session, run, facts)
        self.spent.add(usage)
        return frames

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

    def take(
        self, number: int, name: str, question: InputRequested, *, takes_any: bool = False, holds: bool = False
    ) -> tuple[Any, list[Frame]]:
        """Take the person's answer as a step, and return its result; or ask, and mark the run as waiting: then WAITS.

        `takes_any`: what was said to no question counts as an answer too. `holds`: the thread waits, and the run stays
        ours meanwhile. The result is EXPIRED if nobody can answer any more.
        """
        asked_before = self._questions.get(number)
        if asked_before is not None and not _is_same(asked_before, question):
            raise Diverged(
                f"question {question.request} of run {self.claim.number} was about something else before than {name!r} "
                f"is now, and the person's answer is not meant for that"
            )
        with self._ours(going_on=True) as (session, run):
            untaken = InboxItem.objects.filter(session=session, run=None).order_by("id")
            item = untaken.filter(request_id=question.request).first()
            if item is None and takes_any:
                item = untaken.filter(request_id="").first()
            if item is None:
                asked = self._questions.get(number) or question.payload()
                if not is_expired(asked):
                    return WAITS, self._wait(session, run, number, question, asked, itertools.count(), holds=holds)
                answered = InputAnswered(request=question.request, by="", expired=True)
                frames = self._append(session, run, number, [answered], itertools.count(1))
            else:
                frames = []
                run.status = Run.Status.RUNNING
                run.save(update_fields=["status"])
                item.run, item.step = run, number
                item.save(update_fields=["run", "step"])
            now = timezone.now()
            step = Step.objects.create(
                run=run,
                number=number,
                kind="input",
                name=name,
                request_hash=question.digest or "",
                status=Step.Status.DONE,
                result=EXPIRED if item is None else item.value,
                started_at=now,
                done_at=now,
            )
            self._steps[number] = step
            return step.result, frames

    def ask_about(self, step: Step, question: InputRequested) -> tuple[Any, list[Frame]]:
        """Ask, as `take` does, whether to make a step again that may have taken effect. `question` names the try."""
        with self._ours(going_on=True) as (session, run):
            item = InboxItem.objects.filter(session=session, request_id=question.request).first()
            if item is None:
                origins = itertools.count(ASKED_AGAIN + step.tries)
                return WAITS, self._wait(session, run, step.number, question, question.payload(), origins, holds=False)
            item.run, item.step = run, step.number
            item.save(update_fields=["run", "step"])
            return item.value, []

    def begin_again(self, step: Step) -> None:
        """Write down that a step begins again: the person's leave is good for one try."""
        with self._ours(going_on=True):
            step.tries += 1
            step.save(update_fields=["tries"])

    def _wait(
        self,
        session: ChatSession,
        run: Run,
        number: int,
        question: InputRequested,
        asked: Question,
        ordinals: Iterator[int],
        *,
        holds: bool,
    ) -> list[Frame]:
        until = asked.get("expiresAt")
        run.waits_until = datetime.fromisoformat(until) if until else None
        if holds and run.status == Run.Status.WAITING:
            return []  # asked already, and not answered yet
        self._questions.setdefault(number, asked)
        if holds:
            run.status = Run.Status.WAITING
            run.save(update_fields=["status"])
        else:
            self._leave(run, Run.Status.WAITING)
        return self._append(session, run, number, [question], ordinals)

    # --- the end of a life -----------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give the run away: the next process that looks takes it."""
        with self._ours() as (_, run):
            self._leave(run, Run.Status.QUEUED)

    def end(
        self, status: Run.Status, fact: RunFinished | RunError, *, half_written: dict[str, str]
    ) -> tuple[list[Frame], Run | None]:
        """The run is over. `half_written` is the text so far of its messages. Return also the run that follows it."""
        with self._ours() as (session, run):
            run.running_s = self.spent.seconds
            return _end(session, run, status, fact, half_written)

    def _leave(self, run: Run, status: Run.Status) -> None:
        """This life of the run is over, and another one follows."""
        run.status, run.owner_process, run.lease_until, run.running_s = status, "", None, self.spent.seconds
        run.save(update_fields=["status", "owner_process", "lease_until", "running_s", "waits_until"])

    @contextmanager
    def _ours(self, *, going_on: bool = False) -> Iterator[tuple[ChatSession, Run]]:
        """A transaction on the chat session. Raise Released if the run is no longer ours.

        `going_on`: raise Stopped if somebody asked for that. What is over (a step's result, the run) is written still.
        """
        with locked(self.claim.session_id, gone=Released) as session:
            run = session.runs.filter(pk=self.claim.run_id).first()
            if run is None or run.epoch != self.claim.epoch or run.owner_process != PROCESS:
                raise Released
            if going_on and run.stop_requested:
                raise Stopped
            yield session, run


def _is_same(asked: Question, question: InputRequested) -> bool:
    """Whether the question of an earlier life is the one that comes now: words may differ, what it decides may not."""
    now = question.payload()
    return all(asked.get(key) == now.get(key) for key in ("kind", "digest", "password"))


def _count(run: Run, usage: Sequence[Usage]) -> None:
    for fact in usage:
        run.prompt_tokens += fact.prompt_tokens
        run.completion_tokens += fact.completion_tokens
        if fact.cost is not None:
            run.cost = (run.cost or Decimal(0)) + Decimal(str(fact.cost))
    if usage:
        run.save(update_fields=["prompt_tokens", "completion_tokens", "cost"])


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
    # A message that begins must end: what was written so far is kept. So must a nested chat, the innermost first.
    unfinished = [
        TextMessageEnd(message_id=message_id, content=half_written.get(message_id, ""), stopped=True)
        for message_id in _unfinished_messages(run)
    ]
    frames = append(session, run, [*unfinished, *_unfinished_chats(run), fact])
    InboxItem.objects.filter(session=session, value__has_key="sealed").update(value=ERASED)
    Step.objects.filter(run=run, result__has_key="sealed").update(result=ERASED)
    untaken = InboxItem.objects.filter(session=session, run=None)
    untaken.exclude(request_id="").update(run=run)  # answers to its questions are nobody else's
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


def _unfinished_chats(run: Run) -> list[NestedChatsFinished]:
    """The ends of the nested chats that have none, the innermost first."""
    events = StoredEvent.objects.filter(run=run, type__in=[NestedChatsStarted.type, NestedChatsFinished.type])
    ends: list[NestedChatsFinished] = []
    for type_, payload in events.order_by("seq").values_list("type", "payload"):
        end = NestedChatsFinished(step_name=payload["stepName"], name=payload["name"])
        if type_ == NestedChatsStarted.type:
            ends.insert(0, end)
        elif end in ends:
            ends.remove(end)
    return ends


def digest_of(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
