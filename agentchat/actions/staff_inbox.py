"""The inbox of a user: what waits for them in the chats of others.

This is the one place that says so. `waiting_for` lists it for the page of one user. `Board` says of very many users at
once how much waits for each: it asks the database for what is open, and whom that is for, and nothing for a user.
What else may wait one day gets its entries in `waiting_for`, and its shares in `read_board`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, Max, QuerySet, Sum, Value

from agentchat.actions.addressed_users import can_be_listed, users_of
from agentchat.actions.colleagues import MAX_LISTED, Addressed, may_answer, open_questions
from agentchat.actions.handovers import unattended, waiting_handovers
from agentchat.actions.staff_access import may_see_agent
from agentchat.core import registry
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
    entries += [
        InboxEntry(
            key=f"handover-{each.pk}",
            template="agentchat/inbox/_handover.html",
            subject=each,
            chat=each.session,
            since=each.opened_at,
        )
        for each in waiting_handovers(user)
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
class WaitingCount:
    """What waits for some users together: how much, and a `mark` that changes whenever any of it does."""

    users: frozenset[str]  # their keys, as texts
    count: int
    mark: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """What waits for whom."""

    shares: list[WaitingCount]
    judged: list[Addressed]  # for whom, can only be said of one user at a time

    def state_of(self, user: Any) -> InboxState:
        """How much waits for this user. Queries the database only where questions are `judged`."""
        return self._state(user.pk, [each for each in self.judged if may_answer(user, each)])

    def states_of(self, keys: Collection[Any]) -> dict[Any, InboxState]:
        """The same of the users with these keys, as the database has them now, if it has to be asked for them."""
        users = get_user_model()._default_manager.in_bulk(keys) if self.judged else {}
        return {key: self.state_of(users[key]) if key in users else self._state(key, []) for key in keys}

    def _state(self, key: Any, judged: list[Addressed]) -> InboxState:
        shares = [share for share in self.shares if str(key) in share.users]
        count = sum(share.count for share in shares) + len(judged)
        if not count:
            return NOTHING
        marks = [
            *(share.mark for share in shares),
            *(f"{type(each).__name__} {each.pk} {each.since}" for each in judged),
        ]
        digest = sha256("\n".join(marks).encode()).hexdigest()
        return InboxState(count=min(count, MAX_LISTED), version=digest[:16])


def read_board() -> Board:
    """One query, and one for each addressee for whom something is open."""
    shares: list[WaitingCount] = []
    judged: list[Addressed] = []
    users: dict[tuple[str, str, str], frozenset[str]] = {}
    for what, kind, value, agent, *mark in _open_by_addressee():
        if can_be_listed(kind):
            rule = agent if _has_rule(agent) else ""
            if (kind, value, rule) not in users:
                users[kind, value, rule] = _users(kind, value, rule)
            mark_text = f"{what} {kind} {value} {agent} {mark}"
            shares.append(WaitingCount(users=users[kind, value, rule], count=mark[0], mark=mark_text))
        else:
            found = _OPEN[what]().filter(to_kind=kind, to_value=value, session__agent=agent)
            judged += found.select_related("session").order_by("pk")[:MAX_LISTED]
    return Board(shares=shares, judged=judged)


def _has_rule(agent: str) -> bool:
    function = registry.find(agent)
    return function is not None and function.staff is not None


def _users(kind: str, value: str, agent: str) -> frozenset[str]:
    """The keys of those whom this means; of those with an `agent`, who may see its chats."""
    users = users_of(kind, value)
    if not agent:
        return frozenset(map(str, users.values_list("pk", flat=True)))
    return frozenset(str(user.pk) for user in users if may_see_agent(user, agent))


def _open_by_addressee() -> QuerySet[Any]:
    """What is open of each kind, for whom, how much, and what changes when any of it does."""
    questions, handovers = (
        opened()
        .order_by()
        .values("to_kind", "to_value", "session__agent")
        .annotate(what=Value(what), n=Count("pk"), keys=Sum("pk"))
        for what, opened in _OPEN.items()
    )
    columns = ("what", "to_kind", "to_value", "session__agent", "n", "keys", "last")
    questions = questions.annotate(last=Max("asked_at")).values_list(*columns)
    found: QuerySet[Any] = questions.union(handovers.annotate(last=Max("opened_at")).values_list(*columns), all=True)
    return found


def _questions() -> QuerySet[Any]:
    return DelegatedQuestion.objects.filter(closed_at=None, session__deleted_at=None)


_OPEN: dict[str, Callable[[], QuerySet[Any]]] = {"questions": _questions, "handovers": unattended}
