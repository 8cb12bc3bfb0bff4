"""Rating an agent's messages."""

from uuid import UUID

from django.utils.translation import gettext

from agentchat.actions.transactions import commit, lock_own_session
from agentchat.errors import Rejected
from agentchat.events import TextMessageStart
from agentchat.infra.sanitize import clean
from agentchat.models import Event as StoredEvent
from agentchat.signals import feedback_given, send_after_commit
from agentchat.visitors import Visitor

MAX_COMMENT_CHARS = 2000


def rate(session_id: UUID, visitor: Visitor, *, message_id: str, value: str | None, comment: str = "") -> None:
    """Save the user's rating of an agent's message: "up" or "down"; None removes it. Raise Rejected."""
    comment = clean(comment).strip()
    if len(comment) > MAX_COMMENT_CHARS:
        message = gettext("Comments can be up to %(limit)d characters long.") % {"limit": MAX_COMMENT_CHARS}
        raise Rejected("too_long", message)

    def save(is_retry: bool) -> None:
        with lock_own_session(session_id, visitor) as session:
            starts = StoredEvent.objects.filter(
                session=session, type=TextMessageStart.type, payload__messageId=message_id
            )
            if not starts.exclude(payload__role__in=["user", "staff"]).exists():
                raise Rejected("no_such_message", gettext("This message no longer exists."))
            if value is None:
                session.feedback.filter(message_id=message_id).delete()
            else:
                session.feedback.update_or_create(message_id=message_id, defaults={"value": value, "comment": comment})
            kept = comment if value else ""
            send_after_commit(feedback_given, session.pk, message_id=message_id, value=value, comment=kept)

    commit(save)
