"""The streams that agents write to and read from, and which of them is the default.

Agents only print(), send() and input(); the stream decides where the output goes. A custom stream needs no base class:
with `print` and `input` alone it gets every event as the text that AutoGen 0.2 prints. One that shows more than text
takes events as values, with a `send` of its own.
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, ClassVar, Optional, Protocol, TypeVar, runtime_checkable

from agentchat.core.addressees import delegation_of
from agentchat.core.approvals import Approval, Decision, M, approve_by_text, ask_by_text
from agentchat.core.execution_scope import execution_scope
from agentchat.core.files import Data, File, MessageText, files_of_text
from agentchat.core.handovers import HandoverResult, check_summary, hand_over_by_text, handover_addressee
from agentchat.core.model_json import read_json
from agentchat.core.per_run import own_objects
from agentchat.core.sources import given_sources
from agentchat.core.state import replace_entries
from agentchat.core.steps import StepAttempt, gathered_name, own_step
from agentchat.errors import ConfigError
from agentchat.events import ChatEvent, Sources
from agentchat.io import autogen_format
from agentchat.io.files import FileFolder, send_file
from agentchat.io.post import post

T = TypeVar("T")


def check_addressee(
    *,
    expires_at: datetime | None = None,
    to: Any = None,
    shown: bool = False,
    escalate: tuple[timedelta, Any] | None = None,
) -> bool:
    """Whether a question is for somebody else than the user, as only runs can ask. Raise ConfigError if it is wrong.

    Elsewhere nothing expires, and whoever is there is asked.
    """
    return delegation_of(to, shown=shown, escalate=escalate) is not None


@runtime_checkable
class OutputStream(Protocol):
    """Something to print to."""

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Print as the built-in does."""
        ...


@runtime_checkable
class InputStream(Protocol):
    """Something to ask for input."""

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        """Return the user's answer. May block until there is one, or unwind the caller (`errors.RunInterrupt`).

        `password`: the answer must not be shown. The streams of agentchat also take `name`, which identifies a
        question whose words may change, and what `check_addressee` does; agents do not use them.
        """
        ...


