"""Number, save, replay: what a run writes down, and how it finds it again.

The rules, each of which was paid for:

- Every transaction locks the chat session first (`agentchat.runs.session`).
- Then it checks that the run is still ours (`epoch`): a process that was frozen past its lease writes nothing.
- A fact has an origin (run, step, ordinal), and what exists already is not written again: a replay shows nothing twice.
- A step's result and the facts that tell of it are one transaction: neither is ever there without the other.
- A transaction that the database has lost is made again as a whole (`agentchat.runs.database`). What the journal knows
  in memory changes after the commit only; and whoever makes it again looks whether it was committed after all.

Synchronous, for the agent's thread. What is saved is returned as frames; to publish them is the caller's affair.
"""

import hashlib
import itertools
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.utils import timezone

from agentchat.errors import DatabaseAway, Diverged, Released, Stopped
from agentchat.events import (
    Event,
    InputAnswered,
    InputRequested,
    RunError,
    RunFinished,
    TextMessage,
    TextMessageEnd,
    TextMessageStart,
    Usage,
)
from agentchat.models import ChatSession, InboxItem, Run, Step
from agentchat.models import Event as StoredEvent
from agentchat.runs.answers import Question, is_expired
from agentchat.runs.branches import Life, Tree
from agentchat.runs.caps import Spent
from agentchat.runs.database import RUN_S, whole
from agentchat.runs.ending import end_run
from agentchat.runs.frames import Frame, frame_of, frames_after
from agentchat.runs.process import PROCESS
from agentchat.runs.session import Origin, append, locked
from agentchat.runs.storable import clean_json, short

T = TypeVar("T")

logger = logging.getLogger("agentchat.runs")

# Facts told between step n and step n+1 belong to n, with ordinals from AFTER on; those told within n count from 0, and
# those that tell its result from RESULT: another try may tell more or less before it. The questions whether n is to be
# made again count from ASKED_AGAIN.
RESULT = 400_000
ASKED_AGAIN = 500_000
AFTER = 1_000_000

# What the columns take: a service may say that it has used anything.
MOST_TOKENS, MOST_COST = 2**63 - 1, Decimal(999_999)

