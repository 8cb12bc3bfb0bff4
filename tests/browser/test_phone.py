"""A chat on a phone, with a finger: what is near at hand, and what is out of the way."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.browser.long_chats import messages, tell


@pytest.fixture
def tab(chromium, shared_site):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    context = chromium.new_context(locale="en", **phone)
    tab = Tab(context.new_page(), shared_site)
    tab.open_agent("Chat with Assistant")
    tell(tab.site, tab.session_id, messages(7))
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    yield tab
    assert not tab.problems
    context.close()


def has_icons(tab, id):
    box = tab.transcript.locator(f'[data-id="{id}"] [data-copy="message"]').bounding_box()
    return box is not None and box["width"] >= 44


def test_icons_are_under_the_last_message_and_under_others_after_a_tap(tab):
    assert [has_icons(tab, f"m{n}") for n in range(7)] == [False] * 6 + [True]
    message = tab.transcript.locator('[data-id="m3"]')
    message.locator("p").first.tap()
    assert [has_icons(tab, f"m{n}") for n in range(7)] == [False] * 3 + [True] + [False] * 2 + [True]
    message.get_by_role("button", name="Good answer").tap()
    expect(message.get_by_role("textbox")).to_be_visible()
    tab.transcript.locator('[data-id="m5"] p').first.tap()
    assert [has_icons(tab, f"m{n}") for n in (3, 5)] == [False, True]


def test_a_new_chat_is_one_tap_away_and_no_keys_are_offered(tab):
    tab.page.get_by_role("button", name="Open chat list").tap()
    tab.page.locator(".sidebar-account > summary").tap()
    expect(tab.page.get_by_role("link", name="Your data")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Keyboard shortcuts")).to_be_hidden()
    tab.page.keyboard.press("Escape")
    tab.page.locator(".topbar").get_by_role("link", name="New chat").tap()
    expect(tab.page).to_have_url(re.compile("/chat/$"))
    expect(tab.page.get_by_role("textbox", name="Message")).to_be_visible()
    expect(tab.page.locator(".topbar").get_by_role("link", name="New chat")).to_have_count(0)  # it is here
