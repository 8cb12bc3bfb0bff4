"""The websocket of a list of chats: it keeps the sidebar of every open page as the database has it.

Each socket sends what is new since it sent last (`chat_list_feed.py` and `inbox_feed.py` read it), and no more than its
client has acknowledged. docs/protocol.md has the frames.
"""

import json
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseError

from agentchat.actions.staff_inbox import InboxState
from agentchat.core.log import get_logger
from agentchat.errors import Rejected
from agentchat.infra.database import USER_TIMEOUT_SECONDS, lock_timeout
from agentchat.infra.db_threads import in_db_thread
from agentchat.models import ChatSession
from agentchat.presentation.chat_list import MAX_CHATS, entry_of, with_status
from agentchat.realtime import chat_list
from agentchat.realtime.send_window import ClientGone, TooSlow
from agentchat.visitors import Visitor
from agentchat.websocket.base import VisitorConsumer
from agentchat.websocket.chat_list_feed import ChatListFeed, Row, current_feeds
from agentchat.websocket.client_frames import MAX_FRAME_BYTES, Hello, ListFrame, Seen, parse_of_list
from agentchat.websocket.connections import CloseCode
from agentchat.websocket.inbox_feed import current_inbox_feed

logger = get_logger("agentchat.websocket.connections")

MAX_UNACKNOWLEDGED = 2 * MAX_FRAME_BYTES  # bytes; beyond, nothing is sent


class ListConsumer(VisitorConsumer):
    """One page that shows its visitor's chats, and how much waits in their inbox."""

    feed: ChatListFeed | None = None
    _shown: dict[str, Row] | None = None
    _inbox_shown: InboxState | None = None

    def release(self) -> None:
        if self.feed is not None:
            current_feeds().leave(self.feed, self)
            current_inbox_feed().leave(self.visitor, self)
            self.feed = None

    # --- frames from the client ------------------------------------------------------------------------------------

    max_frame_bytes = MAX_FRAME_BYTES

    def parse(self, text: str | None) -> ListFrame:
        return parse_of_list(text)

    async def on_hello(self, hello: Hello) -> None:
        if self.feed is not None:
            raise Rejected("hello_again", "This socket has already said hello.")
        self.feed = current_feeds().join(self.visitor, self)
        current_inbox_feed().join(self.visitor, self)
        await self.show_inbox(current_inbox_feed().state_of(self.visitor))

    async def on_ack(self, received: int) -> None:
        self.window.on_ack(received)
        if self.feed is not None:
            await self.show(self.feed.rows)
            await self.show_inbox(current_inbox_feed().state_of(self.visitor))

    async def handle(self, frame: Any) -> None:
        match frame:
            case Seen():
                try:
                    await in_db_thread(_mark_seen)(self.visitor, frame.chat)
                except DatabaseError:
                    logger.warning("could not save that a failure was seen; it will be shown again", exc_info=True)

    # --- frames to the client --------------------------------------------------------------------------------------

    async def show(self, rows: dict[str, Row] | None) -> None:
        """Send what has changed since the last time, if the client has room for it."""
        if rows is not None and rows is not self._shown and rows != self._shown and self._has_room:
            before, self._shown = self._shown, rows
            await self._send(_frame(before, rows))

    async def show_inbox(self, state: InboxState | None) -> None:
        """The same for how much waits in the inbox."""
        if state is not None and state != self._inbox_shown and self._has_room:
            self._inbox_shown = state
            await self._send(json.dumps({"type": "inbox", "count": state.count, "version": state.version}))

    @property
    def _has_room(self) -> bool:
        """Otherwise the next acknowledgement, or the next read, brings it: no other socket waits for this client."""
        return self.window.in_flight <= MAX_UNACKNOWLEDGED and self.of_visitor.may_send(self)

    async def _send(self, frame: str) -> None:
        try:
            await self.send_counted(frame)
        except TooSlow:
            await self.leave(CloseCode.TOO_SLOW)
        except ClientGone:
            pass


def _mark_seen(visitor: Visitor, chat_id: UUID) -> None:
    chat = with_status(ChatSession.objects.of(visitor)).filter(pk=chat_id).first()
    if chat is not None and (entry := entry_of(chat)).status == "failed":
        with lock_timeout(USER_TIMEOUT_SECONDS):
            ChatSession.objects.filter(pk=chat_id, seen_run__lt=entry.run).update(seen_run=entry.run)
        chat_list.notify_owner_of(chat_id)


def _frame(before: dict[str, Row] | None, rows: dict[str, Row]) -> str:
    """What has changed. It is never longer than a client's own frames may be, since a feed cuts its texts."""
    new = [row for key, row in rows.items() if before is None or before.get(key) != row]
    is_full = len(rows) >= MAX_CHATS
    oldest = min((row["at"] for row in rows.values()), default="")
    # In a full list, the oldest go because newer ones have come, and still exist.
    gone = [key for key, row in (before or {}).items() if key not in rows and not (is_full and row["at"] <= oldest)]
    frame: dict[str, Any] = {"type": "chats", "chats": new, "gone": gone}
    if before is None:
        frame["all"] = not is_full
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
