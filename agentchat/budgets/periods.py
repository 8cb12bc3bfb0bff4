"""The days and months of budgets: those of the site's TIME_ZONE, whatever zone a reader or a process has."""

from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone

from agentchat.core.budget_rules import BudgetPeriod
from agentchat.infra import moments


def today() -> date:
    return moments.now().astimezone(timezone.get_default_timezone()).date()


def first_day(per: BudgetPeriod, day: date) -> date:
    """The first day of the period that this day is in."""
    return day.replace(day=1) if per == "month" else day


def renews_at(per: BudgetPeriod, day: date) -> datetime:
    """When the period after this day's begins: its first moment, which is not 00:00 where clocks are put on then."""
    following = day + timedelta(days=1) if per == "day" else (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    midnight = datetime.combine(following, time.min, tzinfo=timezone.get_default_timezone())
    return midnight.astimezone(UTC).astimezone(midnight.tzinfo)
