"""The visitor's chats as a list that people find things in: newest first, under the day of their last change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from django.db import OperationalError
from django.db.models import Case, JSONField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from agentchat import registry
from agentchat.events import InputRequested
from agentchat.keyset import Place, after, in_order, place_of
from agentchat.models import ChatSession, Event, Run
from agentchat.runs.database import brief_locks, is_held_up
from agentchat.visitors import Visitor

MAX_CHATS = 100
SEEN_WAITS_S = 0.25
LISTED_BY = "updated_at"

Status = Literal["idle", "running", "waiting", "failed"]
"""`waiting`: the person was asked something. `failed`: and the owner has not looked at it since."""

STATUS_FIELDS = ("newest_status", "newest_run", "seen_run", "question")
"""What `status_of` says the status from: `with_status` adds what the chats themselves do not have."""

_STATUS: dict[str, Status] = {
    Run.Status.QUEUED: "running",
    Run.Status.RUNNING: "running",
    Run.Status.WAITING: "waiting",
    Run.Status.FAILED: "failed",
    Run.Status.INTERRUPTED: "failed",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A chat session in a list. `title` is what was asked first, or the agent's own."""

    id: UUID
    url: str
    title: str
    agent: str
    status: Status
    run: int
    at: datetime
    is_titled: bool
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Day:
    label: str
    entries: list[Entry]


def blank_entry() -> Entry:
    """An empty one: a page renders it as the `<template>` that its JavaScript fills. Its id stands in its addresses."""
    blank = ChatSession(id=UUID(int=0))
    return entry_of(blank)


def agent_title(name: str) -> str:
    agent = registry.find(name)
    return str(agent.title) if agent else name  # it may be a lazy translation


def chats_by_day(chats: Iterable[ChatSession], *, current: ChatSession | None = None) -> list[Day]:
    """The chats under "Today", "Yesterday" and so on. They come with the newest first."""
    today = timezone.localdate()
    return [
        Day(label=label, entries=[entry_of(chat, current) for chat in group])
        for label, group in groupby(chats, key=lambda chat: _label(timezone.localdate(chat.updated_at), today))
    ]


def chats_of(visitor: Visitor, *, current: ChatSession | None = None) -> list[Day]:
    """The visitor's newest chats in which something was said, and `current`, which is marked."""
    return chats_by_day(newest_chats(visitor, current=current)[0], current=current)


def newest_chats(
    visitor: Visitor, *, current: ChatSession | None = None, before: Place | None = None
) -> tuple[list[ChatSession], Place | None]:
    """The visitor's last chats, or the last before a place; and the place before which there are older ones, if any.

    However old it is, `current` is among the last: whoever looks at a chat finds it marked in the list.
    """
    listed = Q(next_seq__gt=1) | Q(pk=current.pk if current else None)
    chats = in_order(with_status(ChatSession.objects.of(visitor)).filter(listed), LISTED_BY)
    if before is not None:
        chats = after(chats, LISTED_BY, before)
    found = list(chats[: MAX_CHATS + 1])
    older = place_of(found[MAX_CHATS - 1], LISTED_BY) if len(found) > MAX_CHATS else None
    newest = found[:MAX_CHATS]
    if before is None and older is not None and current is not None and current not in newest:
        newest += with_status(ChatSession.objects.of(visitor)).filter(pk=current.pk)
    return newest, older


def with_status(chats: "QuerySet[ChatSession]") -> "QuerySet[ChatSession]":
    """The chats with what `entry_of` says the status from."""
    newest = Run.objects.filter(session=OuterRef("pk")).order_by("-number")
    questions = Event.objects.filter(session=OuterRef("pk"), type=InputRequested.type).order_by("-seq")
    # The last run of the branch that people look at, where there is one.
    return chats.annotate(
        newest_status=Coalesce("head__status", Subquery(newest.values("status")[:1])),
        newest_run=Coalesce("head__number", Subquery(newest.values("number")[:1])),
    ).annotate(
        # Only where a run waits: elsewhere all that was said would be looked through for it.
        question=Case(
            When(newest_status=Run.Status.WAITING, then=Subquery(questions.values("payload")[:1])),
            default=None,
            output_field=JSONField(),
        )
    )


def entry_of(chat: ChatSession, current: ChatSession | None = None) -> Entry:
    agent = agent_title(chat.agent)
    return Entry(
        id=chat.pk,
        url=chat.get_absolute_url(),
        title=chat.title or agent,
        agent=agent,
        status=status_of(*(getattr(chat, name, None) for name in STATUS_FIELDS)),
        run=getattr(chat, "newest_run", None) or 0,
        at=chat.updated_at,
        is_titled=bool(chat.title),
        is_current=chat == current,
    )


def mark_seen(days: Iterable[Day]) -> None:
    """The owner looks at the current one of these chats: how its runs have ended is no news from now on.

    Where a transaction stands still on the chat, it stays news until the next look: whoever reads does not wait for it.
    """
    for day in days:
        for entry in day.entries:
            if entry.is_current and entry.status == "failed":
                _note_seen(entry)


def _note_seen(entry: Entry) -> None:
    try:
        with brief_locks(SEEN_WAITS_S):
            ChatSession.objects.filter(pk=entry.id, seen_run__lt=entry.run).update(seen_run=entry.run)
    except OperationalError as error:
        if not is_held_up(error):
            raise


def status_of(
    newest_status: str | None, newest_run: int | None, seen_run: int | None, question: dict[str, Any] | None
) -> Status:
    """What a list says of a chat whose newest run has this status and number, and waits for the answer to `question`.

    An agent that talks on asks for the next message without a word: it has answered, and nothing is open.
    """
    status = _STATUS.get(newest_status or "", "idle")
    if status == "failed" and (seen_run or 0) >= (newest_run or 0):
        return "idle"
    return "idle" if status == "waiting" and not _asks_something(question) else status


def _asks_something(question: dict[str, Any] | None) -> bool:
    return question is not None and (question.get("kind", "text") != "text" or bool(question["prompt"].strip()))


def _label(day: date, today: date) -> str:
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Last 7 days")
    return date_format(day, "YEAR_MONTH_FORMAT")
