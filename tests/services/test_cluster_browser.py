"""A cluster, as users see it in Chromium: tabs at one node, at the other, and through the front.

What a tab received is compared with the database at the end of each: every event once and in order.
"""

import os
import signal

import pytest
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, call
from scripts.cluster import NODES, WORKERS
from tests.browser.conftest import CHROMIUM, chromium, context, make_tab
from tests.browser.test_chat import words_of
from tests.faults.app import ledger
from tests.faults.killing import Model
from tests.services.cluster import machines

__all__ = ["chromium", "context", "make_tab"]

pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("AGENTCHAT_REQUIRE_BROWSER"), reason="no Chromium"),
]


@pytest.fixture(scope="module")
def llm():
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture(scope="module")
def running(tmp_path_factory, llm):
    with machines(
        tmp_path_factory.mktemp("cluster"),
        DJANGO_SETTINGS_MODULE="tests.services.settings",
        AGENTCHAT_LEASE_S="6",  # a stall of the machine must not look like a death
        **llm.environment(),
    ) as cluster:
        yield cluster


@pytest.fixture
def model(llm):
    model = Model()
    llm.always(model.answer)
    return model


@pytest.fixture
def tabs(cluster, make_tab):
    """A tab at each node, the second one empty yet."""
    return make_tab(cluster.at("web-a")), make_tab(cluster.at("web-b"))


def move(tab, session_id):
    """Open a chat that was begun elsewhere."""
    tab.page.goto(f"{tab.site.url}/chat/{session_id}/")
    tab.wait_until(lambda: tab.frames, what="no frame")


def text_of(tab):
    """What deltas have made of the message that is written now, or was last."""
    return next(reversed(tab.written().values()), "")


def begin_story(tab, model, parcel):
    """Let the model stop in the middle of a story, once this tab shows that much. Return the text."""
    model.hold(parcel, pieces=12)
    tab.say(f"tell {parcel}")
    tab.wait_until(lambda: model.said_of(parcel) and text_of(tab) == model.said_of(parcel), what="no text so far")
    return model.said_of(parcel)


def assert_received_everything(tab):
    """No gap, no duplicate; deltas add up to the message's text, but for its end: END may overtake them on the way."""
    seqs = [frame["seq"] for frame in tab.frames if frame.get("seq", 0) > 0]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    facts = [fact for fact in tab.facts() if fact["seq"] > 0]
    stored = tab.site.events(tab.session_id)
    assert facts == stored[-len(facts) :]
    contents = {fact["messageId"]: fact["content"] for fact in stored if fact["type"] == "TEXT_MESSAGE_END"}
    for message_id, text in tab.written().items():
        assert contents[message_id].startswith(text)


def test_tabs_at_both_nodes_show_the_same_stream_of_a_worker_and_either_stops_it(cluster, tabs, model):
    here, there = tabs
    here.open_agent("Chat with Postman")
    text = begin_story(here, model, "both")
    assert cluster.worker_of(here.session_id) in WORKERS
    move(there, here.session_id)
    there.wait_until(lambda: text_of(there) == text, what="no text so far at the other node")
    there.page.get_by_role("button", name="Stop").click()
    for tab in tabs:
        assert tab.wait_for_frame("RUN_FINISHED")["outcome"] == {"type": "cancelled"}
        expect(tab.transcript.locator("[data-stopped]:visible")).to_be_visible()
        assert_received_everything(tab)
        assert any(frame["type"] == "TEXT_MESSAGE_CONTENT" for frame in tab.frames)
    assert words_of(here) == words_of(there)
    model.stop_nowhere()


@pytest.mark.parametrize("verb", ["survey", "deliver"])
def test_the_run_of_a_worker_killed_in_mid_tool_is_resumed_by_the_other(cluster, tabs, llm, verb):
    """A tool that may run again does; about another the user is asked, and answers at the other node."""
    parcel = f"killed-{verb}"
    llm.replies(call(verb, parcel=parcel))
    here, there = tabs
    with ledger.shut_door(cluster.folder, parcel):
        here.open_agent("Chat with Postman")
        here.say(f"{verb} {parcel}")
        here.wait_until(lambda: ledger.read(cluster.folder)[f"{verb} {parcel}"], what="the tool was not called")
        move(there, here.session_id)
        killed = cluster.worker_of(here.session_id)
        cluster.kill(killed, signal.SIGKILL)
        if verb == "survey":
            here.wait_until(lambda: ledger.read(cluster.folder)[f"{verb} {parcel}"] == 2, what="not called again")
            assert {killed, cluster.worker_of(here.session_id)} == set(WORKERS)
    llm.always(lambda request: Model().answer(request))
    if verb == "deliver":
        card = there.transcript.locator(".card").last
        card.get_by_role("button", name="Skip").click()
    for tab in tabs:
        tab.wait_for_frame("INPUT_REQUESTED", count=1 if verb == "survey" else 2)
        assert_received_everything(tab)
    assert ledger.read(cluster.folder)[f"{verb} {parcel}"] == (2 if verb == "survey" else 1)


def test_a_page_reconnects_through_the_other_node_whichever_dies(cluster, make_tab, model):
    tab = make_tab(cluster)
    connections = []
    tab.page.on("websocket", lambda socket: connections.append(socket) if "/ws/chat/" in socket.url else None)
    tab.open_agent("Chat with Postman")
    text = begin_story(tab, model, "front")
    before = len(connections)
    tab.page.get_by_role("textbox").fill("half a thought")
    for node in NODES:  # one of the two holds the page's socket
        cluster.kill(node, signal.SIGKILL)
        tab.wait_until(lambda: cluster.nodes_watching(tab.session_id) == 1, what="it did not come to the other node")
        cluster.start(node)
    tab.wait_until(lambda: len(connections) > before, what="it was not cut off")
    expect(tab.page.get_by_role("textbox")).to_have_value("half a thought")
    model.stop_nowhere()
    tab.wait_for_frame("INPUT_REQUESTED")
    assert text_of(tab).startswith(text)
    expect(tab.transcript.locator("article")).to_have_count(2)
    assert_received_everything(tab)
