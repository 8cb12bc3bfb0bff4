"""Many runs at once on a processor that others hold: none dies because the database is busy, and none tries twice."""

import subprocess
import sys

import pytest
from django.db import connection

from agentchat.models import Event, Run

RUNS = 64
PRINTED = 2
OTHERS = 2  # processes that take what they can get


@pytest.fixture
def busy_processor():
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(OTHERS)]
    yield
    for process in processes:
        process.kill()
        process.wait()


def test_no_run_dies_because_the_database_is_busy(agent_function, agent_chat, settings, busy_processor, caplog):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has many writers at once")
    settings.AGENTCHAT = {"GUESTS": True, "MAX_RUNS": RUNS}

    def chatter(iostream):
        iostream.input()
        for number in range(PRINTED):
            iostream.print(number)

    agent = agent_function(chatter)
    chats = [agent_chat(agent) for _ in range(RUNS)]
    for chat in chats:
        chat.send("Go")
    for chat in chats:
        chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert Run.objects.filter(status=Run.Status.FINISHED).count() == RUNS
    assert Event.objects.filter(type="PRINTED").count() == RUNS * PRINTED
    assert "retrying a transaction" not in caplog.text
