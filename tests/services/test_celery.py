"""Workers: web nodes run no agent, and nothing is lost when workers, messages or the broker are."""

import json
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest
import redis

from agentchat.testing import ScriptedLLM, say
from scripts.cluster import NODES, WORKERS
from tests.faults.app import ledger
from tests.faults.handovers import outlive_handovers
from tests.faults.page import Guest
from tests.faults.waits import outlive_waits
from tests.services.cluster import REDIS_URL, inspect, machines
from tests.sites import Site

pytestmark = [pytest.mark.services, pytest.mark.slow]

LEASE_S = 6
DRAIN_S = 3
MAX_RUNS = 8
WAIT_S = 40.0


@pytest.fixture(scope="module")
def llm():
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture(scope="module")
def running(tmp_path_factory, llm):
    with machines(
        tmp_path_factory.mktemp("cluster"),
        AGENTCHAT_LEASE_S=str(LEASE_S),
        AGENTCHAT_DRAIN_S=str(DRAIN_S),
        AGENTCHAT_MAX_RUNS=str(MAX_RUNS),
        AGENTCHAT_MAX_RUNS_PER_OWNER="4",
        ROUNDS="1",
        **llm.environment(),
    ) as cluster:
        yield cluster


@pytest.fixture
def guest(cluster):
    guests = []

    def visit(site=cluster, decide=lambda page, question: None):
        guests.append(visitor := Guest(site, decide))
        return visitor

    yield visit
    for visitor in guests:
        visitor.close()


@pytest.fixture
def leave(cluster, eventually):
    """Tell a worker to leave, and wait until it has. Return what it says of that."""

    def leave(name):
        before = len(cluster.log(name))
        assert cluster.kill(name) == 0
        eventually(lambda: "releasing" in cluster.log(name)[before:])
        return cluster.log(name)[before:]

    return leave


@pytest.fixture
def parcel(request):
    """A name of this test's own: the ledger is everybody's."""
    return request.node.name[-40:]


def effects(cluster, line):
    return ledger.read(cluster.folder)[line]


def ask_for(page, verb, parcel):
    """Bring an errand to a clerk who waits for one."""
    page.send("Good morning")
    page.wait_for("INPUT_REQUESTED")
    page.send(f"{verb} {parcel}")


def calls(verb, parcel):
    return say("At once.").and_call(verb, parcel=parcel)


def test_a_message_at_one_node_is_answered_by_a_worker_and_seen_at_the_other(cluster, guest, parcel, eventually):
    visitor = guest(cluster.at("web-a"))
    page = visitor.new_chat("courier")
    there = visitor.open(page.session_id, cluster.at("web-b"))
    with ledger.shut_door(cluster.folder, parcel):
        page.send(parcel)
        eventually(lambda: effects(cluster, f"deliver {parcel}"))
        assert cluster.worker_of(page.session_id) in WORKERS
    for each in (page, there):
        each.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert [event["seq"] for event in there.events] == [event["seq"] for event in page.events]
    assert not page.rejected


def test_without_workers_nothing_runs_and_with_them_it_goes_on_though_the_messages_are_lost(cluster, guest, parcel):
    for name in WORKERS:
        assert cluster.kill(name) == 0
    page = guest(cluster.at("web-a")).new_chat("courier")
    said = page.send(parcel)
    page.wait_for("TEXT_MESSAGE_END", messageId=said)
    with redis.Redis.from_url(REDIS_URL) as server:
        queue = f"{cluster.prefix}.agentchat"
        deadline = time.monotonic() + 2.5  # more than two heartbeats of a supervisor
        while time.monotonic() < deadline or not server.llen(queue):
            assert time.monotonic() < deadline + WAIT_S
            threading.Event().wait(0.05)
        [message] = server.lrange(queue, 0, -1)
        envelope = json.loads(message)
        assert envelope["content-type"] == "application/json"
        assert envelope["headers"]["task"] == "agentchat.advance_run"
        server.delete(queue)
    query = "SELECT status, epoch FROM agentchat_run WHERE session_id = %s"
    assert cluster.rows(query, page.session_id) == [("queued", 0)], "a web node has run an agent"
    assert effects(cluster, f"deliver {parcel}") == 0
    cluster.start(*WORKERS)
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert effects(cluster, f"deliver {parcel}") == 1


