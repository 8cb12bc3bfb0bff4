"""What one run may use: steps, tokens, money, time. When a cap is reached the person is asked whether it may go on.

A cap is looked at before each call, so it is never exceeded by more than one. Waiting for a person costs no time.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from agentchat import conf, own_words
from agentchat.events import Usage

STEP_NAME = "cap "  # of the input steps that ask whether a run may go on: "cap steps", "cap tokens", …


@dataclass(kw_only=True)
class Spent:
    """What a run has used so far, in all its lives. `cost` in US dollars; `seconds` of running."""

    steps: int
    tokens: int
    cost: float
    seconds_before: float
    _since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self._since

    def add(self, usage: Iterable[Usage]) -> None:
        """Something was used."""
        for each in usage:
            self.tokens += each.prompt_tokens + each.completion_tokens
            self.cost += each.cost or 0


@dataclass(frozen=True, kw_only=True)
class Cap:
    """A cap that is reached: its name, and the question to the person."""

    name: str
    question: str


def reached(spent: Spent, grants: Counter[str], *, planned: int = 1) -> Cap | None:
    """The cap that stands in the way of the next calls, `planned` of them at once.

    `grants` is how often the person said "go on" to each.
    """
    for name, used, limit, words in (
        ("steps", spent.steps, conf.app.max_steps, own_words.STEPS),
        ("tokens", spent.tokens, conf.app.max_run_tokens, own_words.TOKENS),
        ("cost", spent.cost, conf.app.max_run_cost, own_words.COST),
        ("seconds", spent.seconds, conf.app.max_run_s, own_words.SECONDS),
    ):
        more = planned - 1 if name == "steps" else 0
        if limit is not None and used + more >= limit * (1 + grants[name]):
            return Cap(name=name, question=words % {"used": used})
    return None
