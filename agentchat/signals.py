"""What happens elsewhere and concerns chat sessions: a guest who signs in keeps their chats; a migration may alter the
table that searching hangs on."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.http import HttpRequest

from agentchat import search_index
from agentchat.runs import chats


@receiver(user_logged_in, dispatch_uid="agentchat_adopt_guest_chats")
def adopt_guest_chats(sender: Any, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Move the chats of the browser's guest to the account."""
    session = getattr(request, "session", None)
    if session is not None:
        chats.adopt_guests(session, user)


@receiver(post_migrate, dispatch_uid="agentchat_mend_search")
def mend_search(sender: Any, using: str, **kwargs: Any) -> None:
    """Put back what keeps the index of the messages, if a migration took it away."""
    if sender.name == "agentchat":
        search_index.mend(connections[using])
