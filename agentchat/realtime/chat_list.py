"""Notifications of the lists of chats: what shows an owner's chats learns that something in them has changed.

The inboxes of all users have one group, since whom a question is for may change at any time.

A notification carries no more than that; what has changed is in the database, from which shown lists are read every few
seconds in any case. Listeners of this process are called directly. The relay carries notifications to other
processes, as it does for chat sessions, in a group whose name is made of the owner and does not reveal who that is.
"""

import asyncio
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any
from uuid import UUID

from agentchat.core.log import get_logger
from agentchat.errors import DatabaseUnavailable
from agentchat.events import InputAnswered, InputRequested, RunError, RunFinished, RunStarted, RunWaiting
from agentchat.infra.channel_layer import chat_list_changed
from agentchat.infra.database import retry_transaction
from agentchat.infra.loop_scope import LoopScope, current_scope, start_scope
from agentchat.infra.statements import select_values
from agentchat.models import ChatSession
from agentchat.realtime.frames import Frame
from agentchat.realtime.hub import Hub
from agentchat.realtime.publish import send_without_server
from agentchat.visitors import Visitor

logger = get_logger("agentchat.runs")

DATABASE_TIMEOUT_SECONDS = 1.0

CHANGES = {each.type for each in (RunStarted, RunWaiting, RunFinished, RunError, InputRequested, InputAnswered)}
"""The events that change what a list shows."""

INBOX_GROUP = "chats.inbox"
"""The group of what waits for colleagues, in whosever inbox."""

Listener = Callable[[], None]


def group_of_owner(owner_id: Any, guest_key: str) -> str:
    """The group of an owner's list: a guest's key must not appear in a channel layer."""
    owner = f"guest {guest_key}" if owner_id is None else f"user {owner_id}"
    return f"chats.{sha256(owner.encode()).hexdigest()[:40]}"


def group_of_visitor(visitor: Visitor) -> str:
    """The group of a visitor's list. Guests who own nothing yet are told apart by their addresses."""
    if visitor.user is not None:
        return group_of_owner(visitor.user.pk, "")
    return group_of_owner(None, visitor.guest_key or f"at {visitor.address}")


class ChatListNotifier:
    """The listeners of this process. Everything on the server's loop, except `notify`, which is for any thread."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub  # its receiver and its sender lead to other processes
        self._loop = loop
        self._listeners: dict[str, set[Listener]] = {}

    def subscribe(self, group: str, listener: Listener) -> None:
        """Call `listener` when the owner's chats have changed, until `unsubscribe`."""
        is_new = group not in self._listeners
        self._listeners.setdefault(group, set()).add(listener)
        if is_new and self._hub.receiver is not None:
            self._hub.receiver.join_list(group)

    def unsubscribe(self, group: str, listener: Listener) -> None:
        listeners = self._listeners.get(group, set())
        listeners.discard(listener)
        if not listeners and self._listeners.pop(group, None) is not None and self._hub.receiver is not None:
            self._hub.receiver.leave_list(group)

    def on_change(self, group: str) -> None:
        """A list has changed, by this process or another one."""
        for listener in list(self._listeners.get(group, ())):
            listener()

    def notify(self, group: str) -> None:
        """This owner's chats have changed: after the commit, from any thread. Never waits."""
        self._loop.call_soon_threadsafe(self._notify, group)

    def _notify(self, group: str) -> None:
        self.on_change(group)
        if self._hub.sender is not None:
            self._hub.sender.notify_list(group)


def current_notifier() -> ChatListNotifier:
    """The notifier of the server's loop."""
    return _notifier_of(current_scope() or start_scope())


def _notifier_of(scope: LoopScope) -> ChatListNotifier:
    return scope.get(ChatListNotifier, lambda: ChatListNotifier(scope.get(Hub), scope.loop))


def notify_group(group: str) -> None:
    """This owner's chats have changed. From any thread, after the commit.

    In a process without a server (a command), the channel layer may take a second, and is not tried again for a while.
    """
    if (scope := current_scope()) is not None:
        _notifier_of(scope).notify(group)
    else:
        send_without_server(group, chat_list_changed(group))


def notify_owner(owner_id: Any, guest_key: str = "") -> None:
    """This owner's chats have changed. From any thread, after the commit."""
    notify_group(group_of_owner(owner_id, guest_key))


def change_lists(frames: Iterable[Frame]) -> bool:
    """Whether what was saved changes what a list shows."""
    return any(frame["type"] in CHANGES for frame in frames)


def notify_owner_of(session_id: UUID) -> None:
    """This chat session has changed its owner's list.

    Queries the database: not on the loop. Never raises if that is unavailable: shown lists are read again soon.
    """

    def read(is_retry: bool) -> list[tuple[Any, ...]]:
        return select_values(ChatSession, ("owner_id", "guest_key"), id=session_id)

    try:
        owners = retry_transaction(read, timeout=DATABASE_TIMEOUT_SECONDS)
    except DatabaseUnavailable as error:
        logger.warning("a change to a list of chats could not be announced: %s", error)
        return
    for owner in owners:
        notify_owner(*owner)
