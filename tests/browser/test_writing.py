"""Writing: how the field grows, what Enter and Escape do, what is kept, and what is said while the agent is busy."""

import pytest
from playwright.sync_api import expect

from agentchat.testing import say
from tests.browser import reading
from tests.browser.reading import let_it_come, reply


@pytest.fixture
def tab(library):
    return library


def field(tab):
    return tab.page.get_by_role("textbox", name="Message")


def button(tab, name):
    return tab.page.get_by_role("button", name=name, exact=True)


def test_the_field_grows_to_eight_lines_and_scrolls_then(tab):
    heights = []
    for lines in (1, 2, 8, 9, 30):
        field(tab).fill("\n".join("x" * lines))
        heights.append(field(tab).bounding_box()["height"])
    one, two, eight, nine, thirty = heights
    assert two - one > 16
    assert eight - one == pytest.approx(7 * 24, abs=24)
    assert eight == pytest.approx(nine, abs=8) == pytest.approx(thirty, abs=8)
    assert field(tab).evaluate("(field) => field.scrollHeight > field.clientHeight")


def test_a_draft_outlives_a_reload_and_is_gone_when_it_is_sent(tab):
    field(tab).fill("not sent yet")
    tab.page.reload()
    expect(field(tab)).to_have_value("not sent yet")
    field(tab).press("Enter")
    expect(reply(tab)).to_contain_text("You said: not sent yet")
    tab.page.reload()
    expect(field(tab)).to_have_value("")


def test_send_is_stop_while_the_agent_is_busy_and_nothing_is_written(tab):
    reading.paused["Hold."] = say("one two").paused(after=1)
    expect(button(tab, "Send")).to_be_visible()
    tab.say("Hold.")
    expect(button(tab, "Stop")).to_be_visible()
    expect(button(tab, "Send")).to_be_hidden()
    field(tab).fill("And?")
    expect(button(tab, "Send")).to_be_visible()
    expect(button(tab, "Stop")).to_be_visible()
    field(tab).fill("")
    button(tab, "Stop").press("Enter")
    tab.wait_for_frame("RUN_FINISHED")
    expect(button(tab, "Stop")).to_be_hidden()
    expect(button(tab, "Send")).to_be_visible()
    expect(field(tab)).to_be_focused()


def test_escape_stops_only_when_nothing_else_is_meant(tab):
    reading.paused["Hold on."] = say("one two").paused(after=1)
    tab.say("Hold on.")
    expect(button(tab, "Stop")).to_be_visible()
    field(tab).dispatch_event("keydown", {"key": "Escape", "isComposing": True, "bubbles": True})
    field(tab).dispatch_event("keydown", {"key": "Escape", "keyCode": 229, "bubbles": True})
    tab.page.evaluate("document.body.append(Object.assign(document.createElement('dialog'), {open: true, id: 'd'}))")
    tab.page.keyboard.press("Escape")
    tab.page.evaluate("document.getElementById('d').remove()")
    tab.page.wait_for_timeout(300)
    expect(button(tab, "Stop")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.transcript.get_by_text("Stopped here.")).to_be_visible()


def test_what_is_said_meanwhile_says_that_it_waits(tab):
    tab.say("Wait for it.")
    expect(tab.page.get_by_role("status")).to_contain_text("Running wait_for_it")
    note = "The agent will read this when it's ready"
    expect(tab.transcript).not_to_contain_text(note, use_inner_text=True)  # what it began with, it reads
    tab.say("And then?")
    message = tab.transcript.locator(".from-person").last
    expect(message.get_by_text(note)).to_be_visible()
    tab.page.reload()
    expect(message.get_by_text(note)).to_be_visible()
    expect(tab.transcript.get_by_text(note).locator("visible=true")).to_have_count(1)
    let_it_come(tab)
    expect(message.get_by_text(note)).to_be_hidden()


def test_the_limit_is_told_before_it_is_reached_and_nothing_is_cut_off(tab):
    limit = tab.page.locator("#limit")
    field(tab).fill("x" * 1_700)
    expect(limit).to_be_hidden()
    field(tab).fill("x" * 1_900)
    expect(limit).to_have_text("Characters left: 100")
    expect(tab.page.get_by_role("status")).to_contain_text("Characters left: 100")
    field(tab).fill("😀" * 2_001)
    expect(limit).to_have_text("Characters over the limit: 1")
    field(tab).press("Enter")
    expect(field(tab)).to_have_value("😀" * 2_001)
    field(tab).fill("😀" * 2_000)
    expect(limit).to_have_text("Characters left: 0")
    field(tab).press("Enter")
    expect(reply(tab)).to_contain_text("You said")


def test_an_edit_is_counted_in_the_same_way_and_is_not_cut_off(tab):
    tab.say("Hello")
    tab.wait_for_frame("RUN_FINISHED")
    tab.transcript.locator(".from-person [data-edit]").click()
    edit = tab.page.get_by_role("textbox", name="Your message")
    edit.fill("😀" * 2_001)
    expect(tab.transcript.locator(".action-form .limit")).to_have_text("Characters over the limit: 1")
    edit.press("Enter")
    expect(edit).to_have_value("😀" * 2_001)
    edit.fill("😀" * 2_000)
    edit.press("Enter")
    expect(tab.transcript.locator(".from-person .words")).to_have_text("😀" * 2_000)
    expect(edit).to_be_hidden()


def test_on_a_phone_enter_breaks_the_line_and_the_button_sends(chromium, library_site):
    context = chromium.new_context(locale="en", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{library_site.url}/chat/")
    page.locator("#start").evaluate("form => form.submit()")
    message = page.get_by_role("textbox", name="Message")
    expect(page.get_by_role("status")).to_contain_text("Connected")
    message.press_sequentially("one")
    message.press("Enter")
    message.press_sequentially("two")
    expect(message).to_have_value("one\ntwo")
    page.get_by_role("button", name="Send").tap()
    expect(page.locator(".from-person .words")).to_have_text("one\ntwo", use_inner_text=True)
    context.close()
