"""The visitor's chats as a list: newest first, under the day of their last change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from django.db import OperationalError
from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from agentchat.core import registry
from agentchat.core.stored_events import readable
from agentchat.events import InputRequested
from agentchat.infra import moments
from agentchat.infra.database import is_lock_timeout, lock_timeout
from agentchat.infra.json_field import StoredJSONField
from agentchat.infra.keyset import Cursor, after, cursor_of, in_order
from agentchat.models import ChatSession, Event, Run
from agentchat.visitors import Visitor

MAX_CHATS = 100
SEEN_LOCK_TIMEOUT_SECONDS = 0.25
LISTED_BY = "updated_at"
_BLANK_ID = UUID(int=0)

Status = Literal["idle", "running", "waiting", "failed"]
"""`waiting`: for an answer of the user. `failed`: and the owner has not opened the chat since."""

STATUS_FIELDS = ("newest_status", "newest_run", "seen_run", "question")
"""The arguments of `status_of`, as attributes of a chat: `with_status` adds those that are not fields."""

_STATUS: dict[str, Status] = {
    Run.Status.QUEUED: "running",
    Run.Status.RUNNING: "running",
    Run.Status.WAITING: "waiting",
    Run.Status.FAILED: "failed",
    Run.Status.INTERRUPTED: "failed",
}


# Of one that waits for a signal or a row there is nothing to do for the user, and nothing at work.
_SHOWN_STATUS = Case(
    When(head__status=Run.Status.WAITING, head__waits_for__isnull=False, then=Value(str(Run.Status.FINISHED))),
    default="head__status",
)


@dataclass(frozen=True, kw_only=True)
class ChatEntry:
    """A chat session in a list. Without a title of its own it has the agent's."""

    id: UUID
    url: str
    options_url: str
    title: str
    agent: str
    status: Status
    run: int
    at: datetime | None
    is_titled: bool
    is_current: bool

    @property
    def moment(self) -> str:
        """When it last changed, in wire format."""
        return self.at.isoformat() if self.at else ""


@dataclass(frozen=True, kw_only=True)
class Day:
    label: str
    entries: list[ChatEntry]


def blank_entry() -> ChatEntry:
    """An empty one: a page renders it as the `<template>` that its JavaScript fills. Its id is part of its URLs."""
    return entry_of(ChatSession(id=_BLANK_ID))


def agent_title(name: str) -> str:
    agent = registry.find(name)
    return str(agent.title) if agent else name  # it may be a lazy translation


def chats_by_day(chats: Iterable[ChatSession], *, current: ChatSession | None = None) -> list[Day]:
    """The chats under "Today", "Yesterday" and so on. They are given newest first."""
    today, addresses = timezone.localdate(moments.now()), _blank_addresses()
    return [
        Day(label=label, entries=[_entry(chat, current, addresses) for chat in group])
        for label, group in groupby(chats, key=lambda chat: _label(timezone.localdate(chat.updated_at), today))
    ]


def chats_of(visitor: Visitor, *, current: ChatSession | None = None) -> list[Day]:
    """The visitor's newest chats that have messages, and `current`, which is marked."""
    return chats_by_day(newest_chats(visitor, current=current)[0], current=current)


def newest_chats(
    visitor: Visitor, *, current: ChatSession | None = None, before: Cursor | None = None
) -> tuple[list[ChatSession], Cursor | None]:
    """The visitor's last chats, or the last before a cursor; and the cursor of older ones, if there are any.

    However old it is, `current` is among the last: an open chat is always marked in the list.
    """
    listed = Q(next_seq__gt=1) | Q(pk=current.pk if current else None)
    chats = in_order(with_status(ChatSession.objects.of(visitor)).filter(listed), LISTED_BY)
    if before is not None:
        chats = after(chats, LISTED_BY, before)
    found = list(chats[: MAX_CHATS + 1])
    older = cursor_of(found[MAX_CHATS - 1], LISTED_BY) if len(found) > MAX_CHATS else None
    newest = found[:MAX_CHATS]
    if before is None and older is not None and current is not None and current not in newest:
        newest += with_status(ChatSession.objects.of(visitor)).filter(pk=current.pk)
    return newest, older


