"""The IOStream of a run.

Agents only print(), send() and input(); where the words go is the stream's affair. This stream numbers and saves what
happens, tells those who look, and waits for nobody: input() without an answer suspends the run, and when the answer is
there the agent function is called again from the top, with its journal.

Runs in the agent's thread (and in those of its tools). Nothing here knows of sockets; the consumer does.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from asgiref.sync import async_to_sync
from django.utils import timezone

from agentchat.errors import ConfigError, Suspended
from agentchat.events import (
    Event,
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
from agentchat.models import ChatSession, Run, Step
from agentchat.models import Event as StoredEvent
from agentchat.runs.bridge import RunBridge
from agentchat.runs.frames import Frame
from agentchat.runs.hub import Writing, hub
from agentchat.runs.journal import AFTER, Journal, Origin
from agentchat.runs.publish import publish
from agentchat.steps import Call, Kind, Tell, Try


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

    def __init__(self, journal: Journal) -> None:
        self.bridge = RunBridge()
        self.writing: dict[str, Writing] = {}
        self._journal = journal
        self._session_id = journal.claim.session_id
        self.session = ChatSession.objects.select_related("owner").get(pk=self._session_id)
        self.user = self.session.owner
        self._after = Place(0)
        self._heard: str | None = None

    # --- what was before -------------------------------------------------------------------------------------------

    @cached_property
    def history(self) -> list[dict[str, str]]:
        """What was said in this chat session before this run, oldest first: role, name and content of each message.

        It is the same in every life of the run: later words of this run are not in it.
        """
        told = StoredEvent.objects.filter(session=self._session_id, run__number__lt=self._journal.claim.number)
        starts: dict[str, dict[str, str]] = {}
        said = []
        for event in told.filter(type__in=["TEXT_MESSAGE_START", "TEXT_MESSAGE_END"]).order_by("seq"):
            if event.type == TextMessageStart.type:
                starts[event.payload["messageId"]] = event.payload
            elif event.payload["content"]:
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
        for frame in frames:
            if frame["type"] == TextMessageEnd.type:
                self.writing.pop(frame["messageId"], None)

    # --- the end of a life -----------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give the run away, without a word: another process goes on with it."""
        self._journal.release()

    def end(self, status: Run.Status, fact: RunFinished | RunError) -> tuple[list[Frame], int | None]:
        """End the run. Return what is to be published, and the run that follows."""
        half_written = {message_id: writing.text for message_id, writing in self.writing.items()}
        frames, following = self._journal.end(status, fact, half_written=half_written)
        return frames, following.pk if following else None

    # --- input -----------------------------------------------------------------------------------------------------

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        """Return the next thing that the person says.

        If it is not there, the run is suspended: this raises Suspended, the thread is free, and the agent function is
        called again from the top when the answer has come. `finally:` and `with` blocks run at every suspension.
        """
        self.bridge.check()
        if _within.get() is not None:
            raise ConfigError("iostream.input() was called inside a tool: ask before the tool is called, or after")
        number = self._journal.next_number()
        recorded = self._journal.recorded(number, "input", "input")
        if recorded is not None:
            text: str | None = str(recorded.result)
        else:
            text, frames = self._journal.take_input(number, "input", prompt, password=password)
            self._publish(frames)
        if text is None:
            self.bridge.reason = self.bridge.reason or Suspended
            raise Suspended
        self._after = Place(number)
        self._heard = text
        return text

    # --- steps -----------------------------------------------------------------------------------------------------

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Return what `function()` gave in the first life of this run. For clocks, random numbers, database reads.

        The value must be JSON: what is returned now is what a later life will read from the journal.
        """

        def call(_: Try) -> Any:
            try:
                return json.loads(json.dumps(function()))
            except TypeError as error:
                raise ConfigError(f"iostream.step({name!r}) must return a JSON value: {error}") from error

        return self.record_step("step", name, None, call, tell=lambda _: (), retry_safe=True)

    def record_step(self, kind: Kind, name: str, request: Any, call: Call, *, tell: Tell, retry_safe: bool) -> Any:
        """See `agentchat.steps.step`."""
        self.bridge.check()
        outer = _within.get()
        if outer is not None:
            return self._make_inner_step(outer, call, tell)
        number = self._journal.next_number()
        recorded = self._journal.recorded(number, kind, name)
        if recorded is not None and recorded.status == Step.Status.DONE:
            self._after = Place(number)
            return recorded.result
        if recorded is None and kind == "tool":
            self._journal.begin(number, kind, name, request)
        try_ = Try(
            key=f"{self._session_id}-{self._journal.claim.number}-{number}",
            attempt=self._journal.claim.epoch,
            unsure=recorded is not None and not retry_safe,
        )
        started_at = timezone.now()
        with self._place(number) as place:
            result = call(try_)
        facts = [*tell(result)]
        frames = self._journal.finish(
            number, kind, name, request, result, facts, ordinals=place.ordinals, started_at=started_at
        )
        self._publish(frames)
        self._after = Place(number)
        return result

    def _make_inner_step(self, outer: Place, call: Call, tell: Tell) -> Any:
        """A step within a step is part of it: only the outer one is recorded."""
        result = call(Try(key=f"{self._session_id}-{self._journal.claim.number}-{outer.step}.{next(outer.ordinals)}"))
        for fact in tell(result):
            self._publish(self._journal.save(outer.step, fact, outer.ordinals))
        return result

    @contextmanager
    def _place(self, number: int) -> Iterator[Place]:
        place = Place(number, itertools.count())
        token = _within.set(place)
        try:
            yield place
        finally:
            _within.reset(token)
