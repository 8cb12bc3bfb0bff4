"""Two processes with one database and one Redis: a page at one sees what the other does, and a Redis may fail."""

import json
import time
import urllib.error
import urllib.request

import pytest

from agentchat.testing import say
from tests.faults.page import Page
from tests.services.redis import are_over_and_logged_once, outages

STORY = " ".join(f"On day {day} a parcel went out to see the world." for day in range(1, 25)) + " TERMINATE"


def text_of(page: Page) -> str:
    """What deltas have made of the message that is written now, or was last."""
    return list(page.written.values())[-1].text if page.written else ""


@pytest.fixture
def pages(two_sites, guest):
    """Two tabs of one chat: at the process that advances its run, and at the other."""
    first, second = two_sites
    visitor = guest(first)
    here = visitor.new_chat("errands")
    here.send("Good morning")
    here.wait_for("INPUT_REQUESTED")
    there = visitor.open(here.session_id, second)
    there.wait_for("INPUT_REQUESTED")
    assert owner_of(first, here) == ""
    return here, there


def have_the_same(*pages: Page) -> bool:
    """Whether all have received the same events, as far as each has got."""
    count = min(len(page.events) for page in pages)
    return all(page.events[:count] == pages[0].events[:count] for page in pages)


def owner_of(site, page):
    return site.rows("SELECT owner_process FROM agentchat_run")[0][0]


