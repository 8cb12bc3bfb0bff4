"""Several chats in sequence: the summaries of the earlier ones are carried over to the later ones.

A queue is a list of dicts, each with a `sender`, a `recipient` and whatever else `initiate_chat` takes; and with

    carryover                                        more for the first message: a text or a list of texts
    finished_chat_indexes_to_exclude_from_carryover  whose summaries are not carried over
    chat_id, prerequisites                           for `a_initiate_chats`: its number, and the chats it waits for
    verbose                                          print the message and the carryover at its start

The queue and its dicts stay as they are.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

from agentchat.agents.chats.first_message import as_list, carryover_text
from agentchat.agents.chats.summary import check_summary_method
from agentchat.agents.chats.two_agent import ChatResult
from agentchat.agents.protocols import Agent
from agentchat.errors import ConfigError
from agentchat.events import Notice

Chat: TypeAlias = Mapping[str, Any]

_QUEUE_KEYS = ("sender", "chat_id", "prerequisites", "finished_chat_indexes_to_exclude_from_carryover")


def initiate_chats(chat_queue: Sequence[Chat]) -> list[ChatResult]:
    """Have the chats one after the other; blocks until the last is over.

    Raise ConfigError before the first, if one of them cannot take place.
    """
    _check(chat_queue)
    results: list[ChatResult] = []
    for chat in chat_queue:
        ready = _with_carryover(chat, dict(enumerate(results)))
        results.append(chat["sender"].initiate_chat(**_arguments(ready)))
    return results


async def a_initiate_chats(chat_queue: Sequence[Chat]) -> dict[int, ChatResult]:
    """Have each chat as soon as its `prerequisites` are over; return the results by `chat_id`.

    Chats that wait for nothing take place at the same time; in a run, one after the other.
    """
    _check(chat_queue)
    chats = {chat["chat_id"]: chat for chat in _with_unique_ids(chat_queue)}
    tasks: dict[int, asyncio.Task[ChatResult]] = {}

    async def have(chat_id: int) -> ChatResult:
        chat = chats[chat_id]
        finished = {number: await tasks[number] for number in chat.get("prerequisites") or ()}
        ready = _with_carryover(chat, finished)
        result: ChatResult = await chat["sender"].a_initiate_chat(**_arguments(ready))
        return replace(result, chat_id=chat_id)

    for chat_id in _in_order(chats):
        tasks[chat_id] = asyncio.create_task(have(chat_id))
    try:
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
    return {chat_id: task.result() for chat_id, task in tasks.items()}


def with_sender(chat_queue: Sequence[Chat], sender: Agent) -> list[Chat]:
    """The chats, started by `sender` where they name no sender."""
    check_queue(chat_queue)
    return [chat if chat.get("sender") is not None else {**chat, "sender": sender} for chat in chat_queue]


def check_queue(chat_queue: Any) -> None:
    """Raise ConfigError if it is no list of chats."""
    if not isinstance(chat_queue, Sequence) or not all(isinstance(chat, Mapping) for chat in chat_queue):
        raise ConfigError(f"the queue of chats is {chat_queue!r:.200}; use a list of dicts, one for each chat")


def _check(chat_queue: Sequence[Chat]) -> None:
    check_queue(chat_queue)
    for number, chat in enumerate(chat_queue):
        for key in ("sender", "recipient"):
            if chat.get(key) is None:
                raise ConfigError(f"chat {number} in the queue has no {key!r}")
        check_summary_method(chat.get("summary_method", "last_msg"), chat["sender"], chat["recipient"])


def _with_unique_ids(chat_queue: Sequence[Chat]) -> Sequence[Chat]:
    ids = [chat.get("chat_id") for chat in chat_queue]
    if None in ids or len(set(ids)) < len(ids):
        raise ConfigError(f"a_initiate_chats: give each chat a unique 'chat_id', not {ids}")
    return chat_queue


def _in_order(chats: Mapping[int, Chat]) -> list[int]:
    """Each chat after those that it waits for; otherwise as in the queue."""
    waits = {chat_id: list(chat.get("prerequisites") or ()) for chat_id, chat in chats.items()}
    for chat_id, prerequisites in waits.items():
        if unknown := [number for number in prerequisites if number not in chats]:
            raise ConfigError(f"chat {chat_id} waits for {unknown}, which are not in the queue")
    try:
        return list(TopologicalSorter(waits).static_order())
    except CycleError as error:
        raise ConfigError(f"these chats wait for each other: {error.args[1]}") from None


def _with_carryover(chat: Chat, finished: Mapping[int, ChatResult]) -> dict[str, Any]:
    """The chat with the summaries of the finished ones; announces that it starts."""
    excluded = chat.get("finished_chat_indexes_to_exclude_from_carryover") or ()
    summaries = [result.summary for number, result in finished.items() if number not in excluded]
    ready = {**chat, "carryover": [*as_list(chat.get("carryover")), *summaries]}
    if not chat.get("silent"):
        chat["sender"]._agentchat.emitter.emit(Notice(text=_banner(ready)), to=None)
    return ready


def _arguments(chat: Chat) -> dict[str, Any]:
    return {key: value for key, value in chat.items() if key not in _QUEUE_KEYS}


def _banner(chat: Chat) -> str:
    rule = "*" * 80
    lines = [rule, "Starting a new chat....", ""]
    if chat.get("verbose"):
        lines += [f"Message:\n{chat.get('message')}", f"Carryover:\n{carryover_text(chat['carryover'])}", ""]
    return "\n".join([*lines, rule])
