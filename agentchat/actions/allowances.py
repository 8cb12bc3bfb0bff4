"""Whether somebody may send something now: what is paused, and the budgets of messages and runs.

Within the transaction on the locked chat session, before anything of the message is saved. Tokens and cost are a matter
of the run, which asks before each call of a model.
"""

import math

from django.utils.translation import gettext

from agentchat.budgets import metering, rules
from agentchat.core.budget_rules import Measure
from agentchat.errors import Rejected
from agentchat.i18n.system_messages import moment_text
from agentchat.infra import moments
from agentchat.models import ChatSession


def check_paused(session: ChatSession) -> None:
    """Raise Rejected("paused") if staff have paused the agent function, or the site."""
    sentence = rules.pause_of(session.agent)
    if sentence is not None:
        raise Rejected("paused", sentence or _default_sentence())


def paused_sentence(agent: str) -> str | None:
    """What the pages of an agent function say while it is paused, as far as it is known without a query."""
    sentence = rules.known_pause_of(agent)
    return None if sentence is None else sentence or _default_sentence()


def _default_sentence() -> str:
    return gettext("Messages can't be sent here right now. Please try again later.")


def use_message(session: ChatSession, *, starts_run: bool) -> None:
    """Let the owner send a message, and start a run with it. Raise Rejected("budget_exceeded") if nothing is left."""
    measures: tuple[Measure, ...] = ("messages", "runs") if starts_run else ("messages",)
    spender = metering.spender_of(session)
    used = metering.used_up(spender, measures)
    if used is not None:
        text = gettext("The budget for this is used up. It renews on %(renews_at)s.")
        seconds = math.ceil((used.renews_at - moments.now()).total_seconds())
        raise Rejected(
            "budget_exceeded", text % {"renews_at": moment_text(used.renews_at)}, retry_after=max(1, seconds)
        )
    metering.record(spender, {"messages": 1})
