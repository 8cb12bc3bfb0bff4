"""What was recorded is added up, and staff are warned when 80 % of a budget is used.

Rows of the same day and the same share are replaced by their sum, in a transaction: a reader sees the one or the other.
Several processes do it at the same time, each with the rows that no other has locked; two sums of one share are added
up the next time. Nothing waits for it, and what it has not come to yet counts all the same.

For the supervisor, in a thread.
"""

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from decimal import Decimal

from agentchat import conf
from agentchat.budgets import rules
from agentchat.budgets.metering import ShareKey, Spender, Standing, share_of, standings_of
from agentchat.budgets.periods import first_day, today
from agentchat.core.budget_rules import BudgetRule
from agentchat.core.log import get_logger
from agentchat.infra import moments
from agentchat.infra.database import atomic, in_background
from agentchat.infra.statements import insert
from agentchat.models import BudgetWarning, UsageRecord

logger = get_logger("agentchat.budgets")

ROLL_UP_SECONDS = 5.0  # between two times
MAX_ROWS = 2_000  # that are added up in one transaction
PRUNE_SECONDS = 3_600.0
WARN_AT = 0.8
MAIL_SCOPES = ("group", "guests", "agent", "site")  # of single owners there may be thousands: admin lists them


class RollUp:
    """One for each process. `look` is to be called at each heartbeat."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = self._prune_at = clock() + ROLL_UP_SECONDS

    def look(self) -> None:
        """Read the budgets again. Add up and warn, when it is time and there are any."""
        rules.refresh()
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + ROLL_UP_SECONDS
        if rules.budgets():
            warn(add_up())
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_SECONDS
            prune()


def add_up() -> set[ShareKey]:
    """Add up what was recorded. Return whose it was."""
    fresh = UsageRecord.objects.filter(is_sum=False).order_by("pk")
    shares: set[ShareKey] = set()
    if not fresh.exists():
        return shares
    with in_background(), atomic():
        keys = fresh.values_list("scope", "key", "day")[:MAX_ROWS]
        wanted = sorted(set(keys))
        for scope, key, day in wanted:
            same = UsageRecord.objects.filter(scope=scope, key=key, day=day).order_by("pk")
            _merge([*same.select_for_update(skip_locked=True)[:MAX_ROWS]])
            shares.add((scope, key))
    return shares


def _merge(rows: list[UsageRecord]) -> None:
    if not rows:
        return
    first = rows[0]
    total = UsageRecord(
        scope=first.scope,
        key=first.key,
        day=first.day,
        tokens=sum(row.tokens for row in rows),
        cost=sum((row.cost for row in rows), Decimal(0)),
        messages=sum(row.messages for row in rows),
        runs=sum(row.runs for row in rows),
        is_sum=True,
    )
    UsageRecord.objects.filter(pk__in=[row.pk for row in rows]).delete()
    insert([total])


def prune() -> int:
    """Delete what no budget counts any more: what is older than the last month. Return the number of rows."""
    last_month = first_day("month", first_day("month", today()) - timedelta(days=1))
    BudgetWarning.objects.filter(since__lt=last_month - timedelta(days=366)).delete()
    return UsageRecord.objects.filter(day__lt=last_month).delete()[0]


# --- warnings -------------------------------------------------------------------------------------------------------


def warn(shares: Collection[ShareKey]) -> None:
    """Write down which budgets of these shares have come to 80 %, once in a period."""
    about = [(rule, share) for rule in rules.budgets() for share in shares if _may_be_about(rule, share)]
    new = [_warning(each) for each in standings_of(about) if each.used >= WARN_AT * each.rule.limit]
    if not new:
        return
    known = set(BudgetWarning.objects.filter(since__gte=min(each.since for each in new)).values_list(*_IDENTITY))
    new = [each for each in new if _identity(each) not in known]
    if new:
        BudgetWarning.objects.bulk_create(new, ignore_conflicts=True)
    for each in new:
        logger.warning("80 %% of a budget is used: %s (%s used)", each.rule, each.used)


_IDENTITY = ("of", "name", "what", "limit", "per", "key", "since")


def _identity(warning: BudgetWarning) -> tuple[object, ...]:
    return tuple(getattr(warning, name) for name in _IDENTITY)


def _may_be_about(rule: BudgetRule, share: ShareKey) -> bool:
    """Whether a budget counts this share."""
    scope, key = share
    if rule.of == "member":
        user = Spender(owner_id=key.removeprefix("user "), guest_key="")
        return scope == "owner" and key.startswith("user ") and share_of(rule, user) is not None
    return rule.of == scope and (not rule.name or rule.name == key)


def _warning(standing: Standing) -> BudgetWarning:
    rule, now = standing.rule, moments.now()
    is_sent = conf.app.notify is not None and rule.of in MAIL_SCOPES
    return BudgetWarning(
        of=rule.of,
        name=rule.name,
        what=rule.what,
        limit=Decimal(f"{rule.limit:.4f}"),
        per=rule.per,
        key=standing.key,
        since=first_day(rule.per, today()),
        used=Decimal(f"{standing.used:.4f}"),
        due_at=now if is_sent else None,
    )