def test_the_run_of_a_worker_killed_in_mid_tool_is_resumed_by_the_other_which_asks(
    cluster, guest, llm, parcel, eventually
):
    page = guest(decide=lambda page, question: {"decision": "reject", "reason": "go on"}).new_chat("errands")
    llm.replies(calls("deliver", parcel), say("Well. TERMINATE"))
    with ledger.shut_door(cluster.folder, parcel):
        ask_for(page, "deliver", parcel)
        eventually(lambda: effects(cluster, f"deliver {parcel}"))
        cluster.kill(cluster.worker_of(page.session_id), signal.SIGKILL)
        assert page.wait_for("INPUT_REQUESTED", kind="approval")["unsure"]
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert effects(cluster, f"deliver {parcel}") == 1


def test_a_tool_that_may_run_again_does_so_without_a_question(cluster, guest, llm, parcel, eventually):
    page = guest().new_chat("errands")
    llm.replies(calls("survey", parcel), say("It is on its way. TERMINATE"))
    with ledger.shut_door(cluster.folder, parcel):
        ask_for(page, "survey", parcel)
        eventually(lambda: effects(cluster, f"survey {parcel}"))
        killed = cluster.worker_of(page.session_id)
        cluster.kill(killed, signal.SIGKILL)
        eventually(lambda: effects(cluster, f"survey {parcel}") == 2)
        assert {killed, cluster.worker_of(page.session_id)} == set(WORKERS)
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert not [event for event in page.events if event.get("kind") == "approval"]


def test_a_worker_that_is_told_to_stop_releases_its_runs_and_the_other_resumes_them_at_once(
    cluster, guest, llm, leave, eventually
):
    page = guest().new_chat("errands")
    half = say("Once upon a time there was a parcel. TERMINATE").paused(after=5)
    llm.replies(half, say("Once upon a time there was a parcel. TERMINATE"))
    ask_for(page, "tell", "a story")
    half.wait_until_paused()
    leaving = eventually(lambda: cluster.worker_of(page.session_id))
    said = leave(leaving)
    assert "releasing 1 runs" in said, "the other would have had to wait for the lease"
    assert "did not unwind" not in said
    assert cluster.worker_of(page.session_id) != leaving
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    ends = [event["content"] for event in page.events if event["type"] == "TEXT_MESSAGE_END"]
    assert ends[-1] == "Once upon a time there was a parcel. TERMINATE"
    half.release()


def test_a_worker_stops_in_time_though_a_tool_never_ends(cluster, guest, parcel, leave, eventually):
    page = guest().new_chat("courier")
    with ledger.shut_door(cluster.folder, parcel):
        page.send(parcel)
        eventually(lambda: effects(cluster, f"deliver {parcel}"))
        leaving = cluster.worker_of(page.session_id)
        begun = time.monotonic()
        said = leave(leaving)  # the tool has not ended
        assert time.monotonic() - begun >= DRAIN_S
        assert f"did not unwind within {DRAIN_S} s" in said
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})


def stop_at(page):
    """Press the button on a page that was just opened."""
    page.wait_for("RUN_STARTED")
    page.stop()


def test_a_run_is_stopped_from_the_other_node_and_from_a_command(cluster, guest, llm, eventually):
    visitor = guest(cluster.at("web-a"))
    for stop in (
        lambda page: stop_at(visitor.open(page.session_id, cluster.at("web-b"))),
        lambda page: cluster.site.manage("agentchat_runs", "stop", page.session_id),
    ):
        page = visitor.new_chat("errands")
        half = say("Once upon a time there was a parcel. TERMINATE").paused(after=5)
        llm.replies(half)
        ask_for(page, "tell", "a story")
        half.wait_until_paused()
        stop(page)
        page.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
        half.release()


def test_fifty_queued_runs_of_one_owner_do_not_delay_another_owners(cluster, guest, parcel, eventually):
    busy, other = guest(), guest()
    pages = [busy.new_chat("courier") for _ in range(50)]
    page = other.new_chat("courier")
    with ledger.shut_door(cluster.folder, parcel):
        for each in pages:
            each.wait_for("TEXT_MESSAGE_END", messageId=each.send(parcel))
        eventually(lambda: effects(cluster, f"deliver {parcel}") == 4)
        page.send(f"the other {parcel}")
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})  # though none of the busy owner's can end
        states = dict(cluster.rows("SELECT status, count(*) FROM agentchat_run WHERE status <> 'finished' GROUP BY 1"))
        assert states.get("queued") == 46
        assert effects(cluster, f"deliver {parcel}") == 4, "more of one owner's run at once than may"
    for each in pages:
        each.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert effects(cluster, f"deliver {parcel}") == 50


