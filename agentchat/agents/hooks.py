"""Hooks: custom functions that change the messages that an agent receives and sends.

    process_last_received_message      content of the last message → content
    process_all_messages_before_reply  all messages → messages
    process_message_before_send        (sender, message, recipient, silent) → message

What the first two return is for the reply alone; the history stays as it was. A hook may be async. Hooks whose name
has the prefix `a_` replace those without it in chats that an `a_` method started.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from agentchat.agents.async_api import in_async_chat, resolve
from agentchat.agents.protocols import Agent, Message
from agentchat.errors import ConfigError

Hook = Callable[..., Any]

PLACES = ("process_last_received_message", "process_all_messages_before_reply", "process_message_before_send")


class Hooks:
    """The hooks of one agent, called in the order in which they were registered."""

    def __init__(self) -> None:
        self._hooks: defaultdict[str, list[Hook]] = defaultdict(list)

    def register(self, place: str, hook: Hook) -> None:
        if place.removeprefix("a_") not in PLACES:
            raise ConfigError(f"unknown hook {place!r}: use {', '.join(PLACES)}, or one of these with the prefix 'a_'")
        if hook in self._hooks[place]:
            raise ConfigError(f"{hook!r} is already registered as a hook at {place!r}")
        self._hooks[place].append(hook)

    def received(self, messages: list[Message]) -> list[Message]:
        """The messages as the reply functions see them."""
        if (hooks := self._at("process_last_received_message")) and messages and _is_text(messages[-1]):
            content = messages[-1]["content"]
            for hook in hooks:
                content = _returned(hook, "the content", hook(content))
            messages = [*messages[:-1], {**messages[-1], "content": content}]
        for hook in self._at("process_all_messages_before_reply"):
            messages = _returned(hook, "the messages", hook(messages))
        return messages

    def sent(self, message: Message | str, *, sender: Agent, recipient: Agent, silent: bool) -> Message | str:
        """The message as it is sent."""
        for hook in self._at("process_message_before_send"):
            returned = hook(sender=sender, message=message, recipient=recipient, silent=silent)
            message = _returned(hook, "the message", returned)
        return message

    def _at(self, place: str) -> list[Hook]:
        own = self._hooks.get(f"a_{place}") if in_async_chat() else None
        return own or self._hooks.get(place) or []


def _returned(hook: Hook, what: str, returned: Any) -> Any:
    """What a hook has returned, awaited. Raise ConfigError if it is None: one that only looks has to return it, too."""
    value = resolve(returned)
    if value is None:
        raise ConfigError(f"hook {getattr(hook, '__qualname__', hook)!s} returned None: it must return {what}")
    return value


def _is_text(message: Message) -> bool:
    """Whether a message is plain text: no call, no command, no template."""
    plain = not message.get("function_call") and "context" not in message
    return plain and isinstance(message.get("content"), str | list) and message["content"] != "exit"
