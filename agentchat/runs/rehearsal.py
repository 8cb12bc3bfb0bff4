"""Calling an agent function again from a recorded journal, to see whether it would go the same way. Without effects.

A rehearsal ends where the journal does: at the first step that is not in it, or at the end of the function. Nothing is
written, shown or asked; no model and no tool is called, but tools with `replay=True`, as at each replay.

For tests (`agent_chat(...).replayed()`) and before a deployment (`manage.py agentchat_check_runs`). On the loop of a
server, or of `asyncio.run`; the function runs in a thread of RUN_POOL.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from agentchat.core import registry
from agentchat.core.steps import StepSpec
from agentchat.errors import Aborted, AgentChatError, ConfigError, NonDeterminismError, RunInterrupt
from agentchat.events import ChatEvent, InputRequested
from agentchat.infra.database import close_connections
from agentchat.infra.encryption import ERASED
from agentchat.infra.sanitize import clean_json
from agentchat.infra.thread_pool import in_thread
from agentchat.io.base import IOStream
from agentchat.models import Event, Run, Step
from agentchat.realtime.frames import Frame
from agentchat.runs.determinism import digest_of
from agentchat.runs.execution import RUN_POOL
from agentchat.runs.handover_waits import TAKEN_OVER
from agentchat.runs.journal import Journal
from agentchat.runs.leases import Claim
from agentchat.runs.limits import LIMIT_CODE, is_limit_step
from agentchat.runs.origins import Origin, Phase
from agentchat.runs.questions import Question, is_the_same
from agentchat.runs.stream import RunIOStream
from agentchat.runs.waits import KIND, Wait


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """A step that the function wants to make: its number, and what identifies it."""

    number: int
    kind: str
    name: str
    digest: str = ""
    question: Question | None = None


@dataclass(kw_only=True)
class Rehearsal:
    """What a rehearsal has led to: the steps that come next, or none if the function has come to its end.

    `error` is why it could not go on. `shown` is what the function has shown by itself, by its origin.
    """

    next: list[NextStep] = field(default_factory=list)
    error: Exception | None = None
    shown: dict[Origin, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    state: dict[str, Any] | None = None


class _EndOfJournal(RunInterrupt):
    """The function wants to make a step that is not in the journal."""

    def __init__(self, steps: list[NextStep]) -> None:
        super().__init__()
        self.steps = steps


class _RecordedJournal(Journal):
    """A journal that is read up to a step, and never written."""

    def __init__(self, claim: Claim, last_step: int | None) -> None:
        super().__init__(claim)
        self.shown: dict[Origin, tuple[str, dict[str, Any]]] = {}
        self.planned: list[StepSpec] = []
        if last_step is not None:
            self._recorded.steps = {n: step for n, step in self._recorded.steps.items() if n <= last_step}
            self._recorded.questions = {n: asked for n, asked in self._recorded.questions.items() if n <= last_step}
        self._recorded.to_repeat = set()
        self._recorded.handover_id, self._recorded.waited_for = (
            None,
            {},
        )  # whoever takes the chat over now has not done so then

    def everything(self) -> tuple[dict[int, Step], dict[int, Question], dict[Origin, int]]:
        """The recorded steps, what was asked, and the number of each event by its origin."""
        done = {number: step for number, step in self._recorded.steps.items() if step.done_at is not None}
        return done, self._recorded.questions, self._recorded.origins

    @property
    def has_erased_passwords(self) -> bool:
        return any(step.result == ERASED for step in self._recorded.steps.values())

    def recorded(self, number: int, kind: str, name: str, *, digest: str | None = None) -> Step | None:
        """As in a run, but a step that would have to be made ends the rehearsal, with those planned with it."""
        step = super().recorded(number, kind, name, digest=digest)
        if kind in ("input", KIND):
            return step
        planned = self.planned.pop(0)
        if step is not None and step.done_at is not None:
            return step
        raise _EndOfJournal(
            [
                NextStep(number=n, kind=each.kind, name=each.name, digest=digest_of(each.made_request()))
                for n, each in enumerate([planned, *self.planned], number)
            ]
        )

    def save(self, event: ChatEvent, origins: Iterator[Origin], **_: Any) -> list[Frame]:
        for each, origin in self._recorded.expand(event, origins):
            self.shown[origin] = (each.type, clean_json(each.payload()))
        return []

    def wait(self, number: int, wait: Wait, **_: Any) -> NoReturn:
        raise _EndOfJournal([NextStep(number=number, kind=KIND, name=wait.step_name)])

    def answer(self, number: int, name: str, question: InputRequested, *_: Any, **__: Any) -> NoReturn:
        raise _EndOfJournal([NextStep(number=number, kind="input", name=name, question=clean_json(question.payload()))])


class _RehearsalStream(RunIOStream):
    """A run's stream that stops before the first step that would have to be made."""

    has_limits = False  # what was used by now says nothing of the way that was taken

    def __init__(self, journal: _RecordedJournal) -> None:
        super().__init__(journal)
        self._read_journal = journal

    def record_steps(self, steps: Sequence[StepSpec]) -> list[Any]:
        self._read_journal.planned = list(steps)
        return super().record_steps(steps)


async def differences(run: Run, *, after_each_step: bool = False) -> list[str]:
    """How the code's way differs from the one that is recorded: sentences, none if it would be the same.

    `after_each_step`: as if the process had died after each of the steps. Else with the whole journal, as when the next
    answer comes. Raise ConfigError as `rehearse` does.
    """
    record = await in_thread(RUN_POOL, _Record)(run)
    found: list[str] = []
    for last in range(record.last + 1) if after_each_step else [record.last]:
        rehearsal = await rehearse(run, last_step=last)
        found += [f"after step {last}: {each}" for each in record.compare(rehearsal, last)]
    return list(dict.fromkeys(found))


