"""The list of chats that all sockets of an owner are shown.

All sockets of an owner in one language and process share one `ChatListFeed`. It reads the list when it is notified of a
change, at most twice a second, and every few seconds in any case.
"""

import asyncio
from contextvars import Context
from typing import Any, Protocol

from django.conf import settings
from django.utils import translation

from agentchat.core.log import get_logger
from agentchat.core.text import title_of
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.fair_queue import enter_lanes
from agentchat.infra.keyset import in_order
from agentchat.infra.loop_scope import owned
from agentchat.models import ChatSession
from agentchat.models.title_request import TitleBy
from agentchat.presentation.chat_list import LISTED_BY, MAX_CHATS, STATUS_FIELDS, agent_title, status_of, with_status
from agentchat.realtime.chat_list import ChatListNotifier, current_notifier, group_of_visitor
from agentchat.visitors import Visitor

logger = get_logger("agentchat.websocket.connections")

MIN_INTERVAL_SECONDS = 0.5  # between two reads of a list
REFRESH_INTERVAL_SECONDS = 10.0  # how often a list is read without a notification
MAX_TITLE_CHARS, MAX_AGENT_CHARS = 80, 40  # 100 chats of four bytes a character fit into a frame

Row = dict[str, Any]


class ChatListSocket(Protocol):
    """A socket, as far as a feed is concerned."""

    async def show(self, rows: dict[str, Row] | None) -> None: ...


class ChatListFeed:
    """What all sockets of an owner in this process are shown, in one language: agents' titles may be translated.

    Ends with its last socket.
    """

    def __init__(self, visitor: Visitor, group: str, language: str, notifier: ChatListNotifier) -> None:
        self.rows: dict[str, Row] | None = None
        self._visitor, self._group, self._language = visitor, group, language
        self._sockets: set[ChatListSocket] = set()
        self._changed = asyncio.Event()
        self._notifier = notifier
        notifier.subscribe(group, self._changed.set)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(), name="agentchat list of chats", context=Context())

    @property
    def is_over(self) -> bool:
        return self._task.done() or self._task.cancelling() > 0

    def add(self, socket: ChatListSocket) -> None:
        self._sockets.add(socket)
        self._changed.set()

    def discard(self, socket: ChatListSocket) -> None:
        self._sockets.discard(socket)
        if not self._sockets:
            self._notifier.unsubscribe(self._group, self._changed.set)
            self._task.cancel()

    async def _run(self) -> None:
        translation.activate(self._language)
        enter_lanes(owner=self._group)
        while True:
            self._changed.clear()  # before reading: what changes from here on is read again
            try:
                self.rows = await retry_until_available(lambda: in_read_thread(_read)(self._visitor))
                for socket in list(self._sockets):
                    await socket.show(self.rows)
            except Exception:
                logger.exception("a list of chats could not be read; trying again soon")
            await asyncio.sleep(MIN_INTERVAL_SECONDS)
            try:
                await asyncio.wait_for(self._changed.wait(), REFRESH_INTERVAL_SECONDS - MIN_INTERVAL_SECONDS)
            except TimeoutError:
                continue


class ChatListFeeds:
    """The feeds of the server's loop, by owner and language."""

    def __init__(self) -> None:
        self._feeds: dict[tuple[str, str], ChatListFeed] = {}

    def join(self, visitor: Visitor, socket: ChatListSocket) -> ChatListFeed:
        """Show the socket the visitor's chats, in the active language, until `leave`. Return the feed that does."""
        group = group_of_visitor(visitor)
        key = group, translation.get_language() or settings.LANGUAGE_CODE
        feed = self._feeds.get(key)
        if feed is None or feed.is_over:
            feed = self._feeds[key] = ChatListFeed(visitor, *key, current_notifier())
        feed.add(socket)
        return feed

    def leave(self, feed: ChatListFeed, socket: ChatListSocket) -> None:
        feed.discard(socket)
        if feed.is_over:
            self._feeds = {key: each for key, each in self._feeds.items() if each is not feed}


def current_feeds() -> ChatListFeeds:
    """The feeds of the server's loop."""
    return owned(ChatListFeeds)


def _read(visitor: Visitor) -> dict[str, Row]:
    """The newest of the visitor's chats, as the wire has them."""
    listed = with_status(ChatSession.objects.of(visitor)).filter(next_seq__gt=1)
    chats = in_order(listed, LISTED_BY)[:MAX_CHATS]
    fields = ("pk", "title", "title_by", "agent", "updated_at", *STATUS_FIELDS)
    rows: dict[str, Row] = {}
    for pk, title, title_by, name, at, *run in chats.values_list(*fields):  # a fifth of what instances cost
        agent = agent_title(name)
        rows[str(pk)] = {
            "id": str(pk),
            "title": title_of(title or agent, MAX_TITLE_CHARS),
            "agent": title_of(agent, MAX_AGENT_CHARS),
            "status": status_of(*run),
            "at": at.isoformat(timespec="microseconds"),  # as exact as the order of the list
            **({"byModel": True} if title_by == TitleBy.MODEL else {}),  # no page announces such a title
        }
    return rows
