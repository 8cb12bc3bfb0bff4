"""The websocket of a list of chats: it keeps the sidebar of every open page as the database has it.

All sockets of an owner in one language and process look at one `Board`, which reads the list when the bell
(`runs.lists`) rings, at most twice a second, and every few seconds in any case. Each socket sends what is new since it
sent last, and no more than its client has acknowledged. docs/protocol.md has the frames.
"""

import asyncio
import json
import logging
from contextvars import Context
from typing import Any
from uuid import UUID

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError
from django.utils import translation

from agentchat.consumers import FrameLimit
from agentchat.errors import Rejected
from agentchat.frames_in import MAX_FRAME_BYTES, Ack, Hello, Ping, Seen, parse_of_list
from agentchat.languages import language_of
from agentchat.models import ChatSession
from agentchat.runs import lists
from agentchat.runs.database import PERSON_S, brief_locks, patiently
from agentchat.runs.runner import in_db_thread, in_read_thread, runner
from agentchat.sidebar import MAX_CHATS, STATUS_FIELDS, agent_title, entry_of, status_of, with_status
from agentchat.sockets import CloseCode, sockets
from agentchat.visitors import NOBODY, Visitor, session_key_of, visitors_of

logger = logging.getLogger("agentchat.sockets")

LEAST_S = 0.5  # between two reads of a list
LOOK_S = 10.0  # so often a list is read although nobody has rung
MAX_ON_THE_WAY = 2 * MAX_FRAME_BYTES  # bytes that the client has not acknowledged
TITLE_CHARS, AGENT_CHARS = 80, 40  # 100 chats of four bytes a character fit into a frame

Row = dict[str, Any]


class ListConsumer(AsyncWebsocketConsumer):
    """One page that shows its visitor's chats."""

    # The bell hears the layer, once for all: a socket needs no channel of its own there, and lives when the layer dies.
    channel_layer_alias = None

    session_key = ""
    session_id: UUID | None = None
    visitor: Visitor = NOBODY
    board: "Board | None" = None

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As in Channels, but for closing old database connections in the shared thread: we have none there."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        self._let_go()
        raise StopConsumer

    async def connect(self) -> None:
        translation.activate(language_of(self.scope))
        await self.accept()  # a close before accepting reaches the browser as a bare 403
        runner.start()
        if runner.is_draining:
            return await self.leave(CloseCode.RESTART)
        self.session_key = session_key_of(self.scope)
        self.limit = FrameLimit()
        self._shown: dict[str, Row] | None = None
        self._sent = self._acked = 0
        try:
            self.visitor = (await in_read_thread(visitors_of)([self.session_key]))[self.session_key]
        except DatabaseError:
            logger.warning("a socket is sent away: the database does not say who it is", exc_info=True)
            return await self.leave(CloseCode.RESTART)
        if not self.visitor.may_chat:
            return await self.leave(CloseCode.SIGN_IN)
        sockets.add(self)

    async def leave(self, code: CloseCode) -> None:
        """Close, and send nothing more."""
        self._let_go()
        await self.close(code=int(code))  # Daphne takes no other kind of integer

    def _let_go(self) -> None:
        sockets.discard(self)
        if self.board is not None:
            self.board.discard(self)
            self.board = None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self not in sockets:
            return  # not let in, or closing
        if not self.limit.allows(asyncio.get_running_loop().time()):
            return await self.leave(CloseCode.TOO_MANY)
        try:
            await self.take(parse_of_list(text_data))
        except Rejected as rejected:
            frame = {"type": "rejected", "id": None, "code": rejected.reason, "message": str(rejected)}
            await self.send(text_data=json.dumps(frame))

    async def take(self, frame: Any) -> None:
        match frame:
            case Hello():
                if self.board is not None:
                    raise Rejected("hello_again", "This socket has said hello already.")
                self.board = Board.of(self.visitor)
                self.board.add(self)
            case Ack():
                self._acked = max(self._acked, min(frame.bytes, self._sent))
                if self.board is not None:
                    await self.show(self.board.rows)
            case Ping():
                await self.send(text_data='{"type":"pong"}')
            case Seen():
                try:
                    await in_db_thread(_mark_seen)(self.visitor, frame.chat)
                except DatabaseError:
                    logger.warning("that a failure was seen could not be saved: it is shown once more", exc_info=True)

    async def show(self, rows: dict[str, Row] | None) -> None:
        """Send what has changed since the last time, if the client has room for it."""
        if rows is None or rows is self._shown or rows == self._shown or self._sent - self._acked > MAX_ON_THE_WAY:
            return  # the next acknowledgement, or the next look, brings it
        before, self._shown = self._shown, rows
        text = _frame(before, rows)
        self._sent += len(text.encode())
        await self.send(text_data=text)


