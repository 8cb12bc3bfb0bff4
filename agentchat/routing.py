"""The addresses of the websockets, and the validator of the pages that may open them.

By default they are below the path of the pages, so that whatever leads to the pages (a proxy, FORCE_SCRIPT_NAME, the
paths of cookies) leads to the sockets too. The routes accept any path before their own: a proxy may remove some of it.
"""

from uuid import UUID

from django.urls import re_path, reverse

from agentchat import conf
from agentchat.websocket.chat_consumer import ChatConsumer
from agentchat.websocket.chat_list_consumer import ListConsumer
from agentchat.websocket.origin import ExactOriginValidator
from agentchat.websocket.staff_consumer import StaffConsumer

__all__ = ["ExactOriginValidator", "socket_path", "websocket_urlpatterns"]

_BEFORE = r"^(?:[^/]+/)*"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

websocket_urlpatterns = [
    re_path(rf"{_BEFORE}ws/chat/(?P<session_id>{_UUID})/$", ChatConsumer.as_asgi()),
    re_path(rf"{_BEFORE}ws/chats/$", ListConsumer.as_asgi()),
    re_path(rf"{_BEFORE}ws/inbox/chats/(?P<session_id>{_UUID})/$", StaffConsumer.as_asgi()),
]


def socket_path(chat_id: UUID | None = None, *, is_of_staff: bool = False) -> str:
    """The path of the websocket of a chat; None: of the list of chats. `is_of_staff`: for staff, in anybody's chat."""
    below = conf.app.websocket_path or reverse("agentchat:index")
    if is_of_staff:
        return f"{below}ws/inbox/chats/{chat_id}/"
    return f"{below}ws/chat/{chat_id}/" if chat_id else f"{below}ws/chats/"