class _Record:
    """What is recorded of a run, to compare rehearsals with. Reads the database."""

    def __init__(self, run: Run) -> None:
        try:
            journal = _RecordedJournal(_claim(run), None)
            self._run = run
            self._steps, self._questions, origins = journal.everything()
            events = Event.objects.filter(session=run.session_id, seq__in=list(origins.values()))
            by_seq = {event.seq: (event.type, event.payload) for event in events}
        finally:
            close_connections()
        self.last = max(self._steps, default=0)
        self._shown = {
            origin: by_seq[seq] for origin, seq in origins.items() if origin.phase is Phase.AFTER and seq in by_seq
        }

    def compare(self, rehearsal: Rehearsal, last: int) -> Iterator[str]:
        if rehearsal.error is not None:
            if not self._has_failed_with(rehearsal.error, last):
                yield _words_of(rehearsal.error)
            return
        for step in rehearsal.next:
            yield from self._compare_step(step)
        if not rehearsal.next and last < self.last:
            yield f"the function ends, and had made {self._named(last + 1)} before"
        if not rehearsal.next and (asked := self._questions.get(last + 1)) is not None and last == self.last:
            yield f"the function ends, and had asked {asked['prompt']!r} before"
        expected = {origin: shown for origin, shown in self._shown.items() if origin.step <= last}
        for origin in sorted({*expected, *rehearsal.shown}, key=lambda each: (each.step, each.ordinal)):
            before, now = expected.get(origin), rehearsal.shown.get(origin)
            if _without_id(before) != _without_id(now):
                yield f"it had shown {_text(before)}, and shows {_text(now)} now"
        has_finished = self._run.status == Run.Status.FINISHED and last == self.last and not rehearsal.next
        if has_finished and rehearsal.state != self._run.state:
            yield f"its state was {self._run.state} at the end, and is {rehearsal.state} now"

    def _has_failed_with(self, error: Exception, last: int) -> bool:
        """Whether this is how the run itself has ended: by a failure of its own, and on the way that it took."""
        if isinstance(error, NonDeterminismError):
            return False
        code = error.code if isinstance(error, AgentChatError) else AgentChatError.code
        return last == self.last and (self._run.status, self._run.error_code) == (Run.Status.FAILED, code)

    def _compare_step(self, step: NextStep) -> Iterator[str]:
        recorded, asked = self._steps.get(step.number), self._questions.get(step.number)
        if recorded is not None and (recorded.name == TAKEN_OVER or is_limit_step(recorded.name)):
            return  # something came in between: the function makes its own step after it
        if asked is not None and str(asked.get("code", "")).startswith(LIMIT_CODE):
            return
        if recorded is not None and (recorded.kind, recorded.name) != (step.kind, step.name):
            yield f"it had made {self._named(step.number)} and makes {step.kind} {step.name!r} now"
        elif step.question is not None and asked is not None and not is_the_same(asked, step.question):
            yield f"it had asked {asked['prompt']!r}, and asks {step.question['prompt']!r} now"
        elif step.question is None and recorded is not None and recorded.request_hash not in ("", step.digest):
            yield f"{self._named(step.number)} gets another request than before: has it lost what it had in memory?"
        elif recorded is None and step.question is None and asked is not None:
            yield f"it had asked {asked['prompt']!r}, and makes {step.kind} {step.name!r} now"

    def _named(self, number: int) -> str:
        step = self._steps[number]
        return f"step {number}, {step.kind} {step.name!r},"


def _words_of(error: Exception) -> str:
    return str(error) if isinstance(error, AgentChatError) else f"the function fails: {error!r}"


def _without_id(shown: tuple[str, dict[str, Any]] | None) -> Any:
    """An inherited message has an id of the run that has made it."""
    return shown and (shown[0], {key: value for key, value in shown[1].items() if key != "messageId"})


def _text(shown: tuple[str, dict[str, Any]] | None) -> str:
    return "nothing" if shown is None else repr(shown[1].get("text", shown[1].get("content", shown[0])))


async def rehearse(run: Run, *, last_step: int | None = None) -> Rehearsal:
    """Call the run's agent function with its journal up to a step, or with all of it. On an event loop.

    Raise ConfigError if that is not possible: there is no such agent function, it is not durable, or the run has asked
    for a password.
    """
    return await in_thread(RUN_POOL, _rehearse)(run, last_step)


def _rehearse(run: Run, last_step: int | None) -> Rehearsal:
    try:
        agent = registry.find(run.agent)
        if agent is None:
            raise ConfigError(f"there is no agent function {run.agent!r}: was it renamed or removed?")
        if not agent.durable:
            raise ConfigError(f"agent function {run.agent!r} is not durable: it is never called again")
        journal = _RecordedJournal(_claim(run), last_step)
        if journal.has_erased_passwords:
            raise ConfigError(f"run {run.number} of chat {run.session_id} has asked for a password, which is erased")
        stream = _RehearsalStream(journal)
        rehearsal = Rehearsal(shown=journal.shown)
        try:
            with IOStream.in_run(stream):
                agent.call(stream)
            stream.check()
            stream.check_state()
        except _EndOfJournal as end:
            rehearsal.next = end.steps
        except Aborted as aborted:
            rehearsal.error = aborted.error
        except Exception as error:
            rehearsal.error = error
        rehearsal.state = stream.state_at_end
        return rehearsal
    finally:
        close_connections()


def _claim(run: Run) -> Claim:
    """As for the next execution of the run; nothing is claimed."""
    return Claim(run_id=run.pk, session_id=run.session_id, number=run.number, epoch=run.epoch + 1, agent=run.agent)
