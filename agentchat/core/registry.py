"""The agent functions that users can chat with: what `@on_connect` registers.

They are defined in the `agents.py` of installed apps, which is imported at start as `admin.py` is. Nothing here needs
runs or Django: a script may register a function and call it on a console.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from agentchat.core.agent_functions import call_agent_function, check_agent_function
from agentchat.core.uploads import NO_UPLOADS, UploadRules, upload_rules
from agentchat.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


class LazyText(Protocol):
    """A text that is translated when it is shown, such as Django's `gettext_lazy` returns."""

    def __str__(self) -> str: ...

    def __add__(self, other: str, /) -> str: ...


@dataclass(frozen=True, kw_only=True)
class AgentFunction:
    """A registered agent function, and how it is presented to users."""

    name: str
    function: Callable[[Any], Any]
    title: str | LazyText
    description: str | LazyText = ""
    prompts: tuple[str | LazyText, ...] = ()
    allow: Callable[[Any], bool] | None = None
    durable: bool = True
    retention: timedelta | None = None
    staff: Callable[[Any], Any] | None = None
    uploads: UploadRules = NO_UPLOADS

    def is_open_to(self, user: Any) -> bool:
        """Whether this user (None for a guest) may use it."""
        return self.allow is None or bool(self.allow(user))

    def call(self, stream: Any) -> None:
        """Call the function to its end, with a stream that is the default one already."""
        call_agent_function(self.function, stream, _title(self.name, self.function))


MAX_NAME_CHARS = 100
MIN_RETENTION = timedelta(hours=1)  # a shorter one is a mistake: chats would go while their users read them
_agents: dict[str, AgentFunction] = {}


def on_connect(
    name: str,
    *,
    title: str | LazyText | None = None,
    description: str | LazyText = "",
    prompts: Sequence[str | LazyText] = (),
    allow: Callable[[Any], bool] | None = None,
    durable: bool = True,
    retention: timedelta | None = None,
    staff: Callable[[Any], Any] | None = None,
    uploads: Sequence[str] = (),
    max_upload: int | None = None,
) -> Callable[[F], F]:
    """Register the agent function `name`, and leave the function as it is.

    `title` and `description` are shown to users, `prompts` are suggested first messages; lazy translations are
    welcome. `allow(user)` says who may use it; a guest's user is None. `durable=False` is for a function that cannot
    be called again from the top: it keeps its thread while it waits, for WAIT_S at most, and its run ends as
    interrupted if its process does. `retention` is how long its chats are kept after their last change, instead of the
    site's RETENTION_DAYS. `staff(user)` says which of those with the permission may see its chats and act in them.
    `uploads` are the files that users may send, of at most `max_upload` bytes each: types and extensions, as in
    `["image/*", ".csv"]`. Raise ConfigError if the name is taken by another function or cannot be a part of an address,
    or if the function is async, a generator, or takes anything but the stream.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
        hint = f"@on_connect({name.__name__!r})" if inspect.isroutine(name) else '@on_connect("weather")'
        raise ConfigError(
            f"@on_connect got {name!r} for a name: use a text of 1 to {MAX_NAME_CHARS} characters, as in {hint}"
        )
    if not _fits_in_path(name):
        raise ConfigError(
            f"@on_connect({name!r}): the name is a part of the address of embedded pages, so it has no '/', nothing "
            f"that cannot be seen, no white space at its ends, and is neither '.' nor '..'; its title may be any text"
        )
    if isinstance(prompts, str):
        raise ConfigError(f"prompts={prompts!r} of agent function {name!r}: use a list of texts")
    for option, rule in (("allow", allow), ("staff", staff)):
        if rule is not None and (not callable(rule) or inspect.iscoroutinefunction(rule)):
            raise ConfigError(
                f"{option}={rule!r} of agent function {name!r}: use a plain function of the user, or None"
            )
    if retention is not None and not (isinstance(retention, timedelta) and retention >= MIN_RETENTION):
        raise ConfigError(
            f"retention={retention!r} of agent function {name!r}: use a timedelta of an hour or more, as in "
            f"timedelta(days=90), or None for the site's RETENTION_DAYS"
        )

    rules = upload_rules(name, uploads, max_upload)

    def register(function: F) -> F:
        check_agent_function(function, _title(name, function))
        known = _agents.get(name)
        if known is not None and (first := _location(known.function)) != (second := _location(function)):
            raise ConfigError(f"two agent functions are named {name!r}: {first} and {second}; rename one")
        _agents[name] = AgentFunction(
            name=name,
            function=function,
            title=name.replace("_", " ").capitalize() if title is None else title,
            description=description or (function.__doc__ or "").strip().partition("\n")[0],
            prompts=tuple(prompts),
            allow=allow,
            durable=durable,
            retention=retention,
            staff=staff,
            uploads=rules,
        )
        return function

    return register


def _fits_in_path(name: str) -> bool:
    """Whether an address can have the name as one of its parts: browsers resolve dots, and servers part at slashes."""
    return name.isprintable() and name == name.strip() and "/" not in name and name not in (".", "..")


def _title(name: str, function: Any) -> str:
    return f"agent function {name!r} ({_location(function)})"


def _location(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


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
