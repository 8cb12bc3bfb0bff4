"""Narrow, low and magnified windows: nothing is out of reach, nothing covers the focus, nothing scrolls sideways."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible

E_MAIL = "ada.lovelace.of.the.analytical.engine@example.com"

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

HIDDEN_FOCUS = """() => {
  const { left, top, width, height } = document.activeElement.getBoundingClientRect();
  const found = document.elementFromPoint(left + width / 2, top + height / 2);
  return found && (document.activeElement.contains(found) || found.contains(document.activeElement)) ? "" :
    `${document.activeElement.outerHTML.slice(0, 80)} at ${top} is under ${found?.outerHTML.slice(0, 80)}`;
}"""


@pytest.fixture
def tab(make_tab, site):
    return make_tab(site)


@pytest.fixture
def signed_in(tab, site):
    """A tab of somebody with a long name, and without the chats that they had in an earlier test."""
    code = (
        "from django.contrib.auth.models import User",
        f"User.objects.filter(username={E_MAIL!r}).delete()",
        f"User.objects.create_user({E_MAIL!r}, password='x')",
    )
    site.manage("shell", "-c", "; ".join(code))
    tab.page.goto(f"{site.url}/accounts/login/?next=/chat/")
    tab.page.get_by_label("Username").fill(E_MAIL)
    tab.page.get_by_label("Password").fill("x")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.wait_for_url(f"{site.url}/chat/")
    return tab


def ask(tab, words="Rain in Paris?"):
    tab.page.goto(f"{tab.site.url}/chat/")
    tab.page.get_by_role("button", name="Chat with Weather desk").click()
    tab.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    tab.say(words)
    expect(tab.page.locator(".usage")).to_be_visible()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")


@pytest.mark.parametrize("width", [320, 390, 700])
def test_a_long_name_makes_no_page_wider(signed_in, width):
    signed_in.page.set_viewport_size({"width": width, "height": 800})
    ask(signed_in)
    assert signed_in.page.evaluate(WIDER) == 0
    signed_in.page.reload()
    assert signed_in.page.evaluate(WIDER) == 0


@pytest.mark.parametrize("size", [(720, 450), (844, 390), (1024, 420)])
def test_in_a_low_window_the_list_and_all_below_it_can_be_reached(signed_in, size):
    page = signed_in.page
    ask(signed_in)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    opener = page.get_by_role("button", name="Open chat list")
    if opener.is_visible():
        opener.click()
    entry = page.locator(".entry").first
    entry.scroll_into_view_if_needed()
    assert page.locator("#chats").bounding_box()["height"] >= 100
    page.locator(".sidebar-account > summary").click()
    for control in (page.get_by_label("Language"), page.get_by_role("button", name="Sign out")):
        control.scroll_into_view_if_needed()
        expect(control).to_be_in_viewport(ratio=1)
    assert page.evaluate(WIDER) == 0


def test_the_account_menu_is_opened_and_closed_by_keyboard(signed_in):
    page = signed_in.page
    summary = page.locator(".sidebar-account > summary")
    expect(summary).to_contain_text(E_MAIL)
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Change password")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()


def test_nothing_covers_what_has_the_focus(tab):
    page = tab.page
    page.set_viewport_size({"width": 1440, "height": 700})
    tab.open_agent("Chat with Assistant")
    for number in range(4):
        tab.say(f"Show me a table and a piece of code, please: number {number}")
        tab.wait_for_frame("INPUT_REQUESTED", count=number + 1)
    expect(page.get_by_role("status")).to_contain_text("Connected")
    page.evaluate("scrollTo(0, 0)")
    page.locator("#transcript .actions button").first.focus()
    stops = 0
    while page.evaluate("document.activeElement.closest('#transcript') !== null"):
        assert page.evaluate(HIDDEN_FOCUS) == ""
        stops += 1
        page.keyboard.press("Tab")
    assert stops > 20
    while page.evaluate("document.activeElement.closest('.dock') !== null"):
        page.keyboard.press("Shift+Tab")
    for _ in range(stops - 1):
        assert page.evaluate(HIDDEN_FOCUS) == ""
        page.keyboard.press("Shift+Tab")


def test_a_toast_stands_beside_the_message_field(tab, site):
    page = tab.page
    ask(tab, "One")
    ask(tab, "Two")
    page.locator(".entry", has_text="One").get_by_role("link", name="Options for").click()
    page.locator("#chat-menu").get_by_role("button", name="Delete").click()
    toast, field = page.locator(".toast").bounding_box(), page.locator(".composer").bounding_box()
    assert toast["y"] + toast["height"] <= field["y"]


def test_whoever_wants_less_motion_sees_none(tab):
    tab.page.emulate_media(reduced_motion="reduce")
    tab.open_agent("Chat with Weather desk")
    tab.say("Rain in Paris?")
    expect(tab.page.locator("#working .dots i").first).to_have_css("animation-name", re.compile("none"))
    tab.wait_for_frame("RUN_FINISHED")
    assert tab.page.evaluate("document.getAnimations().filter((each) => each.playState === 'running').length") == 0
