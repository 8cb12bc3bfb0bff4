"""The agent functions that people can chat with: what `@on_connect` registers.

They live in the `agents.py` of installed apps, which is imported at start as `admin.py` is. Knows nothing of runs and
needs no Django: a script may register a function and call it on a console.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from agentchat.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class AgentFunction:
    """A registered agent function, and what people are told of it."""

    name: str
    function: Callable[[Any], Any]
    title: str
    description: str = ""
    prompts: tuple[str, ...] = ()
    allow: Callable[[Any], bool] | None = None
    durable: bool = True

    def is_open_to(self, user: Any) -> bool:
        """Whether this user (None for a guest) may use it."""
        return self.allow is None or bool(self.allow(user))


_agents: dict[str, AgentFunction] = {}


def on_connect(
    name: str,
    *,
    title: str | None = None,
    description: str = "",
    prompts: Sequence[str] = (),
    allow: Callable[[Any], bool] | None = None,
    durable: bool = True,
) -> Callable[[F], F]:
    """Register the agent function `name`, and leave the function as it is.

    `title` and `description` are what people read, `prompts` are first messages that they are offered; lazy
    translations are welcome. `allow(user)` says who may use it; a guest's user is None. `durable=False` is for a
    function that cannot be called again from the top: it keeps its thread while it waits, for WAIT_S at most, and its
    run ends as interrupted if its process does.
    Raise ConfigError if the name is taken by another function.
    """

    def register(function: F) -> F:
        known = _agents.get(name)
        if known is not None and _place(known.function) != _place(function):
            raise ConfigError(
                f"two agent functions are called {name!r}: {_place(known.function)} and {_place(function)}; rename one"
            )
        _agents[name] = AgentFunction(
            name=name,
            function=function,
            title=name.replace("_", " ").capitalize() if title is None else title,
            description=description or (function.__doc__ or "").strip().partition("\n")[0],
            prompts=tuple(prompts),
            allow=allow,
            durable=durable,
        )
        return function

    return register


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def find(name: str) -> AgentFunction | None:
    return _agents.get(name)


def open_to(user: Any) -> Iterator[AgentFunction]:
    """The agent functions that this user may use, in the order of their registration."""
    return (agent for agent in _agents.values() if agent.is_open_to(user))


def names() -> list[str]:
    """The names of all agent functions."""
    return list(_agents)


def unregister(name: str) -> None:
    """Forget an agent function. For tests."""
    _agents.pop(name, None)
