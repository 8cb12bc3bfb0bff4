"""How a chat starts: its first message, and what is carried over into it from other chats."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from agentchat.agents.async_api import call_method, resolve
from agentchat.agents.history import text_of
from agentchat.agents.protocols import Agent, Message
from agentchat.errors import InvalidCarryOverType

FirstMessage: TypeAlias = Message | str | list[Message] | Callable[..., Message | str] | None
"""How a chat starts: a message, several (all but the last were sent before), a function of (sender, recipient, context)
that returns one, or None: the user is asked for it."""

Carryover: TypeAlias = str | Sequence[Any] | None
"""What a chat is told about other chats: a text, or a list of texts, messages or whatever their summaries were."""


def first_message(given: FirstMessage, sender: Agent, recipient: Agent, context: dict[str, Any]) -> Message | str:
    """The message to send. A function's is sent as it is; anything else goes through `generate_init_message`."""
    if callable(given):
        message: Message | str = resolve(given(sender, recipient, context))
    else:
        message = call_method(sender, "generate_init_message", given, **context)
    return message


def initial_message(agent: Agent, message: Message | str | None, carryover: Carryover) -> Message | str:
    """The message, or what the user types instead, with the carryover."""
    if message is None:
        message = call_method(agent, "get_human_input", ">")
    elif not isinstance(message, str | Mapping):
        message = text_of(message)  # a lazy translation
    return _with_carryover(message, carryover) if carryover else message


def as_list(carryover: Carryover) -> list[Any]:
    """A carryover as a list. Raise InvalidCarryOverType if it is none."""
    if not carryover:
        return []
    if isinstance(carryover, str):
        return [carryover]
    if isinstance(carryover, list | tuple):
        return list(carryover)
    raise InvalidCarryOverType(f"carryover {carryover!r}: use a string or a list of strings")


def carryover_text(carryover: Carryover) -> str:
    return "\n".join(_text(item) for item in as_list(carryover))


def _with_carryover(message: Message | str, carryover: Carryover) -> Message | str:
    text = f"\nContext: \n{carryover_text(carryover)}"
    if isinstance(message, str):
        return message + text
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": text}, *content]}
    return {**message, "content": content + text} if isinstance(content, str) else message


def _text(item: Any) -> str:
    return text_of(item["content"]) if isinstance(item, dict) and "content" in item else str(item)
