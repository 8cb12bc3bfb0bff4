"""Chats within a chat: an agent asks others before it replies.

A reply function that has a queue of chats (see `chats.sequence`) and replies with the summary of the last one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from agentchat.agents.async_api import resolve
from agentchat.agents.chats.sequence import Chat, a_initiate_chats, check_queue, initiate_chats, with_sender
from agentchat.agents.protocols import Agent, Message, Reply, ReplyFunction
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.errors import ConfigError
from agentchat.events import NestedChatsFinished, NestedChatsStarted

NestedReply = Literal["summary_from_nested_chats"] | Callable[..., Any]
"""How the reply is made: as the last chat's summary, or by a function of (chat_queue, recipient, messages, sender,
config) that returns `(final, reply)` and may be async."""


def nested_chats_reply(
    chat_queue: Sequence[Chat], nested_reply: NestedReply, *, use_async: bool
) -> Callable[..., tuple[bool, Reply]]:
    """A reply function that has these chats first. Raise ConfigError for what cannot work."""
    check_queue(chat_queue)
    if use_async and any(chat.get("chat_id") is None for chat in chat_queue):
        raise ConfigError("register_nested_chats(use_async=True): give each chat in the queue a 'chat_id'")
    function: ReplyFunction | str = nested_reply
    if function == "summary_from_nested_chats":
        function = _async_summary if use_async else _summary
    if not callable(function):
        raise ConfigError(f"reply_func_from_nested_chats {function!r}: use 'summary_from_nested_chats' or a function")

    def reply(
        recipient: ReplyingAgent, messages: list[Message], sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Reply]:
        step = {"step_name": f"nested chats of {recipient.name}", "name": recipient.name}
        recipient._agentchat.emitter.emit(NestedChatsStarted(**step), to=sender)
        try:
            result: tuple[bool, Reply] = resolve(function(chat_queue, recipient, messages, sender, config))
        except Exception:  # a caller may catch it and go on outside of the nested chats
            recipient._agentchat.emitter.emit(NestedChatsFinished(**step), to=sender)
            raise
        recipient._agentchat.emitter.emit(NestedChatsFinished(**step), to=sender)
        return result

    return reply


def _summary(
    chat_queue: Sequence[Chat], agent: ReplyingAgent, messages: list[Message], sender: Agent | None, config: Any
) -> tuple[bool, Reply]:
    chats = _chats_to_have(chat_queue, agent, messages, sender, config)
    return True, initiate_chats(chats)[-1].summary if chats else None


async def _async_summary(
    chat_queue: Sequence[Chat], agent: ReplyingAgent, messages: list[Message], sender: Agent | None, config: Any
) -> tuple[bool, Reply]:
    chats = _chats_to_have(chat_queue, agent, messages, sender, config)
    return True, (await a_initiate_chats(chats))[chats[-1]["chat_id"]].summary if chats else None


def _chats_to_have(
    chat_queue: Sequence[Chat], agent: ReplyingAgent, messages: list[Message], sender: Agent | None, config: Any
) -> list[Chat]:
    """The chats that have a first message; the first chat's is the one to reply to, unless it has its own."""
    chats: list[Chat] = []
    for number, chat in enumerate(with_sender(chat_queue, agent)):
        message = chat.get("message")
        if message is None and number == 0:
            message = messages[-1].get("content")
            message = {"content": message} if isinstance(message, list) else message  # of several parts
        if callable(message):
            message = resolve(message(agent, messages, sender, config))
        if message:
            chats.append({**chat, "message": message})
    return chats
