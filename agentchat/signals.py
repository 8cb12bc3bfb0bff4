"""What happens elsewhere and concerns chat sessions: a guest who signs in keeps their chats."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from agentchat.models import ChatSession
from agentchat.visitors import GUEST_KEY


@receiver(user_logged_in, dispatch_uid="agentchat_adopt_guest_chats")
def adopt_guest_chats(sender: Any, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Move the chats of the browser's guest to the account."""
    session = getattr(request, "session", None)
    guest_key = session.pop(GUEST_KEY, "") if session is not None else ""
    if guest_key:
        ChatSession.objects.filter(owner=None, guest_key=guest_key).update(owner=user, guest_key="")
