"""What a shared link shows: a snapshot of the chat, taken when the link was created.

It is the branch that the owner saw: later messages are not in it, nor is a message that was being written or a question
that was open. Users in it have no names, and nothing in it can be answered.
"""

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from agentchat.core import text
from agentchat.core.summaries import HistorySummarized
from agentchat.events import ReasoningMessageEnd
from agentchat.markup.thoughts import without_thoughts
from agentchat.models import Event, Share
from agentchat.presentation import transcript
from agentchat.presentation.chat_list import agent_title
from agentchat.presentation.items import HandoverNote, Item, Message, NestedChats, ToolCall
from agentchat.presentation.requests import InputRequest
from agentchat.presentation.visibility import item_for_users
from agentchat.realtime.excerpt import excerpts_in_pages
from agentchat.runs.branching import tree

TITLE_CHARS = 80


def events_of(link: Share) -> QuerySet[Event]:
    """The events that the link shows: without what models think or are told. Nothing else decides which those are."""
    shown = tree.events_of(link.session, head=link.head_id, up_to=link.last_seq)
    return shown.exclude(type__in=[ReasoningMessageEnd.type, HistorySummarized.type])


def items_of(link: Share) -> Iterator[Item]:
    """The items that the link shows, as readers may see them; only those in memory that are unfinished."""
    return _for_readers(filter(None, map(item_for_users, transcript.items_of(excerpts_in_pages(events_of(link))))))


def title_of(link: Share) -> str:
    """The first message of the user. Not the chat's title, which may be changed later, and not for these readers."""
    first = next((item for item in items_of(link) if isinstance(item, Message) and item.is_from_user), None)
    title = text.title_of(first.content, TITLE_CHARS) if first else ""
    return title or agent_title(link.session.agent)


def _for_readers(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        match item:
            case Message(writing=True):
                continue  # its text came later
            case Message():
                item.unread = False
                if item.is_typed:
                    item.name = _("User") if item.is_from_user else _("A colleague")
                else:
                    item.content = without_thoughts(item.content)
            case HandoverNote():
                item.name = _("A colleague") if item.name else ""
            case InputRequest():
                if item.is_open:
                    continue
                item.by = _("a user") if item.by else ""
            case ToolCall():
                if item.state in ("asked", "held", "running"):
                    item.state = "cut"
            case NestedChats():
                item.items = list(_for_readers(item.items))
                item.finished = True
        yield item