WAITS = object()
EXPIRED = {"expired": True}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to advance a run, for as long as `epoch` is the run's.

    `left_by`: the process that seems to have died with it, if one has. `crashes`: those that have in a row, that one
    included, without a step recorded in between.
    """

    run_id: int
    session_id: UUID
    number: int
    epoch: int
    agent: str
    left_by: str = ""
    crashes: int = 0


@dataclass(kw_only=True)
class Writing:
    """One try of a transaction of a run: what it has locked, and what the journal knows once it is committed.

    `again`: an earlier try may have been committed. `was_left`: it was, for it has given the run away.
    """

    session: ChatSession
    run: Run
    again: bool
    was_left: bool
    origins: dict[Origin, int] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    questions: dict[int, Question] = field(default_factory=dict)


class Journal:
    """The journal of one claimed run. One thread uses it at a time, except `save`, which any of the run's may call."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        run = Run.objects.get(pk=claim.run_id)
        # A first life has nothing behind it, unless it is a branch: that spares three questions at every start.
        has_past = claim.epoch > 1 or run.from_seq is not None
        steps = Step.objects.filter(run_id=claim.run_id) if has_past else ()
        own = {step.number: step for step in steps}
        self._steps = own
        told = StoredEvent.objects.filter(run_id=claim.run_id) if has_past else StoredEvent.objects.none()
        self._origins = {
            Origin(step=step or 0, ordinal=ordinal): seq
            for step, ordinal, seq in told.filter(step_number__isnull=False).values_list(
                "step_number", "ordinal", "seq"
            )
        }
        questions = told.filter(type=InputRequested.type, ordinal=0)
        self._questions: dict[int, Question] = {event.step_number or 0: event.payload for event in questions}
        self._again: set[int] = set()
        if run.from_seq is not None:
            self._inherit(Life(Tree.of(claim.session_id), claim.run_id))
        self._next_number = 1
        self._lost: DatabaseAway | None = None
        self.spent = Spent(
            steps=sum(step.kind != "input" and step.status == Step.Status.DONE for step in own.values()),
            tokens=run.prompt_tokens + run.completion_tokens,
            cost=float(run.cost or 0),
            seconds_before=run.running_s,
        )

    def _inherit(self, life: Life) -> None:
        """Begin with what the runs before the point have recorded and told."""
        self._steps, self._again = life.steps, life.again
        for event in life.inherited():
            origin = Origin(step=event.step_number or 0, ordinal=event.ordinal)
            recorded = life.steps.get(origin.step)
            is_about_a_try = ASKED_AGAIN <= origin.ordinal < AFTER
            if is_about_a_try and recorded is not None and recorded.status == Step.Status.STARTED:
                continue  # the next question about it is this run's own
            self._origins.setdefault(origin, event.seq)
            if event.type == InputRequested.type and event.ordinal == 0:
                self._questions.setdefault(origin.step, event.payload)

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
        name = short(name)
        step = self._steps.get(number)
        first_possible = number + 1 if kind == "input" else number  # a question that was asked here may be this one
        is_new = step is None and number not in self._again
        if is_new and any(later >= first_possible for later in (*self._steps, *self._questions)):
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

        def begin(writing: Writing) -> None:
            Step.objects.get_or_create(
                run=writing.run,
                number=number,
                defaults={
                    "kind": kind,
                    "name": short(name),
                    "request_hash": digest_of(request),
                    "status": Step.Status.STARTED,
                    "started_at": timezone.now(),
                },
            )

        self._write(begin, going_on=True)

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

        def finish(writing: Writing) -> list[Frame]:
            _has_come_on(writing.run)
            Step.objects.update_or_create(
                run=writing.run,
                number=number,
                defaults={
                    "kind": kind,
                    "name": short(name),
                    "request_hash": digest_of(request),
                    "status": status,
                    "result": clean_json(result),
                    "usage": clean_json(usage[0].payload()) if usage else None,
                    "started_at": started_at,
                    "done_at": timezone.now(),
                },
            )
            return self._append(writing, number, facts, itertools.count(RESULT))

        frames = self._write(finish)
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
        frames = self._write(lambda writing: self._append_new(writing, facts), going_on=True)
        if isinstance(fact, Usage):
            self.spent.add([fact])
        return frames

    def _append(self, writing: Writing, step: int, facts: Sequence[Event], ordinals: Iterator[int]) -> list[Frame]:
        return self._append_new(writing, [pair for fact in facts for pair in self._expand(step, fact, ordinals)])

    def _append_new(self, writing: Writing, facts: Sequence[tuple[Event, Origin]]) -> list[Frame]:
        new = [(fact, origin) for fact, origin in facts if origin not in self._origins]
        written = _written(writing.run, [origin for _, origin in new]) if writing.again else {}
        new = [(fact, origin) for fact, origin in new if origin not in written]
        _count(writing.run, [fact for fact, _ in new if isinstance(fact, Usage)])
        frames = append(writing.session, writing.run, [fact for fact, _ in new], [origin for _, origin in new])
        writing.origins |= {origin: frame["seq"] for origin, frame in written.items()}
        writing.origins |= {origin: frame["seq"] for (_, origin), frame in zip(new, frames, strict=True)}
        return [*written.values(), *frames]

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

    def request_of(self, number: int) -> str:
        """The id of the question that this step asks: where an answer is edited, of the one that was asked before."""
        asked = self._questions.get(number)
        return str(asked["request"]) if asked else f"{self.claim.number}-{number}"

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
        name = short(name)

        def take(writing: Writing) -> tuple[Any, list[Frame]]:
            if writing.again and (taken := _step_of(writing.run, number)) is not None:
                writing.steps[number] = taken
                return taken.result, []  # its fact, if there is one, is found without a bell
            untaken = InboxItem.objects.filter(session=writing.session, run=None).order_by("id")
            item = untaken.filter(request_id=question.request).first()
            if item is None and takes_any:
                item = untaken.filter(request_id="").first()
            if item is None or writing.was_left:
                asked = self._questions.get(number) or question.payload()
                if writing.was_left or not is_expired(asked):
                    return WAITS, self._wait(writing, number, question, asked, itertools.count(), holds=holds)
                answered = InputAnswered(request=question.request, by="", expired=True)
                frames = self._append(writing, number, [answered], itertools.count(1))
            else:
                frames = []
                writing.run.status = Run.Status.RUNNING
                writing.run.save(update_fields=["status"])
                item.run, item.step = writing.run, number
                item.save(update_fields=["run", "step"])
            _has_come_on(writing.run)
            now = timezone.now()
            writing.steps[number] = step = Step.objects.create(
                run=writing.run,
                number=number,
                kind="input",
                name=name,
                request_hash=question.digest or "",
                status=Step.Status.DONE,
                result=EXPIRED if item is None else item.value,
                started_at=now,
                done_at=now,
            )
            return step.result, frames

        return self._write(take, going_on=True, may_leave=True)

    def ask_about(self, step: Step, question: InputRequested) -> tuple[Any, list[Frame]]:
        """Ask, as `take` does, whether to make a step again that may have taken effect. `question` names the try."""

        def ask(writing: Writing) -> tuple[Any, list[Frame]]:
            item = InboxItem.objects.filter(session=writing.session, request_id=question.request).first()
            if item is None or writing.was_left:
                origins = itertools.count(ASKED_AGAIN + step.tries)
                return WAITS, self._wait(writing, step.number, question, question.payload(), origins, holds=False)
            item.run, item.step = writing.run, step.number
            item.save(update_fields=["run", "step"])
            return item.value, []

        return self._write(ask, going_on=True, may_leave=True)

    def begin_again(self, step: Step) -> None:
        """Write down that a step begins again: the person's leave is good for one try."""
        tries = step.tries + 1
        is_own = step.run_id == self.claim.run_id

        def begin(writing: Writing) -> Step:
            if is_own:
                Step.objects.filter(pk=step.pk).update(tries=tries)
                return step
            # Another run's record stays as it is.
            kept = ("kind", "name", "request_hash", "status", "result", "usage", "started_at", "done_at")
            defaults = {"tries": tries, **{name: getattr(step, name) for name in kept}}
            return Step.objects.update_or_create(run=writing.run, number=step.number, defaults=defaults)[0]

        begun = self._write(begin, going_on=True)
        step.pk, step.run_id, step.tries = begun.pk, self.claim.run_id, tries

    def _wait(
        self,
        writing: Writing,
        number: int,
        question: InputRequested,
        asked: Question,
        ordinals: Iterator[int],
        *,
        holds: bool,
    ) -> list[Frame]:
        run = writing.run
        if number not in self._questions:
            writing.questions[number] = asked
        if not writing.was_left:
            until = asked.get("expiresAt")
            run.waits_until = datetime.fromisoformat(until) if until else None
            if holds and run.status == Run.Status.WAITING and not writing.again:
                return []  # asked already, and not answered yet
            if holds:
                run.status = Run.Status.WAITING
                run.save(update_fields=["status"])
            else:
                self._leave(run, Run.Status.WAITING)
        return self._append(writing, number, [question], ordinals)

    # --- the end of a life -----------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give the run away: the next process that looks takes it."""

        def release(writing: Writing) -> None:
            if not writing.was_left:
                self._leave(writing.run, Run.Status.QUEUED)

        self._write(release, may_leave=True, even_if_lost=True)

    def end(
        self, status: Run.Status, fact: RunFinished | RunError, *, half_written: dict[str, str]
    ) -> tuple[list[Frame], Run | None]:
        """The run is over. `half_written` is the text so far of its messages. Return also the run that follows it."""

        def end(writing: Writing) -> tuple[list[Frame], Run | None]:
            if writing.was_left:
                return _ended_before(writing)
            writing.run.running_s = self.spent.seconds
            return end_run(writing.session, writing.run, status, fact, half_written)

        return self._write(end, may_leave=True, even_if_lost=True)

    def _leave(self, run: Run, status: Run.Status) -> None:
        """This life of the run is over, and another one follows."""
        run.status, run.owner_process, run.lease_until, run.running_s = status, "", None, self.spent.seconds
        run.save(update_fields=["status", "owner_process", "lease_until", "running_s", "waits_until"])

    # --- transactions ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise DatabaseAway if a write has failed: what comes after it would stand beside a hole."""
        if self._lost is not None:
            raise self._lost

    def _write(
        self,
        work: Callable[[Writing], T],
        *,
        going_on: bool = False,
        may_leave: bool = False,
        even_if_lost: bool = False,
    ) -> T:
        """Do `work` in one transaction, as often as the database needs it; only then know what it has written."""
        if not even_if_lost:
            self.check()

        def once(again: bool) -> tuple[T, Writing]:
            with _ours(self.claim, again=again, going_on=going_on, may_leave=may_leave) as writing:
                return work(writing), writing

        try:
            result, writing = whole(once, within=RUN_S)
        except DatabaseAway as error:
            self._lost = error
            raise
        self._origins.update(writing.origins)
        self._steps.update(writing.steps)
        self._questions.update(writing.questions)
        return result


