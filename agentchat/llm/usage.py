"""Usage added up model by model, in the shape that classic code reads.

There are two totals: with the answers that came from a cache and so were not paid for again, and without them.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentchat.errors import ConfigError
from agentchat.llm.response import ModelResponse


@dataclass(kw_only=True)
class _ModelUsage:
    """`cost` is a number in any case: classic code formats it. Without a price it is 0, and not `known`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    known: bool = True

    def add(self, prompt_tokens: int, completion_tokens: int, cost: float, *, known: bool) -> None:
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.cost += cost
        self.known = self.known and known

    def as_dict(self) -> dict[str, Any]:
        return {
            "cost": self.cost,
            **({} if self.known else {"known": False}),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


_ByModel = dict[str, _ModelUsage]


@dataclass(kw_only=True)
class UsageTotals:
    """The usage so far, of an agent or a client. `a + b` is a new one; `sum(totals, UsageTotals())` adds up many.

    Chats that take place at the same time, in separate threads, may share one.
    """

    _actual: _ByModel = field(default_factory=dict)
    _total: _ByModel = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, response: ModelResponse) -> None:
        with self._lock:
            for one in response.paid_for:
                for by_model in self._total, *([] if one.cached else [self._actual]):
                    by_model.setdefault(one.model, _ModelUsage()).add(
                        one.prompt_tokens, one.completion_tokens, one.cost or 0.0, known=one.cost is not None
                    )

    def clear(self) -> None:
        with self._lock:
            self._actual.clear()
            self._total.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> "UsageTotals":
        return self + UsageTotals()  # a lock cannot be copied

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        both = UsageTotals()
        for totals in (self, other):
            with totals._lock:
                for mine, theirs in ((both._actual, totals._actual), (both._total, totals._total)):
                    for model, used in theirs.items():
                        mine.setdefault(model, _ModelUsage()).add(
                            used.prompt_tokens, used.completion_tokens, used.cost, known=used.known
                        )
        return both

    @property
    def actual(self) -> dict[str, Any] | None:
        """The usage without answers from a cache; None if no model was asked."""
        return _as_dict(self._actual) if self._actual else None

    @property
    def total(self) -> dict[str, Any] | None:
        """The same with the answers from a cache, at their original cost; None if there were none."""
        return _as_dict(self._total) if self._total else None

    def as_cost(self) -> dict[str, dict[str, Any]]:
        """`ChatResult.cost`."""
        return {
            "usage_including_cached_inference": _as_dict(self._total),
            "usage_excluding_cached_inference": _as_dict(self._actual),
        }

    def as_text(self, mode: str | Sequence[str]) -> str:
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


def sum_of(totals: Iterable[UsageTotals]) -> UsageTotals:
    return sum(totals, UsageTotals())


def _as_dict(by_model: Mapping[str, _ModelUsage]) -> dict[str, Any]:
    """`{"total_cost": …, <model>: {"cost": …, "prompt_tokens": …, …}}`; `"known": False` where a price is missing."""
    by_model = dict(by_model)  # another thread may add a model
    total = sum(used.cost for used in by_model.values())
    return {"total_cost": total, **{model: used.as_dict() for model, used in by_model.items()}}


def _lines(cached: str, summary: Mapping[str, Any] | None) -> Iterator[str]:
    if summary is None:
        yield "No actual cost incurred (all completions are using cache)."
        return
    yield f"Usage summary {cached} cached usage: "
    models = {model: counts for model, counts in summary.items() if model != "total_cost"}
    known = all(counts.get("known", True) for counts in models.values())
    yield f"Total cost: {_text_of(summary['total_cost'], known=known)}"
    for model, counts in models.items():
        yield (
            f"* Model '{model}': cost: {_text_of(counts['cost'], known=counts.get('known', True))}, "
            f"prompt_tokens: {counts['prompt_tokens']}, completion_tokens: {counts['completion_tokens']}, "
            f"total_tokens: {counts['total_tokens']}"
        )


def _text_of(cost: float, *, known: bool) -> str:
    return str(round(cost, 5)) if known else "unknown"
