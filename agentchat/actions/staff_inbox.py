"""The inbox of a user: what waits for them in the chats of others.

This is the one place that says so. `waiting_for` lists it for the page of one user. `Board` says of very many users at
once how much waits for each: it asks the database for what is open, and whom that is for, and nothing for a user.
What else may wait one day gets its entries in `waiting_for`, and its shares in `read_board`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, Max, QuerySet, Sum

from agentchat.actions.addressed_users import can_be_listed, users_of
from agentchat.actions.colleagues import MAX_LISTED, may_answer, open_questions
from agentchat.models import ChatSession, DelegatedQuestion


@dataclass(frozen=True, kw_only=True)
class InboxEntry:
    """One thing that waits. `template` shows it in the list, as `entry.subject`."""

    key: str
    template: str
    subject: Any
    chat: ChatSession
    since: datetime


def waiting_for(user: Any) -> list[InboxEntry]:
    """All that waits for this user now, the oldest first; MAX_LISTED at most."""
    entries = [
        InboxEntry(
            key=f"question-{each.pk}",
            template="agentchat/_inbox_question.html",
            subject=each,
            chat=each.session,
            since=each.asked_at,
        )
        for each in open_questions(user)
    ]
    return sorted(entries, key=lambda entry: entry.since)[:MAX_LISTED]


# --- how much waits for each of many users --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InboxState:
    """How much waits for a user, and a text that changes whenever any of it does."""

    count: int = 0
    version: str = ""


NOTHING = InboxState()


@dataclass(frozen=True, kw_only=True)
class Share:
    """What waits for some users together: how much, and a `mark` that changes whenever any of it does."""

    users: frozenset[str]  # their keys, as texts
    count: int
    mark: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """What waits for whom."""

    shares: list[Share]
    judged: list[DelegatedQuestion]  # for whom, can only be said of one user at a time

    def state_of(self, user: Any) -> InboxState:
        """How much waits for this user. Queries the database only where questions are `judged`."""
        return self._state(user.pk, [each for each in self.judged if may_answer(user, each)])

    def states_of(self, keys: Collection[Any]) -> dict[Any, InboxState]:
        """The same of the users with these keys, as the database has them now, if it has to be asked for them."""
        users = get_user_model()._default_manager.in_bulk(keys) if self.judged else {}
        return {key: self.state_of(users[key]) if key in users else self._state(key, []) for key in keys}

    def _state(self, key: Any, judged: list[DelegatedQuestion]) -> InboxState:
        shares = [share for share in self.shares if str(key) in share.users]
        count = sum(share.count for share in shares) + len(judged)
        if not count:
            return NOTHING
        marks = [*(share.mark for share in shares), *(f"{each.pk} {each.asked_at}" for each in judged)]
        digest = sha256("\n".join(marks).encode()).hexdigest()
        return InboxState(count=min(count, MAX_LISTED), version=digest[:16])


def read_board() -> Board:
    """Two queries, and one for each addressee for whom something is open."""
    shares: list[Share] = []
    judged: list[DelegatedQuestion] = []
    for to in _open().values("to_kind", "to_value").annotate(n=Count("pk"), keys=Sum("pk"), last=Max("asked_at")):
        kind, value = to["to_kind"], to["to_value"]
        if can_be_listed(kind):
            users = frozenset(map(str, users_of(kind, value).values_list("pk", flat=True)))
            shares.append(Share(users=users, count=to["n"], mark=f"{kind} {value} {to['n']} {to['keys']} {to['last']}"))
        else:
            judged += _open().filter(to_kind=kind, to_value=value).order_by("asked_at")[:MAX_LISTED]
    return Board(shares=shares, judged=judged)


def _open() -> QuerySet[DelegatedQuestion]:
    return DelegatedQuestion.objects.filter(closed_at=None, session__deleted_at=None).order_by()
