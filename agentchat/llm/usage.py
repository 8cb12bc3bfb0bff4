"""What was used, added up model by model, in the shape that classic code sums."""

from dataclasses import dataclass, field
from typing import Any

from agentchat.llm.reply import Reply


@dataclass(kw_only=True)
class _Used:
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(kw_only=True)
class Totals:
    """Tokens by model. `a + b` is a new one; `sum(totals, Totals())` adds up many."""

    _by_model: dict[str, _Used] = field(default_factory=dict)

    def add(self, reply: Reply) -> None:
        self._add(reply.model, reply.prompt_tokens, reply.completion_tokens)

    def _add(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        used = self._by_model.setdefault(model, _Used())
        used.prompt_tokens += prompt_tokens
        used.completion_tokens += completion_tokens

    def __add__(self, other: "Totals") -> "Totals":
        both = Totals()
        for totals in (self, other):
            for model, used in totals._by_model.items():
                both._add(model, used.prompt_tokens, used.completion_tokens)
        return both

    def as_dict(self) -> dict[str, Any]:
        """One half of `ChatResult.cost`: `{"total_cost": 0, <model>: {"cost": 0, "prompt_tokens": …, …}}`.

        Costs are 0: nobody told the price, and classic code adds them up, so None would break it.
        """
        models = {
            model: {
                "cost": 0,
                "prompt_tokens": used.prompt_tokens,
                "completion_tokens": used.completion_tokens,
                "total_tokens": used.prompt_tokens + used.completion_tokens,
            }
            for model, used in self._by_model.items()
        }
        return {"total_cost": 0, **models}
