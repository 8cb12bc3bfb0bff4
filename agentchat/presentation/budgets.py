"""What a person reads of the budgets that are about them: how much is left, and when it renews."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy

from agentchat.budgets import rules
from agentchat.budgets.metering import ShareKey, Spender, Standing, share_of, standings_of
from agentchat.core import registry
from agentchat.core.budget_rules import BudgetRule
from agentchat.i18n.system_messages import moment_text
from agentchat.presentation.chat_list import agent_title
from agentchat.visitors import Visitor

HEADINGS = {
    ("tokens", "day"): gettext_lazy("Tokens per day"),
    ("tokens", "month"): gettext_lazy("Tokens per month"),
    ("cost", "day"): gettext_lazy("Cost per day"),
    ("cost", "month"): gettext_lazy("Cost per month"),
    ("messages", "day"): gettext_lazy("Messages per day"),
    ("messages", "month"): gettext_lazy("Messages per month"),
    ("runs", "day"): gettext_lazy("Runs per day"),
    ("runs", "month"): gettext_lazy("Runs per month"),
}


@dataclass(frozen=True, kw_only=True)
class ShownBudget:
    """`used`, `left` and `limit` are empty for what others use too: only the part that is used is said of it then."""

    heading: str
    whose: str
    percent: int
    used: str
    left: str
    limit: str
    renews: str


def budgets_of(visitor: Visitor) -> list[ShownBudget]:
    """Those that are about this visitor, their own first."""
    owner_id = visitor.user.pk if visitor.user is not None else None
    spender = Spender(owner_id=owner_id, guest_key=visitor.guest_key)
    shares: list[tuple[BudgetRule, ShareKey]] = []
    for rule in rules.budgets():
        if rule.of == "agent":
            shares += [(rule, ("agent", name)) for name in _agents(rule, visitor)]
        elif (share := share_of(rule, spender)) is not None:
            shares.append((rule, share))
    shown = [(share, _shown(standing)) for (_, share), standing in zip(shares, standings_of(shares), strict=True)]
    return [each for _, each in sorted(shown, key=lambda pair: pair[0][0] != "owner")]


def _agents(rule: BudgetRule, visitor: Visitor) -> Iterator[str]:
    for agent in registry.open_to(visitor.user):
        if rule.name in ("", agent.name):
            yield agent.name


def _shown(standing: Standing) -> ShownBudget:
    rule = standing.rule
    is_own = rule.of in ("owner", "member")
    return ShownBudget(
        heading=str(HEADINGS[rule.what, rule.per]),
        whose=_whose(standing),
        percent=standing.percent_used,
        used=amount_text(rule, standing.used) if is_own else "",
        left=amount_text(rule, standing.left) if is_own else "",
        limit=amount_text(rule, rule.limit) if is_own else "",
        renews=moment_text(standing.renews_at),
    )


def _whose(standing: Standing) -> str:
    match standing.rule.of:
        case "group":
            return gettext("Shared by your group: %(group)s") % {"group": standing.key}
        case "guests":
            return gettext("Shared by all guests")
        case "agent":
            return gettext("Shared by everybody who chats with %(agent)s") % {"agent": agent_title(standing.key)}
        case "site":
            return gettext("Shared by everybody on this site")
    return gettext("Yours alone")


def amount_text(rule: BudgetRule, amount: float) -> str:
    """An amount of what a budget is about, in the active language."""
    if rule.what == "cost":
        return f"${number_format(amount, decimal_pos=2, force_grouping=True)}"
    return str(number_format(int(amount), force_grouping=True))
