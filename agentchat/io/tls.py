"""A TLS socket that one thread may read while another one writes.

OpenSSL allows one call at a time per connection, and Python's `ssl` does not enforce that before 3.13. The threads of
`websockets` read and write at once; with a plain SSLSocket, about one connection in a hundred then waits forever. Here
calls are serialized, and a call that has to wait for the network does not block the others.
"""

import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class SerializedSSLSocket(ssl.SSLSocket):
    """An SSLSocket for two threads: set it as the `sslsocket_class` of a context. Timeouts work as for any socket."""

    # Set at the handshake, which runs in one thread: an SSLSocket is created without calling __init__. From then on the
    # socket itself is non-blocking, and `_serialize` waits instead.
    _lock: "threading.Lock | None" = None
    _call_timeout: float | None = None

    def settimeout(self, value: float | None) -> None:
        if self._lock is None:
            super().settimeout(value)
        else:
            self._call_timeout = value

    def gettimeout(self) -> float | None:
        return super().gettimeout() if self._lock is None else self._call_timeout

    def do_handshake(self, block: bool = False) -> None:
        self._serialize(super().do_handshake)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        arguments = (len,) if buffer is None else (len, buffer)
        return self._serialize(lambda: super(SerializedSSLSocket, self).read(*arguments))

    def send(self, data: Any, flags: int = 0) -> int:
        return self._serialize(lambda: super(SerializedSSLSocket, self).send(data, flags))

    def _serialize(self, call: Callable[[], T]) -> T:
        """Repeat a non-blocking call until it succeeds, with the lock held only during the call itself.

        Raise TimeoutError if the socket's timeout passes first.
        """
        if self._lock is None:
            self._call_timeout = super().gettimeout()
            super().settimeout(0)
            self._lock = threading.Lock()
        deadline = None if self._call_timeout is None else time.monotonic() + self._call_timeout
        while True:
            with self._lock:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    event = select.POLLIN
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
            self._wait(event, deadline)

    def _wait(self, event: int, deadline: float | None) -> None:
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        poll = select.poll()
        poll.register(self, event)
        if not poll.poll(None if remaining is None else remaining * 1000):
            raise TimeoutError("the peer of the TLS connection does not respond")
