"""A real server in this process: what programs send goes over HTTP, and agent functions are those of the test."""

import asyncio
import socket
import threading
import uuid
from collections.abc import Iterator

import httpx2
import pytest
import uvicorn
from django.utils import translation

from agentchat import ConversableAgent, llm_config, reply
from agentchat.actions import api_keys
from agentchat.testing import call, say
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


@pytest.fixture
def post(server_url, make_key):
    """`post(agent, "text", thread=…)`: the events of a run, as (id, event)."""
    from tests.programs.agui_events import bearer, read  # which needs an extra

    key = make_key()

    def run(agent, text=None, *, thread="t1", run=None, resume=None, messages=None, until=None, tools=()):
        messages = messages if messages is not None else [{"id": str(uuid.uuid4()), "role": "user", "content": text}]
        body = {"threadId": thread, "runId": run or uuid.uuid4().hex, "messages": messages}
        body |= {"resume": resume, "messages": []} if resume else {}
        body |= {"tools": list(tools)}
        with httpx2.stream("POST", f"{server_url}/agui/{agent}/", json=body, headers=bearer(key), timeout=20) as answer:
            assert answer.status_code == 200, answer.read()
            return read(answer, until)

    run.key = key
    return run


@pytest.fixture
def payer(agent_function, scripted_llm):
    """An agent function that pays 5, and asks before."""

    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    def answer(iostream):
        iostream.input()
        agent = ConversableAgent("bot", llm_config=llm_config())
        agent.register_for_llm(description="Pay")(pay)
        agent.register_for_execution(approval=True)(pay)
        reply(iostream, agent)

    scripted_llm.replies(call("pay", amount=5), say("Done"))
    return agent_function(answer)
