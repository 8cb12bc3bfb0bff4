"""The `a_` twins: the same agents, awaited. There is one implementation, and it is synchronous.

A twin lets that run in a thread of its own, while the caller's loop goes on; what agents wait for there (async reply
functions, hooks and tools, the model) is done on the caller's loop, where its objects belong. In a run all steps belong
to the agent's thread, so there the twin is called where it stands, and the loop stands still meanwhile: chats that are
awaited together go on one after the other, in an order that repeats.

And the other way round: wherever agents call a function of yours it may be async, `settled` waits for it; and a class
that overrides a twin is asked by it (`called`) in chats that a twin began.
"""

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

from agentchat.bridge import begin_in_thread, bridge_of, from_this_loop
from agentchat.errors import ConfigError
from agentchat.io import IOStream
from agentchat.steps import RecordsSteps

P = ParamSpec("P")
T = TypeVar("T")

_awaited: ContextVar[bool] = ContextVar("agentchat_awaited", default=False)
_thread: ContextVar[int | None] = ContextVar("agentchat_agents_thread", default=None)
_twins: set[Any] = set()


def twin_of(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The twin of an agent's method: calls the agent's method of that name, whichever class has it."""

    async def twin(agent: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await _in_agents_thread(lambda: getattr(agent, method.__name__)(*args, **kwargs))
        return result

    functools.update_wrapper(twin, method)
    twin.__name__ = f"a_{method.__name__}"
    twin.__doc__ = f"`{method.__name__}`, awaited (see `agents.twins`)."
    _twins.add(twin)
    return twin


def in_awaited_chat() -> bool:
    """Whether a twin began what goes on here."""
    return _awaited.get()


def called(agent: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """What the agent's method returns; in a chat that a twin began, what its class's own twin does, if it has one."""
    twin = getattr(type(agent), f"a_{method}", None) if _awaited.get() else None
    if twin is None or twin in _twins:
        return getattr(agent, method)(*args, **kwargs)
    return settled(twin(agent, *args, **kwargs))


def settled(value: Any) -> Any:
    """The value; if it can be awaited, what comes of that. Blocks until then."""
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    stream = IOStream.get_default()
    if isinstance(stream, RecordsSteps):
        # In the agent's thread, not on the server's loop: it may await agents.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(wait())
    return bridge_of(stream).run(wait)


@contextmanager
def calling_tools() -> Iterator[None]:
    """While tools are called: an async one runs on the server's loop in a run, where it cannot wait for agents."""
    token = _thread.set(threading.get_ident())
    try:
        yield
    finally:
        _thread.reset(token)


async def _in_agents_thread(function: Callable[[], T]) -> T:
    token = _awaited.set(True)
    try:
        if isinstance(IOStream.get_default(), RecordsSteps):
            if _thread.get() not in (None, threading.get_ident()):
                raise ConfigError("a tool cannot await an agent in a run: make it a `def`, and call initiate_chat()")
            with _standing_still():
                return function()
        with from_this_loop() as bridge:
            try:
                return await asyncio.wrap_future(begin_in_thread(function))
            except asyncio.CancelledError:
                bridge.call_off()
                raise
    finally:
        _awaited.reset(token)


@contextmanager
def _standing_still() -> Iterator[None]:
    """Call synchronous code within a coroutine as if there were no loop in this thread: it may wait as it likes."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    asyncio._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        asyncio._enter_task(loop, task)
