"""What one client was sent and has not acknowledged: all frames of a socket, pongs and rejections too.

An acknowledgement is what a client says. What it has really read, only the server's end of its connection knows
(`infra/client_connection.py`); that one has bounds of its own.
"""

MAX_IN_FLIGHT = 1024 * 1024  # bytes; beyond, deltas stop
CLOSE_IN_FLIGHT = 4 * MAX_IN_FLIGHT  # bytes, plus the largest frame; beyond, nothing is sent
SLOW_SECONDS = 30.0  # how long a client may stay beyond MAX_IN_FLIGHT


class TooSlow(Exception):
    """The client does not take what it is sent."""


class ClientGone(Exception):
    """The socket is closed or closing: nothing can be sent. The server says so to the consumer, now or soon."""


class SendWindow:
    """Counts in bytes. The times are those of any clock that never goes back, in seconds."""

    def __init__(self) -> None:
        self._sent = self._acked = self._largest = 0
        self._slow_since: float | None = None

    @property
    def in_flight(self) -> int:
        """Bytes that the client has not acknowledged."""
        return self._sent - self._acked

    @property
    def is_full(self) -> bool:
        """Only what has to be sent is sent."""
        return self.in_flight >= MAX_IN_FLIGHT

    @property
    def is_slow(self) -> bool:
        """Time counts, by the last `check`."""
        return self._slow_since is not None

    def on_ack(self, total: int) -> bool:
        """The client says that it has received so many bytes on this socket. Return whether that is news."""
        total = min(total, self._sent)  # nobody has received more than was sent
        is_news = total > self._acked
        self._acked = max(self._acked, total)
        return is_news

    @property
    def is_shut(self) -> bool:
        """Nothing more is sent before something is acknowledged."""
        # One frame of any size is no sign of slowness: else a large event would make its chat session unreadable.
        return self.in_flight > CLOSE_IN_FLIGHT + self._largest

    def add(self, size: int, *, now: float) -> None:
        """A frame of this size is about to be sent. Raise TooSlow if the window is shut, or too full for too long."""
        if self.is_shut:
            raise TooSlow
        self.check(now=now)
        self._sent += size
        self._largest = max(self._largest, size)

    def check(self, *, now: float) -> None:
        """Raise TooSlow if too much has been in flight for too long. To be called every second or so."""
        if self.in_flight <= MAX_IN_FLIGHT:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        elif now - self._slow_since > SLOW_SECONDS:
            raise TooSlow
