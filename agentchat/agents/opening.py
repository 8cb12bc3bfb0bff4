"""How a chat begins: its first message, and what is carried over into it from other chats."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from agentchat.agents.base import Message
from agentchat.agents.history import text_of
from agentchat.agents.twins import called, settled
from agentchat.errors import ConfigError

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

Opening: TypeAlias = Message | str | list[Message] | Callable[..., Message | str] | None
"""How a chat begins: a message, several (all but the last were said before), a function of (sender, recipient, context)
that gives one, or None: the person is asked for it."""

Carryover: TypeAlias = str | Sequence[Any] | None
"""What is told of other chats: a text, or a list of texts, messages or whatever their summaries were."""


def first_message(
    opening: Opening, sender: "ConversableAgent", recipient: "ConversableAgent", context: dict[str, Any]
) -> Message | str:
    """The message to send. A function gives it as it is; anything else goes through `generate_init_message`."""
    if callable(opening):
        message: Message | str = settled(opening(sender, recipient, context))
        return message
    return called(sender, "generate_init_message", opening, **context)  # type: ignore[no-any-return]


def generate_init_message(agent: "ConversableAgent", /, message: Message | str | None, **context: Any) -> Message | str:
    """The first message of a chat; without one, what the person types. `carryover` of the context is added to it."""
    if message is None:
        message = called(agent, "get_human_input", ">")
    carryover = context.get("carryover")
    return _with_carryover(message, carryover) if carryover else message


def listed(carryover: Carryover) -> list[Any]:
    """A carryover as a list. Raise ConfigError if it is none."""
    if not carryover:
        return []
    if isinstance(carryover, str):
        return [carryover]
    if isinstance(carryover, list | tuple):
        return list(carryover)
    raise ConfigError(f"carryover {carryover!r}: give a text, or a list of texts")


def carryover_text(carryover: Carryover) -> str:
    return "\n".join(_text(item) for item in listed(carryover))


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
