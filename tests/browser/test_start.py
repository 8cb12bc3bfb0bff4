"""A new chat begins with the cursor in its field, and what is typed there is sent once."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible

CHAT = re.compile(r"/chat/[0-9a-f-]{36}/$")


@pytest.fixture
def tab(make_tab, shared_site):
    tab = make_tab(shared_site)
    tab.page.goto(f"{shared_site.url}/chat/")
    return tab


def field(tab):
    return tab.page.get_by_role("textbox", name="Message")


def questions(tab):
    return tab.transcript.locator(".from-person .words")


def chats(tab):
    return tab.page.locator(".entry")


def test_a_new_chat_begins_with_the_cursor_in_its_field(tab):
    assert_accessible(tab.page)
    expect(field(tab)).to_be_focused()
    tab.page.keyboard.type("Rain in Paris,")
    tab.page.keyboard.press("Shift+Enter")
    tab.page.keyboard.type("and <b>when</b>?")
    tab.page.reload()
    expect(field(tab)).to_have_value("Rain in Paris,\nand <b>when</b>?")
    expect(field(tab)).to_be_focused()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(CHAT)
    expect(questions(tab)).to_have_text(["Rain in Paris,\nand <b>when</b>?"], use_inner_text=True)
    expect(tab.transcript.locator(".from-agent:not([data-writing])").last).to_be_visible()
    tab.page.get_by_role("link", name="New chat").first.click()
    expect(field(tab)).to_be_focused()
    expect(field(tab)).to_have_value("")


def test_the_agent_is_chosen_beside_the_field_and_remembered(tab):
    tab.page.get_by_label("Agent").select_option(label="Refund desk")
    first = tab.page.locator(".agents > .agent").first
    expect(first.get_by_role("heading")).to_have_text("Refund desk")
    expect(first.get_by_role("button", name="I'd like a refund")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_label("Agent").locator("option:checked")).to_have_text("Refund desk")
    expect(first.get_by_role("heading")).to_have_text("Refund desk")
    first.get_by_role("button", name="I'd like a refund").click()
    tab.page.wait_for_url(CHAT)
    expect(questions(tab)).to_have_count(1)
    expect(tab.page.locator(".card").first).to_be_visible()


def test_a_double_click_makes_one_chat(tab):
    field(tab).fill("Hello")
    tab.page.get_by_role("button", name="Send").dblclick()
    tab.page.wait_for_url(CHAT)
    expect(questions(tab)).to_have_text(["Hello"])
    expect(chats(tab)).to_have_count(1)


def test_what_could_not_be_sent_stays_in_the_field_and_is_sent_once(tab):
    field(tab).fill("Hello")
    tab.page.route("**/chat/", lambda route: (route.fetch(), route.abort()))  # it arrives, and the answer is lost
    field(tab).press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("couldn't be sent")
    expect(field(tab)).to_have_value("Hello")
    tab.page.unroute("**/chat/")
    tab.problems.clear()
    field(tab).press("Enter")
    tab.page.wait_for_url(CHAT)
    expect(questions(tab)).to_have_text(["Hello"])
    expect(chats(tab)).to_have_count(1)


def test_a_reload_before_the_answer_comes_makes_no_second_chat(tab):
    field(tab).fill("Hello")
    arrived = []
    tab.page.route(
        "**/chat/", lambda route: arrived.append(route.fetch()) if route.request.method == "POST" else route.continue_()
    )
    field(tab).press("Enter")
    tab.wait_until(lambda: arrived, what="it has arrived")
    tab.page.reload()
    expect(field(tab)).to_have_value("Hello")
    tab.page.unroute("**/chat/")
    field(tab).press("Enter")
    tab.page.wait_for_url(CHAT)
    expect(questions(tab)).to_have_text(["Hello"])
    expect(chats(tab)).to_have_count(1)


def test_what_is_refused_stays_in_the_field(tab):
    field(tab).fill("x" * 32_001)
    field(tab).press("Enter")
    expect(tab.page.get_by_role("alert")).to_have_text("This message is too long.")
    expect(field(tab)).to_have_value("x" * 32_001)
    tab.problems.clear()  # the 400


def test_without_javascript_a_second_click_makes_one_chat_too(shared_site, chromium):
    context = chromium.new_context(locale="en", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shared_site.url}/chat/")
    page.get_by_role("textbox", name="Message").fill("Hello\nthere")
    page.get_by_label("Agent").select_option(label="Assistant")
    page.get_by_role("button", name="Send").dblclick()
    page.wait_for_url(CHAT)
    expect(page.locator(".from-person .words")).to_have_text("Hello\nthere", use_inner_text=True)
    expect(page.locator(".entry")).to_have_count(1)
    page.goto(f"{shared_site.url}/chat/")
    expect(page.get_by_label("Agent").locator("option:checked")).to_have_text("Assistant")
    context.close()
