"""Hooks: functions of one's own that change what is heard and what is said.

    process_last_received_message      content of the last message → content
    process_all_messages_before_reply  all messages → messages
    process_message_before_send        (sender, message, recipient, silent) → message

What the first two give is for the reply alone; the history stays as it was. A hook may be async. Under a name with
`a_` it is asked in chats that an `a_` method began, instead of those without.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from agentchat.agents.base import Agent, Message
from agentchat.agents.twins import in_awaited_chat, settled
from agentchat.errors import ConfigError

Hook = Callable[..., Any]

PLACES = ("process_last_received_message", "process_all_messages_before_reply", "process_message_before_send")


class Hooks:
    """The hooks of one agent, asked in the order in which they were registered."""

    def __init__(self) -> None:
        self._hooks: defaultdict[str, list[Hook]] = defaultdict(list)

    def register(self, place: str, hook: Hook) -> None:
        if place.removeprefix("a_") not in PLACES:
            raise ConfigError(f"there is no hook {place!r}, only {', '.join(PLACES)}, and these with 'a_' before them")
        if hook in self._hooks[place]:
            raise ConfigError(f"{hook!r} is a hook at {place!r} already")
        self._hooks[place].append(hook)

    def received(self, messages: list[Message]) -> list[Message]:
        """The messages as the reply functions see them."""
        if (hooks := self._at("process_last_received_message")) and messages and _is_words(messages[-1]):
            content = messages[-1]["content"]
            for hook in hooks:
                content = settled(hook(content))
            messages = [*messages[:-1], {**messages[-1], "content": content}]
        for hook in self._at("process_all_messages_before_reply"):
            messages = settled(hook(messages))
        return messages

    def sent(self, message: Message | str, *, sender: Agent, recipient: Agent, silent: bool) -> Message | str:
        """The message as it is sent."""
        for hook in self._at("process_message_before_send"):
            message = settled(hook(sender=sender, message=message, recipient=recipient, silent=silent))
        return message

    def _at(self, place: str) -> list[Hook]:
        own = self._hooks.get(f"a_{place}") if in_awaited_chat() else None
        return own or self._hooks.get(place) or []


def _is_words(message: Message) -> bool:
    """Somebody said something: no call, no command, nothing to be filled in."""
    plain = not message.get("function_call") and "context" not in message
    return plain and isinstance(message.get("content"), str | list) and message["content"] != "exit"
