"""The call of a tool, or of the function of a step, that is being made: for what is called itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CurrentCall:
    """The call that is being made.

    `key` is unique, and the same at every attempt: pass it to services that take an idempotency key. `user` and
    `session` are those of the run; None elsewhere.
    """

    key: str
    user: Any = None
    session: Any = None


_current: ContextVar[CurrentCall | None] = ContextVar("agentchat_current_call", default=None)


def current_call() -> CurrentCall:
    """The call that is being made, for what is called. Raise LookupError outside of one."""
    call = _current.get()
    if call is None:
        raise LookupError("agentchat.current_call() is for tools and steps: none is being called here")
    return call


@contextmanager
def calling(call: CurrentCall) -> Iterator[None]:
    """What is called within, by this context and its threads, is this call."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)
