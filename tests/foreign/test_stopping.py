"""A server that stops, or starts again because a file has changed, hands over what goes on: that is no crash."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from agentchat.testing import say
from tests.faults.conftest import eventually as eventually
from tests.foreign.project import Project, Server
from tests.sites import free_port

LEASE_S = 600  # longer than the test may take: nothing here goes on because a lease has expired

AGENTS = """
from agentchat import ConversableAgent, llm_config, on_connect


@on_connect("clerk")
def clerk(iostream):
    agent = ConversableAgent("clerk", llm_config=llm_config())
    iostream.print(agent.generate_reply([{"role": "user", "content": iostream.input()}]))
"""
BEGIN = """
import uuid
import django

django.setup()
from agentchat.actions import messages
from agentchat.models import ChatSession
from agentchat.visitors import Visitor

chat = ChatSession.objects.create(agent="clerk", guest_key="g")
messages.send(chat.pk, Visitor(guest_key="g"), client_id=uuid.uuid4(), text="Hello")
"""


@pytest.fixture
def site(tmp_path, migrated, scripted_llm):
    """A project with a message that no server has seen yet."""
    site = Project(tmp_path, settings=f'\nAGENTCHAT = {{"GUESTS": True, "LEASE_S": {LEASE_S}}}\n')
    site.environment |= scripted_llm.environment()
    shutil.copy(migrated, site.folder)
    site.write("mysite/agents.py", AGENTS)
    site.run("-c", BEGIN)
    return site


@pytest.fixture
def answer(scripted_llm):
    """An answer that is never finished."""
    answer = say("Once upon a time there was").paused(after=2)
    scripted_llm.replies(answer)
    return answer


def runs(site):
    rows = sqlite3.connect(site.folder / "db.sqlite3").execute(
        "SELECT status, crashes, epoch, lease_until FROM agentchat_run"
    )
    return rows.fetchall()


@pytest.mark.faults
def test_a_reload_in_the_middle_of_an_answer_goes_on_at_once(site, answer, scripted_llm, eventually):
    log, server = site.folder / "runserver.log", Server(port=free_port())
    command = [sys.executable, "manage.py", "runserver", f"127.0.0.1:{server.port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=site.folder, env=site.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        server.wait_until_ready(process, log)
        answer.wait_until_paused()
        scripted_llm.always(say("Done"))
        site.write("mysite/agents.py", f"{AGENTS}\n# changed\n")
        eventually(lambda: runs(site) == [("finished", 0, 2, None)])
        assert "changed, reloading" in log.read_text()
        assert "orphaned" not in log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the process that the autoreloader has started
        process.wait()


@pytest.mark.faults
def test_a_server_that_has_lifespan_hands_its_runs_over(site, answer):
    with site.serve("uvicorn --host 127.0.0.1 --port 8000 mysite.asgi:application"):
        answer.wait_until_paused()
    assert runs(site) == [("queued", 0, 1, None)]
