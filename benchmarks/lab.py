"""What is measured: a whole site under daphne, on a SQLite file in a temporary folder, with a model that says little.

The site is a process of its own, so that its memory and its threads are not ours. We look at it as a page does, through
websockets, and we share its database.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import psutil
from websockets.sync.client import ClientConnection, connect

from agentchat.testing import ScriptedLLM, say
from tests.sites import Site

ANSWER = "One moment, please. Here you are."
# Without DEBUG, as people run it: with it, Django keeps the last 9,000 queries of each connection in memory.
PUBLIC = {"DEBUG": "0", "ALLOWED_HOSTS": "127.0.0.1", "AGENTCHAT_GUESTS": "1", "LOG_LEVEL": "WARNING"}
LIMITS = {"AGENTCHAT_MAX_RUNS_PER_OWNER": "1000000", "AGENTCHAT_MESSAGES_PER_MINUTE": "1000000"}
GUEST = "the-guest-of-the-benchmarks"


@contextmanager
def laboratory(**environment: str) -> Iterator[tuple[Site, ScriptedLLM]]:
    """A site, not started yet, and its model. This process gets the same settings and database, so: once only."""
    with TemporaryDirectory() as folder, ScriptedLLM() as llm:
        llm.always(say(ANSWER))
        site = Site(Path(folder), **PUBLIC, **LIMITS, **llm.environment(), **environment)
        site.manage("migrate", "--verbosity", "0")
        os.environ.update(site.environment)
        django.setup()
        try:
            yield site, llm
        finally:
            site.close()


def begin_chats(number: int, guest: str = GUEST) -> list[uuid.UUID]:
    """Make chat sessions with the assistant, each with its first message; the site finds them in the database."""
    from agentchat.actions import messages
    from agentchat.models import ChatSession
    from agentchat.visitors import Visitor, guest_digest

    visitor = Visitor(guest_key=guest_digest(guest))
    chats = []
    for _ in range(number):
        session = ChatSession.objects.create(agent="assistant", **visitor.owner_fields)
        messages.send(session.pk, visitor, client_id=uuid.uuid4(), text="Hello")
        chats.append(session.pk)
    return chats


def cookie(guest: str = GUEST) -> str:
    """The cookie of the guest who owns the chats."""
    from importlib import import_module

    from django.conf import settings

    from agentchat.visitors import GUEST_KEY

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[GUEST_KEY] = guest
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


@contextmanager
def page(site: Site, chat: uuid.UUID, cookie: str) -> Iterator[ClientConnection]:
    """A page of the chat that has caught up."""
    [(last,)] = site.rows("SELECT next_seq - 1 FROM agentchat_chatsession WHERE id = ?", chat.hex)
    address = f"{site.url.replace('http', 'ws')}/ws/chat/{chat}/"
    headers = {"Cookie": cookie}
    # Some are not read for minutes.
    with connect(address, origin=site.url, additional_headers=headers, proxy=None, ping_interval=None) as socket:
        socket.send(json.dumps({"type": "hello", "after": last}))
        socket.send(json.dumps({"type": "ping"}))
        until(socket, type="pong")
        yield socket


def send(socket: ClientConnection, text: str) -> None:
    socket.send(json.dumps({"type": "send", "id": str(uuid.uuid4()), "text": text}))


def until(socket: ClientConnection, **fields: Any) -> None:
    """Read frames until one has these fields."""
    while not fields.items() <= json.loads(socket.recv(timeout=60)).items():
        pass


def wait(holds: Callable[[], Any], *, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {seconds:g} s")
        time.sleep(0.02)


def runs(site: Site, status: str) -> int:
    return int(site.rows("SELECT count(*) FROM agentchat_run WHERE status = ?", status)[0][0])


def process_of(site: Site) -> psutil.Process:
    assert site.process is not None
    return psutil.Process(site.process.pid)
