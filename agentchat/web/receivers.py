"""Receivers of Django's own signals.

A guest who signs in keeps their chats, migrations keep the search index, and the log of Django's admin does not name
what is deleted permanently.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import connections
from django.db.models.signals import post_delete, post_migrate
from django.dispatch import receiver
from django.http import HttpRequest

from agentchat.actions import chats
from agentchat.budgets import metering
from agentchat.models import ChatSession
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


@receiver(post_delete, sender=ChatSession, dispatch_uid="agentchat_forget_title")
def forget_title(instance: ChatSession, **kwargs: Any) -> None:
    """Remove the chat's title from admin's log, which keeps who has done what to it."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentType

    of_chat = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(ChatSession), object_id=str(instance.pk)
    )
    of_chat.update(object_repr=str(instance.pk))


@receiver(post_delete, sender=settings.AUTH_USER_MODEL, dispatch_uid="agentchat_forget_usage")
def forget_usage(instance: Any, **kwargs: Any) -> None:
    """Delete what an account has used that is deleted."""
    metering.forget_owner(instance.pk)
