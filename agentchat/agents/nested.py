"""Chats within a chat: an agent asks others before it replies.

A reply function that has a queue of chats (see `queue`) and replies with the summary of the last one.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from agentchat.agents.base import Agent, Message, Reply, Trigger
from agentchat.agents.queue import Chat, a_initiate_chats, initiate_chats, with_sender
from agentchat.agents.twins import settled
from agentchat.errors import ConfigError
from agentchat.events import NestedChatsFinished, NestedChatsStarted

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

NestedReply = Literal["summary_from_nested_chats"] | Callable[..., Any]
"""How the reply is made: as the last chat's summary, or by a function of (chat_queue, recipient, messages, sender,
config) that returns `(final, reply)` and may be async."""


def register_nested_chats(
    agent: "ConversableAgent",
    chat_queue: Sequence[Chat],
    trigger: Trigger,
    reply_func_from_nested_chats: NestedReply = "summary_from_nested_chats",
    position: int = 2,
    use_async: bool | None = None,
    *,
    config: Any = None,
    reset_config: Callable[[Any], None] | None = None,
    ignore_async_in_sync_chat: bool = False,
) -> None:
    """Have these chats before a reply to whom the trigger means, and reply with what came of them.

    The first one begins with the message to reply to, if it has none of its own; any other without a `message` is left
    out. A `message` may be a function of (agent, messages, sender, config). With `use_async` the chats are those of
    `a_initiate_chats`, in chats that an `a_` method began. Raise ConfigError for what cannot work.
    """
    if use_async and any(chat.get("chat_id") is None for chat in chat_queue):
        raise ConfigError("register_nested_chats(use_async=True): give each chat of the queue a 'chat_id'")
    function: Any = reply_func_from_nested_chats
    if function == "summary_from_nested_chats":
        function = _awaited_summary if use_async else _summary
    if not callable(function):
        raise ConfigError(f"reply_func_from_nested_chats {function!r}: give 'summary_from_nested_chats' or a function")

    def reply(
        recipient: "ConversableAgent", messages: list[Message], sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Reply]:
        place = {"step_name": f"nested chats of {recipient.name}", "name": recipient.name}
        recipient.tell(NestedChatsStarted(**place), to=sender)
        try:
            result: tuple[bool, Reply] = settled(function(chat_queue, recipient, messages, sender, config))
        except Exception:  # whoever catches it goes on outside
            recipient.tell(NestedChatsFinished(**place), to=sender)
            raise
        recipient.tell(NestedChatsFinished(**place), to=sender)
        return result

    agent.register_reply(
        trigger,
        reply,
        position,
        config,
        reset_config,
        ignore_async_in_sync_chat=ignore_async_in_sync_chat or bool(use_async),
    )


def _summary(
    chat_queue: Sequence[Chat], agent: "ConversableAgent", messages: list[Message], sender: Agent | None, config: Any
) -> tuple[bool, Reply]:
    chats = _to_have(chat_queue, agent, messages, sender, config)
    return True, initiate_chats(chats)[-1].summary if chats else None


async def _awaited_summary(
    chat_queue: Sequence[Chat], agent: "ConversableAgent", messages: list[Message], sender: Agent | None, config: Any
) -> tuple[bool, Reply]:
    chats = _to_have(chat_queue, agent, messages, sender, config)
    return True, (await a_initiate_chats(chats))[chats[-1]["chat_id"]].summary if chats else None


def _to_have(
    chat_queue: Sequence[Chat], agent: "ConversableAgent", messages: list[Message], sender: Agent | None, config: Any
) -> list[Chat]:
    """The chats that have something to begin with."""
    chats: list[Chat] = []
    for number, chat in enumerate(with_sender(chat_queue, agent)):
        message = chat.get("message")
        if message is None and number == 0:
            message = messages[-1].get("content")
        if callable(message):
            message = settled(message(agent, messages, sender, config))
        if message:
            chats.append({**chat, "message": message})
    return chats
