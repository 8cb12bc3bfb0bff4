"""The log of Django's admin: what staff have done in the chats of others, and that they have read them.

Of reading, and of what is done again and again, there is one entry for each person, chat and hour. A site without
Django's admin has no such log.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps

from agentchat.infra import moments
from agentchat.models import ChatSession

READING = "Read the chat."
ONCE_IN = timedelta(hours=1)


def log_reading(session: ChatSession, user: Any) -> None:
    """Log that this user reads a chat of somebody else's, unless that is logged already for this hour."""
    if session.owner_id is None or session.owner_id != user.pk:
        log_once(session, user, READING)


def log_once(session: ChatSession, user: Any, message: str) -> None:
    """Log it as `log_act` does, unless the same was logged in the last hour."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import LogEntry

    since = moments.for_django(moments.now() - ONCE_IN)
    own = LogEntry.objects.filter(user_id=user.pk, object_id=str(session.pk), action_time__gt=since)
    if not own.filter(change_message=message).exists():
        log_act(session, user, message)


def log_act(session: ChatSession | None, user: Any, message: str) -> None:
    """Log what somebody has done to a chat session; None: to all that they may see."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.contenttypes.models import ContentType

    LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(ChatSession),
        object_id=None if session is None else str(session.pk),
        object_repr="" if session is None else str(session)[:200],
        action_flag=CHANGE,
        change_message=message,
    )
