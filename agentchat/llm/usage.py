"""What was used, added up model by model, in the shape that classic code reads.

Twice: with the answers that came from a cache and so were not asked for again, and without them.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentchat.errors import ConfigError
from agentchat.llm.reply import Reply

UNKNOWN = "unknown"
"""The cost of what has no known price. It adds up to nothing: a sum with it is unknown too."""


@dataclass(kw_only=True)
class _Used:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0

    def add(self, prompt_tokens: int, completion_tokens: int, cost: float | None) -> None:
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.cost = None if self.cost is None or cost is None else self.cost + cost

    def as_dict(self) -> dict[str, Any]:
        return {
            "cost": UNKNOWN if self.cost is None else self.cost,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


_ByModel = dict[str, _Used]


@dataclass(kw_only=True)
class Totals:
    """What somebody has used so far. `a + b` is a new one; `sum(totals, Totals())` adds up many.

    Chats that go on at the same time, in threads of their own, may share one.
    """

    _actual: _ByModel = field(default_factory=dict)
    _total: _ByModel = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, reply: Reply) -> None:
        with self._lock:
            for one in reply.paid_for:
                for by_model in self._total, *([] if one.cached else [self._actual]):
                    by_model.setdefault(one.model, _Used()).add(one.prompt_tokens, one.completion_tokens, one.cost)

    def clear(self) -> None:
        self._actual.clear()
        self._total.clear()

    def __add__(self, other: "Totals") -> "Totals":
        both = Totals()
        for totals in (self, other):
            for mine, theirs in ((both._actual, totals._actual), (both._total, totals._total)):
                for model, used in theirs.items():
                    mine.setdefault(model, _Used()).add(used.prompt_tokens, used.completion_tokens, used.cost)
        return both

    @property
    def actual(self) -> dict[str, Any] | None:
        """What models were asked for; None if they were not."""
        return _as_dict(self._actual) if self._actual else None

    @property
    def total(self) -> dict[str, Any] | None:
        """The same with the answers from a cache, at what they once cost; None if there were none."""
        return _as_dict(self._total) if self._total else None

    def as_cost(self) -> dict[str, dict[str, Any]]:
        """`ChatResult.cost`."""
        return {
            "usage_including_cached_inference": _as_dict(self._total),
            "usage_excluding_cached_inference": _as_dict(self._actual),
        }

    def in_words(self, mode: str | Sequence[str]) -> str:
        """The summary that AutoGen prints: "actual" is without a cache, "total" with it. ConfigError for others."""
        modes = {mode} if isinstance(mode, str) else set(mode)
        if not modes or not modes <= {"actual", "total", "both"}:
            raise ConfigError(f"usage summary {mode!r}: choose 'actual', 'total', or both in a list")
        if not self._total:
            return 'No usage summary. Please call "create" first.'
        rule = "-" * 100
        return "\n".join([rule, *self._halves({"actual", "total"} if "both" in modes else modes), rule])

    def _halves(self, modes: set[str]) -> Iterator[str]:
        if "actual" in modes:
            yield from _lines("excluding", self.actual)
        if modes == {"actual", "total"}:
            yield ""
            if self._actual == self._total:
                yield (
                    "All completions are non-cached: the total cost with cached completions is the same as actual cost."
                )
                return
        if "total" in modes:
            yield from _lines("including", self.total)


def sum_of(totals: Iterable[Totals]) -> Totals:
    return sum(totals, Totals())


def _as_dict(by_model: Mapping[str, _Used]) -> dict[str, Any]:
    """`{"total_cost": …, <model>: {"cost": …, "prompt_tokens": …, …}}`."""
    costs = [used.cost for used in by_model.values()]
    known = [cost for cost in costs if cost is not None]
    total = sum(known) if len(known) == len(costs) else UNKNOWN
    return {"total_cost": total, **{model: used.as_dict() for model, used in by_model.items()}}


def _lines(cached: str, summary: Mapping[str, Any] | None) -> Iterator[str]:
    if summary is None:
        yield "No actual cost incurred (all completions are using cache)."
        return
    yield f"Usage summary {cached} cached usage: "
    yield f"Total cost: {_rounded(summary['total_cost'])}"
    for model, counts in summary.items():
        if model != "total_cost":
            yield (
                f"* Model '{model}': cost: {_rounded(counts['cost'])}, prompt_tokens: {counts['prompt_tokens']}, "
                f"completion_tokens: {counts['completion_tokens']}, total_tokens: {counts['total_tokens']}"
            )


def _rounded(cost: float | str) -> float | str:
    return cost if isinstance(cost, str) else round(cost, 5)
