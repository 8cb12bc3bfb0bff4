"""The websocket of a chat: a subscriber of one chat session, and the way in for what its user does."""

import asyncio
from typing import Any
from uuid import UUID

from agentchat import conf, models
from agentchat.actions import branches, feedback, messages
from agentchat.core import registry
from agentchat.core.log import get_logger
from agentchat.errors import Rejected
from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_db_thread, in_read_thread
from agentchat.presentation.live import LivePage, Viewer
from agentchat.realtime import frames
from agentchat.realtime.hub import current_hub
from agentchat.realtime.subscriber import Subscriber
from agentchat.visitors import Visitor
from agentchat.websocket.base import VisitorConsumer
from agentchat.websocket.client_frames import (
    Answer,
    Branch,
    ChatHello,
    Edit,
    Frame,
    Rate,
    Retry,
    Send,
    Stop,
    max_frame_bytes,
    parse,
)
from agentchat.websocket.connections import CloseCode, may_view

logger = get_logger("agentchat.websocket.connections")


class ChatConsumer(VisitorConsumer):
    """One page that shows a chat session."""

    session_id: UUID
    agent = ""
    last_seq = 0  # of the chat session, when the socket opened
    page: LivePage | None = None  # for clients that want HTML
    plain_until = 0  # events up to this one come without it
    subscriber: Subscriber | None = None
    subscription: asyncio.Task[None] | None = None

    async def refusal(self) -> CloseCode | None:
        self.session_id = UUID(self.scope["url_route"]["kwargs"]["session_id"])
        watched = await in_read_thread(self.find_watched)(self.session_id, self.visitor)
        if watched is None:
            return CloseCode.NOT_FOUND
        self.agent, next_seq = watched
        self.last_seq = next_seq - 1
        return None

    @staticmethod
    def find_watched(session_id: UUID, visitor: Visitor) -> tuple[str, int] | None:
        """The agent and the next event's number of a chat session that this visitor may watch."""
        chats = models.ChatSession.objects.of(visitor)
        found = chats.filter(pk=session_id).values_list("agent", "next_seq").first()
        return found if found is not None and may_view(found[0], visitor.user) else None

    def release(self) -> None:
        if self.subscription is not None and self.subscription is not asyncio.current_task():
            self.subscription.cancel()

    # --- frames from the client ------------------------------------------------------------------------------------

    @property
    def max_frame_bytes(self) -> int:
        return max_frame_bytes(conf.app.max_message_chars)

    def parse(self, text: str | None) -> Frame:
        return parse(text, max_bytes=self.max_frame_bytes)

    async def on_hello(self, hello: ChatHello) -> None:
        if self.subscriber is not None:
            raise Rejected("hello_again", "This socket has already said hello.")
        if hello.html:
            self.page = LivePage(self.session_id)
            if self.last_seq - hello.after > frames.PAGE:
                await self.send_counted('{"type":"BEHIND"}')  # rendering the page once is less work
                self.plain_until = self.last_seq
        self.subscriber = Subscriber(
            self.session_id,
            hello.after,
            hub=current_hub(),
            window=self.window,
            send=self.transmit,
            read=lambda seq: retry_until_available(lambda: in_read_thread(frames.frames_after)(self.session_id, seq)),
            close=lambda: self.leave(CloseCode.TOO_SLOW),
            prepare=self.prepare,
            wants_open_blocks=hello.html,
        )
        running = self.measured(self.run_subscriber(self.subscriber))
        self.subscription = asyncio.create_task(running, name=f"subscriber of {self.session_id}")

    async def on_ack(self, received: int) -> None:
        if self.subscriber is not None:
            self.subscriber.ack(received)

    async def handle(self, frame: Any) -> None:
        match frame:
            case Send():
                await in_db_thread(messages.send)(
                    self.session_id, self.visitor, client_id=frame.id, text=frame.text, files=frame.files
                )
            case Answer():
                await in_db_thread(messages.answer)(
                    self.session_id, self.visitor, client_id=frame.id, request=frame.request, value=frame.value
                )
            case Stop():
                await in_db_thread(messages.stop)(self.session_id, by=self.visitor.name, visitor=self.visitor)
            case Retry():
                await in_db_thread(branches.retry)(
                    self.session_id, self.visitor, client_id=frame.id, message_id=frame.message
                )
            case Edit():
                await in_db_thread(branches.edit)(
                    self.session_id, self.visitor, client_id=frame.id, message_id=frame.message, text=frame.text
                )
            case Branch():
                await in_db_thread(branches.select_branch)(
                    self.session_id, self.visitor, client_id=frame.id, number=frame.run
                )
            case Rate():
                await in_db_thread(feedback.rate)(
                    self.session_id, self.visitor, message_id=frame.message, value=frame.value, comment=frame.text
                )

    # --- frames to the client --------------------------------------------------------------------------------------

    async def prepare(self, frame: frames.Frame) -> str:
        """The frame as this visitor may see it, by what they are now, and in their language."""
        visitor = self.visitor
        may_see = {"shows_usage": visitor.may_see_usage, "shows_details": visitor.may_see_details}
        if self.page is None or frame["seq"] <= self.plain_until:
            visible = frames.visible_frame(frame, **may_see)
            visible = frames.for_onlookers(visible) if self.is_of_staff else visible
            if self.page is None and frames.has_html(visible):
                render = in_read_thread(frames.with_html)
                visible = await retry_until_available(lambda: render(visible))
            return frames.text_of(visible)
        # Users to whom an agent is not open may not watch its chats, so it is open, unless it is gone.
        is_open = registry.find(self.agent) is not None
        viewer = Viewer(language=self.language, is_open=is_open, has_actions=not self.is_of_staff, **may_see)
        return await self.page.text(frame, viewer)

    async def run_subscriber(self, subscriber: Subscriber) -> None:
        try:
            await subscriber.run()
        except models.ChatSession.DoesNotExist:  # deleted permanently, a moment ago
            await self.leave(CloseCode.NOT_FOUND)
        except Exception:
            # The page comes back and catches up.
            logger.exception("a subscriber of chat session %s failed", self.session_id)
            await self.leave(CloseCode.RESTART)
