"""What is used is recorded, and compared with the budgets.

Recording is one INSERT in the transaction of what is used, so it counts once or not at all. Comparing is one SELECT: of
what was added up, and of the parts that were not yet. So a budget is overrun by the calls that run when it is reached,
in all processes, and by nothing else. Sites without budgets, and what no budget is about, cost no statement.
"""

import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q, Sum

from agentchat.budgets import rules
from agentchat.budgets.periods import first_day, renews_at, today
from agentchat.core.budget_rules import BudgetRule, Measure
from agentchat.infra.statements import insert
from agentchat.models import BudgetWarning, ChatSession, UsageRecord

# What one record may have: a model's service may claim any usage.
MAX_AMOUNTS: Mapping[Measure, float] = {"tokens": 10**12, "cost": 10**6, "messages": 10**6, "runs": 10**6}
MEASURES: tuple[Measure, ...] = ("tokens", "cost", "messages", "runs")
GROUPS_SECONDS = 5.0  # how long a process remembers which groups an owner is in

ShareKey = tuple[str, str]  # the scope and the key of records


@dataclass(frozen=True, kw_only=True)
class Spender:
    """Whoever uses something: the owner of a chat, with one agent function; "": with any."""

    owner_id: Any
    guest_key: str
    agent: str = ""

    @property
    def is_guest(self) -> bool:
        return self.owner_id is None

    @property
    def key(self) -> str:
        return owner_key(self.owner_id, self.guest_key)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How much of a budget was used in this period. `key` is whose share it is."""

    rule: BudgetRule
    key: str
    used: float
    renews_at: datetime

    @property
    def left(self) -> float:
        return max(0.0, self.rule.limit - self.used)

    @property
    def is_used_up(self) -> bool:
        return self.used >= self.rule.limit

    @property
    def percent_used(self) -> int:
        """At most 100, and that only if nothing is left."""
        if self.is_used_up:
            return 100
        return min(99, math.floor(100 * self.used / self.rule.limit))


def spender_of(session: ChatSession) -> Spender:
    return Spender(owner_id=session.owner_id, guest_key=session.guest_key, agent=session.agent)


def owner_key(owner_id: Any, guest_key: str) -> str:
    return f"guest {guest_key}" if owner_id is None else f"user {owner_id}"


def record(spender: Spender, amounts: Mapping[Measure, float]) -> None:
    """Record what was used. In the transaction of what used it; no statement if no budget is about it."""
    amounts = {what: min(max(0, amount), MAX_AMOUNTS[what]) for what, amount in amounts.items() if amount}
    shares = {share for rule in rules.budgets() if rule.what in amounts and (share := share_of(rule, spender))}
    if not shares:
        return
    day = today()
    columns: dict[str, Any] = {what: int(amount) for what, amount in amounts.items() if what != "cost"}
    columns["cost"] = Decimal(f"{amounts.get('cost', 0):.8f}")
    insert([UsageRecord(scope=scope, key=key, day=day, **columns) for scope, key in sorted(shares)])


def used_up(spender: Spender, measures: Collection[Measure]) -> Standing | None:
    """The budget that these measures of a spender have used up; of several, the one that is renewed last."""
    about = [rule for rule in rules.budgets() if rule.what in measures]
    if not about:
        return None
    reached = [each for each in standings(spender, about) if each.is_used_up]
    return max(reached, key=lambda each: each.renews_at, default=None)


def standings(spender: Spender, about: Iterable[BudgetRule] | None = None) -> list[Standing]:
    """How these budgets stand for a spender; without any, all that are about them. One query at most."""
    chosen = rules.budgets() if about is None else about
    shares = [(rule, share) for rule in chosen if (share := share_of(rule, spender)) is not None]
    return standings_of(shares)


def standings_of(shares: Collection[tuple[BudgetRule, ShareKey]]) -> list[Standing]:
    """The same of shares that are known."""
    day = today()
    used = _used_by_day({share for _, share in shares}, since=first_day("month", day)) if shares else {}
    found = []
    for rule, share in shares:
        since = first_day(rule.per, day)
        total = sum(amounts[rule.what] for when, amounts in used.get(share, {}).items() if when >= since)
        found.append(Standing(rule=rule, key=share[1], used=total, renews_at=renews_at(rule.per, day)))
    return found


def share_of(rule: BudgetRule, spender: Spender) -> ShareKey | None:
    """Where a budget counts what this spender uses; None: it is not about them."""
    match rule.of:
        case "owner":
            return "owner", spender.key
        case "member":
            return ("owner", spender.key) if rule.name in _groups_of(spender) else None
        case "group":
            return _group_share(rule, spender)
        case "guests":
            return ("guests", "") if spender.is_guest else None
        case "agent":
            applies = spender.agent and rule.name in ("", spender.agent)
            return ("agent", spender.agent) if applies else None
        case "site":
            return "site", ""


def _group_share(rule: BudgetRule, spender: Spender) -> ShareKey | None:
    groups = _groups_of(spender)
    if rule.name:
        return ("group", rule.name) if rule.name in groups else None
    # Of several groups, the first by its name: what is used counts once.
    return ("group", min(groups)) if groups else None


# --- the database ---------------------------------------------------------------------------------------------------


def _used_by_day(shares: Collection[ShareKey], *, since: date) -> dict[ShareKey, dict[date, dict[Measure, float]]]:
    wanted = Q(pk__in=())
    for scope in {scope for scope, _ in shares}:
        wanted |= Q(scope=scope, key__in=[key for of, key in shares if of == scope])
    rows = UsageRecord.objects.filter(wanted, day__gte=since).order_by().values_list("scope", "key", "day")
    found: dict[ShareKey, dict[date, dict[Measure, float]]] = {}
    for scope, key, day, *sums in rows.annotate(*(Sum(what) for what in MEASURES)):
        found.setdefault((scope, key), {})[day] = {
            what: float(amount or 0) for what, amount in zip(MEASURES, sums, strict=True)
        }
    return found


_groups: dict[Any, tuple[float, frozenset[str]]] = {}
_MAX_REMEMBERED = 10_000


def _groups_of(spender: Spender) -> frozenset[str]:
    """The names of the groups that an owner is in. One query in some seconds, where budgets are about groups."""
    if spender.owner_id is None:
        return frozenset()
    now, known = time.monotonic(), _groups.get(spender.owner_id)
    if known is not None and now - known[0] < GROUPS_SECONDS:
        return known[1]
    try:
        get_user_model()._meta.get_field("groups")
    except FieldDoesNotExist:  # a project's own users need not have it
        return frozenset()
    users = get_user_model()._default_manager.filter(pk=spender.owner_id, groups__isnull=False)
    names = frozenset(users.values_list("groups__name", flat=True))
    if len(_groups) >= _MAX_REMEMBERED:
        _groups.clear()
    _groups[spender.owner_id] = now, names
    return names


def forget_groups() -> None:
    """For tests: of another database."""
    _groups.clear()


# --- owners ---------------------------------------------------------------------------------------------------------


def move(guest_key: str, owner_id: Any) -> None:
    """What a guest has used is their account's from now on: signing in renews no budget."""
    records = UsageRecord.objects.filter(scope="owner", key=owner_key(None, guest_key))
    records.update(key=owner_key(owner_id, ""))


def forget_owner(owner_id: Any) -> None:
    """The account is deleted. What it has used still counts for its groups, agent functions and the site."""
    key = owner_key(owner_id, "")
    UsageRecord.objects.filter(scope="owner", key=key).delete()
    BudgetWarning.objects.filter(of__in=("owner", "member"), key=key).delete()
