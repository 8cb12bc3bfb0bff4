"""TLS for sockets that one thread reads while another writes, as a websocket's are.

OpenSSL wants one call at a time for each connection, and before Python 3.13 nobody sees to that: a read and a write
that meet lose data now and then (on a busy machine, in one connection of a hundred). Here they take turns, and whoever
has to wait for the network does so without holding up the other.
"""

import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class TurnTakingSocket(ssl.SSLSocket):
    """An SSLSocket for two threads: set it as a context's `sslsocket_class`. Times out as any socket does."""

    # Made at the handshake, which only one thread makes: an SSLSocket comes into being without __init__. From then on
    # the socket itself never blocks, and its time-out is ours to keep.
    _turn: "threading.Lock | None" = None
    _patience: float | None = None

    def settimeout(self, value: float | None) -> None:
        if self._turn is None:
            super().settimeout(value)
        else:
            self._patience = value

    def gettimeout(self) -> float | None:
        return super().gettimeout() if self._turn is None else self._patience

    def do_handshake(self, block: bool = False) -> None:
        self._in_turn(super().do_handshake)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        arguments = (len,) if buffer is None else (len, buffer)
        return self._in_turn(lambda: super(TurnTakingSocket, self).read(*arguments))

    def send(self, data: Any, flags: int = 0) -> int:
        return self._in_turn(lambda: super(TurnTakingSocket, self).send(data, flags))

    def _in_turn(self, call: Callable[[], T]) -> T:
        """Make the call as often as the network wants it. Raise TimeoutError if that takes too long."""
        if self._turn is None:
            self._patience = super().gettimeout()
            super().settimeout(0)
            self._turn = threading.Lock()
        until = None if self._patience is None else time.monotonic() + self._patience
        while True:
            with self._turn:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN
                except ssl.SSLWantWriteError:
                    wanted = select.POLLOUT
            self._wait(wanted, until)

    def _wait(self, wanted: int, until: float | None) -> None:
        left = None if until is None else max(0.0, until - time.monotonic())
        poll = select.poll()
        poll.register(self, wanted)
        if not poll.poll(None if left is None else left * 1000):
            raise TimeoutError("the other side of the TLS connection is silent")
