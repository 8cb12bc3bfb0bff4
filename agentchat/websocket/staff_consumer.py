"""The websocket of staff who look on in the chat of somebody else, and speak in it while it is handed over."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from agentchat.actions import handovers
from agentchat.actions.staff_log import log_reading
from agentchat.errors import Rejected
from agentchat.infra.db_threads import in_db_thread
from agentchat.models import ChatSession
from agentchat.visitors import Visitor
from agentchat.websocket.chat_consumer import ChatConsumer
from agentchat.websocket.client_frames import Send


class StaffConsumer(ChatConsumer):
    """A subscriber as any other. Of what the owner of a chat can do, staff can only say something."""

    is_of_staff = True

    @staticmethod
    def find_watched(session_id: UUID, visitor: Visitor) -> tuple[str, int] | None:
        if not handovers.may_watch(visitor.user, session_id):
            return None
        found = ChatSession.objects.filter(pk=session_id, deleted_at=None).first()
        if found is None:
            return None
        log_reading(found, visitor.user)
        return found.agent, found.next_seq

    async def handle(self, frame: Any) -> None:
        if not isinstance(frame, Send) or frame.files:
            raise Rejected("not_allowed", gettext("Only the owner of this chat can do that."))
        await in_db_thread(handovers.say)(self.session_id, self.visitor, client_id=frame.id, text=frame.text)
