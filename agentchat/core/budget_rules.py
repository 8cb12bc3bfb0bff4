"""What a budget is: how much of something some may use together, in a day or a month. `AGENTCHAT["BUDGETS"]` has some.

Knows neither Django nor what has been used: that is `agentchat.budgets`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

BudgetScope = Literal["owner", "member", "group", "guests", "agent", "site"]
"""Who uses it: each owner of chats by themselves (an account, or a guest); each member of a group; a group together;
all guests together; an agent function; everybody."""

Measure = Literal["tokens", "cost", "messages", "runs"]
BudgetPeriod = Literal["day", "month"]

NAMED: tuple[BudgetScope, ...] = ("member", "group", "agent")  # these may name one; without a name each has as much
MAX_NAME_CHARS = 150
MAX_LIMIT = 10**15


@dataclass(frozen=True, kw_only=True)
class BudgetRule:
    """`limit` of `what` for `of`, in each `period`. `name` is that of the group or the agent function; "": each one."""

    of: BudgetScope
    what: Measure
    limit: float
    per: BudgetPeriod
    name: str = ""

    def __str__(self) -> str:
        return f"{self.limit:g} {self.what} of {self.of}{f' {self.name}' if self.name else ''} per {self.per}"


def budget_rules(value: Any) -> tuple[BudgetRule, ...]:
    """The budgets in a setting: a list of dicts with the fields of `BudgetRule`. Raise ValueError if one is none."""
    if not isinstance(value, list | tuple):
        raise ValueError
    return tuple(_rule(each) for each in value)


def _rule(value: Any) -> BudgetRule:
    if not isinstance(value, Mapping) or not set(value) <= {"of", "what", "limit", "per", "name"}:
        raise ValueError
    of: Any = value.get("of")
    name, limit = value.get("name", ""), value.get("limit")
    if not _is_one_of(of, get_args(BudgetScope)) or not isinstance(name, str) or len(name) > MAX_NAME_CHARS:
        raise ValueError
    if (name and of not in NAMED) or (of == "member" and not name):
        raise ValueError
    if not _is_one_of(value.get("what"), get_args(Measure)) or not _is_one_of(value.get("per"), get_args(BudgetPeriod)):
        raise ValueError
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
        raise ValueError
    if not 0 <= limit <= MAX_LIMIT:
        raise ValueError
    return BudgetRule(of=of, what=value["what"], limit=limit, per=value["per"], name=name)


def _is_one_of(value: Any, choices: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in choices
