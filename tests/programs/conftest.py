"""A real server in this process: what programs send goes over HTTP, and agent functions are those of the test."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from django.utils import translation

from agentchat.actions import api_keys
from agentchat.testing.runs import running_server
from tests.factories import account


@pytest.fixture
def server_url(transactional_db: None, settings) -> Iterator[str]:
    """The address of the site, served by uvicorn."""
    from chatsite.asgi import application

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.AGENTCHAT = {"APIS": ["openai", "agui"], "GUESTS": False, "SHOW_USAGE": "all"}

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_config=None, access_log=False))
    started = threading.Event()
    with translation.override("en"), running_server() as loop:

        async def serve() -> None:
            serving = asyncio.ensure_future(server._serve([listener]))
            while not server.started:
                await asyncio.sleep(0.005)
            started.set()
            await serving

        serving = asyncio.run_coroutine_threadsafe(serve(), loop)
        assert started.wait(10)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = server.force_exit = True
        serving.result(10)


@pytest.fixture
def user(transactional_db: None):
    return account("ada")


@pytest.fixture
def make_key(user):
    """`make_key(may_write=False)`: the text of a key of the user."""

    def make(owner=None, **fields):
        values = {"name": "a program", "agents": None, "may_write": True, "expires_at": None, **fields}
        return api_keys.make(owner or user, **values)[1]

    return make
