"""The streams that agents talk through, and which of them is the default.

Agents only print(), send() and input(); where the words go is the stream's affair. A stream of one's own needs no base
class: with `print` and `input` alone it gets every event as the text that AutoGen 0.2 prints. One that shows more than
text takes events as values, by a `send` of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, ClassVar, Optional, Protocol, TypeVar, runtime_checkable

from agentchat.events import Event
from agentchat.io import classic
from agentchat.questions import Approval, Decision, M, approve_by_text, ask_by_text

T = TypeVar("T")


@runtime_checkable
class OutputStream(Protocol):
    """Something that can be printed on."""

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Print as the built-in does."""
        ...


@runtime_checkable
class InputStream(Protocol):
    """Something that can be asked."""

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        """Return what the person answers. May block for as long as they take, or unwind the caller (`errors.Unwound`).

        `password`: the answer must not be shown.
        """
        ...


@runtime_checkable
class IOStream(InputStream, OutputStream, Protocol):
    """A stream that can be printed on and asked; a base class for streams that want `send` for nothing.

    The default stream is the one of this context (a thread or a task), else the one of the process: the console.
    """

    user: Any = None
    """The Django user who is spoken to; None for a guest, and wherever there are no accounts."""

    session: Any = None
    """The chat session of a run; None elsewhere."""

    @property
    def history(self) -> list[dict[str, str]]:
        """What was said in this chat session before: role, name and content of each message. Elsewhere: nothing."""
        return []

    def step(self, name: str, function: Callable[[], T]) -> T:
        """Return what `function()` gives, a JSON value. A run returns the same again when it is resumed."""
        return function()

    def ask(self, prompt: str, schema: "type[M]", *, expires_at: datetime | None = None) -> "M":
        """Have a form filled in, and return it: an instance of the pydantic model `schema`.

        A run shows a form and waits as `input` does; after `expires_at` it raises InputExpired instead. Here each field
        is asked for by itself, and nothing expires.
        """
        return ask_by_text(self, prompt, schema)

    def approve(self, approval: Approval) -> Decision:
        """Have a tool call approved. Tools registered with `approval=` come here by themselves."""
        return approve_by_text(self, approval)

    _of_context: ClassVar[ContextVar[Optional["IOStream"]]] = ContextVar("agentchat_stream", default=None)
    _of_process: ClassVar[Optional["IOStream"]] = None

    def send(self, event: Event) -> None:
        """Say what happened: here, as the text that AutoGen 0.2 prints."""
        print_classic(self, event)

    @staticmethod
    def get_default() -> "IOStream":
        """The stream to talk through, here and now."""
        return IOStream._of_context.get() or IOStream.get_global_default()

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
        """The default of contexts that have none of their own."""
        if IOStream._of_process is None:
            raise RuntimeError("no default stream: call IOStream.set_global_default(...)")
        return IOStream._of_process

    @staticmethod
    def set_global_default(stream: "IOStream") -> None:
        """Make `stream` the default of every context that has none of its own, in the whole process."""
        IOStream._of_process = stream


def print_classic(stream: OutputStream, event: Event) -> None:
    """Print an event on a stream for text. Events without a classic text print nothing."""
    if text := classic.text_of(event):
        stream.print(text, end="", flush=True)


def send_to(stream: OutputStream, event: Event) -> None:
    """Give an event to a stream that may or may not have a `send` of its own."""
    send = getattr(stream, "send", None)
    if send is None:
        print_classic(stream, event)
    else:
        send(event)
