"""State: what is going on, in words and for how long; what it used; errors; and what axe has to say about all of it."""

import json
import re

import pytest
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, say
from tests.browser import reading
from tests.browser.axe import assert_accessible
from tests.browser.reading import let_it_come, markup


@pytest.fixture
def tab(library):
    return library


def status(tab):
    return tab.page.get_by_role("status")


def test_it_says_what_is_going_on_and_for_how_long(tab):
    reading.paused["Think."] = answer = say("one two", usage=(10, 2)).paused(after=0)
    tab.say("Think.")
    expect(status(tab)).to_contain_text("Waiting for the model…")
    expect(tab.page.locator("#working")).to_contain_text("Waiting for the model…")
    expect(tab.page.locator("#elapsed")).to_have_text(re.compile(r"^([3-9]|\d\d) s$"))
    expect(tab.page.locator("#took")).to_have_attribute("aria-hidden", "true")
    answer.release(1)
    expect(status(tab)).to_contain_text("Answering…")
    answer.release()
    expect(status(tab)).to_contain_text("Connected")
    expect(tab.page.locator("#took")).to_be_empty()


def test_a_running_tool_is_named_also_after_a_reload(tab):
    tab.say("Wait for it.")
    expect(status(tab)).to_contain_text("Running wait_for_it…")
    expect(tab.page.locator("#took")).to_have_text(re.compile(r"^\d+ s$"))
    before = int(tab.page.locator("#took").inner_text().split()[0])
    tab.page.reload()
    expect(status(tab)).to_contain_text("Running wait_for_it…")
    expect(tab.page.locator("#took")).to_have_text(re.compile(r"^\d+ s$"))
    assert int(tab.page.locator("#took").inner_text().split()[0]) >= before
    let_it_come(tab)
    expect(status(tab)).to_contain_text("Connected")


def test_an_answer_that_was_cut_off_says_so_and_is_continued(tab):
    tab.say("Be brief.")
    note = tab.transcript.locator("[data-cut-off]")
    expect(note).to_contain_text("The answer was cut off.")
    go_on = note.get_by_role("button", name="Continue")
    expect(go_on).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    assert_accessible(tab.page)
    go_on.click()
    expect(tab.transcript).to_contain_text("You said: Continue")
    expect(note).to_be_visible()
    expect(go_on).to_be_hidden()


def test_a_request_that_was_refused_is_not_offered_again(tab):
    tab.say("Refuse it.")
    error = tab.transcript.locator(".error")
    expect(error).to_contain_text("The model provider rejected this request.")
    expect(error).not_to_contain_text("no such thing")  # that is for staff
    expect(error.get_by_role("button", name="Try again")).to_be_hidden()


