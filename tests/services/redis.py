"""A Redis of the test's own, which it may kill, freeze and start again: at the same address, and always empty."""

import re
import shutil
import signal
import socket
import subprocess
import time

from tests.sites import Site, free_port

START_S = 20


class RedisServer:
    """`redis-server` on a free port, without a file. Not started yet."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("redis-server") is not None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "redis-server has ended: was its port taken?"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9: what it knew is gone, and so are its connections."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(START_S)

    def freeze(self) -> None:
        """It accepts connections (the kernel does), and never answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        except OSError:
            return False


def outages(site: Site) -> list[str]:
    """What the site's log says of the channel layer, in order: "unavailable", "available again", and so on."""
    return re.findall(r"the channel layer is (unavailable|available again)", site.log.read_text())


def are_over_and_logged_once(outages: list[str]) -> bool:
    """Whether each was logged once. There may be several: a machine that stalls for a second is one, too."""
    return bool(outages) and outages == ["unavailable", "available again"] * (len(outages) // 2)
