"""A whole site in a process of its own, as `make run` serves it: daphne, a SQLite file, a demo or a scripted model.

Tests look at it from outside: through pages, through signals, and through the database file.
"""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_S = 60
EXIT_S = 20


# Below the ports that the kernel gives away (to any connection, until the server under test has its own), and each
# process begins elsewhere: tests run in several.
_PORTS = range(15_000, 32_000)
_next_port = os.getpid() * 7919  # a prime: neighbouring processes are far apart


def free_port(count: int = 1) -> int:
    """A port that nobody listens on; the first of several in a row. No two calls get the same one."""
    global _next_port
    while True:
        first = _PORTS[_next_port % (len(_PORTS) - count)]
        _next_port += count
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Site:
    """`chatsite` under daphne. `start()`, `stop()` by a signal, `start()` again: the address stays."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.database = folder / "db.sqlite3"
        self.log = folder / "daphne.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        foreign = ("OPENAI_", "OAI_", "AGENTCHAT_", "DATABASE_", "REDIS_", "COVERAGE_")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "DJANGO_SETTINGS_MODULE": "chatsite.settings",
            "DEBUG": "1",
            "SECRET_KEY": "only-for-tests-" + "x" * 40,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "FILES_ROOT": str(folder / "files"),
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    def manage(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "chatsite.asgi:application"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. Return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(EXIT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # --- the database, past Django ---------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[tuple]:
        connection = sqlite3.connect(self.database, timeout=20)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def events(self, session_id: str) -> list[dict]:
        """The chat session's facts, as they are stored."""
        key = session_id.replace("-", "")
        rows = self.rows("SELECT seq, type, payload FROM agentchat_event WHERE session_id = ? ORDER BY seq", key)
        return [{"seq": seq, "type": type_, **json.loads(payload)} for seq, type_, payload in rows]