def with_status(chats: "QuerySet[ChatSession]") -> "QuerySet[ChatSession]":
    """The chats with the STATUS_FIELDS, for `entry_of`."""
    newest = Run.objects.filter(session=OuterRef("pk")).order_by("-number")
    questions = Event.objects.filter(session=OuterRef("pk"), type=InputRequested.type).order_by("-seq")
    # Of the last run of the branch shown, if there is one.
    return chats.annotate(
        newest_status=Coalesce(_SHOWN_STATUS, Subquery(newest.values("status")[:1])),
        newest_run=Coalesce("head__number", Subquery(newest.values("number")[:1])),
    ).annotate(
        # Only if a run waits: otherwise all events would be searched for a question.
        question=Case(
            When(newest_status=Run.Status.WAITING, then=Subquery(questions.values("payload")[:1])),
            default=None,
            output_field=StoredJSONField(),
        )
    )


def entry_of(chat: ChatSession) -> ChatEntry:
    return _entry(chat, None, _blank_addresses())


def _blank_addresses() -> tuple[str, str]:
    """The address of the blank entry's chat, and of its options.

    Any other entry has the same with its own id: to look up two addresses takes longer than all else of an entry.
    """
    return reverse("agentchat:chat", args=[_BLANK_ID]), reverse("agentchat:options", args=[_BLANK_ID])


def _entry(chat: ChatSession, current: ChatSession | None, addresses: tuple[str, str]) -> ChatEntry:
    agent = agent_title(chat.agent)
    url, options_url = (address.replace(str(_BLANK_ID), str(chat.pk)) for address in addresses)
    return ChatEntry(
        id=chat.pk,
        url=url,
        options_url=options_url,
        title=chat.title or agent,
        agent=agent,
        status=status_of(*(getattr(chat, name, None) for name in STATUS_FIELDS)),
        run=getattr(chat, "newest_run", None) or 0,
        at=chat.updated_at,
        is_titled=bool(chat.title),
        is_current=chat == current,
    )


def mark_seen(days: Iterable[Day]) -> None:
    """Mark failures of the current one of these chats as seen by its owner.

    If a transaction holds the chat, the failure stays unseen until the next time: reading does not wait for locks.
    """
    for day in days:
        for entry in day.entries:
            if entry.is_current and entry.status == "failed":
                _note_seen(entry)


def _note_seen(entry: ChatEntry) -> None:
    try:
        with lock_timeout(SEEN_LOCK_TIMEOUT_SECONDS):
            ChatSession.objects.filter(pk=entry.id, seen_run__lt=entry.run).update(seen_run=entry.run)
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise


def status_of(newest_status: str | None, newest_run: int | None, seen_run: int | None, question: Any) -> Status:
    """The status of a chat whose newest run has this status and number, and waits for the answer to `question`.

    A question without a prompt only waits for the next message: the agent has answered, and nothing is open. One that a
    colleague answers is nothing that waits for the owner.
    """
    status = _STATUS.get(newest_status or "", "idle")
    if status == "failed" and (seen_run or 0) >= (newest_run or 0):
        return "idle"
    if status == "waiting" and isinstance(question, dict) and question.get("colleague"):
        return "running"
    return "idle" if status == "waiting" and not _is_explicit(question) else status


def _is_explicit(question: Any) -> bool:
    if question is None:
        return False
    type_, payload = readable(InputRequested.type, question)
    return type_ == InputRequested.type and (payload["kind"] != "text" or bool(payload["prompt"].strip()))


def _label(day: date, today: date) -> str:
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Last 7 days")
    return date_format(day, "YEAR_MONTH_FORMAT")