@runtime_checkable
class IOStream(InputStream, OutputStream, Protocol):
    """A stream for output and input; also a base class for streams that need no `send` of their own.

    The default stream is the one of this context (a thread or a task), else the one of the process: the console.
    """

    user: Any = None
    """The Django user at the other end; None for a guest, and wherever there are no accounts."""

    agent_name: str = "agent"
    """Who speaks with `post`: in a run, the name of the agent function."""

    session: Any = None
    """The chat session of a run; None elsewhere."""

    def input(self, prompt: str = "", *, password: bool = False) -> MessageText:
        """See `InputStream`. The answer is a `str` with the `files` that came with it."""
        ...

    @property
    def history(self) -> list[dict[str, str]]:
        """The earlier messages of this chat session: role, name and content of each. Empty elsewhere."""
        return []

    @property
    def state(self) -> dict[str, Any]:
        """What the agent function keeps in this chat session, as JSON values. Elsewhere, as long as this stream."""
        own: dict[str, Any] = vars(self).setdefault("_state", {})
        return own

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        replace_entries(self.state, value)

    def step(self, name: str, function: Callable[[], T], *, once: bool = False) -> T:
        """Return the result of `function()`, a JSON value. A run returns the same again when it is resumed.

        Raise StepFailed if the function raises anything, here and each time that the run is resumed.

        A function whose process dies is called again, unless `once`: then it is called once at most, and where it is
        not known whether it has come to its end, StepFailed has the type "OutcomeUnknown". `current_call().key` is the
        same at each attempt.
        """
        result: T = own_step(self, name, function, once=once).call(StepAttempt(key=uuid.uuid4().hex))
        return result

    def wait_for(self, name: str, timeout: float | timedelta | None = None) -> Any:
        """Wait for a signal of this name, and return its value: JSON.

        In a run, `agentchat.chats.signal` sends it; raise InputExpired if it has not come within `timeout` seconds.
        Elsewhere nobody can send one: whoever sits there types the value, as JSON or as a text, and nothing expires.
        """
        text = self.input(f"Signal {name}: ")
        try:
            return read_json(text) if text.strip() else None
        except ValueError:
            return text

    def wait_for_row(self, model: Any, *, timeout: float | timedelta | None = None, **lookups: Any) -> None:
        """Wait until there is a row of this Django model that the lookups find, as in `model.objects.filter(…)`.

        A run looks again when a row of the model is saved, and every few seconds; raise InputExpired if there is none
        within `timeout` seconds. Elsewhere it is looked for when whoever sits there presses Enter.
        """
        while not model._default_manager.filter(**lookups).exists():
            self.input(f"Waiting for {model.__name__} {lookups}. Enter to look again: ")

    def hand_over(self, *, to: Any, summary: str = "", timeout: float | timedelta | None = None) -> HandoverResult:
        """Hand the chat over to people, and return what was said when they give it back.

        `to` as in `input`: who may answer; `summary` is what they read first. In a run they answer in the inbox, under
        their own names, and the agent is silent; if nobody has come within `timeout` seconds, the result is not
        `taken`. Elsewhere whoever sits there types what they say, and nothing expires. Raise ConfigError for a `to`
        that is nobody, or the owner.
        """
        return hand_over_by_text(self, handover_addressee(to), check_summary(summary))

    def gather(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """The results of the functions, JSON values, in their order. A run calls them at the same time, as steps.

        Each is a step as a whole: what it asks of models and tools is done again if it did not come to its end. Raise
        what `step` raises, when all of them have ended.
        """
        return [self.step(gathered_name(function), function) for function in functions]

    def post(self, text: str | Iterable[str], *, name: str = "") -> str:
        """Say something in the agent's name, without a model: Markdown, as a text or piece by piece. Return the whole.

        In a run it is a step: an iterator is consumed once. `name` is who speaks, by default the agent function.
        """
        whole = post(self, text, name=name or self.agent_name)
        self.remember("assistant", whole)
        return whole

    def sources(self, sources: Iterable[str | Mapping[str, str]]) -> None:
        """Name the sources of the answer that was shown last; of the next one, if it has not been shown yet.

        Addresses, or dicts with a `url`, a `title` or both; 50 at most are shown, numbered, below the answer. Raise
        ConfigError for anything else.
        """
        if named := given_sources(sources):
            self.send(Sources(sources=named))

    @property
    def files(self) -> tuple[File, ...]:
        """The files of the message that `input` has returned last."""
        return next((files_of_text(each["content"]) for each in reversed(self.said) if each["role"] == "user"), ())

    def send_file(self, name: str, data: Data | Any, content_type: str = "", *, title: str = "") -> File:
        """Show a file to the user: bytes, a text, a path, a picture, a chart or a table. Return it.

        In a run it is a step: it is sent once. Without a `content_type` that is judged by the data and the name.
        `title` says what is in it, to those who cannot see it. Raise ConfigError for what is no file.
        """
        return send_file(self, name, data, content_type, title=title)

    def keep_file(self, file: File, key: str) -> File:
        """Keep a file that is sent, so that `find_file` finds it. `key` is the same at each attempt of a step."""
        return self._folder().keep(file)

    def find_file(self, reference: Mapping[str, Any] | str) -> File | None:
        """The file that a reference stands for, if it is one of this chat: one of the journal, or of a message."""
        return self._folder().find(reference)

    def _folder(self) -> FileFolder:
        folder: FileFolder = vars(self).setdefault("_files", FileFolder())
        return folder

    @property
    def client_tools(self) -> Sequence[Callable[..., Any]]:
        """What the client offers that has sent the last message, for `agentchat.reply`: it runs these tools itself.

        In a run each use is a step, and it is an AG-UI frontend that may offer some; elsewhere there are none.
        """
        return ()

    @property
    def said(self) -> list[dict[str, str]]:
        """What was said in this run so far, by `input`, `post` and `agentchat.reply`: role and content of each."""
        return list(vars(self).get("_said", ()))

    def remember(self, role: str, content: str) -> None:
        """Add to `said`. For streams that have an `input` of their own, and what speaks by itself."""
        vars(self).setdefault("_said", []).append({"role": role, "content": content})

    def forget_since(self, count: int) -> None:
        """Remove from `said` what came after the first `count` messages."""
        del vars(self).get("_said", [])[count:]

    def ask(
        self,
        prompt: str,
        schema: "type[M]",
        *,
        expires_at: datetime | None = None,
        name: str | None = None,
        to: Any = None,
        shown: bool = False,
        escalate: tuple[timedelta, Any] | None = None,
        tool_call_id: str | None = None,
    ) -> "M":
        """Have a form filled in, and return it: an instance of the pydantic model `schema`.

        A run shows a form and waits as `input` does; after `expires_at` it raises InputExpired instead. With `to` it
        asks somebody else than its user (`core.addressees`). Here each field is asked for separately, of whoever is
        there, and nothing expires. `tool_call_id`: the call whose result the form is. Raise ConfigError if `to` or
        `escalate` is wrong.
        """
        check_addressee(to=to, shown=shown, escalate=escalate)
        return ask_by_text(self, prompt, schema)

    def approve(self, approval: Approval) -> Decision:
        """Have a tool call approved. This is called for tools registered with `approval=`."""
        return approve_by_text(self, approval)

    _of_context: ClassVar[ContextVar[Optional["IOStream"]]] = ContextVar("agentchat_stream", default=None)
    _of_process: ClassVar[Optional["IOStream"]] = None
    _console: ClassVar[Optional["IOStream"]] = None
    _runs: ClassVar[set[object]] = set()  # what calls agent functions for chat sessions in this process: see begin_runs

    def send(self, event: ChatEvent) -> None:
        """Emit an event: here, as the text that AutoGen 0.2 prints."""
        print_autogen_format(self, event)

    @staticmethod
    def get_default() -> "IOStream":
        """The stream of the current context."""
        return IOStream._of_context.get() or IOStream.get_global_default()

    @staticmethod
    def has_context() -> bool:
        """Whether this context has a stream of its own: threads that an agent function starts have none."""
        return IOStream._of_context.get() is not None

    @staticmethod
    @contextmanager
    def set_default(stream: Optional["IOStream"]) -> Iterator[None]:
        """Make `stream` the default of this context for as long as the `with` block lasts.

        Threads do not inherit it; start them in a copy of the context (`contextvars.copy_context().run`).
        """
        token = IOStream._of_context.set(stream)
        try:
            yield
        finally:
            IOStream._of_context.reset(token)

    @staticmethod
    def get_global_default() -> "IOStream":
        """The default of contexts that have none of their own.

        Raise ConfigError where that would be the console of a server: in another thread than the main one, in a
        process that advances runs.
        """
        if IOStream._of_process is None:
            raise RuntimeError("no default stream: call IOStream.set_global_default(...)")
        if IOStream._of_process is IOStream._console and IOStream._runs:
            thread = threading.current_thread()
            if thread is not threading.main_thread():
                raise ConfigError(no_stream_in(thread))
        return IOStream._of_process

    @staticmethod
    @contextmanager
    def in_run(stream: "IOStream") -> Iterator[None]:
        """Make `stream` the default while an agent function is called for a chat session. From any thread.

        Agents in module globals are copies meanwhile (`core.per_run`).
        """
        IOStream.begin_runs(run := object())
        try:
            with IOStream.set_default(stream), own_objects(), execution_scope():
                yield
        finally:
            IOStream.end_runs(run)

    @staticmethod
    def begin_runs(by: object) -> None:
        """From now on `by` advances runs in this process: a server, as long as it lives. From any thread, once or more.

        So threads without a stream are refused from its start, not just while some run advances.
        """
        IOStream._runs.add(by)

    @staticmethod
    def end_runs(by: object) -> None:
        """What `begin_runs` has begun is over."""
        IOStream._runs.discard(by)

    @staticmethod
    def set_global_default(stream: "IOStream") -> None:
        """Make `stream` the default of every context that has none of its own, in the whole process."""
        IOStream._of_process = stream


def no_stream_in(thread: threading.Thread) -> str:
    """What to say to developers whose threads have no stream."""
    return (
        f"thread {thread.name!r} has no stream. What an agent function starts in a thread of its own belongs to no "
        f"run: models would be asked again each time that it resumes, and their answers shown nowhere. Use "
        f"iostream.gather([f, g]) for functions that run at the same time; outside of agent functions, set a stream "
        f"with IOStream.set_default()"
    )


def print_autogen_format(stream: OutputStream, event: ChatEvent) -> None:
    """Print an event to a text stream. Events that AutoGen does not print are left out."""
    if text := autogen_format.text_of(event):
        stream.print(text, end="", flush=True)


def send_to(stream: OutputStream, event: ChatEvent) -> None:
    """Send an event to a stream that may or may not have a `send` of its own."""
    send = getattr(stream, "send", None)
    if send is None:
        print_autogen_format(stream, event)
    else:
        send(event)
