"""A Django project of somebody else: `startproject`, with agentchat in it as docs/your-project.md says."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command

from tests.sites import EXIT_S, START_S, free_port

ROOT = Path(__file__).resolve().parents[2]

AGENTS = """
from datetime import timedelta

from django.utils import timezone
from pydantic import BaseModel

from agentchat import on_connect


class Person(BaseModel):
    name: str


@on_connect("echo", title="Echo")
def echo(iostream):
    iostream.print(f"You said: {iostream.input()}")
    person = iostream.ask("Who are you?", Person, expires_at=timezone.now() + timedelta(hours=1))
    iostream.print(f"Hello, {person.name}")
"""

SETTINGS = """
INSTALLED_APPS = ["daphne", *INSTALLED_APPS, "channels", "agentchat", "mysite"]
ASGI_APPLICATION = "mysite.asgi.application"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
SQLITE = {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE", "timeout": 20}
DATABASES["default"]["OPTIONS"] = SQLITE
AGENTCHAT = {"GUESTS": True}
"""
WALKED = """
INSTALLED_APPS += ["as_in_a_wheel"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEBUG_PROPAGATE_EXCEPTIONS = True  # a page that fails says so in the log of the walk
"""

URLS = """
from django.urls import include

urlpatterns += [path("accounts/", include("django.contrib.auth.urls")), path("", include("agentchat.urls"))]
"""

ASGI = """
from channels.routing import ProtocolTypeRouter, URLRouter
from agentchat import server
from agentchat.routing import ExactOriginValidator, websocket_urlpatterns

chats = ExactOriginValidator(URLRouter(websocket_urlpatterns))
application = server.serve(ProtocolTypeRouter({"http": application, "websocket": chats}))
"""


class Project:
    """`settings` are added to those that agentchat needs, and to `startproject`'s."""

    def __init__(
        self, folder: Path, *, needed: str = SETTINGS, settings: str = "", urls: str = URLS, asgi: str = ASGI
    ) -> None:
        self.folder = folder
        call_command("startproject", "mysite", folder, verbosity=0)
        for name, text in (("settings", needed + settings + WALKED), ("urls", urls), ("asgi", asgi)):
            # A text that begins with an empty line is added to what startproject has made.
            with (folder / "mysite" / f"{name}.py").open(
                "a" if text.startswith("\n") else "w", encoding="utf-8"
            ) as file:
                file.write(text)
        self.write("mysite/agents.py", AGENTS)
        self.write("as_in_a_wheel/__init__.py", "")
        templates = folder / "as_in_a_wheel" / "templates"
        templates.mkdir()
        for name in ("agentchat", "registration"):  # a wheel has them in the app itself
            (templates / name).symlink_to(ROOT / "templates" / name)
        foreign = ("OPENAI_", "OAI_", "AGENTCHAT_", "DATABASE_", "DJANGO_", "COVERAGE_", "PYTEST_")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
        }

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments)

    @contextmanager
    def serve(self, command: str) -> Iterator["Server"]:
        """A server that this command starts, with the port in it changed to a free one. It must end by SIGTERM."""
        server = Server(port=free_port())
        log = self.folder / "server.log"
        with log.open("wb") as output:
            words = re.sub(r"\b8000\b", str(server.port), command).split()
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            server.wait_until_ready(process, log)
            yield server
            process.send_signal(signal.SIGTERM)
            server.exit_code = process.wait(EXIT_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started
            process.wait()

    def walk(self, **options: Any) -> list[str]:
        """Walk through it. Return the ids of our system checks' messages."""
        messages: list[str] = json.loads(self.run("-m", "tests.foreign.walk", json.dumps(options)).splitlines()[0])
        return messages


@dataclass
class Server:
    port: int
    exit_code: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
