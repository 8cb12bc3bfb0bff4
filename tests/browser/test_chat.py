"""A newcomer's first chat, in Chromium before a real daphne: streaming, reloading, a second tab, stopping, a restart.

What a tab received is compared with the database at the end of each: every fact once and in order, and the deltas of a
message put together are its text.
"""

import re
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab

LONG = "Give me a long answer, please."


def assert_received_everything(tab: Tab) -> None:
    """The tab's frames, put together, are the database's transcript."""
    facts = [f for f in tab.facts() if f["seq"] > 0]
    stored = tab.site.events(tab.session_id)
    assert facts == stored[-len(facts) :]
    assert [f["seq"] for f in stored] == list(range(1, len(stored) + 1))
    contents = {f["messageId"]: f["content"] for f in stored if f["type"] == "TEXT_MESSAGE_END"}
    for message_id, text in tab.written().items():
        assert contents[message_id] == text


def words_of(tab: Tab) -> list[str]:
    return tab.transcript.locator("article [data-body]").all_inner_texts()


@pytest.fixture
def tab(site, make_tab) -> Tab:
    return make_tab(site)


def test_the_weather_desk_streams_calls_its_tool_and_answers(make_site, make_tab):
    tab = make_tab(make_site(AGENTCHAT_DEMO_RATE="5"))  # so slow that the answer can be seen being written
    tab.page.goto(tab.site.url)
    tab.page.get_by_role("button", name="What is the weather in Paris?").click()
    expect(tab.transcript.locator("article[data-writing]")).to_have_count(1)
    card = tab.transcript.locator("details.tool")
    expect(card).to_have_attribute("data-state", "done")
    expect(card).to_contain_text("weather_forecast")
    expect(card).to_contain_text('{"city": "Paris"}')
    tab.wait_for_frame("RUN_FINISHED")
    card.locator("summary").click()
    expect(card.locator("[data-result]")).to_contain_text("forecast for Paris")
    answer = tab.transcript.locator("article.from-agent").last
    expect(answer).to_contain_text("Paris")
    expect(answer).not_to_contain_text("TERMINATE")
    expect(tab.transcript.locator("article.from-person")).to_have_count(1)
    assert sum(f["type"] == "TEXT_MESSAGE_CONTENT" for f in tab.frames) > 5
    assert_received_everything(tab)


def test_the_page_says_that_the_demo_model_is_scripted(tab):
    tab.page.goto(tab.site.url)
    expect(tab.page.get_by_text("Demo model: scripted, no AI")).to_be_visible()


def test_a_reload_in_the_middle_of_an_answer_loses_and_repeats_nothing(tab):
    tab.open_agent("Chat with Assistant")
    tab.say(LONG)
    tab.wait_until(lambda: any(len(t) > 100 for t in tab.written().values()), what="no answer")
    tab.page.reload()
    before = len(tab.frames)
    tab.wait_until(
        lambda: any(f["type"] == "TEXT_MESSAGE_CONTENT" for f in tab.frames[before + 1 :]), what="no streaming"
    )
    expect(tab.transcript.locator("article[data-writing] [data-body]")).not_to_be_empty()
    tab.page.get_by_role("button", name="Stop").click()
    tab.wait_for_frame("RUN_FINISHED")
    live = words_of(tab)
    assert_received_everything(tab)
    tab.page.reload()
    assert words_of(tab) == live
    expect(tab.transcript.locator("article")).to_have_count(2)


def test_a_second_tab_shows_the_same(tab, make_tab):
    tab.open_agent("Chat with Assistant")
    tab.say(LONG)
    tab.wait_until(lambda: any(len(t) > 50 for t in tab.written().values()), what="no answer")
    second = make_tab(tab.site)
    second.page.goto(tab.page.url)
    second.wait_until(lambda: any(len(t) > 200 for t in second.written().values()), what="no answer in the second tab")
    second.page.get_by_role("button", name="Stop").click()
    for each in (tab, second):
        each.wait_for_frame("RUN_FINISHED")
        expect(each.transcript.locator("[data-stopped]:visible")).to_be_visible()
        assert_received_everything(each)
    assert words_of(tab) == words_of(second)


def test_stop_keeps_what_was_written_and_the_next_message_starts_the_next_run(tab):
    tab.open_agent("Chat with Assistant")
    tab.say(LONG)
    tab.wait_until(lambda: any(len(t) > 50 for t in tab.written().values()), what="no answer")
    tab.page.get_by_role("textbox").press("Escape")
    assert tab.wait_for_frame("RUN_FINISHED")["outcome"] == {"type": "cancelled"}
    expect(tab.transcript.locator("[data-stopped]:visible")).to_be_visible()
    tab.say("Hello again")
    assert tab.wait_for_frame("RUN_STARTED", count=2)["run"] == 2
    tab.wait_for_frame("INPUT_REQUESTED")
    expect(tab.transcript.locator("article")).to_have_count(4)
    assert_received_everything(tab)


@pytest.mark.faults
def test_a_restart_in_the_middle_of_an_answer_is_survived_by_the_page_and_the_answer(make_site, make_tab):
    tab = make_tab(make_site(AGENTCHAT_DEMO_RATE="150"))
    tab.open_agent("Chat with Assistant")
    tab.say(LONG)
    tab.wait_until(lambda: any(len(t) > 50 for t in tab.written().values()), what="no answer")
    tab.page.get_by_role("textbox").fill("half a thought")
    assert tab.site.stop(signal.SIGTERM) == 0
    expect(tab.page.get_by_role("status")).to_have_text(re.compile("restart|connect", re.I))
    tab.site.start()
    before = [f for f in tab.frames if f["type"] == "TEXT_MESSAGE_CONTENT"][-1]["attempt"]
    tab.wait_until(
        lambda: any(f["type"] == "TEXT_MESSAGE_CONTENT" and f["attempt"] > before for f in tab.frames),
        what="the answer did not go on",
    )
    tab.wait_for_frame("INPUT_REQUESTED")
    expect(tab.transcript.locator("article")).to_have_count(2)
    expect(tab.page.get_by_role("textbox")).to_have_value("half a thought")
    assert_received_everything(tab)


@pytest.mark.faults
def test_a_killed_server_loses_nothing_either(make_site, make_tab):
    site = make_site(AGENTCHAT_LEASE_S="2", AGENTCHAT_DEMO_RATE="400")
    tab = make_tab(site)
    tab.open_agent("Chat with Assistant")
    tab.say(LONG)
    tab.wait_until(lambda: any(len(t) > 50 for t in tab.written().values()), what="no answer")
    site.stop(signal.SIGKILL)
    site.start()
    tab.wait_for_frame("INPUT_REQUESTED")
    expect(tab.transcript.locator("article")).to_have_count(2)
    assert_received_everything(tab)
