"""The IOStream of a run.

Agents only print(), send() and input(); delivering that is the stream's responsibility. This stream numbers and saves
what happens, publishes it, and never waits for a user: input() without an answer suspends the run, and when the answer
is there the agent function is called again from the top, with its journal.

Runs in the agent's thread (and in those of its tools). Nothing here knows of sockets; the consumer does.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from pydantic import ValidationError

from agentchat.core.addressees import Delegation, delegation_of
from agentchat.core.approvals import Approval, Decision, M, problems_of
from agentchat.core.files import MessageText
from agentchat.core.patterns import form_schema
from agentchat.core.state import replace_entries
from agentchat.core.steps import StepSpec, check_steps_allowed, gathered_name, is_replayed, own_step
from agentchat.errors import ConfigError, InputExpired
from agentchat.events import (
    BY_STAFF_ALONE,
    ChatEvent,
    DeveloperWarning,
    InputRequested,
    Notice,
    Printed,
    ReasoningMessageContent,
    RunError,
    RunFinished,
    TextMessage,
    TextMessageContent,
    TextMessageStart,
)
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, in_transaction, retry_transaction
from agentchat.infra.encryption import decrypt
from agentchat.io.base import IOStream, no_stream_in
from agentchat.models import Run
from agentchat.realtime.chat_list import group_of_owner
from agentchat.realtime.frames import Frame
from agentchat.runs.async_bridge import RunBridge, outside_event_loops
from agentchat.runs.client_tools import RunClientTools
from agentchat.runs.determinism import digest_of
from agentchat.runs.developer_warnings import warn_developer
from agentchat.runs.files import RunFiles
from agentchat.runs.history import history_before
from agentchat.runs.journal import Journal
from agentchat.runs.limit_gate import LimitGate
from agentchat.runs.origins import OriginSequence
from agentchat.runs.output import RunOutput
from agentchat.runs.question_maker import QuestionMaker
from agentchat.runs.questions import approval_question, decision_of, iso
from agentchat.runs.state import RunState, state_before
from agentchat.runs.step_maker import StepMaker, current_step
from agentchat.runs.waiting import Waits
from agentchat.tools.memory import MemoryWatch

T = TypeVar("T")


class RunIOStream(Waits, RunFiles, RunClientTools, IOStream):
    """What an agent function prints to, asks and is recorded by, when it runs for a chat session.

    `user` and `session` are as they were when this execution of the run began.
    """

    is_in_test: ClassVar[bool] = False
    """Whether runs are those of a test: what would be lost after a wait is a Python warning then."""
    has_limits: ClassVar[bool] = True
    """Whether the limits of runs and the budgets hold."""

    def __init__(self, journal: Journal, *, durable: bool = True) -> None:
        self.session = journal.session
        self.user = self.session.owner
        self.bridge = RunBridge(group_of_owner(self.session.owner_id, self.session.guest_key))
        self.wake_event = threading.Event()  # something may have come for a thread that waits
        self._durable, self._journal, self._session_id = durable, journal, self.session.pk
        self.output = RunOutput(self._session_id, self.bridge.loop, owner=lambda: journal.owner)
        journal.late.begin(self.bridge.loop, self.output.publish_soon, self.bridge.cancel)
        self.agent_name, self.run_number = journal.claim.agent, journal.claim.number
        self.memory_watch: MemoryWatch | None = None
        self._state = RunState(self._read_state)
        self._questions = QuestionMaker(journal, self.bridge, self.output, self.wake_event, durable=durable)
        self._steps = StepMaker(journal, self.bridge, self.output, self._state, consents=self._questions.consents)
        self._last_input: str | None = None
        before_each = self._let_staff_take_over
        self._gate = LimitGate(journal, before_each=before_each, ask=self._answer, has_limits=self.has_limits)
        self._making = threading.RLock()

    @cached_property
    @outside_event_loops
    def history(self) -> list[dict[str, str]]:
        """What was said in this chat session before this run, oldest first: role, name and content of each message.

        The same at every execution of the run: it has neither later messages of this run nor those of other branches.
        """
        claim = self._journal.claim
        return retry_transaction(lambda _: history_before(claim, self.find_file), timeout=RUN_TIMEOUT_SECONDS)

    @property
    def state(self) -> dict[str, Any]:
        """What the agent function keeps in this branch of the chat session: a dict of JSON values, 64 KiB at most.

        A run begins with what the run before it has left. Reads the database at the first use in an execution. From any
        thread of the run. What is no JSON, or too much, is a ConfigError at the next step.
        """
        return self._state.value

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        replace_entries(self._state.value, value)

    @outside_event_loops
    def _read_state(self) -> dict[str, Any]:
        run_id = self._journal.claim.run_id
        return retry_transaction(lambda _: state_before(self._session_id, run_id), timeout=RUN_TIMEOUT_SECONDS)

    def watch_memory(self, agent_function: Callable[..., Any]) -> None:
        """Warn of tools that change the agent function's variables. For developers: it costs a little at each call."""
        self.memory_watch = MemoryWatch(agent_function, kept=lambda: self._state.loaded)

    # --- output ----------------------------------------------------------------------------------------------------

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Show text to the user. It is saved as it is; `flush` means nothing here.

        Does not wait until it is saved, and shown: that is a moment later, and before anything else that the run does
        (`late_writes.py`).
        """
        text = sep.join(str(each) for each in objects) + end
        if text.strip():
            self.send(Printed(text=text))

    def send(self, event: ChatEvent) -> None:
        """Save an event and publish it; blocks until both is done, but for what is printed.

        A delta is only published, and never blocks.

        Deltas, and what a page does not show, may come on the server's loop.
        """
        if is_replayed() or isinstance(event, Notice):
            return
        if isinstance(event, DeveloperWarning):
            text = warn_developer(event, self._session_id, is_in_test=self.is_in_test)
            if settings.DEBUG:
                self.print(text)
            return
        if isinstance(event, TextMessageContent | ReasoningMessageContent):
            self.output.write(event)
            return
        self._save(event)

    @outside_event_loops
    def _save(self, event: ChatEvent) -> None:
        self._check()
        if event.type in BY_STAFF_ALONE or getattr(event, "role", "") == "staff":
            raise ConfigError(f"{event!r:.200} says what staff do: only they can, in the inbox")
        if self._repeats_input(event):
            return
        origins = current_step() or self._journal.after_step
        if isinstance(event, TextMessageStart):
            self._begin(event, origins)
        else:
            self.output.publish(self._journal.save(event, origins, may_be_late=isinstance(event, Printed)))

    def _check(self) -> None:
        """Before anything is saved: raise what unwinds the run, and ConfigError where its stream cannot be used."""
        self.check()
        if not IOStream.has_context():
            self._journal.abort(ConfigError(no_stream_in(threading.current_thread())))
        if in_transaction():
            raise ConfigError(
                "iostream was used inside transaction.atomic(): what it shows and records is saved at once, and would "
                "be rolled back with the block (a wait leaves it by an exception). Move the call out of the block"
            )

    def _repeats_input(self, event: ChatEvent) -> bool:
        """Whether an agent only passes on what the user has just sent, and the page shows already."""
        if not isinstance(event, TextMessage) or event.content != self._last_input:
            return False
        self._last_input = None
        return True

    def _begin(self, event: TextMessageStart, origins: OriginSequence) -> None:
        origin = next(origins)
        frames = self._journal.save(event, iter([origin]))
        seq = frames[0]["seq"] if frames else self._journal.seq_of(origin)
        assert seq is not None
        self.output.begin(event, seq, frames)

    # --- the end of an execution -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what unwinds the run, again and again, if the agent function has caught it: it cannot go on."""
        self.bridge.check()
        self._journal.check()

    @property
    def state_at_end(self) -> dict[str, Any] | None:
        """What the next run begins with; None if nothing has used the state."""
        return self._state.at_end()

    def check_end(self) -> None:
        """Raise what prevents the run from ending as finished: a stop that nothing has noticed, or its state."""
        self._journal.save_printed()
        self.check_state()

    def check_state(self) -> None:
        """Raise ConfigError if the state cannot be recorded."""
        _, error = self._state.change_or_error()
        if error is not None:
            raise error

    def close(self) -> None:
        """The execution is over: let go of what could not be saved, and of all that was read."""
        self._journal.close()

    def release(self) -> None:
        """Hand the run off without an event: another process resumes it."""
        self._journal.release()

    def end(self, status: Run.Status, event: RunFinished | RunError) -> tuple[list[Frame], int | None]:
        """End the run. Return what is to be published, and the run that follows."""
        half_written = {message_id: self.output.ends_of(message_id) for message_id in self.output.writing}
        frames, following = self._journal.end(status, event, half_written=half_written, state=self.state_at_end)
        return frames, following.pk if following else None

    # --- questions -------------------------------------------------------------------------------------------------

    def input(
        self,
        prompt: str = "",
        *,
        password: bool = False,
        name: str | None = None,
        expires_at: datetime | None = None,
        to: Any = None,
        shown: bool = False,
        escalate: tuple[timedelta, Any] | None = None,
    ) -> MessageText:
        """Return the next message of the user.

        If there is none yet, the run is suspended: this raises Suspended, the thread is free, and the agent function is
        called again from the top when the answer has come. `finally:` and `with` blocks run at every suspension.

        `password`: the answer is never shown, is encrypted where it is stored, and erased when the run ends. `name`
        identifies the question if its words may differ from one execution to the next. Without a name, an answer that
        was given to other words is discarded, and the user is asked once more. Raise InputExpired if there is no answer
        by `expires_at`.

        `to`: somebody else is asked (see `core.addressees`), and nothing that the user sends is an answer. The user
        sees the prompt only if it is `shown`. `escalate=(after, to)`: after that time it is for them instead.
        """
        delegation = delegation_of(to, shown=shown, escalate=escalate)
        question = InputRequested(request="", prompt=prompt, name=name, expires_at=iso(expires_at))
        if delegation is not None:
            if password:
                raise ConfigError("input(password=True, to=…): a password is asked of the user alone")
            return MessageText(str(self._answer("input", question, delegation)))
        if password:
            answer = decrypt(self._answer("password", replace(question, password=True)))
            return MessageText(self._journal.sealed.note(answer))
        text = self._message(self._answer("input", question, accepts_unsolicited=True))
        self._last_input = text
        self.remember("user", text)
        return text

    def ask(
        self,
        prompt: str,
        schema: type[M],
        *,
        expires_at: datetime | None = None,
        name: str | None = None,
        to: Any = None,
        shown: bool = False,
        escalate: tuple[timedelta, Any] | None = None,
        tool_call_id: str | None = None,
    ) -> M:
        """Have a form filled in, and return it: an instance of the pydantic model `schema`. Suspends as `input` does.

        `name` as in `input`; without one, the form is another one if its words or its fields differ. A form that fits
        its JSON schema but not the model is asked for again. `to`, `shown` and `escalate` as in `input`. Raise
        InputExpired if there is no answer by `expires_at`, and ConfigError as `form_schema` does.
        """
        delegation = delegation_of(to, shown=shown, escalate=escalate)
        text, initial, fields = prompt, None, form_schema(schema)
        while True:
            question = InputRequested(
                request="",
                kind="form",
                prompt=text,
                name=name,
                schema=fields,
                initial=initial,
                expires_at=iso(expires_at),
                tool_call_id=tool_call_id,
            )
            initial = self._answer(f"form {schema.__name__}", question, delegation)
            try:
                return schema.model_validate_json(json.dumps(initial))
            except ValidationError as error:
                text = "\n".join([prompt, *(f"{field}: {what}" for field, what in problems_of(error).items())])

    def approve(self, approval: Approval) -> Decision:
        """Have a tool call approved, and wait as `input` does.

        The approval is bound to the tool and its arguments: a later execution that wants another call gets
        NonDeterminismError.
        """
        digest = digest_of({"tool": approval.tool, "arguments": approval.arguments})
        question = approval_question(approval, digest)
        try:
            return decision_of(self._answer(f"approve {approval.tool}", question, approval.delegation))
        except InputExpired:
            return Decision(approved=False, reason="nobody answered in time")

    @outside_event_loops
    def _answer(
        self,
        name: str,
        question: InputRequested,
        delegation: Delegation | None = None,
        *,
        accepts_unsolicited: bool = False,
    ) -> Any:
        """The answer of the user, or of whoever is asked instead, as a step.

        Raise Suspended to wait for it, InputExpired if it can no longer come.
        """
        self._check()
        if current_step() is not None:
            raise ConfigError(
                "the user cannot be asked inside a tool or a step: it could not be resumed after the wait. Ask "
                "before, or register the tool with approval=True"
            )
        with self._turn():
            self._let_staff_take_over()
            return self._questions.answer(name, question, delegation, accepts_unsolicited=accepts_unsolicited)

    # --- steps -----------------------------------------------------------------------------------------------------

    def gather(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """See `IOStream.gather`. In threads; their steps are numbered in this order before the first is made."""
        return self.record_steps([own_step(self, gathered_name(function), function) for function in functions])

    def step(self, name: str, function: Callable[[], T], *, once: bool = False) -> T:
        """Return what `function()` returned in the first execution of this run. For clocks, random numbers, reads.

        The value must be JSON: what is returned now is what a later execution will read from the journal. If the
        function raises, this raises StepFailed, now and in each later execution. `once`: see `IOStream.step`.
        """
        result: T = self.record_steps([own_step(self, name, function, once=once)])[0]
        return result

    @outside_event_loops
    def record_steps(self, steps: Sequence[StepSpec]) -> list[Any]:
        """See `agentchat.core.steps.steps`. Several steps are made at the same time, in threads."""
        self._check()
        check_steps_allowed()
        if (outer := current_step()) is not None:
            for step in steps:
                self._gate.admit_inner(step)
            return [self._steps.make_inner(outer, step) for step in steps]
        self._last_input = None  # an agent that says the same from now on does not merely pass it on
        with self._turn():
            self._gate.admit(steps)
            return self._steps.make(steps)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One step, or several that were planned together, at a time: otherwise their order would not repeat."""
        if not self._making.acquire(blocking=False):
            self._journal.abort(
                ConfigError(
                    f"thread {threading.current_thread().name!r} made a step while another one was being made: their "
                    f"order would be another one each time that the run resumes. Use iostream.gather([f, g]) for "
                    f"functions that run at the same time"
                )
            )
        try:
            yield
        finally:
            self._making.release()