def ready(site):
    try:
        with urllib.request.urlopen(f"{site.url}/readyz", timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        return json.loads(refused.read())
    except OSError:  # it has much to do
        return {"layer": None}


def holding(llm, after=20):
    """A story that stops in its middle until it is released."""
    story = say(STORY, delay=0.01).paused(after=after)
    llm.replies(story)
    return story


def test_both_see_the_same_stream_while_it_is_written(pages, llm):
    here, there = pages
    story = holding(llm)
    here.send("tell 1")
    here.wait_until(lambda: text_of(here), "text so far")
    there.wait_until(lambda: text_of(there) and text_of(there) == text_of(here), "the same text, before END")
    assert not any(e["type"] == "TEXT_MESSAGE_END" and STORY in e["content"] for e in there.events)
    story.release()
    for page in pages:
        page.wait_for("PRINTED", text="Round 1 is over.\n")
        # Each delta is checked by the page to go on where the last one ended.
        assert text_of(page).startswith(STORY[: len(STORY) // 2])
    assert have_the_same(here, there)


def test_a_page_that_comes_in_mid_message_is_shown_the_text_so_far(two_sites, pages, llm):
    here, there = pages
    there.close()
    story = holding(llm)
    here.send("tell 1")
    here.wait_until(lambda: len(text_of(here)) > 20, "text so far")
    story.wait_until_paused()
    page = Page(two_sites[1], here._cookie, here.session_id, lambda page, question: None)
    try:
        page.wait_until(lambda: text_of(page) == text_of(here), "the text so far, though nothing is being said")
        story.release()
        page.wait_for("PRINTED", text="Round 1 is over.\n")
        assert have_the_same(here, page)
    finally:
        page.close()


def test_stop_from_the_other_process_goes_there_without_waiting_for_the_supervisor(pages, two_sites, llm, eventually):
    here, there = pages
    holding(llm)
    here.send("tell 1")
    there.wait_until(lambda: text_of(there), "text so far")
    (run,) = two_sites[0].rows("SELECT id, owner_process FROM agentchat_run")
    owner, other = two_sites if f"-{two_sites[0].process.pid}-" in run[1] else reversed(two_sites)
    (there if other is two_sites[1] else here)._socket.send(json.dumps({"type": "stop"}))
    for page in pages:
        page.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    eventually(lambda: f"another process requests that run {run[0]} stop" in owner.log.read_text())
    end = [event for event in there.events if event["type"] == "TEXT_MESSAGE_END"][-1]
    assert end["stopped"]
    assert end["content"].startswith(text_of(there))


def test_redis_is_killed_in_mid_stream_and_comes_back(pages, two_sites, llm, own_redis, eventually):
    here, there = pages
    story = holding(llm)
    here.send("tell 1")
    there.wait_until(lambda: text_of(there) and text_of(there) == text_of(here), "text so far")
    own_redis.kill()
    for site in two_sites:
        eventually(lambda site=site: ready(site)["layer"] == "Redis does not answer")
    gone = [outages(site) for site in two_sites]
    story.release()
    there.wait_for("PRINTED", text="Round 1 is over.\n")  # looked up
    assert there.connections == 1
    story = holding(llm)
    here.send("tell 2")
    here.wait_until(lambda: len(here.written) == 2 and text_of(here), "a second story")
    assert [outages(site) for site in two_sites] == gone, "nothing new: it was away all the time"
    own_redis.start()
    there.wait_until(lambda: len(there.written) == 2 and text_of(there) == text_of(here), "deltas again")
    for site in two_sites:
        eventually(lambda site=site: ready(site)["layer"] is True)
    story.release()
    for page in pages:
        page.wait_for("PRINTED", text="Round 2 is over.\n")
        assert page.connections == 1
    assert have_the_same(here, there)
    for site in two_sites:
        eventually(lambda site=site: are_over_and_logged_once(outages(site)))
        assert "Traceback" not in site.log.read_text()


def test_a_run_does_not_wait_for_a_frozen_redis(make_site, own_redis, guest, llm):
    forever = {"DJANGO_SETTINGS_MODULE": "tests.services.unpolled", "LAYER_TIMEOUT_S": "1000"}
    site = make_site(REDIS_URL=own_redis.url, AGENTCHAT_LEASE_S="15", ROUNDS="1", **forever)
    site.start()
    page = guest(site).new_chat("errands")
    page.send("Good morning")
    page.wait_for("INPUT_REQUESTED")
    before = outages(site)
    own_redis.freeze()
    llm.replies(say(STORY))
    page.send("tell 1")
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert outages(site) == before, "what waits for it waits still"
    assert before[-1:] != ["unavailable"]


def test_while_redis_is_frozen_facts_are_looked_up_and_pages_come_in(pages, two_sites, llm, own_redis, eventually):
    here, there = pages
    for number in (1, 2):
        llm.replies(say(STORY))
        here.send(f"tell {number}")
        for page in pages:
            page.wait_for("PRINTED", text=f"Round {number} is over.\n")
        own_redis.freeze()
    for site in two_sites:
        eventually(lambda site=site: ready(site)["layer"] == "Redis does not answer")
    # A new page comes in all the same, and what happens from now on is looked up.
    newcomer = Page(two_sites[1], here._cookie, here.session_id, lambda page, question: None)
    try:
        newcomer.wait_for("PRINTED", text="Round 1 is over.\n")
        llm.replies(say(STORY))
        here.send("tell 3")
        newcomer.wait_for("PRINTED", text="Round 3 is over.\n")
    finally:
        newcomer.close()
    own_redis.thaw()
    for site in two_sites:
        eventually(lambda site=site: ready(site)["layer"] is True)
    assert have_the_same(here, there)
    assert [page.connections for page in pages] == [1, 1]


@pytest.mark.slow
def test_an_event_is_told_after_twelve_idle_seconds(pages, two_sites, llm):
    here, there = pages
    for number in (1, 2, 3):
        before = outages(two_sites[1])
        time.sleep(12)  # longer than any time-out between a client and Redis
        llm.replies(say(STORY))
        here.send(f"tell {number}")
        there.wait_for("TEXT_MESSAGE_END", content=f"tell {number}")
        if outages(two_sites[1]) == before:
            return  # otherwise it may have been polled, because the machine, and not Redis, was slow
    pytest.fail(f"whenever nothing was said, the layer was lost: {outages(two_sites[1])}")
