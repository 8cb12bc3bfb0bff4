"""The IOStream of a run.

Agents only print(), send() and input(); where the words go is the stream's affair. This stream numbers and saves what
happens, tells those who look, and waits for nobody: input() without an answer suspends the run, and when the answer is
there the agent function is called again from the top, with its journal.

Runs in the agent's thread (and in those of its tools). Nothing here knows of sockets; the consumer does.
"""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.utils import timezone
from pydantic import ValidationError

from agentchat import conf, own_words
from agentchat.errors import AgentChatError, CapReached, ConfigError, DatabaseAway, InputExpired, Rejected, Suspended
from agentchat.events import (
    Event,
    InputRequested,
    Notice,
    Printed,
    RunError,
    RunFinished,
    TextMessage,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.io.base import IOStream
from agentchat.models import ChatSession, InboxItem, Run
from agentchat.models import Event as StoredEvent
from agentchat.models import Step as StoredStep
from agentchat.questions import Approval, Decision, M, problems_of
from agentchat.runs import caps, lists
from agentchat.runs.branches import Tree
from agentchat.runs.bridge import RunBridge
from agentchat.runs.database import RUN_S, give_back_if_pooled, whole
from agentchat.runs.frames import Frame
from agentchat.runs.hub import Writing, hub
from agentchat.runs.journal import AFTER, EXPIRED, WAITS, Journal, digest_of
from agentchat.runs.publish import publish
from agentchat.runs.sealing import unseal
from agentchat.runs.session import Origin
from agentchat.runs.storable import clean_json
from agentchat.steps import Step, Try

T = TypeVar("T")

LOOK_AGAIN_S = 1.0  # an answer may come to another process, which cannot nudge


@dataclass
class Place:
    """Where in the run something is told: within a step, or after it."""

    step: int
    ordinals: "itertools.count[int]" = field(default_factory=lambda: itertools.count(AFTER))


# Set while a step is being made, in its thread and in the threads that it starts.
_within: ContextVar[Place | None] = ContextVar("agentchat_within_step", default=None)


class RunIOStream(IOStream):
    """What an agent function prints to, asks and is recorded by, when it runs for a chat session.

    `user` and `session` are as they were when this life of the run began.
    """

    def __init__(self, journal: Journal, *, durable: bool = True) -> None:
        self.bridge = RunBridge()
        self.writing: dict[str, Writing] = {}
        self.nudge = threading.Event()  # something may have come for a thread that waits
        self._durable = durable
        self._journal = journal
        self._session_id = journal.claim.session_id
        self.session = ChatSession.objects.select_related("owner").get(pk=self._session_id)
        self.user = self.session.owner
        self._after = Place(0)
        self._heard: str | None = None
        self._grants: Counter[str] = Counter()

    # --- what was before -------------------------------------------------------------------------------------------

    @cached_property
    def history(self) -> list[dict[str, str]]:
        """What was said in this chat session before this run, oldest first: role, name and content of each message.

        It is the same in every life of the run: later words of this run are not in it. Nor are those of other branches.
        """
        return whole(lambda _: self._history(), within=RUN_S)

    def _history(self) -> list[dict[str, str]]:
        tree = Tree.of(self._session_id)
        begun = tree.life(self._journal.claim.run_id)[0].node.parent  # what the person tries again has the same history
        before = {part.node.pk for part in tree.branch(begun)}
        told = StoredEvent.objects.filter(tree.condition(begun), session=self._session_id, run__in=before)
        later = InboxItem.objects.filter(session=self._session_id).exclude(run__in=before)
        to_come = {str(client_id) for client_id in later.values_list("client_id", flat=True)}
        starts: dict[str, dict[str, str]] = {}
        said = []
        for event in told.filter(type__in=["TEXT_MESSAGE_START", "TEXT_MESSAGE_END"]).order_by("seq"):
            if event.type == TextMessageStart.type:
                starts[event.payload["messageId"]] = event.payload
            elif event.payload["content"] and event.payload["messageId"] not in to_come:
                start = starts[event.payload["messageId"]]
                said.append({"role": start["role"], "name": start["name"], "content": event.payload["content"]})
        return said

    # --- output ----------------------------------------------------------------------------------------------------

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Show text to the person. It is saved as it is; `flush` means nothing here."""
        text = sep.join(str(each) for each in objects) + end
        if text.strip():
            self.send(Printed(text=text))

    def send(self, event: Event) -> None:
        """Save a fact and tell those who look; blocks until both is done. A delta is only told, and never blocks."""
        if isinstance(event, TextMessageContent):
            self._write(event)
            return
        self.bridge.check()
        if isinstance(event, Notice) or self._was_just_said(event):
            return
        place = _within.get() or self._after
        if isinstance(event, TextMessageStart):
            self._begin(event, place)
        else:
            self._publish(self._journal.save(place.step, event, place.ordinals))

    def _was_just_said(self, event: Event) -> bool:
        """Whether an agent only passes on what the person has said a moment ago, and the page shows already."""
        if not isinstance(event, TextMessage) or event.content != self._heard:
            return False
        self._heard = None
        return True

    def _begin(self, event: TextMessageStart, place: Place) -> None:
        first = next(place.ordinals)
        frames = self._journal.save(place.step, event, iter([first]))
        seq = frames[0]["seq"] if frames else self._journal.seq_of(Origin(step=place.step, ordinal=first))
        assert seq is not None

        async def begin() -> None:
            # In one go: a watcher that sends this START must find the message here.
            self.writing[event.message_id] = hub.begin(self._session_id, event.message_id, seq)
            await publish(self._session_id, frames)

        async_to_sync(begin)()

    def _write(self, event: TextMessageContent) -> None:
        hub.write(self._session_id, self.writing[event.message_id], event.attempt, event.delta)

    def _publish(self, frames: list[Frame]) -> None:
        if frames:
            async_to_sync(publish)(self._session_id, frames)
            lists.ring_for(self._session_id, frames)
        for frame in frames:
            if frame["type"] == TextMessageEnd.type:
                self.writing.pop(frame["messageId"], None)

    # --- the end of a life -----------------------------------------------------------------------------------------

    def check_journal(self) -> None:
        """Raise DatabaseAway if something could not be saved, whatever became of the error."""
        self._journal.check()

    def release(self) -> None:
        """Give the run away, without a word: another process goes on with it."""
        self._journal.release()

    def end(self, status: Run.Status, fact: RunFinished | RunError) -> tuple[list[Frame], int | None]:
        """End the run. Return what is to be published, and the run that follows."""
        half_written = {message_id: writing.text for message_id, writing in self.writing.items()}
        frames, following = self._journal.end(status, fact, half_written=half_written)
        return frames, following.pk if following else None

    # --- questions -------------------------------------------------------------------------------------------------

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        """Return the next thing that the person says.

        If it is not there, the run is suspended: this raises Suspended, the thread is free, and the agent function is
        called again from the top when the answer has come. `finally:` and `with` blocks run at every suspension.

        `password`: the answer is shown to nobody, encrypted where it is stored, and erased when the run ends.
        """
        if password:
            return unseal(self._answer("password", InputRequested(request="", prompt=prompt, password=True)))
        text = str(self._answer("input", InputRequested(request="", prompt=prompt), takes_any=True))
        self._heard = text
        return text

    def ask(self, prompt: str, schema: type[M], *, expires_at: datetime | None = None) -> M:
        """Have a form filled in, and return it: an instance of the pydantic model `schema`. Suspends as `input` does.

        Raise InputExpired if nobody has answered by `expires_at`. What the form's JSON schema cannot say, and the model
        refuses, is asked again.
        """
        words, initial = prompt, None
        while True:
            question = InputRequested(
                request="",
                kind="form",
                prompt=words,
                schema=schema.model_json_schema(),
                initial=initial,
                expires_at=_iso(expires_at),
            )
            initial = self._answer(f"form {schema.__name__}", question)
            try:
                return schema.model_validate_json(json.dumps(initial))
            except ValidationError as error:
                words = "\n".join([prompt, *(f"{field}: {what}" for field, what in problems_of(error).items())])

    def approve(self, approval: Approval) -> Decision:
        """Have a tool call approved, and wait as `input` does.

        What was approved is bound to the tool and its arguments: a later life that wants another call gets Diverged.
        """
        digest = digest_of({"tool": approval.tool, "arguments": approval.arguments})
        question = InputRequested(
            request="",
            kind="approval",
            prompt=approval.prompt,
            schema=approval.schema,
            tool_call_id=approval.tool_call_id,
            digest=digest,
            expires_at=_iso(approval.expires_at),
        )
        try:
            return _decision(self._answer(f"approve {approval.tool}", question))
        except InputExpired:
            return Decision(approved=False, reason="nobody answered in time")

    def _answer(self, name: str, question: InputRequested, *, takes_any: bool = False) -> Any:
        """The person's answer, as a step. Raise Suspended to wait for it, InputExpired if it cannot come any more."""
        self.bridge.check()
        if _within.get() is not None:
            raise ConfigError(
                "a person cannot be asked inside a tool or a step: it could not be gone on with after the wait. Ask "
                "before, or register the tool with approval=True"
            )
        number = self._journal.next_number()
        recorded = self._journal.recorded(number, "input", name, digest=question.digest)
        if recorded is not None:
            answer = recorded.result
        else:
            question = replace(question, request=self._journal.request_of(number))
            if not self._durable and question.expires_at is None:
                question = replace(question, expires_at=_iso(timezone.now() + timedelta(seconds=conf.app.wait_s)))
            answer, frames = self._journal.take(number, name, question, takes_any=takes_any, holds=not self._durable)
            self._publish(frames)
            if answer is WAITS and not self._durable:
                answer = self._wait_for(number, name, question, takes_any=takes_any)
        self._suspend_if(answer is WAITS)
        self._after = Place(number)
        if answer == EXPIRED:
            raise InputExpired(f"question {question.prompt!r} was not answered in time")
        return answer

    def _wait_for(self, number: int, name: str, question: InputRequested, *, takes_any: bool) -> Any:
        """Hold the thread until the answer is there: for agent functions that cannot be called again."""
        answer: Any = WAITS
        while answer is WAITS:
            give_back_if_pooled()
            self.nudge.wait(LOOK_AGAIN_S)
            self.nudge.clear()
            self.bridge.check()
            answer, frames = self._journal.take(number, name, question, takes_any=takes_any, holds=True)
            self._publish(frames)
        return answer

    def _suspend_if(self, waits: bool) -> None:
        if waits:
            self.bridge.reason = self.bridge.reason or Suspended
            raise Suspended

    # --- steps -----------------------------------------------------------------------------------------------------

    def step(self, name: str, function: Callable[[], T]) -> T:
        """Return what `function()` gave in the first life of this run. For clocks, random numbers, database reads.

        The value must be JSON: what is returned now is what a later life will read from the journal.
        """

        def call(_: Try) -> Any:
            value = function()
            try:
                return json.loads(json.dumps(value, allow_nan=False))
            except (TypeError, ValueError) as error:
                raise ConfigError(f"iostream.step({name!r}) must return a JSON value: {error}") from error

        result: T = self.record_steps([Step(kind="step", name=name, request=None, call=call, retry_safe=True)])[0]
        return result

    def record_steps(self, steps: Sequence[Step]) -> list[Any]:
        """See `agentchat.steps.steps`. Several steps are made at the same time, in threads."""
        self.bridge.check()
        outer = _within.get()
        if outer is not None:
            return [self._make_inner_step(outer, step) for step in steps]
        self._heard = None  # whoever says it from now on says it by themselves
        self._mind_the_caps(len(steps))
        makes = [self._prepare(self._journal.next_number(), step) for step in steps]
        results = [makes[0]()] if len(makes) == 1 else self.bridge.gather(makes)
        self._after = Place(self._journal.last_number)
        return results

    def _mind_the_caps(self, planned: int) -> None:
        """Ask whether the run may go on, where it has used up what it may. What was asked before is in the journal."""
        while True:
            recorded = self._journal.peek()
            if recorded is not None and not recorded.name.startswith(caps.STEP_NAME):
                return  # a replay costs nothing
            if recorded is not None:
                name, words = recorded.name, ""
            elif cap := caps.reached(self._journal.spent, self._grants, planned=planned):
                name, words = caps.STEP_NAME + cap.name, cap.question
            else:
                return
            if not _decision(self._answer(name, InputRequested(request="", kind="approval", prompt=words))).approved:
                raise CapReached(f"{name}: the person did not let the run go on")
            self._grants[name.removeprefix(caps.STEP_NAME)] += 1

    def _prepare(self, number: int, step: Step) -> Callable[[], Any]:
        """How to get the result of a step: from the journal, or by making it. In the agent's thread."""
        recorded = self._journal.recorded(number, step.kind, step.name)
        if recorded is not None and recorded.status == StoredStep.Status.DONE:
            result = recorded.result
            return lambda: result
        if recorded is not None and recorded.status == StoredStep.Status.FAILED:
            failure = recorded.result
            return lambda: _fail_again(failure)
        if recorded is None and step.kind == "tool":
            self._journal.begin(number, step.kind, step.name, step.request)
        try_ = Try(key=self._key(number), attempt=self._journal.claim.epoch)
        if recorded is not None and not step.retry_safe:
            if self._is_to_be_made_again(recorded, step):
                return lambda: self._make_again(recorded, step, try_)
            try_ = replace(try_, unsure=True)
        return lambda: self._make(number, step, try_)

    def _is_to_be_made_again(self, recorded: StoredStep, step: Step) -> bool:
        """Ask the person: the process died between the tool and its result, and nobody can know which came first."""
        question = InputRequested(
            request=f"{self._journal.claim.number}-{recorded.number}.{recorded.tries}",
            kind="approval",
            prompt=own_words.UNSURE % {"tool": step.name},
            tool_call_id=step.request.get("tool_call_id"),
            unsure=True,
        )
        answer, frames = self._journal.ask_about(recorded, question)
        self._publish(frames)
        self._suspend_if(answer is WAITS)
        return _decision(answer).approved

    def _make_again(self, recorded: StoredStep, step: Step, try_: Try) -> Any:
        self._journal.begin_again(recorded)
        return self._make(recorded.number, step, try_)

    def _make(self, number: int, step: Step, try_: Try) -> Any:
        started_at = timezone.now()
        give_back_if_pooled()  # nobody knows how long the call takes

        def finish(result: Any, facts: Sequence[Event], status: StoredStep.Status) -> None:
            self._publish(
                self._journal.finish(
                    number, step.kind, step.name, step.request, result, facts, started_at=started_at, status=status
                )
            )

        try:
            with self._place(number):
                result = clean_json(step.call(try_))  # as a later life will read it
        except DatabaseAway:
            raise
        except AgentChatError as error:
            # The agent function may catch it and go another way: a later life must fail here too.
            finish({"code": error.code, "error": str(error)}, (), StoredStep.Status.FAILED)
            raise
        finish(result, [*step.tell(result)], StoredStep.Status.DONE)
        return result

    def _make_inner_step(self, outer: Place, step: Step) -> Any:
        """A step within a step is part of it: only the outer one is recorded."""
        key = f"{self._key(outer.step)}.{next(outer.ordinals)}"
        result = step.call(Try(key=key, attempt=self._journal.claim.epoch))
        for fact in step.tell(result):
            self._publish(self._journal.save(outer.step, fact, outer.ordinals))
        return result

    def _key(self, number: int) -> str:
        return f"{self._session_id}-{self._journal.claim.number}-{number}"

    @contextmanager
    def _place(self, number: int) -> Iterator[Place]:
        place = Place(number, itertools.count())
        token = _within.set(place)
        try:
            yield place
        finally:
            _within.reset(token)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _fail_again(failure: Mapping[str, str]) -> Any:
    """Raise what a step raised in an earlier life."""
    known = {each.code: each for each in _heirs(AgentChatError) if each is not Rejected}
    raise known.get(failure["code"], AgentChatError)(failure["error"])


def _heirs(error: type[AgentChatError]) -> Iterator[type[AgentChatError]]:
    for heir in error.__subclasses__():
        yield heir
        yield from _heirs(heir)


def _decision(answer: Any) -> Decision:
    return Decision(
        approved=answer["decision"] == "approve", arguments=answer.get("arguments"), reason=answer.get("reason", "")
    )
