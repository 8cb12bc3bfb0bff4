"""A limit of a rate: bursts of so many, and so many a second in the long run."""


class TokenBucket:
    """`allows` takes the time from its callers, in seconds of any clock that never goes back."""

    def __init__(self, *, burst: float, per_second: float) -> None:
        self._burst, self._per_second = burst, per_second
        self._left, self._at = burst, float("-inf")

    def allows(self, cost: float, *, now: float) -> bool:
        """Take so many tokens. False: there are not as many; they are owed, up to a burst, and made up for first."""
        if now > self._at:
            self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
            self._at = now
        self._left = max(self._left - cost, -self._burst)
        return self._left >= 0
