"""What an agent function is: a plain function of one stream, which is called in a thread of its own.

A coroutine function or a generator would only be created by the call, and end in silence. Both are refused when they
are registered; what hides behind a plain function, as behind a decorator, is found when it is called.
"""

import inspect
from collections.abc import Callable
from typing import Any

from agentchat.errors import ConfigError


def check_agent_function(function: Any, title: str) -> None:
    """Raise ConfigError if it cannot be one. `title` is what the message calls it."""
    if not callable(function):
        raise ConfigError(f"{title} is {function!r}: make it a function, `def f(iostream)`")
    for called in (function, type(function).__call__):
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            raise ConfigError(_is_async(title))
        if inspect.isgeneratorfunction(called):
            raise ConfigError(_is_generator(title))
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise ConfigError(
            f"{title} cannot be called with a stream ({error}): give it one argument, `def f(iostream)`"
        ) from None
    except ValueError:
        return  # its signature cannot be read


def call_agent_function(function: Callable[[Any], Any], stream: Any, title: str) -> None:
    """Call it to its end. Raise ConfigError if it has only made something that is to be awaited or iterated over."""
    returned = function(stream)
    if inspect.isgenerator(returned):
        raise ConfigError(_is_generator(title))
    if inspect.isawaitable(returned) or inspect.isasyncgen(returned):
        if inspect.iscoroutine(returned):
            returned.close()  # nothing of it has run
        raise ConfigError(_is_async(title))


def _is_async(title: str) -> str:
    return f"{title} is async: it runs in a thread of its own, so make it a plain `def`"


def _is_generator(title: str) -> str:
    return f"{title} is a generator: make it a plain `def`, with iostream.print() or an agent instead of `yield`"
