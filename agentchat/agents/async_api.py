"""The `a_` methods: the same agents, awaited. There is one implementation, and it is synchronous.

An `a_` method runs it in another thread while the caller's event loop goes on. What agents wait for there (async reply
functions, hooks and tools, the model) runs on the caller's loop, where its objects belong. In a run, steps are numbered
in the order in which the agent makes them: so there the `a_` method blocks the loop until it is done, and chats that
are awaited together take place one after the other, in an order that repeats.

Conversely, a function that an agent calls may be async, and `resolve` waits for it; and a class that overrides an `a_`
method is called by it (`call_method`) in chats that an `a_` method started.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

from agentchat.core.async_bridge import begin_in_thread, bridge_of, from_this_loop
from agentchat.core.steps import RecordsSteps
from agentchat.io import IOStream

P = ParamSpec("P")
T = TypeVar("T")

_in_async_chat: ContextVar[bool] = ContextVar("agentchat_in_async_chat", default=False)
_generated: set[Any] = set()


def async_version(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The `a_` method for an agent's method: it calls the agent's method of that name, whichever class defines it."""

    async def a_method(agent: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await _call_from_coroutine(lambda: getattr(agent, method.__name__)(*args, **kwargs))
        return result

    functools.update_wrapper(a_method, method)
    a_method.__name__ = f"a_{method.__name__}"
    a_method.__doc__ = f"`{method.__name__}`, awaited (see `agents.async_api`)."
    _generated.add(a_method)
    return a_method


def in_async_chat() -> bool:
    """Whether an `a_` method started what happens here."""
    return _in_async_chat.get()


def call_method(agent: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call an agent's method; in a chat that an `a_` method started, its `a_` version if it has one of its own.

    That is one that its class overrides, or that was set on the agent itself.
    """
    a_method = getattr(agent, f"a_{method}", None) if _in_async_chat.get() else None
    if a_method is None or getattr(a_method, "__func__", None) in _generated:
        return getattr(agent, method)(*args, **kwargs)
    return resolve(a_method(*args, **kwargs))


def is_overridden(agent: Any, method: str) -> bool:
    """Whether `call_method` would call another than agentchat's own: a subclass's, or one set on the agent itself."""
    return any(_is_own(agent, name) for name in ([method, f"a_{method}"] if _in_async_chat.get() else [method]))


def _is_own(agent: Any, name: str) -> bool:
    if name in vars(agent):
        return True
    owner = next((cls for cls in type(agent).__mro__ if name in vars(cls)), None)
    return owner is not None and not owner.__module__.startswith("agentchat.agents.")


def resolve(value: Any) -> Any:
    """The value; if it is awaitable, its result. Blocks until then."""
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


async def _call_from_coroutine(function: Callable[[], T]) -> T:
    token = _in_async_chat.set(True)
    try:
        stream = IOStream.get_default()
        if isinstance(stream, RecordsSteps):
            return bridge_of(stream).call_from_loop(function)
        with from_this_loop() as bridge:
            try:
                return await asyncio.wrap_future(begin_in_thread(function))
            except asyncio.CancelledError:
                bridge.cancel()
                raise
    finally:
        _in_async_chat.reset(token)
