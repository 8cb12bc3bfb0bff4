"""The visitor's chats as a list that people find things in: newest first, under the day of their last change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from agentchat import registry
from agentchat.models import ChatSession
from agentchat.visitors import Visitor

MAX_CHATS = 100


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A chat session in a list. `title` is what was asked first, or the agent's own."""

    url: str
    title: str
    agent: str
    is_titled: bool
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Day:
    label: str
    entries: list[Entry]


def agent_title(name: str) -> str:
    agent = registry.find(name)
    return agent.title if agent else name


def chats_by_day(chats: Iterable[ChatSession], *, current: ChatSession | None = None) -> list[Day]:
    """The chats under "Today", "Yesterday" and so on. They come with the newest first."""
    today = timezone.localdate()
    return [
        Day(label=label, entries=[_entry(chat, current) for chat in group])
        for label, group in groupby(chats, key=lambda chat: _label(timezone.localdate(chat.updated_at), today))
    ]


def chats_of(visitor: Visitor, *, current: ChatSession | None = None) -> list[Day]:
    """The visitor's chats in which something was said, and `current`, which is marked."""
    listed = Q(next_seq__gt=1) | Q(pk=current.pk if current else None)
    chats = ChatSession.objects.of(visitor).filter(listed).order_by("-updated_at")[:MAX_CHATS]
    return chats_by_day(chats, current=current)


def _entry(chat: ChatSession, current: ChatSession | None) -> Entry:
    agent = agent_title(chat.agent)
    return Entry(
        url=chat.get_absolute_url(),
        title=chat.title or agent,
        agent=agent,
        is_titled=bool(chat.title),
        is_current=chat == current,
    )


def _label(day: date, today: date) -> str:
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Last 7 days")
    return date_format(day, "YEAR_MONTH_FORMAT")
