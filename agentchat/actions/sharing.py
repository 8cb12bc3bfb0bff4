"""Links by which anyone who has one can read a chat. `presentation/shared_chat.py` has what they show."""

import secrets

from agentchat.models import ChatSession, Share
from agentchat.runs.session_lock import lock_session

MAX_LINKS = 20  # of one chat, at a time


def create_link(chat: ChatSession) -> Share | None:
    """A new link to the chat so far. None: there are MAX_LINKS of them, or there is nothing to show yet.

    Raise ChatSession.DoesNotExist if the chat is deleted meanwhile.
    """
    with lock_session(chat.pk) as session:  # first, then count: of links that are made at once, each counts the others
        if session.deleted_at is not None:
            raise ChatSession.DoesNotExist
        last_seq = session.events.order_by("-seq").values_list("seq", flat=True).first()
        if last_seq is None or session.shares.count() >= MAX_LINKS:
            return None
        return Share.objects.create(
            session=session, token=secrets.token_urlsafe(32), head_id=session.head_id, last_seq=last_seq
        )


def find_link(token: str) -> Share | None:
    """The link with this token, if it has not been revoked and its chat has not been deleted."""
    return Share.objects.select_related("session").filter(token=token, session__deleted_at=None).first()
