"""Receivers of Django's own signals: a guest who signs in keeps their chats, and migrations keep the search index."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.http import HttpRequest

from agentchat.actions import chats
from agentchat.search import index


@receiver(user_logged_in, dispatch_uid="agentchat_adopt_guest_chats")
def adopt_guest_chats(sender: Any, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Move the chats of the browser's guest to the account."""
    session = getattr(request, "session", None)
    if session is not None:
        chats.claim_guest_chats(session, user)


@receiver(post_migrate, dispatch_uid="agentchat_repair_search_index")
def repair_search_index(sender: Any, using: str, **kwargs: Any) -> None:
    """Restore the triggers of the search index, if a migration removed them."""
    if sender.name == "agentchat":
        index.repair(connections[using])
