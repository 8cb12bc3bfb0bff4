"""Several chats, one after another: what came of the earlier ones is carried over to the later ones.

A queue is a list of dicts, each with a `sender`, a `recipient` and whatever else `initiate_chat` takes; and with

    carryover                                        what it is told besides: a text or a list of texts
    finished_chat_indexes_to_exclude_from_carryover  whose summaries it is not told
    chat_id, prerequisites                           for `a_initiate_chats`: its number, and the chats it waits for
    verbose                                          print the message and the carryover at its beginning

The queue and its dicts stay as they are.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, TypeAlias

from agentchat.agents.chat import ChatResult
from agentchat.agents.opening import carryover_text, listed
from agentchat.agents.summary import check_summary_method
from agentchat.errors import ConfigError
from agentchat.events import Notice

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

Chat: TypeAlias = Mapping[str, Any]

_OF_THE_QUEUE = ("sender", "chat_id", "prerequisites", "finished_chat_indexes_to_exclude_from_carryover")


def initiate_chats(chat_queue: Sequence[Chat]) -> list[ChatResult]:
    """Have the chats one after the other; blocks until the last is over. Raise ConfigError before the first, if one of
    them cannot be had."""
    _check(chat_queue)
    results: list[ChatResult] = []
    for chat in chat_queue:
        ready = _with_carryover(chat, dict(enumerate(results)))
        results.append(chat["sender"].initiate_chat(**_arguments(ready)))
    return results


async def a_initiate_chats(chat_queue: Sequence[Chat]) -> dict[int, ChatResult]:
    """Have each chat as soon as its `prerequisites` are over; return the results by `chat_id`.

    Chats that wait for nothing go on at the same time; in a run, one after the other.
    """
    _check(chat_queue)
    chats = {chat["chat_id"]: chat for chat in _numbered(chat_queue)}
    going: dict[int, asyncio.Task[ChatResult]] = {}

    async def have(chat_id: int) -> ChatResult:
        chat = chats[chat_id]
        before = {number: await going[number] for number in chat.get("prerequisites") or ()}
        ready = _with_carryover(chat, before)
        result: ChatResult = await chat["sender"].a_initiate_chat(**_arguments(ready))
        return replace(result, chat_id=chat_id)

    for chat_id in _in_order(chats):
        going[chat_id] = asyncio.create_task(have(chat_id))
    try:
        await asyncio.gather(*going.values())
    finally:
        for task in going.values():
            task.cancel()
    return {chat_id: task.result() for chat_id, task in going.items()}


def with_sender(chat_queue: Sequence[Chat], sender: "ConversableAgent") -> list[Chat]:
    """The chats, begun by `sender` where they name nobody else."""
    return [chat if chat.get("sender") is not None else {**chat, "sender": sender} for chat in chat_queue]


def _check(chat_queue: Sequence[Chat]) -> None:
    for number, chat in enumerate(chat_queue):
        for key in ("sender", "recipient"):
            if chat.get(key) is None:
                raise ConfigError(f"chat {number} of the queue has no {key!r}")
        check_summary_method(chat.get("summary_method", "last_msg"), chat["sender"], chat["recipient"])


def _numbered(chat_queue: Sequence[Chat]) -> Sequence[Chat]:
    ids = [chat.get("chat_id") for chat in chat_queue]
    if None in ids or len(set(ids)) < len(ids):
        raise ConfigError(f"a_initiate_chats: give each chat a 'chat_id' of its own; these are {ids}")
    return chat_queue


def _in_order(chats: Mapping[int, Chat]) -> list[int]:
    """Each chat after those that it waits for; else as in the queue."""
    waits = {chat_id: list(chat.get("prerequisites") or ()) for chat_id, chat in chats.items()}
    for chat_id, prerequisites in waits.items():
        if unknown := [number for number in prerequisites if number not in chats]:
            raise ConfigError(f"chat {chat_id} waits for {unknown}, which are not in the queue")
    try:
        return list(TopologicalSorter(waits).static_order())
    except CycleError as error:
        raise ConfigError(f"these chats wait for each other: {error.args[1]}") from None


def _with_carryover(chat: Chat, before: Mapping[int, ChatResult]) -> dict[str, Any]:
    """The chat with the summaries of those before it; says that it begins."""
    left_out = chat.get("finished_chat_indexes_to_exclude_from_carryover") or ()
    summaries = [result.summary for number, result in before.items() if number not in left_out]
    ready = {**chat, "carryover": [*listed(chat.get("carryover")), *summaries]}
    if not chat.get("silent"):
        chat["sender"].tell(Notice(text=_banner(ready)), to=None)
    return ready


def _arguments(chat: Chat) -> dict[str, Any]:
    return {key: value for key, value in chat.items() if key not in _OF_THE_QUEUE}


def _banner(chat: Chat) -> str:
    rule = "*" * 80
    lines = [rule, "Starting a new chat....", ""]
    if chat.get("verbose"):
        lines += [f"Message:\n{chat.get('message')}", f"Carryover:\n{carryover_text(chat['carryover'])}", ""]
    return "\n".join([*lines, rule])
