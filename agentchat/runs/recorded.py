"""What is recorded of a run: its own steps and events, and those that it inherits. Read once, and then written to.

What is in memory changes only after the commit, and each retry of a transaction first looks whether an earlier try was
committed after all. After a write that has failed for good, or a step that is not the journal's, nothing more is
written.

Synchronous, for the agent's thread; `append_new`, `write` and `flush` may be called from any thread of the run.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from agentchat import conf
from agentchat.errors import Aborted, AgentChatError, DatabaseUnavailable
from agentchat.events import (
    ChatEvent,
    InputRequested,
    ReasoningMessageEnd,
    TextMessage,
    TextMessageEnd,
    TextMessageStart,
    Usage,
)
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, retry_transaction
from agentchat.infra.statements import select, select_values
from agentchat.models import Event, Run, Step
from agentchat.realtime.frames import Frame
from agentchat.runs.branching.inheritance import InheritedJournal
from agentchat.runs.branching.tree import Tree
from agentchat.runs.late_writes import LateWrites
from agentchat.runs.leases import Claim
from agentchat.runs.origins import QUESTION_ORDINALS, Origin, Phase
from agentchat.runs.questions import Question
from agentchat.runs.session_lock import append
from agentchat.runs.transactions import JournalTransaction, add_usage, claimed_transaction, saved_frames

T = TypeVar("T")


class Recorded:
    """A first execution has no past, unless the run is a branch, and reads nothing; others read with two queries.

    `own` are the steps of the run itself, by number; `steps` those that it has inherited, too. `to_repeat` are the
    numbers of inherited steps that are made again. `origins` has the number of each event by its origin, `questions`
    what each input step has asked, in the words that came last. `owner` is whose the chat session was at the last
    write: a user's key, or None and a guest's; `handover_id` is the key of its open handover then, if there is one.
    `waited_for` is what the run has waited for, unless it was its user (`Run.waits_for`).
    """

    def __init__(self, claim: Claim, run: Run) -> None:
        self._claim = claim
        self.owner: tuple[Any, str] = (None, "")
        self.handover_id = run.session.handover_id
        self.waited_for: Mapping[str, Any] = run.waits_for or {}
        self._failure: DatabaseUnavailable | Aborted | None = None
        self._writing = threading.RLock()
        self.late = LateWrites(self.append_new, self.flush)
        has_past = claim.epoch > 1 or run.from_seq is not None
        steps = select(Step, run_id=run.pk) if has_past else ()
        self.own = {step.number: step for step in steps}
        self.steps = self.own
        self.to_repeat: set[int] = set()
        emitted = select_values(Event, ("step_number", "ordinal", "seq"), run_id=run.pk) if has_past else ()
        self.origins = {Origin.stored(step, ordinal): seq for step, ordinal, seq in emitted if step is not None}
        asked: list[Event] = []
        if any(origin.is_question for origin in self.origins):
            asked = select(Event, run_id=run.pk, type=InputRequested.type, ordinal=QUESTION_ORDINALS, order=("seq",))
        self.questions: dict[int, Question] = {event.step_number or 0: event.payload for event in asked}
        if run.from_seq is not None:
            self._inherit(InheritedJournal(Tree.of(claim.session_id), run.pk))

    def _inherit(self, inherited: InheritedJournal) -> None:
        """Begin with what the runs before the fork point have recorded and emitted."""
        self.steps, self.to_repeat = inherited.steps, inherited.to_repeat
        questions: dict[int, Question] = {}
        for event in inherited.events():
            origin = Origin.of(event)
            recorded = inherited.steps.get(origin.step)
            is_open = recorded is not None and recorded.status == Step.Status.STARTED
            if origin.phase is Phase.ASKED_AGAIN and is_open:
                continue  # this run asks that question by itself
            self.origins.setdefault(origin, event.seq)
            if event.type == InputRequested.type and origin.is_question:
                questions[origin.step] = event.payload
        self.questions = questions | self.questions

    # --- what ends the run ------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise DatabaseUnavailable if a write has failed: nothing may be saved after a gap. Raise Aborted again."""
        if self._failure is not None:
            raise self._failure

    def abort(self, error: AgentChatError) -> NoReturn:
        """End the run, whatever the agent function catches: nothing can be recorded or shown from here on."""
        self._failure = Aborted(error)
        raise self._failure

    def close(self) -> None:
        """Let go of what is in memory. The execution is over, and its stream may be held for minutes.

        A timer of the event loop holds the context in which it was set until its time has come, even if cancelled:
        for the client of a model, that is ten minutes. What a thread that was left behind saves now is refused.
        """
        self.late.take()
        self.own, self.steps, self.origins, self.questions = {}, {}, {}, {}

    # --- transactions -----------------------------------------------------------------------------------------------

    def write(
        self,
        work: Callable[[JournalTransaction], T],
        *,
        unless_cancelled: bool = False,
        may_release: bool = False,
        even_after_failure: bool = False,
    ) -> T:
        """Do `work` in a transaction, after what is late (`LateWrites`), retried until committed.

        Only then change what is in memory. One thread at a time: what is late comes before all that follows.
        """
        with self._writing:
            if not even_after_failure:
                self.check()
            late = self.late.take()
            if isinstance(self._failure, DatabaseUnavailable):
                late = []  # it may be saved or not: nothing comes after a gap

            def once(is_retry: bool) -> tuple[T, JournalTransaction, list[Frame]]:
                with claimed_transaction(
                    self._claim, is_retry=is_retry, unless_cancelled=unless_cancelled, may_release=may_release
                ) as tx:
                    frames = [] if tx.was_released else self.late.write(tx, late)
                    return work(tx), tx, frames

            try:
                result, tx, frames = retry_transaction(once, timeout=RUN_TIMEOUT_SECONDS)
            except BaseException as error:
                self.late.put_back(late)
                if isinstance(error, DatabaseUnavailable):
                    self._failure = error
                raise
            self.owner = tx.session.owner_id, tx.session.guest_key
            self.handover_id = tx.session.handover_id
            self.origins.update(tx.origins)
            self.steps.update(tx.steps)
            self.questions.update(tx.questions)
            self.late.publish(frames)
            return result

    def flush(self) -> None:
        """Save what is late now."""
        with self._writing:
            if self.late.is_waiting:
                self.write(lambda tx: None, unless_cancelled=True)

    def append(self, tx: JournalTransaction, events: Sequence[ChatEvent], origins: Iterator[Origin]) -> list[Frame]:
        """Save those of the events that are not saved yet, with the next of these origins."""
        return self.append_new(tx, [pair for event in events for pair in self.expand(event, origins)])

    def append_new(self, tx: JournalTransaction, events: Sequence[tuple[ChatEvent, Origin]]) -> list[Frame]:
        new = [(event, origin) for event, origin in events if origin not in self.origins]
        saved = saved_frames(tx.run, [origin for _, origin in new]) if tx.is_retry else {}
        new = [(event, origin) for event, origin in new if origin not in saved]
        add_usage(tx.run, [event for event, _ in new if isinstance(event, Usage)])
        frames = append(tx.session, tx.run, [event for event, _ in new], [origin for _, origin in new])
        tx.origins |= {origin: frame["seq"] for origin, frame in saved.items()}
        tx.origins |= {origin: frame["seq"] for (_, origin), frame in zip(new, frames, strict=True)}
        return [*saved.values(), *frames]

    def expand(self, event: ChatEvent, origins: Iterator[Origin]) -> Iterator[tuple[ChatEvent, Origin]]:
        """An event with its origin, without what is not kept; a whole message becomes a start and an end."""
        origin = next(origins)
        if isinstance(event, ReasoningMessageEnd) and not conf.app.keep_reasoning:
            event = replace(event, content=None)
        if not isinstance(event, TextMessage):
            yield event, origin
            return
        message_id = f"{self._claim.number}-{origin.step}-{origin.ordinal}"
        yield TextMessageStart(message_id=message_id, role=event.role, name=event.name), origin
        yield TextMessageEnd(message_id=message_id, content=event.content), next(origins)
