"""Which reply functions an agent asks, and in which order.

A reply function returns `(final, reply)`, and may be async. The last one registered is asked first; the first one whose
result is final gives the agent's reply.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.agents.async_api import in_async_chat
from agentchat.agents.protocols import Agent, ReplyFunction, Trigger
from agentchat.errors import ConfigError


@dataclass(kw_only=True)
class RegisteredReply:
    """A reply function, the messages it is for, and its configuration. Raise ConfigError for an invalid trigger."""

    function: ReplyFunction
    trigger: Trigger
    initial_config: Any = None
    reset_config: Callable[[Any], None] | None = None
    async_chats_only: bool = False

    def __post_init__(self) -> None:
        trigger = self.trigger
        if trigger is None or not _is_trigger(trigger):
            raise ConfigError(f"trigger {trigger!r}: use an agent, its name or class, a condition, or a list of these")
        self.config = copy.copy(self.initial_config)

    def result(self, returned: Any) -> tuple[bool, Any]:
        """What the function returned. Raise ConfigError if it is no `(final, reply)`."""
        if isinstance(returned, tuple) and len(returned) == 2:
            return returned
        name = getattr(self.function, "__qualname__", repr(self.function))
        raise ConfigError(
            f"reply function {name} returned {returned!r:.200}; it must return (True, reply), or (False, None) to let "
            "the next reply function answer"
        )

    def reset(self) -> None:
        if self.reset_config is None:
            self.config = copy.copy(self.initial_config)
        else:
            self.reset_config(self.config)


class ReplyFunctions:
    """The reply functions of one agent."""

    def __init__(self) -> None:
        self._registered: list[RegisteredReply] = []

    def insert(self, position: int, entry: RegisteredReply) -> None:
        self._registered.insert(position, entry)

    def replace(self, old: ReplyFunction, new: ReplyFunction) -> None:
        for entry in self._registered:
            if entry.function == old:
                entry.function = new

    def clear(self) -> None:
        self._registered.clear()

    def reset(self) -> None:
        for entry in self._registered:
            entry.reset()

    def for_sender(self, sender: Agent | None, *, exclude: Collection[ReplyFunction] = ()) -> Iterator[RegisteredReply]:
        """The functions to ask about a message of `sender`, in order."""
        # A copy: a reply function may register another.
        for entry in tuple(self._registered):
            if entry.async_chats_only and not in_async_chat():
                continue
            if entry.function not in exclude and matches(entry.trigger, sender):
                yield entry


def matches(trigger: Trigger, sender: Agent | None) -> bool:
    """Whether a trigger is for the messages of `sender`."""
    if trigger is None:
        return sender is None
    if isinstance(trigger, str):
        return sender is not None and trigger == sender.name
    if isinstance(trigger, Sequence):
        return any(matches(one, sender) for one in trigger)
    if trigger is Agent:
        return sender is not None  # an isinstance check against a protocol is slow
    if isinstance(trigger, type):
        return isinstance(sender, trigger)
    if isinstance(trigger, Agent):
        return trigger is sender
    return trigger(sender)


def _is_trigger(trigger: Any) -> bool:
    if isinstance(trigger, list | tuple):
        return all(one is None or _is_trigger(one) for one in trigger)
    return isinstance(trigger, str | type | Agent) or callable(trigger)
