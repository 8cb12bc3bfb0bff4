"""What is claimed of one process that is killed, frozen or exchanged, claimed of two web nodes and two workers.

Pages come through the front, which shares them out between the nodes, or look at one node. `test_cluster_browser` has
what a person sees of it, `test_cluster_outages` the services that fail.
"""

import json
import signal
import threading
import time

import pytest

from agentchat.testing import ScriptedLLM, call, say
from scripts.cluster import NODES, WORKERS
from tests.faults.app import ledger
from tests.faults.conftest import WAIT_S
from tests.faults.freezing import write_nothing_after_a_freeze
from tests.faults.killing import KILLS, MAX_RUNS, STORY, Model, assert_nothing_is_lost, outlive_kills, shows, states
from tests.services.cluster import machines

pytestmark = [pytest.mark.services, pytest.mark.slow]

LEASE_S = 6  # a stall of the machine must not look like a death
CHATS_OF_AN_EXCHANGE = 6
SPENDERS, BUDGET = 50, 600  # chats, and the tokens that they may use together
LOOKS = 50  # at the database, with a connection each: about half a second


@pytest.fixture(scope="module")
def llm():
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture(scope="module")
def running(tmp_path_factory, llm):
    with machines(
        tmp_path_factory.mktemp("cluster"),
        DJANGO_SETTINGS_MODULE="tests.services.settings",
        AGENTCHAT_LEASE_S=str(LEASE_S),
        AGENTCHAT_MAX_RUNS=str(MAX_RUNS // len(WORKERS)),
        AGENTCHAT_MAX_RUNS_PER_OWNER="1000",
        ROUNDS=str(KILLS),
        AGENTCHAT_BUDGETS=json.dumps(
            [{"of": "agent", "name": "spender", "what": "tokens", "limit": BUDGET, "per": "month"}]
        ),
        **llm.environment(),
    ) as cluster:
        yield cluster


KILLED = {1: ["worker-1"], 2: WORKERS, 3: ["web-a", "worker-2"], 4: [*NODES, *WORKERS]}


@pytest.mark.timeout(480)
def test_twenty_chats_survive_the_death_of_any_part_in_any_state(cluster, guest, llm, eventually):
    def kill(number):
        for name in KILLED[number]:
            cluster.kill(name, signal.SIGKILL)

    outlive_kills(
        cluster,
        kill=kill,
        revive=cluster.revive,
        visit=guest,
        llm=llm,
        folder=cluster.folder,
        eventually=eventually,
        from_afar=True,
    )


def test_a_worker_that_is_frozen_past_its_leases_writes_nothing_when_it_goes_on(cluster, guest, llm, eventually):
    assert cluster.kill("worker-2") == 0  # so that both runs are the other's

    def is_out_of_transactions():
        within = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        return cluster.rows(f"{within} AND pid <> pg_backend_pid()") == [(0,)]

    def holds_nothing():
        """Stop it where it stands, but not within a transaction: its locks would be in everybody's way.

        It may just have sent a BEGIN that the database has not read yet, so more than one look is needed.
        """
        cluster.kill("worker-1", signal.SIGSTOP, wait=False)
        if all(is_out_of_transactions() for _ in range(LOOKS)):
            return True
        cluster.kill("worker-1", signal.SIGCONT, wait=False)
        return False

    write_nothing_after_a_freeze(
        cluster,
        freeze=lambda: eventually(holds_nothing),
        take_over=lambda visitor, page: cluster.start("worker-2"),
        thaw=lambda: cluster.kill("worker-1", signal.SIGCONT, wait=False),
        log=lambda: cluster.log("worker-1"),
        visit=guest,
        llm=llm,
        folder=cluster.folder,
        eventually=eventually,
    )


def story_of(request):
    """The model goes on telling for a second or two, and calls a tool in between."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return say(f"{last['content']} {STORY} TERMINATE", delay=0.02)
    verb, parcel = last["content"].split()
    return say(f"I am going to {verb} {parcel}. {STORY}", delay=0.02).and_call(verb, parcel=parcel)


def asked(page):
    """How often it was asked what is next."""
    return sum(event["type"] == "INPUT_REQUESTED" and event["kind"] == "text" for event in page.events)


def is_live(page):
    """Whether a message is being written on it."""
    ended = {event["messageId"] for event in page.events if event["type"] == "TEXT_MESSAGE_END"}
    return any(written.text for message, written in page.written.items() if message not in ended)


def test_all_parts_are_replaced_one_after_the_other_while_chats_stream_and_nothing_is_lost(cluster, guest, llm):
    """As a new version is rolled out: SIGTERM to a node and a worker, start them again, then the others."""
    llm.always(story_of)
    visitor = guest(cluster)
    pages = [visitor.new_chat("postman") for _ in range(CHATS_OF_AN_EXCHANGE)]
    errands = {page: [] for page in pages}
    streaming_at_signals, codes, exchanged = [], [], threading.Event()

    def exchange():
        try:
            for node, worker in zip(NODES, WORKERS, strict=True):
                deadline = time.monotonic() + WAIT_S
                while not any(map(is_live, pages)):
                    assert time.monotonic() < deadline, "nobody tells anything"
                    time.sleep(0.01)
                streaming_at_signals.append(sum(map(is_live, pages)))
                cluster.kill(node, signal.SIGTERM, wait=False)
                cluster.kill(worker, signal.SIGTERM, wait=False)
                codes.extend(cluster.kill(name, 0) for name in (node, worker))
                cluster.start(node, worker)
        finally:
            exchanged.set()

    def talk():
        """A guest who is asked has another errand at once."""
        for number, page in enumerate(pages):
            if asked(page) >= len(errands[page]):
                errands[page].append(parcel := f"exchange-{number}-{len(errands[page])}")
                page.send(f"deliver {parcel}")

    thread = threading.Thread(target=exchange, name="exchange", daemon=True)
    thread.start()
    while not exchanged.wait(0.02):
        talk()
    thread.join()
    for page in pages:
        page.wait_until(lambda page=page: asked(page) == len(errands[page]), "end of the last errand")

    assert codes == [0, 0, 0, 0]
    assert min(streaming_at_signals) > 0, "nothing was going on"
    done = ledger.read(cluster.folder)
    for page in pages:
        assert_nothing_is_lost(page, cluster, from_afar=True)
        assert [done[f"deliver {parcel}"] for parcel in errands[page]] == [1] * len(errands[page])
        said = [event for event in page.events if event["type"] == "TEXT_MESSAGE_END"]
        assert len(said) == 3 * len(errands[page])  # the errand, what the clerk will do, what came of it
        assert not [event for event in page.events if event.get("unsure")]
        assert not page.rejected
        assert page.connections > 1, "both nodes were exchanged"
    assert states(cluster, pages) == {"waiting": len(pages)}


# --- a node dies ----------------------------------------------------------------------------------------------------


def is_up_to_date(page, text):
    """Whether the connection that it has now has brought the text so far."""
    return any(each.text == text and each.connection == page.connections for each in page.written.values())


def test_pages_of_a_killed_node_reconnect_through_the_other_in_mid_message(cluster, guest, llm, eventually):
    model = Model()
    llm.always(model.answer)
    visitor = guest(cluster)
    writers = [visitor.new_chat("postman") for _ in range(6)]
    readers = [visitor.open(page.session_id, cluster) for page in (*writers, *writers)]
    pages = [*writers, *readers]  # so many that both nodes have some
    for number, page in enumerate(writers):
        model.hold(f"node-{number}", pieces=9)
        page.send(f"tell node-{number}")
    said = [eventually(lambda n=number: model.said_of(f"node-{n}")) for number in range(len(writers))]
    texts = dict(zip(pages, said * 3, strict=True))
    for page, text in texts.items():
        page.wait_until(lambda page=page, text=text: shows(page, text), "text so far")
    cluster.kill("web-a", signal.SIGKILL)
    eventually(lambda: any(page.connections > 1 for page in pages))
    for page, text in texts.items():
        page.wait_until(lambda page=page, text=text: is_up_to_date(page, text), "text so far, though nothing is said")
    model.stop_nowhere()
    for page in pages:
        page.wait_for("INPUT_REQUESTED")
        assert_nothing_is_lost(page, cluster, from_afar=True)
        assert {written.attempt for written in page.written.values()} == {1}, "the run was disturbed"
    assert any(page.connections == 1 for page in pages), "pages of the other node were cut off too"


# --- answers from the other node ------------------------------------------------------------------------------------

SECRET = "tr0ub4dor&3"
DELIVERY = {
    "name": "Ada",
    "email": "ada@example.org",
    "reference": "AB-12",
    "address": {"street": "Mill Lane 3", "city": "Bath"},
}
ANSWERS = {
    "cash": ("approval", {"decision": "approve"}, ("TOOL_CALL_RESULT", {"content": "Paid 12.5 back for A-7."})),
    "delivery": ("form", DELIVERY, ("PRINTED", {"text": "It goes to Ada, Bath.\n"})),
    "secret": ("text", SECRET, ("PRINTED", {"text": f"It has {len(SECRET)} characters.\n"})),
}


def clerk(request):
    done = request["messages"][-1]["role"] == "tool"
    return say("That is settled. TERMINATE") if done else call("refund", order="A-7", amount=12.5)


@pytest.mark.parametrize("agent", ANSWERS)
def test_a_question_to_a_page_at_one_node_is_answered_from_the_other_once(cluster, guest, llm, agent):
    llm.always(clerk)
    kind, value, (type_, fields) = ANSWERS[agent]
    visitor = guest(cluster.at("web-a"), lambda page, question: None)
    here = visitor.new_chat(agent)
    there = visitor.open(here.session_id, cluster.at("web-b"))
    here.send("Please.")
    request = there.wait_for("INPUT_REQUESTED", kind=kind)["request"]
    there.answer(request, value)
    here.wait_for("INPUT_ANSWERED", request=request)
    here.answer(request, value)
    here.wait_until(lambda: here.rejected, "word that it is too late")
    assert here.rejected[0]["code"] == "already_answered"
    for page in (here, there):
        page.wait_for(type_, **fields)
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})
        assert_nothing_is_lost(page, cluster, from_afar=True)
        assert SECRET not in json.dumps(page.events)
    assert SECRET not in str(cluster.rows("SELECT * FROM agentchat_inboxitem"))


# --- no workers for a while -----------------------------------------------------------------------------------------


def test_while_both_workers_are_down_users_write_and_their_runs_resume_when_they_are_back(
    cluster, guest, llm, eventually
):
    model = Model()
    llm.always(model.answer)
    undecided = []

    def decide(page, question):
        return {"decision": "reject"} if question.get("unsure") else undecided.append(question)

    visitor = guest(cluster, decide)
    waiting, asking, telling, delivering = pages = [visitor.new_chat("postman") for _ in range(4)]
    waiting.send("deliver gone-0")
    waiting.wait_for("INPUT_REQUESTED")
    asking.send("pay gone-1")
    asking.wait_until(lambda: undecided, "question for an approval")
    model.hold("gone-2", pieces=5)
    telling.send("tell gone-2")
    telling.wait_until(lambda: model.said_of("gone-2") and shows(telling, model.said_of("gone-2")), "text so far")
    with ledger.shut_door(cluster.folder, "gone-3"):
        delivering.send("deliver gone-3")
        eventually(lambda: ledger.read(cluster.folder)["deliver gone-3"])
        for name in WORKERS:
            cluster.kill(name, signal.SIGKILL)
    model.stop_nowhere()

    there = visitor.open(waiting.session_id, cluster.at("web-b"))
    there.wait_for("INPUT_REQUESTED")
    there.send("deliver gone-4")
    waiting.wait_for("TEXT_MESSAGE_END", content="deliver gone-4")
    asking.answer(undecided[0]["request"], {"decision": "approve"})
    asking.wait_for("INPUT_ANSWERED")
    pages.append(new := visitor.new_chat("postman"))
    new.send("deliver gone-5")
    new.wait_for("TEXT_MESSAGE_END", content="deliver gone-5")
    assert states(cluster, pages) == {"queued": 3, "running": 2}

    cluster.start(*WORKERS)
    waiting.wait_for("INPUT_REQUESTED", count=2)
    for page in (asking, telling, delivering, new):
        page.wait_for("INPUT_REQUESTED", kind="text")
    for page in (*pages, there):
        page.wait_until(lambda page=page: len(page.events) == len(cluster.events(page.session_id)), "the last fact")
        assert_nothing_is_lost(page, cluster, from_afar=True)
    done = ledger.read(cluster.folder)
    lines = ["deliver gone-0", "pay gone-1", "deliver gone-3", "deliver gone-4", "deliver gone-5"]
    assert [done[line] for line in lines] == [1] * len(lines)


def test_fifty_chats_at_two_workers_overrun_a_budget_by_the_calls_that_are_at_work(cluster, guest, llm):
    llm.always(say("Fine."))
    visitor = guest(cluster)
    pages = [visitor.new_chat("spender") for _ in range(SPENDERS)]
    for page in pages:
        page.send("Begin")
    for page in pages:
        assert page.wait_for("RUN_ERROR")["code"] == "budget_exceeded"
    runs = cluster.rows(
        "SELECT prompt_tokens + completion_tokens, (SELECT count(*) FROM agentchat_step s WHERE s.run_id = r.id AND "
        "s.kind = 'llm') FROM agentchat_run r WHERE agent = 'spender'"
    )
    used, calls = (sum(each) for each in zip(*runs, strict=True))
    of_one = used / calls
    [(counted,)] = cluster.rows("SELECT sum(tokens) FROM agentchat_usagerecord WHERE key = 'spender'")
    assert counted == used, "what was used is counted once"
    assert BUDGET <= used < BUDGET + MAX_RUNS * of_one, f"{calls} calls, with {of_one} tokens each"
