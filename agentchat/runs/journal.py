"""The journal of a run: its steps and events are numbered and saved once, and found again when the run is replayed.

The rules, each of which has a failure behind it:

- Every transaction locks the chat session first (`agentchat.runs.session_lock`).
- Then it checks that the run still belongs to this process (`agentchat.runs.transactions`).
- An event has an origin (`agentchat.runs.origins`), and what is saved already is not saved again: a replay shows
  nothing twice.
- A step's result and the events that report it are one transaction: neither is ever there without the other.
- A transaction that the database has lost is made again as a whole (`agentchat.infra.database`, `runs.recorded`).

Synchronous, for the agent's thread. What is saved is returned as frames; publishing them is the caller's
responsibility.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from agentchat.core.addressees import Delegation
from agentchat.core.kept_requests import SealedTexts
from agentchat.core.log import get_logger
from agentchat.core.state import StateChange
from agentchat.errors import AgentChatError, LeaseLost
from agentchat.events import ChatEvent, InputAnswered, InputRequested, RunError, RunFinished, Usage
from agentchat.infra import moments
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, retry_transaction
from agentchat.infra.sanitize import clean_json, short
from agentchat.infra.statements import insert, select_with, update
from agentchat.models import DelegatedQuestion, InboxItem, Run, Step
from agentchat.realtime.frames import Frame
from agentchat.runs import delegated_questions, handovers
from agentchat.runs.determinism import (
    changed_question,
    changed_step,
    digest_of,
    unexpected_step,
    warn_of_other_words,
)
from agentchat.runs.finalize import end_run
from agentchat.runs.handover_waits import TAKEN_OVER, TakeoverWait, next_takeover
from agentchat.runs.inbox import assign, next_answer, take
from agentchat.runs.leases import Claim
from agentchat.runs.limits import RunUsage, cost_so_far
from agentchat.runs.origins import Origin, OriginSequence, Phase
from agentchat.runs.questions import WAITING, Question, is_expired, is_the_same, request_id
from agentchat.runs.recorded import Recorded
from agentchat.runs.step_rows import keep_request
from agentchat.runs.transactions import JournalTransaction, committed_end, reset_crash_count, saved_step, step_columns
from agentchat.runs.waits import KIND, Wait

logger = get_logger("agentchat.runs")


class Journal:
    """The journal of one claimed run.

    Steps are numbered, looked up and begun in the agent's thread alone. `restart`, `finish` and `save` may be called
    from any thread of the run: several steps may be made at the same time.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        run = claim.row or select_with(Run, "session", id=claim.run_id)
        if run is None:
            raise LeaseLost  # it was deleted a moment ago
        self.session = run.session  # as it was when this execution began
        self._recorded = Recorded(claim, run)
        self.late, self.close = self._recorded.late, self._recorded.close
        self._next_number, self.sealed = 1, SealedTexts()
        self.after_step = OriginSequence(0, Phase.AFTER)  # the origins of what is shown between two steps
        self.usage = RunUsage(
            steps=sum(
                step.kind not in ("input", KIND) and step.status == Step.Status.DONE
                for step in self._recorded.own.values()
            ),
            tokens=run.prompt_tokens + run.completion_tokens,
            cost=cost_so_far(run),
            seconds_before=run.running_s,
        )

    @property
    def owner(self) -> tuple[Any, str]:
        """Who owned the chat session at the last write: see `Recorded`."""
        return self._recorded.owner

    def check(self) -> None:
        """Raise what has ended the run, if something has: see `Recorded`."""
        self._recorded.check()

    def abort(self, error: AgentChatError) -> NoReturn:
        """End the run, whatever the agent function catches."""
        self._recorded.abort(error)

    # --- steps -----------------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """Number the next step. In the agent's thread, in the order of the calls: a replay counts the same."""
        self._next_number += 1
        return self._next_number - 1

    def peek(self) -> Step | None:
        """The journal's next step, if it has one."""
        return self._recorded.steps.get(self._next_number)

    @property
    def last_number(self) -> int:
        return self._next_number - 1

    def finished_between(self, first: int, last: int) -> list[Step]:
        """The recorded steps with these numbers that are made already."""
        numbers = range(first, last + 1)
        return [step for n in numbers if (step := self._recorded.steps.get(n)) is not None and step.done_at is not None]

    def passed(self, number: int) -> None:
        """The step with this number is made: what is shown from now on comes after it. In the agent's thread."""
        self.after_step = OriginSequence(number, Phase.AFTER)

    def recorded(self, number: int, kind: str, name: str, *, digest: str | None = None) -> Step | None:
        """The journal's step with this number. Raise NonDeterminismError if the code makes a different one now.

        `digest`: of what a user has approved, which must be the same too.
        """
        self._recorded.check()
        name = short(name)
        step = self._recorded.steps.get(number)
        first_possible = number + 1 if kind == "input" or name == TAKEN_OVER else number  # which may have asked already
        is_new = step is None and number not in self._recorded.to_repeat
        if is_new and any(later >= first_possible for later in (*self._recorded.steps, *self._recorded.questions)):
            self._recorded.abort(unexpected_step(self.claim, number, kind, name))
        if step is not None and (difference := changed_step(self.claim, step, kind, name, digest)):
            self._recorded.abort(difference)
        return step

    def begin(self, number: int, kind: str, name: str, request: Any) -> None:
        """Record that a step begins: otherwise it could not be known after a crash whether it may have taken effect."""
        row = {**step_columns(kind, name, digest_of(request), Step.Status.STARTED), "started_at": moments.now()}

        def begin(tx: JournalTransaction) -> None:
            Step.objects.get_or_create(run=tx.run, number=number, defaults=row)

        self._recorded.write(begin, unless_cancelled=True)

    def withdraw(self, numbers: Collection[int]) -> None:
        """Forget that these steps have begun: nothing of them was called."""

        def withdraw(tx: JournalTransaction) -> None:
            Step.objects.filter(run=tx.run, number__in=numbers, status=Step.Status.STARTED).delete()

        self._recorded.write(withdraw)

    def finish(
        self,
        number: int,
        kind: str,
        name: str,
        request: Any,
        result: Any,
        events: Sequence[ChatEvent],
        *,
        times: Mapping[str, Any],
        status: Step.Status = Step.Status.DONE,
        state: StateChange | None = None,
    ) -> list[Frame]:
        """Save a step's result, or how it failed, how it has changed the state, and the events that report it."""
        usage = [event for event in events if isinstance(event, Usage)]

        def finish(tx: JournalTransaction) -> list[Frame]:
            reset_crash_count(tx.run)
            step = Step(
                run=tx.run,
                number=number,
                **step_columns(kind, name, digest_of(request), status),
                result=clean_json(result),
                usage=clean_json(usage[0].payload()) if usage else None,
                state=clean_json(state),
                **times,
            )
            insert([step], or_update=("run", "number"))
            keep_request(step, request, self.sealed)
            return self._recorded.append(tx, events, OriginSequence(number, Phase.RESULT))

        frames = self._recorded.write(finish)
        self.usage.add(usage, steps=int(kind != "input"))
        return frames

    def restart(self, step: Step) -> None:
        """Record that a step is made again: the user's consent holds for one attempt."""
        tries = step.tries + 1
        is_own = step.run_id == self.claim.run_id

        def restart(tx: JournalTransaction) -> Step:
            if is_own:
                Step.objects.filter(pk=step.pk).update(tries=tries)
                return step
            # Another run's record stays as it is.
            kept = ("kind", "name", "request_hash", "status", "result", "usage", "state", "started_at", "done_at")
            defaults = {"tries": tries, **{name: getattr(step, name) for name in kept}}
            return Step.objects.update_or_create(run=tx.run, number=step.number, defaults=defaults)[0]

        restarted = self._recorded.write(restart, unless_cancelled=True)
        step.pk, step.run_id, step.tries = restarted.pk, self.claim.run_id, tries

    # --- events ----------------------------------------------------------------------------------------------------

    def seq_of(self, origin: Origin) -> int | None:
        """The number of the event with this origin, if it was saved."""
        return self._recorded.origins.get(origin)

    def save(self, event: ChatEvent, origins: Iterator[Origin], *, may_be_late: bool = False) -> list[Frame]:
        """Save an event with the next of these origins, unless it was saved before. From any thread of the run.

        `may_be_late`: with what is saved next (`LateWrites`), which publishes it, too.
        """
        events = [*self._recorded.expand(event, origins)]
        if all(origin in self._recorded.origins for _, origin in events):
            return []  # a replay: no transaction needed to know
        if may_be_late:
            self.late.add_events(events)
            return []
        frames = self._recorded.write(lambda tx: self._recorded.append_new(tx, events), unless_cancelled=True)
        if isinstance(event, Usage):
            self.usage.add([event])
        return frames

    def save_printed(self) -> None:
        """Save what was printed now: something may take effect."""
        if self.late.has_events:
            self._recorded.flush()

    # --- questions -------------------------------------------------------------------------------------------------

    def warn_of_other_words(self, number: int, question: InputRequested) -> None:
        """Log if the recorded answer of this step was given to a question in other words. It stays the answer."""
        if (asked := self._recorded.questions.get(number)) is not None:
            warn_of_other_words(self.claim, asked, question)

    def answer(
        self,
        number: int,
        name: str,
        question: InputRequested,
        delegation: Delegation | None = None,
        *,
        accepts_unsolicited: bool = False,
        blocking: bool = False,
    ) -> tuple[Any, list[Frame]]:
        """Record the user's answer as a step and return it; without one, ask, mark the run as waiting, return WAITING.

        `request` of the question is filled in here. If an earlier execution has asked in other words, the user is asked
        once more, and what they have answered is no answer to this.

        `accepts_unsolicited`: a message that answers no question counts as an answer too. `blocking`: the thread waits,
        and the run stays claimed meanwhile. The answer is EXPIRED if none can be given any more.
        """
        asked = self._recorded.questions.get(number)
        if asked is not None and (difference := changed_question(self.claim, asked, question, name)):
            self._recorded.abort(difference)
        replaced = asked if asked is not None and not is_the_same(asked, clean_json(question.payload())) else None
        if replaced is not None or asked is None:
            new_id = request_id(self.claim.number, number, in_other_words=replaced is not None)
            asked = None
        else:
            new_id = str(asked["request"])  # where an answer is edited, the id of the question that was asked before
        question = replace(question, request=new_id)
        phase = Phase.WITHIN if replaced is None else Phase.ASKED_AGAIN
        wanted = (question.request, "") if accepts_unsolicited else (question.request,)

        def take_late(tx: JournalTransaction) -> list[Frame]:
            if not tx.is_retry or saved_step(tx.run, number) is None:
                take(tx, self.claim, found, number, name, question)
            return []

        may_be_there = asked is not None or number == 1  # the question, or the message that has begun the run
        if may_be_there and replaced is None and not (blocking or self.claim.crashes):
            found = retry_transaction(lambda _: next_answer(self.session, wanted), timeout=RUN_TIMEOUT_SECONDS)
            if found is not None:
                self.late.add(take_late)
                return found.value, []

        def answer(tx: JournalTransaction) -> tuple[Any, list[Frame]]:
            if tx.is_retry and (recorded := saved_step(tx.run, number)) is not None:
                tx.steps[number] = recorded
                return recorded.result, []  # a saved event reaches pages without being published
            frames: list[Frame] = self._discard(tx, number, replaced) if replaced is not None else []
            item = next_answer(tx.session, wanted)
            if item is None or tx.was_released:
                if tx.was_released or not is_expired(asked or question.payload()):
                    origins = OriginSequence(number, phase)
                    return WAITING, frames + self._wait(tx, number, question, delegation, asked, origins, blocking)
                delegated_questions.close(tx.session, question.request, DelegatedQuestion.Outcome.EXPIRED)
                expired = InputAnswered(request=question.request, by="", expired=True)
                frames = self._recorded.append(tx, [expired], OriginSequence(number, start=1))
            elif tx.run.status != Run.Status.RUNNING:
                tx.run.status = Run.Status.RUNNING
                update(tx.run, "status")
            return take(tx, self.claim, item, number, name, question), frames

        return self._recorded.write(answer, unless_cancelled=True, may_release=True)

    def _discard(self, tx: JournalTransaction, number: int, replaced: Question) -> list[Frame]:
        """The question is asked in other words: an answer to the former ones is taken from the inbox, or prevented."""
        answer = InboxItem.objects.filter(session=tx.session, request_id=replaced["request"]).first()
        if answer is not None:
            assign(answer, tx.run, number)
            return []
        delegated_questions.close(tx.session, replaced["request"], DelegatedQuestion.Outcome.CANCELLED)
        closed = InputAnswered(request=replaced["request"], by="", expired=True)
        return self._recorded.append(tx, [closed], OriginSequence(number, Phase.ASKED_AGAIN, start=1))

    def wait(self, number: int, wait: Wait, *, blocking: bool) -> tuple[Any, list[Frame]]:
        """Record what the wait has led to as a step, and return its result; or mark the run as waiting: WAITING."""
        release = None if blocking else self._release
        return self._recorded.write(
            lambda tx: wait.record(tx, self._recorded, number, release), unless_cancelled=True, may_release=True
        )

    def takeover(self) -> TakeoverWait | None:
        """The step that comes next, if somebody has taken the chat over here, or is about to."""
        return next_takeover(self._recorded, self._next_number)

    def consent_to_repeat(
        self, step: Step, question: InputRequested, delegation: Delegation | None = None
    ) -> tuple[Any, list[Frame]]:
        """Ask as `answer` does whether to repeat a step that may have taken effect. `question` names the attempt."""

        def consent(tx: JournalTransaction) -> tuple[Any, list[Frame]]:
            item = InboxItem.objects.filter(session=tx.session, request_id=question.request).first()
            if item is None or tx.was_released:
                origins = OriginSequence(step.number, Phase.ASKED_AGAIN, start=step.tries)
                return WAITING, self._wait(tx, step.number, question, delegation, None, origins)
            assign(item, tx.run, step.number)
            return item.value, []

        return self._recorded.write(consent, unless_cancelled=True, may_release=True)

    def _wait(
        self,
        tx: JournalTransaction,
        number: int,
        question: InputRequested,
        delegation: Delegation | None,
        asked: Question | None,
        origins: Iterator[Origin],
        blocking: bool = False,
    ) -> list[Frame]:
        run = tx.run
        asked = tx.questions[number] = asked or question.payload()
        if delegation is not None:
            delegated_questions.open_(tx.session, run, question, delegation)
        if not tx.was_released:
            until = asked.get("expiresAt")
            run.waits_until = datetime.fromisoformat(until) if until else None
            run.waits_for = run.waits_on = None
            if blocking and run.status == Run.Status.WAITING and not tx.is_retry:
                return []  # asked already, and not answered yet
            if blocking:
                run.status = Run.Status.WAITING
                update(run, "status", "waits_for", "waits_on")
            else:
                self._release(run, handovers.waiting_status(run, may_be_taken=number not in self._recorded.steps))
        return self._recorded.append(tx, [question], origins)

    # --- the end of an execution -----------------------------------------------------------------------------------

    def release(self) -> None:
        """Hand the run off: the next process that looks for work claims it."""

        def release(tx: JournalTransaction) -> None:
            if not tx.was_released:
                self._release(tx.run, Run.Status.QUEUED)

        self._recorded.write(release, may_release=True, even_after_failure=True)

    def end(
        self,
        status: Run.Status,
        event: RunFinished | RunError,
        *,
        half_written: dict[str, list[ChatEvent]],
        state: dict[str, Any] | None = None,
    ) -> tuple[list[Frame], Run | None]:
        """End the run. `half_written`: the ends of its messages, by id. Return also the run that follows it.

        `state` is what the next run begins with.
        """

        def end(tx: JournalTransaction) -> tuple[list[Frame], Run | None]:
            if tx.was_released:
                return committed_end(tx)
            tx.run.running_s, tx.run.state = self.usage.seconds, clean_json(state)
            return end_run(tx.session, tx.run, status, event, half_written)

        return self._recorded.write(end, may_release=True, even_after_failure=True)

    def _release(self, run: Run, status: Run.Status) -> None:
        """This execution of the run is over, and another one follows."""
        run.status, run.owner_process, run.lease_until, run.running_s = status, "", None, self.usage.seconds
        update(run, "status", "owner_process", "lease_until", "running_s", "waits_until", "waits_for", "waits_on")
