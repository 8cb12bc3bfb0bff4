"""Objects that outlive a run, and of which each run works on its own copy: agents and group chats in module globals.

The classic examples make their agents at import. On a server such an agent serves many users at the same time, and a
run that resumes begins again: with one history, one user would read what another one has said, and a resumed run would
find its own words twice. So within a run the attributes of such an object are those that it had outside of runs, copied
at the first use; what the run changes, other runs do not see. An object that is made within the run is its own.
"""

import copy
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from agentchat.errors import ConfigError


class _Run:
    """The copies of one execution of an agent function."""

    def __init__(self) -> None:
        self.attributes: dict[int, dict[str, Any]] = {}  # by the id of the object, which `objects` keeps alive
        self.objects: list[object] = []


_OWN = ("agentchat.agents.", "agentchat.llm.usage")

_run: ContextVar[_Run | None] = ContextVar("agentchat_run_of_objects", default=None)


@contextmanager
def own_objects() -> Iterator[None]:
    """What is called within works on its own copies, in threads that have its context, too."""
    token = _run.set(_Run())
    try:
        yield
    finally:
        _run.reset(token)


class PerRun:
    """Base of such objects. Reading an attribute costs less than 1 µs more than usual."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        run = _run.get()
        object.__setattr__(made, "_made_in", None if run is None else weakref.ref(run))
        return made

    def __getattribute__(self, name: str) -> Any:
        if (run := _run.get()) is not None and (own := _attributes_in(run, self)) is not None:
            if name in own:
                return own[name]
            shared = object.__getattribute__(self, "__dict__")
            if name == "__dict__":
                return own
            if name in shared:  # this run has deleted it
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        run = _run.get()
        own = None if run is None else _attributes_in(run, self)
        if own is None or hasattr(getattr(type(self), name, None), "__set__"):
            object.__setattr__(self, name, value)
        else:
            own[name] = value

    def __delattr__(self, name: str) -> None:
        run = _run.get()
        own = None if run is None else _attributes_in(run, self)
        if own is None or name not in own:
            object.__delattr__(self, name)
        else:
            del own[name]

    def __getstate__(self) -> dict[str, Any]:
        """For copies, which belong to the run that makes them."""
        return {name: value for name, value in vars(self).items() if name != "_made_in"}


def _attributes_in(run: _Run, thing: PerRun) -> dict[str, Any] | None:
    """The run's copy of its attributes; None if it is the run's own. Raise ConfigError if it is another run's."""
    own = run.attributes.get(id(thing))
    if own is not None:
        return own
    attributes: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    made_in = attributes.get("_made_in")
    if made_in is not None:
        if made_in() is run:
            return None
        raise ConfigError(
            f"{type(thing).__name__} {attributes.get('name', '')!r} was made in another run, and has its messages: "
            f"make agents in the agent function, or at import, where each run gets a copy"
        )
    run.objects.append(thing)
    copied: dict[str, Any] = _copied(attributes, {})
    return run.attributes.setdefault(id(thing), copied)


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    """Containers, and agentchat's own objects, are copied with what is in them; all else is shared."""
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, PerRun):
        return value
    new: Any
    if isinstance(value, dict):
        new = copies[id(value)] = copy.copy(value)
        for key in new:
            new[key] = _copied(new[key], copies)
    elif isinstance(value, list):
        new = copies[id(value)] = copy.copy(value)
        new[:] = [_copied(each, copies) for each in value]
    elif isinstance(value, set):
        new = copies[id(value)] = copy.copy(value)
    elif type(value).__module__.startswith(_OWN) and hasattr(value, "__dict__"):
        new = copies[id(value)] = copy.copy(value)
        vars(new).update({name: _copied(each, copies) for name, each in vars(value).items()})
    else:
        return value
    return new
