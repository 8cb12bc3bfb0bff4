"""SIGTERM: the process stops soon and in order, and the next one resumes its runs."""

import signal
import time

import pytest

from agentchat.testing import say
from tests.faults.app import ledger

STORY = "Once upon a time there was a parcel that everybody wanted to have. TERMINATE"


@pytest.fixture
def waiting(make_site, guest):
    """A site that is to be restarted, and chats whose runs wait for an errand."""

    def start(chats):
        site = make_site(ROUNDS="1")
        site.start()
        visitor = guest(site)
        pages = [visitor.new_chat("errands") for _ in range(chats)]
        for page in pages:
            page.send("Good morning")
            page.wait_for("INPUT_REQUESTED")
        return site, pages

    return start


def test_streaming_and_waiting_runs_are_released_in_time_and_finished_by_the_next_process(waiting, llm):
    site, pages = waiting(15)
    streaming, silent = pages[:10], pages[10:]
    answers = [say(STORY).paused(after=5) for _ in streaming]
    llm.replies(*answers)
    for page in streaming:
        page.send("tell a story")
    for page in streaming:
        page.wait_until(lambda page=page: any(written.text for written in page.written.values()), "text so far")
    for answer in answers:
        answer.wait_until_paused()

    begun = time.monotonic()
    assert site.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun <= 15
    states = site.rows("SELECT status, lease_until, count(*) FROM agentchat_run GROUP BY 1, 2 ORDER BY 1")
    assert states == [("queued", None, 10), ("waiting", None, 5)]

    llm.always(say(STORY))
    site.start()
    for page in silent:
        page.send("tell a story")
    for page in pages:
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})
        assert [event["seq"] for event in page.events] == [event["seq"] for event in site.events(page.session_id)]
        ends = [event for event in page.events if event["type"] == "TEXT_MESSAGE_END"]
        assert [end["content"] for end in ends] == ["Good morning", "tell a story", STORY]
        assert page.written[ends[-1]["messageId"]].text == STORY
    assert site.rows("SELECT DISTINCT count(*) FROM agentchat_step GROUP BY run_id") == [(3,)]


def test_a_second_sigterm_ends_the_process_at_once_though_a_tool_blocks(waiting, llm, tmp_path, eventually):
    site, [page] = waiting(1)
    llm.replies(say("At once.").and_call("deliver", parcel="1"))
    with ledger.shut_door(tmp_path, "1"):
        page.send("deliver 1")
        eventually(lambda: ledger.read(tmp_path)["deliver 1"])
        site.process.send_signal(signal.SIGTERM)
        eventually(lambda: "stopping: releasing 1 runs" in site.log.read_text())
        assert site.stop(signal.SIGTERM) == 1
        assert "did not unwind" not in site.log.read_text(), "it has waited for the tool, DRAIN_S long"
