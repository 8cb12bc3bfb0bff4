"""Handovers as steps of a run: it waits, without a thread, until staff give the chat back.

One is asked for by the agent function (`iostream.hand_over`); the other is made at a boundary between two steps, since
somebody is taking the chat over. Both record what was said, so a replay hears the same.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any

from agentchat.core.addressees import Addressee
from agentchat.core.handovers import HandoverResult
from agentchat.events import ChatEvent, HandoverEnded, InputAnswered
from agentchat.infra.statements import select_one
from agentchat.models import DelegatedQuestion, Handover, InboxItem, Run
from agentchat.runs import delegated_questions, handovers
from agentchat.runs.origins import Origin
from agentchat.runs.questions import Question
from agentchat.runs.recorded import Recorded
from agentchat.runs.session_lock import append
from agentchat.runs.transactions import JournalTransaction
from agentchat.runs.waits import KIND, Wait

HANDED_OVER, TAKEN_OVER = "hand over", "taken over"  # the names of the steps; they are stored in journals

NOT_DUE = object()
"""Instead of a result: nobody takes the chat over any more, or something else comes first."""


class _StaffWait(Wait):
    """A wait for staff. What happens meanwhile are events of the handover."""

    @staticmethod
    def events(number: int, result: Any, emitted: Container[Origin]) -> list[tuple[ChatEvent, Origin]]:
        return []


@dataclass(frozen=True, kw_only=True)
class HandoverWait(_StaffWait):
    """Until the chat is given back that the agent function hands over. Nobody has come: until `seconds` have passed."""

    to: Addressee
    summary: str

    @property
    def step_name(self) -> str:
        return HANDED_OVER

    @property
    def target(self) -> dict[str, Any]:
        return {handovers.WAITS_FOR: HANDED_OVER}

    def take(self, tx: JournalTransaction, number: int) -> dict[str, Any] | None:
        return _taken(tx, number, is_asked=True)

    def expired(self, tx: JournalTransaction, number: int) -> dict[str, Any]:
        handover = _handover_at(tx.run, number, is_asked=True)
        assert handover is not None, "it waits in one"
        ended = HandoverEnded(request=handover.request, expired=True)
        handovers.close(tx.session, handover, Handover.Outcome.EXPIRED)
        tx.frames += append(tx.session, tx.run, [ended])
        return _result(tx, handover, number).as_json()

    def wait(self, tx: JournalTransaction, number: int, release: Callable[[Run, Run.Status], None] | None) -> None:
        super().wait(tx, number, release)
        if _handover_at(tx.run, number, is_asked=True) is None:
            handover = handovers.open_(tx.session, self.to, is_asked=True, summary=self.summary)
            tx.frames += handovers.begin(tx.session, tx.run, number, handover)


@dataclass(frozen=True, kw_only=True)
class TakeoverWait(_StaffWait):
    """Until the chat is given back that somebody is taking over. `asked`: what the run has asked here, and asks again.

    `make` returns NOT_DUE if it is not to be made here: nobody takes the chat over any more, or the answer has come.
    """

    seconds: float | None = None
    asked: Question | None = field(default=None)

    @property
    def step_name(self) -> str:
        return TAKEN_OVER

    @property
    def target(self) -> dict[str, Any]:
        return {handovers.WAITS_FOR: TAKEN_OVER}

    def take(self, tx: JournalTransaction, number: int) -> dict[str, Any] | None:
        return _taken(tx, number, is_asked=False)

    def make(self, tx: JournalTransaction, number: int, release: Callable[[Run, Run.Status], None] | None) -> Any:
        if _handover_at(tx.run, number, is_asked=False) is None and not tx.was_released and not self._is_due(tx):
            return NOT_DUE
        return super().make(tx, number, release)

    def _is_due(self, tx: JournalTransaction) -> bool:
        handover = handovers.open_handover(tx.session)
        if handover is None or handover.has_begun:
            return False
        return self.asked is None or not _is_answered(tx, self.asked)

    def wait(self, tx: JournalTransaction, number: int, release: Callable[[Run, Run.Status], None] | None) -> None:
        super().wait(tx, number, release)
        handover = handovers.open_handover(tx.session)
        if handover is None or handover.has_begun:
            return
        if self.asked is not None and not _is_closed(tx, self.asked):
            delegated_questions.close(tx.session, self.asked["request"], DelegatedQuestion.Outcome.CANCELLED)
            withdrawn = InputAnswered(request=self.asked["request"], by="", expired=True)
            tx.frames += append(tx.session, tx.run, [withdrawn])
        tx.frames += handovers.begin(tx.session, tx.run, number, handover)


def next_takeover(recorded: Recorded, number: int) -> TakeoverWait | None:
    """The wait at the step with this number, if somebody has taken the chat over there, or is about to. No query."""
    step = recorded.steps.get(number)
    if step is not None:
        return TakeoverWait() if (step.kind, step.name) == (KIND, TAKEN_OVER) else None
    was_taken_over = (
        recorded.waited_for.get(handovers.WAITS_FOR) == TAKEN_OVER and recorded.waited_for["step"] == number
    )
    if number in recorded.to_repeat or (recorded.handover_id is None and not was_taken_over):
        return None
    return TakeoverWait(asked=recorded.questions.get(number))


def _handover_at(run: Run, number: int, *, is_asked: bool) -> Handover | None:
    """The one that began with this step."""
    return Handover.objects.filter(run=run, step=number, is_asked=is_asked).first()


def _taken(tx: JournalTransaction, number: int, *, is_asked: bool) -> dict[str, Any] | None:
    handover = _handover_at(tx.run, number, is_asked=is_asked)
    if handover is None or handover.closed_at is None:
        return None
    return _result(tx, handover, number).as_json()


def _result(tx: JournalTransaction, handover: Handover, number: int) -> HandoverResult:
    handovers.take_items(handover, tx.run, number)
    return handovers.result_of(handover)


def _is_answered(tx: JournalTransaction, asked: Question) -> bool:
    return select_one(InboxItem, session_id=tx.session.pk, run_id=None, request_id=asked["request"]) is not None


def _is_closed(tx: JournalTransaction, asked: Question) -> bool:
    answers = tx.run.events.filter(type=InputAnswered.type, payload__request=asked["request"])
    return answers.exists()
