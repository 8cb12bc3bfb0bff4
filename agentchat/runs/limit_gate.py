"""Before each step of a run: whether it may be made. What was decided before is in the journal, and costs nothing.

A run that has reached a limit of its own asks (`limits.py`). Where a budget is used up, or nobody is to be asked, it is
refused. That is a step of the journal too: an agent function that catches the error would go another way at a replay.

In the agent's thread; `admit_inner` in any thread of the run.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from agentchat.budgets import metering
from agentchat.core.addressees import Delegation
from agentchat.core.budget_rules import Measure
from agentchat.core.steps import StepSpec
from agentchat.errors import BudgetExceeded, InputExpired, LimitExceeded
from agentchat.events import InputRequested
from agentchat.infra import moments
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, retry_transaction
from agentchat.runs import limits
from agentchat.runs.journal import Journal
from agentchat.runs.questions import EXPIRED, decision_of

BUDGET = limits.STEP_NAME_PREFIX + "budget"  # the name of the step that is a refusal
MEASURES: tuple[Measure, ...] = ("tokens", "cost")

Ask = Callable[[str, InputRequested, Delegation | None], Any]


class LimitGate:
    """`before_each` lets staff take the chat over before somebody is asked; `ask` returns the answer to a question."""

    def __init__(self, journal: Journal, *, before_each: Callable[[], None], ask: Ask, has_limits: bool = True) -> None:
        self._journal = journal
        self._has_limits = has_limits
        self._before_each = before_each
        self._ask = ask
        self._grants: Counter[str] = Counter()

    def admit(self, steps: Sequence[StepSpec]) -> None:
        """Return if these steps may be made. Raise LimitExceeded if they may not, Suspended to wait for an answer."""
        while True:
            self._before_each()
            recorded = self._journal.peek()
            if recorded is not None and not limits.is_limit_step(recorded.name):
                return
            if recorded is not None:
                name, answer = recorded.name, self._pass(recorded.name)
            elif not self._has_limits:
                return
            elif limit := limits.reached(self._journal.usage, self._grants, planned=len(steps)):
                name, answer = limit.step_name, self._decide(limit)
            elif any(step.kind == "llm" for step in steps) and (used := self._used_up()) is not None:
                name, answer = BUDGET, self._refuse(BUDGET, _recorded(used))
            else:
                return
            if not decision_of(answer).approved:
                raise _refusal(name, answer)
            self._grants[limits.limit_of(name)] += 1

    def admit_inner(self, step: StepSpec) -> None:
        """Raise BudgetExceeded if a model may not be asked within a step, which is then recorded as failed."""
        if self._has_limits and step.kind == "llm" and (used := self._used_up()) is not None:
            raise _refusal(BUDGET, _recorded(used))

    def _pass(self, name: str) -> Any:
        """The recorded result of the step that comes next."""
        number = self._journal.next_number()
        recorded = self._journal.recorded(number, "input", name)
        self._journal.passed(number)
        assert recorded is not None
        if recorded.result == EXPIRED:
            raise InputExpired(f"{name}: nobody answered in time whether the run may continue")
        return recorded.result

    def _decide(self, limit: limits.ReachedLimit) -> Any:
        if limits.asks_nobody():
            return self._refuse(limit.step_name, {"decision": "reject"})
        delegation = retry_transaction(lambda _: limits.asked_instead(), timeout=RUN_TIMEOUT_SECONDS)
        return self._ask(limit.step_name, limit.question, delegation)

    def _refuse(self, name: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Record a refusal that no one was asked for, as if somebody had given it."""
        number = self._journal.next_number()
        self._journal.recorded(number, "input", name)
        now = moments.now()
        self._journal.finish(number, "input", name, None, answer, [], times={"started_at": now, "done_at": now})
        self._journal.passed(number)
        return answer

    def _used_up(self) -> metering.Standing | None:
        owner_id, guest_key = self._journal.owner
        if owner_id is None and not guest_key:  # nothing was written in this execution
            owner_id, guest_key = self._journal.session.owner_id, self._journal.session.guest_key
        spender = metering.Spender(owner_id=owner_id, guest_key=guest_key, agent=self._journal.claim.agent)
        return retry_transaction(lambda _: metering.used_up(spender, MEASURES), timeout=RUN_TIMEOUT_SECONDS)


def _recorded(used: metering.Standing) -> dict[str, Any]:
    return {
        "decision": "reject",
        "budget": str(used.rule),
        "renews_at": used.renews_at.isoformat(),
        "refused_at": moments.now().isoformat(),
    }


def _refusal(name: str, answer: dict[str, Any]) -> LimitExceeded:
    if name == BUDGET:
        return BudgetExceeded(f"the budget of {answer['budget']} is used up", renews_at=answer["renews_at"])
    return LimitExceeded(f"{name}: the run was not allowed to continue")