def fail_unread(claim: Claim, fact: RunError) -> tuple[list[Frame], Run | None]:
    """End a claimed run as failed, without its journal, which may be what no process outlives. Else as `Journal.end`.

    Raise Released if it is no longer ours, DatabaseAway if it cannot be written.
    """

    def fail(again: bool) -> tuple[list[Frame], Run | None]:
        with _ours(claim, again=again, may_leave=True) as writing:
            if writing.was_left:
                return _ended_before(writing)
            return end_run(writing.session, writing.run, Run.Status.FAILED, fact)

    return whole(fail, within=RUN_S)


@contextmanager
def _ours(claim: Claim, *, again: bool, going_on: bool = False, may_leave: bool = False) -> Iterator[Writing]:
    """A transaction on the chat session of a claimed run. Raise Released if the run is no longer ours.

    `going_on`: raise Stopped if somebody asked for that. What is over (a step's result, the run) is written still.
    `may_leave`: it may give the run away, and so may an earlier try of it have done.
    """
    with locked(claim.session_id, gone=Released) as session:
        run = session.runs.filter(pk=claim.run_id).first()
        if run is None or run.epoch != claim.epoch:
            raise Released
        was_left = again and may_leave and not run.owner_process
        if run.owner_process != PROCESS and not was_left:
            raise Released
        if going_on and run.stop_requested:
            raise Stopped
        yield Writing(session=session, run=run, again=again, was_left=was_left)


