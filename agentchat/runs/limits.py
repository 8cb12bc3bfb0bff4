"""What one run may use: steps, tokens, money, time. At a limit somebody is asked whether the run may go on.

Limits are checked before each call, so none is exceeded by more than one call. Waiting for an answer takes no time.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist

from agentchat import conf
from agentchat.core.addressees import Delegation, addressee_of, staff
from agentchat.events import InputRequested, Usage
from agentchat.i18n import system_messages
from agentchat.models import Event, Run

# The names of input steps that ask whether a run may go on: "cap steps", "cap tokens", … They are stored in journals.
STEP_NAME_PREFIX = "cap "
LIMIT_CODE = "limit_"  # what the codes of their questions begin with


@dataclass(kw_only=True)
class RunUsage:
    """What a run has used so far, in all its executions. From any thread of the run.

    `cost` in US dollars, estimated where there is no price; `seconds` of running.
    """

    steps: int
    tokens: int
    cost: float
    seconds_before: float
    _since: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self._since

    def add(self, usage: Iterable[Usage], *, steps: int = 0) -> None:
        with self._lock:  # tools of one reply run at the same time
            self.steps += steps
            for each in usage:
                self.tokens += each.prompt_tokens + each.completion_tokens
                self.cost += counted_cost(each.prompt_tokens, each.completion_tokens, each.cost)


def counted_cost(prompt_tokens: int, completion_tokens: int, cost: float | None) -> float:
    """What an answer counts in the limit on cost: without a price it would never reach it, so it has FALLBACK_PRICE."""
    if cost is not None and math.isfinite(cost):
        return cost
    prompt, completion = conf.app.fallback_price
    return (prompt_tokens * prompt + completion_tokens * completion) / 1000


def cost_so_far(run: Run) -> float:
    """What the answers in earlier executions of a run count in the limit on cost."""
    cost = float(run.cost or 0)
    if conf.app.max_run_cost is None:
        return cost
    events = Event.objects.filter(run=run, type=Usage.type).only("type", "payload")
    unpriced = [each.payload for each in events if each.type == Usage.type and each.payload.get("cost") is None]
    return cost + sum(counted_cost(each["promptTokens"], each["completionTokens"], None) for each in unpriced)


@dataclass(frozen=True, kw_only=True)
class ReachedLimit:
    """The name of a limit, and the question whether the run may go on."""

    name: str
    question: InputRequested

    @property
    def step_name(self) -> str:
        return STEP_NAME_PREFIX + self.name


def reached(usage: RunUsage, grants: Counter[str], *, planned: int = 1) -> ReachedLimit | None:
    """The limit that the next calls, `planned` of them at once, would exceed.

    `grants` is how often each limit was extended.
    """
    for name, used, limit in (
        ("steps", usage.steps, conf.app.max_steps),
        ("tokens", usage.tokens, conf.app.max_run_tokens),
        ("cost", usage.cost, conf.app.max_run_cost),
        ("seconds", usage.seconds, conf.app.max_run_s),
    ):
        more = planned - 1 if name == "steps" else 0
        if limit is not None and used + more >= limit * (1 + grants[name]):
            return ReachedLimit(name=name, question=system_messages.question(f"{LIMIT_CODE}{name}", used=used))
    return None


def is_limit_step(step_name: str) -> bool:
    """Whether this input step asks whether a run may go on."""
    return step_name.startswith(STEP_NAME_PREFIX)


def limit_of(step_name: str) -> str:
    return step_name.removeprefix(STEP_NAME_PREFIX)


def asks_nobody() -> bool:
    """Whether a run ends at a limit without a question: the setting LIMITS_ASK."""
    return conf.app.limits_ask == "nobody"


def asked_instead() -> Delegation | None:
    """Who is asked instead of the user. None: the user is. Queries the database, unless a setting says it."""
    match conf.app.limits_ask:
        case "owner":
            return None
        case None:
            return Delegation(to=staff(), shown=True) if _has_staff() else None
        case "staff":
            return Delegation(to=staff(), shown=True)
        case permission:
            return Delegation(to=addressee_of(permission), shown=True)


def _has_staff() -> bool:
    users, fields = get_user_model(), ("is_staff", "is_active")
    try:
        for name in fields:
            users._meta.get_field(name)
    except FieldDoesNotExist:  # a project's own users need not have it
        return False
    return users._default_manager.filter(**dict.fromkeys(fields, True)).exists()
