"""Which reply functions an agent asks, and in which order.

A reply function answers `(final, reply)`, and may be async. The last one registered is asked first; the first one whose
answer is final gives the agent's reply.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.agents.base import Agent, ReplyFunction, Trigger
from agentchat.agents.twins import in_awaited_chat
from agentchat.errors import ConfigError


@dataclass(kw_only=True)
class Registered:
    """A reply function, the messages it is for, and the configuration that it is given."""

    function: ReplyFunction
    trigger: Trigger
    config: Any
    initial_config: Any
    reset_config: Callable[[Any], None] | None
    awaited_chats_only: bool

    def reset(self) -> None:
        if self.reset_config is None:
            self.config = copy.copy(self.initial_config)
        else:
            self.reset_config(self.config)


class ReplyFunctions:
    """The reply functions of one agent."""

    def __init__(self) -> None:
        self._registered: list[Registered] = []

    def register(
        self,
        trigger: Trigger,
        function: ReplyFunction,
        *,
        position: int = 0,
        config: Any = None,
        reset_config: Callable[[Any], None] | None = None,
        awaited_chats_only: bool = False,
    ) -> None:
        if trigger is None or not _is_trigger(trigger):
            raise ConfigError(f"trigger {trigger!r}: give an agent, its name or class, a condition, or a list of these")
        entry = Registered(
            function=function,
            trigger=trigger,
            config=copy.copy(config),
            initial_config=config,
            reset_config=reset_config,
            awaited_chats_only=awaited_chats_only,
        )
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

    def for_sender(self, sender: Agent | None, *, exclude: Collection[ReplyFunction] = ()) -> Iterator[Registered]:
        """The functions to ask about a message of `sender`, in order."""
        # A copy: a reply function may register another.
        for entry in tuple(self._registered):
            if entry.awaited_chats_only and not in_awaited_chat():
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
        return sender is not None  # to ask a protocol takes longer than all else here
    if isinstance(trigger, type):
        return isinstance(sender, trigger)
    if isinstance(trigger, Agent):
        return trigger is sender
    return trigger(sender)


def _is_trigger(trigger: Any) -> bool:
    if isinstance(trigger, list | tuple):
        return all(one is None or _is_trigger(one) for one in trigger)
    return isinstance(trigger, str | type | Agent) or callable(trigger)