def _has_come_on(run: Run) -> None:
    """A step is recorded: whatever becomes of the process, the run's next life begins further on."""
    if run.crashes:
        run.crashes = 0
        run.save(update_fields=["crashes"])


def _step_of(run: Run, number: int) -> Step | None:
    return Step.objects.filter(run=run, number=number).first()


def _written(run: Run, origins: Sequence[Origin]) -> dict[Origin, Frame]:
    """Those of these facts that are saved."""
    wanted = set(origins)
    rows = StoredEvent.objects.filter(run=run, step_number__in={each.step for each in wanted}).order_by("seq")
    found = {Origin(step=row.step_number or 0, ordinal=row.ordinal): row for row in rows}
    return {origin: frame_of(row, run.number) for origin, row in found.items() if origin in wanted}


def _is_same(asked: Question, question: InputRequested) -> bool:
    """Whether the question of an earlier life is the one that comes now: words may differ, what it decides may not."""
    now = question.payload()
    return all(asked.get(key) == now.get(key) for key in ("kind", "digest", "password"))


def _count(run: Run, usage: Sequence[Usage]) -> None:
    for fact in usage:
        run.prompt_tokens = min(run.prompt_tokens + fact.prompt_tokens, MOST_TOKENS)
        run.completion_tokens = min(run.completion_tokens + fact.completion_tokens, MOST_TOKENS)
        if fact.cost is not None and math.isfinite(fact.cost):
            run.cost = min((run.cost or Decimal(0)) + Decimal(str(fact.cost)), MOST_COST)
    if usage:
        run.save(update_fields=["prompt_tokens", "completion_tokens", "cost"])


def _ended_before(writing: Writing) -> tuple[list[Frame], Run | None]:
    """What an earlier try has told, and the run that it has made."""
    session, run = writing.session, writing.run
    following = session.runs.filter(number__gt=run.number, status__in=Run.LIVE).first()
    return frames_after(session.pk, session.next_seq - 2), following


def digest_of(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
