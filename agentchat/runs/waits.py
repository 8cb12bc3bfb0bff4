"""Waiting for a signal of the project's own code (`agentchat.chats.signal`), or for a row, as `input()` does for users.

A run that waits holds no thread: it is marked as waiting, with what it waits for, and unwound. Signals are stored under
the chat session's lock and stay. Each branch takes those of a name in their order, by what its recorded steps have
taken: an early signal is kept, and a branch that forks before it was taken takes it again. Of a row only that it was
there is recorded: `row_checks.py` looks for it.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from agentchat.errors import ConfigError
from agentchat.events import ChatEvent, RunWaiting
from agentchat.infra import moments
from agentchat.infra.sanitize import clean_json
from agentchat.infra.statements import insert, select_one, update
from agentchat.models import ChatSignal, Run, Step
from agentchat.realtime.frames import Frame
from agentchat.runs import handovers
from agentchat.runs.branching.inheritance import InheritedJournal
from agentchat.runs.branching.tree import Tree
from agentchat.runs.origins import Origin
from agentchat.runs.questions import EXPIRED, WAITING
from agentchat.runs.recorded import Recorded
from agentchat.runs.transactions import JournalTransaction, reset_crash_count, saved_step

KIND = "wait"
MAX_NAME_CHARS = 100


def check_signal_name(name: str) -> None:
    """Raise ConfigError for what cannot be the name of a signal."""
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_CHARS or "\0" in name:
        raise ConfigError(f"the name of a signal is a text of 1 to {MAX_NAME_CHARS} characters, not {name!r:.200}")


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A wait of a run. `seconds`: how long, counted from when it begins; None: for ever."""

    seconds: float | None

    @property
    def step_name(self) -> str:
        raise NotImplementedError

    @property
    def target(self) -> dict[str, Any]:
        """What it waits for, in `Run.waits_for`: the same at every execution."""
        raise NotImplementedError

    @property
    def details(self) -> dict[str, Any]:
        """What is stored beside it, of the first execution."""
        return {}

    model_label: ClassVar[str | None] = None  # of the row that it waits for

    def take(self, tx: JournalTransaction, number: int) -> dict[str, Any] | None:
        """The result of the step, if that has come what it waits for."""
        raise NotImplementedError

    def record(
        self,
        tx: JournalTransaction,
        recorded: Recorded,
        number: int,
        release: Callable[[Run, Run.Status], None] | None,
    ) -> tuple[Any, list[Frame]]:
        """What `make` returns, and the frames of what is emitted with it."""
        result = self.make(tx, number, release)
        events = [] if tx.was_released else self.events(number, result, recorded.origins)
        return result, tx.frames + recorded.append_new(tx, events)

    def make(self, tx: JournalTransaction, number: int, release: Callable[[Run, Run.Status], None] | None) -> Any:
        """The result of the step with this number, recorded; or WAITING, and the run is marked as waiting.

        Without `release` the run stays claimed, and its thread waits. In a transaction of the run.
        """
        if tx.is_retry and (recorded := saved_step(tx.run, number)) is not None:
            tx.steps[number] = recorded
            return recorded.result
        result = None if tx.was_released else self.take(tx, number)
        if result is None and (tx.was_released or not self._is_over(tx.run, number)):
            if not tx.was_released:
                self.wait(tx, number, release)
            return WAITING
        if tx.run.status != Run.Status.RUNNING:
            tx.run.status = Run.Status.RUNNING
            update(tx.run, "status")
        reset_crash_count(tx.run)
        now = moments.now()
        tx.steps[number] = Step(
            run=tx.run,
            number=number,
            kind=KIND,
            name=self.step_name,
            status=Step.Status.DONE,
            result=clean_json(self.expired(tx, number) if result is None else result),
            started_at=now,
            done_at=now,
        )
        insert([tx.steps[number]])
        return tx.steps[number].result

    @staticmethod
    def events(number: int, result: Any, emitted: Container[Origin]) -> list[tuple[ChatEvent, Origin]]:
        """What is emitted with the result of its step: that the run waits, and if it has, that this is over."""
        begins, ends = Origin(step=number, index=1), Origin(step=number, index=2)  # index 0 is that of a question
        if result is WAITING:
            return [(RunWaiting(), begins)]
        return [(RunWaiting(over=True), ends)] if begins in emitted else []

    def expired(self, tx: JournalTransaction, number: int) -> dict[str, Any]:
        """The result of the step, if what it waits for has not come in time."""
        return EXPIRED

    def wait(self, tx: JournalTransaction, number: int, release: Callable[[Run, Run.Status], None] | None) -> None:
        """Mark the run as waiting. It may be already."""
        run = tx.run
        if self._is_at(run, number):
            run.waits_until = _deadline(run)  # it waits on for what it has waited for
        else:
            run.waits_until = None if self.seconds is None else moments.now() + timedelta(seconds=self.seconds)
            until = run.waits_until.isoformat() if run.waits_until else None
            run.waits_for = {"step": number, "until": until, **self.target, **self.details}
        run.waits_on = self.model_label
        if release is not None:
            release(run, handovers.waiting_status(run))
        else:
            run.status = Run.Status.WAITING
            update(run, "status", "waits_for", "waits_on", "waits_until")

    def _is_at(self, run: Run, number: int) -> bool:
        """Whether the run waits for this already, since an earlier execution, at this step."""
        expected = {"step": number, **self.target}
        return run.waits_for is not None and all(run.waits_for.get(key) == value for key, value in expected.items())

    def _is_over(self, run: Run, number: int) -> bool:
        deadline = _deadline(run) if self._is_at(run, number) else None
        return deadline is not None and deadline <= moments.now()