def test_whatever_a_run_waits_for_comes_once_though_all_processes_are_killed(cluster, guest, eventually):
    """On PostgreSQL: web nodes and workers die at each wait, and what the project's code has sent is in the outbox."""
    outlive_waits(
        cluster,
        cluster.site.environment,
        kill=lambda: [cluster.kill(name, signal.SIGKILL) for name in (*NODES, *WORKERS)],
        revive=lambda: cluster.start(*NODES, *WORKERS),
        visit=guest,
        folder=cluster.folder,
        eventually=eventually,
        from_afar=True,
    )


def test_what_staff_say_and_do_has_happened_once_though_all_processes_are_killed(cluster, guest):
    """On PostgreSQL: web nodes and workers die, and so does what staff act with, right after each commit."""
    outlive_handovers(
        cluster,
        cluster.site.environment,
        kill=lambda: [cluster.kill(name, signal.SIGKILL) for name in (*NODES, *WORKERS)],
        revive=lambda: cluster.start(*NODES, *WORKERS),
        visit=guest,
        folder=cluster.folder,
        from_afar=True,
    )


def test_runs_that_wait_for_their_users_hold_no_task_and_no_thread(cluster, guest, llm, parcel, eventually):
    visitors = [guest() for _ in range(5)]
    pages = [visitor.new_chat("errands") for visitor in visitors for _ in range(MAX_RUNS)]
    for page in pages:
        page.send("Good morning")
    for page in pages:
        page.wait_for("INPUT_REQUESTED")

    seen = json.loads(inspect(cluster, "active", *WORKERS))
    assert len(seen) == len(WORKERS)
    assert [task for tasks in seen.values() for task in tasks] == []
    held = "SELECT count(*) FROM agentchat_run WHERE status = 'waiting' AND owner_process <> ''"
    assert cluster.rows(held) == [(0,)]
    page = guest().new_chat("courier")
    page.send(parcel)
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})


@pytest.fixture
def node(cluster, tmp_path):
    """One more web node, with a broker of its own."""
    sites = []

    def start(broker_url):
        environment = {**cluster.site.environment, "CELERY_BROKER_URL": broker_url}
        sites.append(site := Site(tmp_path, **environment))
        site.start()
        return site

    yield start
    for site in sites:
        site.close()


def readiness(site):
    """Status and parts; None if it has not answered in time."""
    try:
        with urllib.request.urlopen(f"{site.url}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return None


@pytest.mark.parametrize("how", ["gone", "frozen"])
def test_a_broker_that_does_not_answer_delays_no_user_and_is_logged_once(
    how, node, own_redis, guest, parcel, eventually
):
    site = node(own_redis.url)
    well = {"database": True, "supervisor": True, "layer": True, "broker": True}
    eventually(lambda: readiness(site) == (200, well))
    visitor = guest(site)
    pages = [visitor.new_chat("courier") for _ in range(4)]
    if how == "gone":
        own_redis.kill()
    else:
        own_redis.freeze()
    for number, page in enumerate(pages):
        begun = time.monotonic()
        page.wait_for("TEXT_MESSAGE_END", messageId=page.send(f"{parcel} {number}"))
        assert time.monotonic() - begun < 1.5, "a person's frame has waited for the broker"
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    begun = time.monotonic()
    status, parts = readiness(site)
    assert time.monotonic() - begun < 4
    assert (status, parts["database"], parts["broker"]) == (503, True, "the broker does not answer")
    assert site.log.read_text().count("the broker accepts no messages") == 1


def test_messages_about_runs_have_the_sites_prefix(cluster, guest, parcel):
    page = guest().new_chat("courier")
    page.send(parcel)
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    with redis.Redis.from_url(REDIS_URL) as server:
        assert [*server.scan_iter(f"{cluster.prefix}*")], "a negative claim needs something that could be found"
        names = {"agentchat", "_kombu.binding.agentchat", "unacked", "unacked_index"}
        assert [name for name in names if server.exists(name)] == []


def test_celerys_own_ping_is_answered_while_tasks_run(cluster, guest, parcel, eventually):
    page = guest().new_chat("courier")
    with ledger.shut_door(cluster.folder, parcel):
        page.send(parcel)
        eventually(lambda: effects(cluster, f"deliver {parcel}"))
        assert "pong" in inspect(cluster, "ping", cluster.worker_of(page.session_id))
    page.wait_for("RUN_FINISHED")
