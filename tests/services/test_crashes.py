"""A run that kills its process, where the processes are Celery's workers: it is failed, and the others go on."""

import threading

import pytest

from agentchat.runs.leases import MAX_CRASHES
from agentchat.testing import ScriptedLLM, say
from scripts.cluster import WORKERS
from tests.faults.app import ledger
from tests.faults.page import Guest
from tests.services.cluster import machines

LIMITS = {"AGENTCHAT_LEASE_S": "4", "AGENTCHAT_MAX_RUNS": "8", "AGENTCHAT_MAX_RUNS_PER_OWNER": "4", "ROUNDS": "1"}
LOOK_S = 0.2


@pytest.fixture
def llm():
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture
def cluster(tmp_path, llm):
    with machines(tmp_path, **LIMITS, **llm.environment()) as cluster:
        yield cluster


@pytest.fixture
def deaths(cluster):
    """The workers that have died so far; each is started again, as systemd or a container's engine does."""
    deaths: list[str] = []
    is_over = threading.Event()

    def supervise():
        while not is_over.wait(LOOK_S):
            for name in WORKERS:
                if not cluster.processes[name].is_running:
                    deaths.append(name)
                    cluster.processes[name].start()  # it may die of the run before it says that it is ready

    thread = threading.Thread(target=supervise)
    thread.start()
    yield deaths
    is_over.set()
    thread.join()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_that_kills_its_workers_is_failed_and_another_one_finishes(cluster, llm, deaths, tmp_path):
    stories = [say("Once upon a time there was a parcel. TERMINATE").paused(after=3) for _ in range(MAX_CRASHES + 1)]
    llm.replies(*stories)
    guest = Guest(cluster, lambda page, question: None)
    innocent, guilty = guest.new_chat("errands"), guest.new_chat("bomb")
    innocent.send("Good morning")
    innocent.wait_for("INPUT_REQUESTED")
    innocent.send("tell a story")
    stories[0].wait_until_paused()
    guilty.send("parcel")
    guilty.wait_for("RUN_ERROR", code="crashed")
    for story in stories:
        story.release()
    innocent.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert ledger.read(tmp_path)["open parcel"] == MAX_CRASHES == len(deaths)
    guest.close()
