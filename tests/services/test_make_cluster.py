"""`make cluster`, as the program that it is: from an empty database to a chat, and to the end of all its processes."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from types import SimpleNamespace
from urllib.request import HTTPCookieProcessor, build_opener

import psutil
import pytest

from scripts.cluster import NODES, START_S, STOP_S, WORKERS, Process
from tests.faults.page import Guest
from tests.services import standing
from tests.services.standing import ROOT
from tests.sites import free_port

pytestmark = pytest.mark.slow

PARTS = len(NODES) + len(WORKERS)
FOREIGN = ("AGENTCHAT_", "CELERY_", "DJANGO_", "OPENAI_", "OAI_", "PYTEST_", "SECURE_", "DEBUG", "SECRET_KEY")


def environment(**more: str) -> dict[str, str]:
    """As a developer's shell has it, with the demo model."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "SECRET_KEY": "only-for-tests-" + "x" * 40, **more}


def command(port: int) -> list[str]:
    return [sys.executable, "scripts/cluster.py", "--port", str(port)]


class Started:
    """The program, until it is told to stop. `said()` is what it has printed so far."""

    def __init__(self, log, **more: str) -> None:
        self._log, self.port = log, free_port(1 + len(NODES))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command(self.port), cwd=ROOT, env=environment(**more), stdout=output, stderr=output
            )
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: list[psutil.Process] = []

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def until_it_serves(self) -> None:
        deadline = time.monotonic() + 2 * START_S
        while "Ctrl-C stops all of them." not in self.said():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        self.processes = psutil.Process(self._process.pid).children(recursive=True)

    def stop(self, number: int) -> int:
        self._process.send_signal(number)
        return self._process.wait(2 * STOP_S)

    def close(self) -> None:
        """However it has ended, nothing of it stays."""
        for process in [*self.processes, self._process]:
            if process.is_running() if isinstance(process, psutil.Process) else process.poll() is None:
                process.kill()
        self._process.wait()


@contextmanager
def started(log, **more: str) -> Iterator[Started]:
    cluster = Started(log, **more)
    try:
        cluster.until_it_serves()
        yield cluster
    finally:
        cluster.close()


def opens_admin(url: str, password: str) -> bool:
    cookies = CookieJar()
    opener = build_opener(HTTPCookieProcessor(cookies))
    address = f"{url}/admin/login/?next=/admin/"
    opener.open(address, timeout=30).close()
    token = next(cookie.value for cookie in cookies if cookie.name == "csrftoken")
    form = {"username": "admin", "password": password, "next": "/admin/", "csrfmiddlewaretoken": token}
    with opener.open(address, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
        return urllib.parse.urlsplit(answer.url).path == "/admin/"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_makes_tables_and_an_admin_serves_chats_and_leaves_nothing_running(
    database_server, redis_url, key_prefix, tmp_path, number
):
    with (
        standing.database(database_server) as url,
        started(tmp_path / "log", DATABASE_URL=url, REDIS_URL=redis_url, REDIS_PREFIX=key_prefix) as cluster,
    ):
        guest = Guest(SimpleNamespace(url=cluster.url), lambda page, question: None)
        try:
            page = guest.new_chat("weather")
            page.send("What is the weather in Paris?")
            page.wait_for("RUN_FINISHED", outcome={"type": "success"})
            assert [event for event in page.events if event["type"] == "TOOL_CALL_RESULT"]
        finally:
            guest.close()
        [password] = re.findall(r"user admin, password (\S+)", cluster.said())
        assert opens_admin(cluster.url, password)

        assert len(cluster.processes) == PARTS
        assert cluster.stop(number) == 0, cluster.said()
        assert [process for process in cluster.processes if process.is_running()] == []
        assert "Traceback" not in cluster.said()
        assert not is_listened_to(cluster.port)


def is_listened_to(port: int) -> bool:
    return any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for each in psutil.net_connections("tcp"))


NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize("missing", ["database", "redis", "port"])
def test_without_what_it_needs_it_reports_it_in_a_sentence_and_starts_nothing(
    database_url, redis_url, key_prefix, missing
):
    services = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "REDIS_PREFIX": key_prefix}
    port = free_port(1 + len(NODES))
    if missing == "database":
        services["DATABASE_URL"] = f"postgres://ada:secret@{NOWHERE}/agentchat"
        sentence = "The database of DATABASE_URL does not take us in"
    elif missing == "redis":
        services["REDIS_URL"] = f"redis://:secret@{NOWHERE}/0"
        sentence = "The Redis of REDIS_URL does not answer"
    else:
        port = int(urllib.parse.urlsplit(redis_url).port or 6379)
        sentence = f"Port {port} is taken"
    done = subprocess.run(
        command(port), cwd=ROOT, env=environment(**services), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert "make " in done.stderr.splitlines()[-1], "and what to do next"
    assert len(done.stderr.splitlines()) <= 4, done.stderr
    assert done.stdout == ""


def test_of_a_printed_log_the_last_part_is_kept():
    printed: list[str] = []
    script = "import time\nfor number in range(1000): print('line', number)\ntime.sleep(60)"
    process = Process("lines", [sys.executable, "-u", "-c", script], os.environ, printed.append, 100)
    try:
        for life in (1, 2):
            process.start()
            process.wait_until_said("line 999\n")
            assert len(process.log) == 100
            assert process.log.endswith("line 998\nline 999\n")
            process.kill(signal.SIGKILL)
            assert len(printed) >= 999 * life, "all of it is printed"
    finally:
        process.end()
