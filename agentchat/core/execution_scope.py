"""What is open for one execution of an agent function, and is closed with it: at its return, a wait, or an error."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

_scope: ContextVar[ExitStack | None] = ContextVar("agentchat_execution_scope", default=None)


@contextmanager
def execution_scope() -> Iterator[None]:
    """What is called within, by this context and its threads, may leave something to be closed at its end."""
    with ExitStack() as stack:
        token = _scope.set(stack)
        try:
            yield
        finally:
            _scope.reset(token)


def current_scope() -> object | None:
    """The execution in which this is called, to be compared; None outside of one, as in a script."""
    return _scope.get()


def at_end(close: Callable[[], None]) -> None:
    """Call `close` when this execution ends; it must not raise. In a script, it ends with the process."""
    if (scope := _scope.get()) is not None:
        scope.callback(close)
