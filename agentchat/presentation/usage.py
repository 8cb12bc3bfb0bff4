"""What the models used since the user's last input: tokens, cost, and the time that the run was running.

In whole milliseconds, as in frames (`realtime/frames.py`), so that a line that was shown live is the same after a
reload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass
class TokenUsage:
    """Tokens of all LLM calls, and their cost in US dollars as far as it is known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass
class TurnUsage:
    """`cost` is in US dollars, and None if a part of it is unknown. `since` is None while the run waits."""

    tokens: int = 0
    cost: float | None = 0.0
    ms: int = 0
    since: int | None = None  # ms of the epoch

    def apply(self, type_: str, at: datetime, payload: Mapping[str, Any]) -> bool:
        """Count an event; return whether a usage line is due."""
        now = (at - _EPOCH) // _MS  # in whole milliseconds, as on the wire
        match type_:
            case "RUN_STARTED":
                self.flush()
                self.since = now
            case "USAGE":
                self.tokens += payload.get("promptTokens", 0) + payload.get("completionTokens", 0)
                cost = payload.get("cost")
                self.cost = None if self.cost is None or cost is None else self.cost + cost
            case "RUN_WAITING" if not payload.get("over"):
                self._pause(now)
            case "INPUT_ANSWERED" | "RUN_WAITING" | "HANDOVER_ENDED":
                self.since = now if self.since is None else self.since
            case "INPUT_REQUESTED":
                self._pause(now)
                return bool(payload["kind"] == "text")
            case "RUN_FINISHED" | "RUN_ERROR" | "HANDOVER_REQUESTED":
                self._pause(now)
                return True
        return False

    def flush(self) -> "TurnUsage":
        """Return a copy, and start from zero."""
        flushed = replace(self)
        self.tokens, self.cost, self.ms, self.since = 0, 0.0, 0, None
        return flushed

    def _pause(self, now: int) -> None:
        self.ms += 0 if self.since is None else now - self.since
        self.since = None