class Board:
    """What all sockets of an owner in this process are shown, in one language: agents' titles may be translated."""

    _boards: dict[tuple[str, str], "Board"] = {}  # noqa: RUF012  (of this process)

    @classmethod
    def of(cls, visitor: Visitor) -> "Board":
        group = lists.group_of(visitor.user.pk if visitor.user is not None else None, visitor.guest_key)
        key = group, translation.get_language()
        board = cls._boards.get(key)
        if board is None or board.is_over:
            board = cls._boards[key] = cls(visitor, *key)
        return board

    def __init__(self, visitor: Visitor, group: str, language: str) -> None:
        self.rows: dict[str, Row] | None = None
        self._visitor, self._group, self._language = visitor, group, language
        self._loop = asyncio.get_running_loop()
        self._sockets: set[ListConsumer] = set()
        self._rung = asyncio.Event()
        lists.bell.listen(group, self._rung.set)
        self._task = self._loop.create_task(self._look(), name="agentchat list of chats", context=Context())

    @property
    def is_over(self) -> bool:
        return self._task.done() or self._loop is not asyncio.get_running_loop()

    def add(self, socket: ListConsumer) -> None:
        self._sockets.add(socket)
        self._rung.set()

    def discard(self, socket: ListConsumer) -> None:
        self._sockets.discard(socket)
        if not self._sockets:
            lists.bell.leave(self._group, self._rung.set)
            self._task.cancel()
            self._boards.pop((self._group, self._language), None)

    async def _look(self) -> None:
        translation.activate(self._language)
        while True:
            self._rung.clear()  # before reading: what is rung from here on is read again
            try:
                self.rows = await patiently(lambda: in_read_thread(_read)(self._visitor))
                for socket in list(self._sockets):
                    await socket.show(self.rows)
            except Exception:
                logger.exception("a list of chats could not be read; it is read again soon")
            await asyncio.sleep(LEAST_S)
            try:
                await asyncio.wait_for(self._rung.wait(), LOOK_S - LEAST_S)
            except TimeoutError:
                continue


def _read(visitor: Visitor) -> dict[str, Row]:
    """The newest of the visitor's chats, as the wire has them."""
    chats = with_status(ChatSession.objects.of(visitor)).filter(next_seq__gt=1).order_by("-updated_at")[:MAX_CHATS]
    fields = ("pk", "title", "agent", "updated_at", *STATUS_FIELDS)
    rows: dict[str, Row] = {}
    for pk, title, name, at, *run in chats.values_list(*fields):  # a fifth of what instances cost
        agent = agent_title(name)
        rows[str(pk)] = {
            "id": str(pk),
            "title": _cut(title or agent, TITLE_CHARS),
            "agent": _cut(agent, AGENT_CHARS),
            "status": status_of(*run),
            "at": at.isoformat(timespec="milliseconds"),
        }
    return rows


def _mark_seen(visitor: Visitor, chat_id: UUID) -> None:
    chat = with_status(ChatSession.objects.of(visitor)).filter(pk=chat_id).first()
    if chat is not None and (entry := entry_of(chat)).status == "failed":
        with brief_locks(PERSON_S):
            ChatSession.objects.filter(pk=chat_id, seen_run__lt=entry.run).update(seen_run=entry.run)
        lists.ring_for(chat_id)


def _frame(before: dict[str, Row] | None, rows: dict[str, Row]) -> str:
    """What has changed. It is never longer than a client's own frames may be: see the lengths above."""
    new = [row for key, row in rows.items() if before is None or before.get(key) != row]
    is_full = len(rows) >= MAX_CHATS
    oldest = min((row["at"] for row in rows.values()), default="")
    # In a full list, the oldest go because newer ones have come, and are there still.
    gone = [key for key, row in (before or {}).items() if key not in rows and not (is_full and row["at"] <= oldest)]
    frame: dict[str, Any] = {"type": "chats", "chats": new, "gone": gone}
    if before is None:
        frame["all"] = not is_full
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