@dataclass(frozen=True, kw_only=True)
class SignalWait(Wait):
    """For the first signal of this name that the run's branch has not taken."""

    signal: str

    @property
    def step_name(self) -> str:
        return f"wait for {self.signal}"

    @property
    def target(self) -> dict[str, Any]:
        return {"signal": self.signal}

    def take(self, tx: JournalTransaction, number: int) -> dict[str, Any] | None:
        signals = ChatSignal.objects.filter(session=tx.session, name=self.signal).order_by("pk")
        if not signals.exists():
            return None
        first = signals.filter(pk__gt=_last_taken(tx.run, self.step_name)).first()
        return None if first is None else {"signal": first.pk, "value": first.value}


@dataclass(frozen=True, kw_only=True)
class RowWait(Wait):
    """For a row of the model with this label, such as "shop.order", that these lookups find.

    Those of the first execution count: a clock in them does not move.
    """

    model_label: str  # type: ignore[misc]  # here each wait has its own
    lookups: Mapping[str, Any]

    @property
    def step_name(self) -> str:
        return f"wait for a row of {self.model_label}"

    @property
    def target(self) -> dict[str, Any]:
        return {"row": self.model_label}

    @property
    def details(self) -> dict[str, Any]:
        return {"lookups": dict(self.lookups)}

    def take(self, tx: JournalTransaction, number: int) -> dict[str, Any] | None:
        return {"held": True} if self._is_at(tx.run, number) and tx.run.waits_for.get("held") else None


def _deadline(run: Run) -> datetime | None:
    until = run.waits_for["until"] if run.waits_for else None
    return datetime.fromisoformat(until) if until else None


def _last_taken(run: Run, step_name: str) -> int:
    """The key of the last signal that these steps of the run's branch have taken; they take them in order."""
    taken = Step.objects.filter(run__session=run.session_id, kind=KIND, name=step_name, status=Step.Status.DONE)
    with_waits = set(taken.values_list("run_id", flat=True))
    if not with_waits:
        return 0
    tree = Tree.of(run.session_id)
    pk: int | None = run.pk
    while pk is not None:
        lineage = tree.lineage(pk)
        if any(segment.node.pk in with_waits for segment in lineage):
            steps = InheritedJournal(tree, pk).steps.values()
            keys: list[int] = [step.result["signal"] for step in steps if _has_taken(step, step_name)]
            if keys:
                return max(keys)
        pk = lineage[0].node.parent  # the run that it follows
    return 0


def _has_taken(step: Step, step_name: str) -> bool:
    return (step.kind, step.name) == (KIND, step_name) and isinstance(step.result, dict) and "signal" in step.result


def wake_for(session_id: Any, name: str) -> Run | None:
    """The run to wake, if one of this locked chat session waits for a signal of this name; it is queued."""
    run = select_one(Run, session_id=session_id, status=Run.Status.WAITING)
    if run is None or run.waits_for is None or run.waits_for.get("signal") != name:
        return None
    if not run.owner_process:  # otherwise a thread waits for it, and continues by itself
        run.status, run.queued_at, run.waits_until = Run.Status.QUEUED, moments.now(), None
        update(run, "status", "queued_at", "waits_until")
    return run
