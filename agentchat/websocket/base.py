"""What the sockets of a chat and of a list of chats have in common.

A consumer is a receptionist: it checks, hands over, and returns. It never waits for an agent (it handles one message at
a time, and one that waits cannot receive "stop"), and its database work goes to a small pool of its own. Nothing of it
goes through the one thread that the synchronous code of all applications shares: a slow view must not delay "stop".
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError
from django.utils import translation
from django.utils.translation import gettext

from agentchat.core.log import get_logger
from agentchat.core.token_bucket import TokenBucket
from agentchat.errors import Rejected
from agentchat.i18n.language import language_of
from agentchat.infra.addresses import UNKNOWN, address_of_scope
from agentchat.infra.client_connection import ClientConnection, connection_of_context
from agentchat.infra.database import is_transient
from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.fair_queue import enter_lanes
from agentchat.infra.loop_scope import owned
from agentchat.infra.processor_shares import FRAME_SECONDS, Measured, ProcessorShares
from agentchat.realtime.chat_list import group_of_visitor
from agentchat.realtime.send_window import SLOW_SECONDS, ClientGone, SendWindow, TooSlow
from agentchat.runs.runner import runner
from agentchat.visitors import NO_VISITOR, Visitor, session_key_of, visitors_of
from agentchat.websocket.client_frames import MAX_FRAME_BYTES, Ack, Hello, Ping
from agentchat.websocket.connections import CloseCode, Connections, current_connections
from agentchat.websocket.rejections import rejection
from agentchat.websocket.visitor_limits import VisitorSockets, current_visitor_limits

logger = get_logger("agentchat.websocket.connections")

# Of one socket; a long one counts as several, for each 64 Ki characters.
MESSAGES_BURST, MESSAGES_PER_SECOND = 240.0, 40.0
ROOM_INTERVAL_SECONDS = 0.2  # how often a socket looks whether its visitor's other clients have read
MIN_READ_BYTES = 2**20  # of messages that are read, and rejected if they are too large


class VisitorConsumer(ABC, AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One socket of one visitor. docs/protocol.md says what the frames mean."""

    # No channel of its own: the relay of this process receives for all its sockets, and sockets open while the channel
    # layer is unavailable.
    channel_layer_alias = None

    session_key = ""
    language = ""
    session_id: UUID | None = None  # None: the list of the visitor's chats
    is_of_staff = False  # who read the chat of somebody else
    address = UNKNOWN
    shares: ProcessorShares
    visitor: Visitor = NO_VISITOR
    connections: Connections | None = None
    is_closed = False  # or closing
    server_end: ClientConnection | None = None
    of_visitor: VisitorSockets
    window: SendWindow
    limit: TokenBucket

    # --- what each kind of socket does -----------------------------------------------------------------------------

    async def refusal(self) -> CloseCode | None:
        """Why this visitor, who may chat, must not open this socket. Raises what the database raises."""
        return None

    @property
    @abstractmethod
    def max_frame_bytes(self) -> int:
        """The most that a client's frame may have."""

    @abstractmethod
    def parse(self, text: str | None) -> Any:
        """The client's frame. Raise Rejected if it is invalid."""

    @abstractmethod
    async def on_hello(self, hello: Any) -> None:
        """The client asks for what it has not seen: events after this number."""

    @abstractmethod
    async def on_ack(self, received: int) -> None:
        """The client has received so many bytes on this socket."""

    @abstractmethod
    async def handle(self, frame: Any) -> None:
        """Any frame other than hello, ack and ping."""

    def release(self) -> None:
        """End what was started for this socket, which is closing or closed."""

    # --- opening and closing ---------------------------------------------------------------------------------------

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As in Channels, but without closing old database connections in the shared thread: there are none."""
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"No handler for message type {message['type']}")
        await handler(message)

    async def connect(self) -> None:
        self.limit = TokenBucket(burst=MESSAGES_BURST, per_second=MESSAGES_PER_SECOND)
        self.window, self.of_visitor = SendWindow(), VisitorSockets()
        self.language = language_of(self.scope)
        translation.activate(self.language)  # for this socket's tasks, and the threads that they use
        self.address, self.shares = address_of_scope(self.scope), owned(ProcessorShares)
        if (server_end := connection_of_context.get()) is not None:
            size = max(2 * self.max_frame_bytes, MIN_READ_BYTES)
            server_end.limit(max_message_bytes=size, charge=partial(self.shares.charge, self.address))
            self.server_end = server_end
        is_admitted = await self.shares.admits(self.address)
        await self.accept()  # a close before accepting reaches the browser as a bare 403
        if not is_admitted:
            return await self.leave(CloseCode.TOO_MANY)
        runner.start()
        if runner.is_draining:
            return await self.leave(CloseCode.RESTART)
        self.connections = current_connections()
        if not self.connections.begin(self):
            return await self.leave(CloseCode.TOO_MANY)
        self.session_key = session_key_of(self.scope)
        enter_lanes(owner=group_of_visitor(Visitor(address=self.address)))  # until it is known who this is
        try:
            self.visitor = replace(await in_read_thread(_visitor_of)(self.session_key), address=self.address)
            enter_lanes(owner=group_of_visitor(self.visitor))
            self.of_visitor = current_visitor_limits().of(self.visitor)
            if not self.of_visitor.admits(self, now=_now()):
                refusal: CloseCode | None = CloseCode.TOO_MANY
            else:
                refusal = await self.refusal() if self.visitor.may_chat else CloseCode.SIGN_IN
        except DatabaseError:
            logger.warning("closing a socket: the database could not identify the visitor", exc_info=True)
            refusal = CloseCode.RESTART
        if refusal is not None:
            return await self.leave(refusal)
        if not self.connections.add(self):
            return await self.leave(CloseCode.TOO_MANY)
        if runner.is_draining:  # since it was looked up who this is: those that were admitted are closed already
            return await self.leave(CloseCode.RESTART)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        self._discard()
        raise StopConsumer

    async def leave(self, code: CloseCode) -> None:
        """Close, and send nothing more."""
        if self.is_closed:
            return
        self._discard()
        # Where the client, or the server itself, closes already, servers raise an OSError, and uvicorn, if that was in
        # the handshake, an AssertionError.
        try:
            await self.close(code=int(code))  # Daphne takes no other kind of integer
        except Exception as error:
            logger.debug("a socket could not be closed with %d, as if it were closed already: %r", code, error)

    async def measured(self, work: Awaitable[None]) -> None:
        """A task of this socket, whose time is its client's."""
        await Measured(work, self.shares, self.address)

    def _discard(self) -> None:
        self.is_closed = True
        if self.connections is not None:
            self.connections.discard(self)
        self.of_visitor.discard(self)
        self.release()

    # --- frames from the client ------------------------------------------------------------------------------------

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        try:
            if not await self.shares.admits(self.address, FRAME_SECONDS):
                return await self.leave(CloseCode.TOO_MANY)
            await super().websocket_receive(message)
        finally:
            if self.server_end is not None:
                self.server_end.on_taken()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.connections is None or self not in self.connections:
            return  # not admitted, or closing
        if not self._allows(max(1, len(text_data or bytes_data or "") / MAX_FRAME_BYTES)):
            return await self.leave(CloseCode.TOO_MANY)
        try:
            await self._receive(text_data)
        except TooSlow:
            logger.info("a client is too slow (chat session %s): it has not read its answers", self.session_id)
            await self.leave(CloseCode.TOO_SLOW)
        except ClientGone:
            pass

    def _allows(self, cost: float) -> bool:
        now = _now()
        of_socket, of_visitor = (limit.allows(cost, now=now) for limit in (self.limit, self.of_visitor.frames))
        return of_socket and of_visitor

    async def _receive(self, text_data: str | None) -> None:
        try:
            await self.receive_frame(self.parse(text_data))
        except (TooSlow, ClientGone):
            raise
        except Rejected as rejected:
            readable = None if rejected.reason == "too_large" else text_data  # too large to parse, for its id too
            text = str(rejected)
            answer = rejection(readable, rejected.reason, text, rejected.errors, retry_after=rejected.retry_after)
            await self.send_counted(answer)
        except Exception as error:
            if is_transient(error):  # there was no thread to try it in; what was tried is Rejected by the action itself
                logger.warning("a frame was rejected (chat session %s): %s", self.session_id, error)
                text = gettext("This couldn't be saved right now. Check whether it went through, then try again.")
                return await self.send_counted(rejection(text_data, "unavailable", text))
            logger.exception("a frame could not be handled (chat session %s)", self.session_id)
            text = gettext("Something went wrong. Check whether it went through before you try again.")
            await self.send_counted(rejection(text_data, "error", text))

    async def receive_frame(self, frame: Any) -> None:
        match frame:
            case Hello():
                await self.on_hello(frame)
            case Ack():
                await self.on_ack(frame.bytes)
            case Ping():
                await self.send_counted('{"type":"pong"}')
            case _:
                await self.handle(frame)

    # --- frames to the client --------------------------------------------------------------------------------------

    async def send_counted(self, text: str) -> None:
        """Send a frame that no subscriber sends. Raise TooSlow or ClientGone."""
        self.window.add(len(text.encode()), now=_now())
        await self.transmit(text)

    async def transmit(self, text: str) -> None:
        """Send a frame that `window` has counted.

        Raise TooSlow if the server, or this visitor's sockets, are full; ClientGone if the socket is closed or closing.
        """
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                while not self.of_visitor.may_send(self):
                    await asyncio.sleep(ROOM_INTERVAL_SECONDS)
                if self.is_closed:
                    raise ClientGone
                await self.send(text_data=text)  # waits under servers that wait for the client to read
        except TimeoutError:
            raise TooSlow from None
        except OSError as error:  # as ASGI has it for a client that has disconnected
            raise ClientGone from error


def _now() -> float:
    return asyncio.get_running_loop().time()


def _visitor_of(session_key: str) -> Visitor:
    return visitors_of([session_key])[session_key]
