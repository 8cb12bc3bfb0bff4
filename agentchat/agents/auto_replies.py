"""How often in a row an agent has replied to each partner by itself, and how often it may."""

from collections import Counter

from agentchat.agents.protocols import Agent


class _Limits(dict[Agent | None, int]):
    """The limits for some partners, and the one for all others."""

    def __init__(self, default: int) -> None:
        super().__init__()
        self.default = default

    def __missing__(self, partner: Agent | None) -> int:
        return self.default


class AutoReplies:
    """The counts and the limits of one agent. `is_default`: nobody has chosen the limit."""

    def __init__(self, limit: int, *, is_default: bool = False) -> None:
        self.is_default = is_default
        self.limits = _Limits(limit)
        self.counts: Counter[Agent | None] = Counter()

    def limit(self, partner: Agent | None = None) -> int:
        return self.limits[partner]

    def set_limit(self, limit: int, partner: Agent | None = None) -> None:
        """Set the limit for one partner, or for all."""
        self.is_default = False
        if partner is None:
            self.limits = _Limits(limit)
        else:
            self.limits[partner] = limit

    def exhausted(self, partner: Agent | None) -> bool:
        return self.counts[partner] >= self.limit(partner)

    def count(self, partner: Agent | None) -> None:
        self.counts[partner] += 1

    def reset(self, partner: Agent | None) -> None:
        self.counts[partner] = 0

    def reset_all(self) -> None:
        self.counts.clear()