def test_there_is_one_status_region_and_it_does_not_tick(tab):
    expect(status(tab)).to_have_count(1)
    tab.page.evaluate(
        """() => {
          window.said = [];
          new MutationObserver(() => window.said.push(document.getElementById("status").textContent))
            .observe(document.getElementById("status"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    tab.say("Wait for it.")
    expect(tab.page.locator("#took")).to_have_text(re.compile(r"^([4-9]|\d\d) s$"))
    let_it_come(tab)
    expect(status(tab)).to_contain_text("Connected")
    said = tab.page.evaluate("window.said")
    assert sum("Running wait_for_it…" in words for words in said) == 1  # for four seconds and more
    assert not any(re.search(r"\d", words) for words in said)


def test_what_is_stopped_is_no_longer_going_on(tab):
    reading.paused["Never."] = say("x").paused(after=0)
    tab.say("Never.")
    expect(status(tab)).to_contain_text("Waiting for the model…")
    tab.page.get_by_role("button", name="Stop").click()
    assert tab.wait_for_frame("RUN_FINISHED")["outcome"] == {"type": "cancelled"}
    expect(status(tab)).to_contain_text("Connected")


def test_what_a_run_used_is_told_at_its_end_and_a_reload_shows_the_same(tab):
    tab.say("Look it up.")
    line = tab.transcript.locator(".usage")
    expect(line).to_have_text(re.compile(r"^[\d,]+ tokens.*\d+\.\d s$"))
    assert "1,234" not in line.inner_text()  # of two answers together
    live = markup(tab)
    tab.page.reload()
    expect(status(tab)).to_contain_text("Connected")
    assert markup(tab) == live


def test_what_it_cost_is_the_same_live_and_after_a_reload(make_tab, make_site):
    with ScriptedLLM() as llm:
        llm.replies(*(say("That is all. TERMINATE", usage=(tokens, 0)) for tokens in (3, 625, 24_690_000)))
        model = {**llm.config_list[0], "price": [0.05, 0]}  # of 1,000 tokens
        tab = make_tab(make_site(DJANGO_SETTINGS_MODULE="tests.reading_site", OAI_CONFIG_LIST=json.dumps([model])))
        tab.open_agent("Chat with Library")
        for turn, used in enumerate(["3 tokens$0.0002", "625 tokens$0.0313", "24,690,000 tokens$1,234.50"], 1):
            tab.say("Is that all?")
            expect(tab.transcript.locator(".usage")).to_have_count(turn)
            expect(tab.transcript.locator(".usage").last).to_contain_text(used)
            tab.wait_for_frame("RUN_FINISHED", count=turn)
        live = markup(tab)
        tab.page.reload()
        expect(status(tab)).to_contain_text("Connected")
        assert markup(tab) == live


@pytest.mark.parametrize("show", ["staff", "none"])
def test_whoever_may_not_see_it_gets_no_numbers(make_tab, make_site, show):
    tab = make_tab(make_site(AGENTCHAT_SHOW_USAGE=show))
    tab.open_agent("What is the weather in Paris?")
    tab.wait_for_frame("RUN_FINISHED")
    usage = tab.wait_for_frame("USAGE")
    assert set(usage) == {"type", "seq", "at", "run"}
    expect(tab.transcript.locator(".usage")).to_have_count(0)
    tab.page.reload()
    expect(status(tab)).to_contain_text("Connected")
    expect(tab.transcript.locator(".usage")).to_have_count(0)
    frames = tab.page.request.get(tab.page.url + "events").json()["events"]
    assert all("promptTokens" not in frame for frame in frames)
    stored = [fact for fact in tab.site.events(tab.session_id) if fact["type"] == "USAGE"]
    assert all(fact["promptTokens"] for fact in stored)


def test_the_id_of_an_error_can_be_copied(tab):
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.say("Fail.")
    error = tab.transcript.locator(".error")
    expect(error.get_by_role("button", name="Try again")).to_be_visible()
    error.get_by_role("button", name="Copy").click()
    expect(status(tab)).to_contain_text("Copied")
    assert tab.page.evaluate("navigator.clipboard.readText()") == error.locator("[data-error-id]").inner_text()


def test_the_message_field_can_be_reached_at_once(tab):
    tab.page.get_by_role("link", name="Skip to content").focus()  # the first of the page
    tab.page.keyboard.press("Tab")
    link = tab.page.get_by_role("link", name="Skip to message field")
    expect(link).to_be_focused()
    link.press("Enter")
    expect(tab.page.get_by_role("textbox", name="Message")).to_be_focused()


def test_axe_finds_nothing_while_a_message_waits_is_too_long_or_cannot_be_sent(tab):
    tab.say("Wait for it.")
    expect(tab.page.locator("#took")).to_have_text(re.compile(r"^\d+ s$"))
    tab.say("And then?")
    expect(tab.transcript.get_by_text("The agent will read this when").locator("visible=true")).to_be_visible()
    assert_accessible(tab.page)
    let_it_come(tab)
    tab.page.get_by_role("textbox", name="Message").fill("x" * 2_001)
    assert_accessible(tab.page)
    tab.page.context.set_offline(True)
    expect(status(tab)).to_contain_text("offline")
    assert_accessible(tab.page)
