"""What the models used since the person was heard last: tokens, cost, and the time in which somebody worked.

The same rules as `usage.js`, which goes on counting where the page begins: in whole milliseconds too, as frames have
them (`runs.frames`), so that a line that came live says the same when the page is loaded again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass
class Spent:
    """`cost` is in US dollars, and None if a part of it is not known. `since` is None while the run waits."""

    tokens: int = 0
    cost: float | None = 0.0
    ms: int = 0
    since: int | None = None  # ms of the epoch

    def take(self, type_: str, at: datetime, payload: Mapping[str, Any]) -> bool:
        """Count a fact; return whether a line about it all is due."""
        now = (at - _EPOCH) // _MS  # what is below a millisecond is left out, as it is on the wire
        match type_:
            case "RUN_STARTED":
                self.take_out()
                self.since = now
            case "USAGE":
                self.tokens += payload.get("promptTokens", 0) + payload.get("completionTokens", 0)
                cost = payload.get("cost")
                self.cost = None if self.cost is None or cost is None else self.cost + cost
            case "INPUT_ANSWERED":
                self.since = now if self.since is None else self.since
            case "INPUT_REQUESTED":
                self._pause(now)
                return bool(payload["kind"] == "text")
            case "RUN_FINISHED" | "RUN_ERROR":
                self._pause(now)
                return True
        return False

    def take_out(self) -> "Spent":
        """What it was; it begins anew."""
        spent = replace(self)
        self.tokens, self.cost, self.ms, self.since = 0, 0.0, 0, None
        return spent

    def _pause(self, now: int) -> None:
        self.ms += 0 if self.since is None else now - self.since
        self.since = None
