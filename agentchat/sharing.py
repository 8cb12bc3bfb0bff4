"""What a shared link shows: what was said in a chat up to the moment when the link was made.

It is a snapshot of the branch that its owner looked at: what is said later is not in it, nor what is being written or
asked at that moment. People in it have no names, and nothing in it can be answered.
"""

import secrets
from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from agentchat import transcript
from agentchat.models import ChatSession, Event, Share
from agentchat.runs import branches
from agentchat.runs.database import PERSON_S, brief_locks
from agentchat.sidebar import agent_title
from agentchat.transcript import Item, Message, NestedChats, Request, ToolCall

MAX_LINKS = 20  # of one chat, at a time
TITLE_CHARS = 80


def share(chat: ChatSession) -> Share | None:
    """A new link to what was said so far. None: there are MAX_LINKS of them, or there is nothing to show yet."""
    last_seq = chat.events.order_by("-seq").values_list("seq", flat=True).first()
    if last_seq is None or chat.shares.count() >= MAX_LINKS:
        return None
    with brief_locks(PERSON_S):  # its row refers to the chat session's
        return Share.objects.create(session=chat, token=secrets.token_urlsafe(32), head=chat.head, last_seq=last_seq)


def find(token: str) -> Share | None:
    """The link with this token, if it was not withdrawn and its chat is there."""
    return Share.objects.select_related("session").filter(token=token, session__deleted_at=None).first()


def events_of(link: Share) -> Sequence[Event]:
    """What the link shows, as facts. The only place that says which those are."""
    return list(branches.events_of(link.session, head=link.head_id, up_to=link.last_seq))


def items_of(link: Share) -> list[Item]:
    """What the link shows, as a reader may see it."""
    return list(_for_readers(transcript.of_events(events_of(link)).items))


def title_of(link: Share, items: Sequence[Item]) -> str:
    """What was asked first: the chat's own title may have been changed since, and not for these readers."""
    first = next((item for item in items if isinstance(item, Message) and item.is_the_persons), None)
    words = " ".join(first.content.split()) if first else ""
    if not words:
        return agent_title(link.session.agent)
    return words if len(words) <= TITLE_CHARS else words[: TITLE_CHARS - 1].rstrip() + "…"


def _for_readers(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        match item:
            case Message(writing=True):
                continue  # its words came later
            case Message():
                if item.is_the_persons:
                    item.name = _("Person")
            case Request():
                if item.is_open:
                    continue
                item.by = _("a person") if item.by else ""
            case ToolCall():
                if item.state in ("asked", "held", "running"):
                    item.state = "cut"
            case NestedChats():
                item.items = list(_for_readers(item.items))
                item.finished = True
        yield item
