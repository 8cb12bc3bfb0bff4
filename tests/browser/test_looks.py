"""How the page looks to somebody, and the keys that work everywhere: light or dark, the list folded away, shortcuts."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import PHONE, assert_accessible
from tests.browser.conftest import Tab
from tests.browser.long_chats import messages, tell
from tests.browser.test_earlier import WATCH_SHIFTS

GROUND = "getComputedStyle(document.documentElement).backgroundColor"
LIGHT, DARK = "rgb(253, 252, 250)", "rgb(23, 25, 28)"


@pytest.fixture
def site(shared_site):
    return shared_site


@pytest.fixture
def page(make_tab, site):
    """The page with the agents, in a wide window."""
    page = make_tab(site).page
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{site.url}/chat/")
    return page


def opener(page):
    return page.get_by_role("button", name="Open chat list")


def folder(page):
    return page.get_by_role("button", name="Hide chat list")


def choose(page, name):
    page.locator(".sidebar-account > summary").click()
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state()


# --- light and dark -------------------------------------------------------------------------------------------------


def test_somebody_has_it_dark_though_the_device_is_light(page, site):
    page.emulate_media(color_scheme="light")
    assert page.evaluate(GROUND) == LIGHT
    choose(page, "Dark")
    assert page.evaluate(GROUND) == DARK
    page.goto(f"{site.url}/accounts/login/")
    assert page.evaluate(GROUND) == DARK
    page.goto(f"{site.url}/chat/")
    choose(page, "System")
    assert page.evaluate(GROUND) == LIGHT
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(GROUND) == DARK
    choose(page, "Light")
    assert page.evaluate(GROUND) == LIGHT


@pytest.mark.parametrize("appearance", ["Light", "Dark"])
def test_what_was_chosen_is_accessible_whatever_the_device_has(page, appearance):
    choose(page, appearance)
    page.locator(".sidebar-account > summary").click()
    assert_accessible(page)


def test_a_chat_goes_on_where_it_was(page):
    page.get_by_role("button", name="Chat with Assistant").click()
    expect(page.get_by_role("status")).to_contain_text("Connected")
    page.get_by_role("textbox", name="Message").fill("Half a se")
    here = page.url
    choose(page, "Dark")
    assert page.url == here
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Half a se")


# --- the list folded away -------------------------------------------------------------------------------------------


def test_the_list_is_folded_away_and_stays_so_until_it_is_wanted(page, site):
    folder(page).click()
    expect(page.get_by_role("navigation", name="Chats")).to_be_hidden()
    expect(opener(page)).to_be_focused()
    assert page.locator("main").bounding_box()["x"] == 0
    page.add_init_script(WATCH_SHIFTS)
    page.goto(f"{site.url}/chat/")
    expect(page.get_by_role("navigation", name="Chats")).to_be_hidden()
    assert page.evaluate("window.shifts") == 0  # it came folded
    assert_accessible(page)
    opener(page).click()
    expect(page.get_by_role("navigation", name="Chats")).to_be_visible()
    expect(folder(page)).to_be_focused()
    assert page.locator("main").bounding_box()["x"] > 200  # beside it, and not under it
    page.reload()
    expect(page.get_by_role("navigation", name="Chats")).to_be_visible()


def test_on_a_phone_it_is_a_drawer_folded_or_not(page):
    folder(page).click()
    page.set_viewport_size(PHONE)
    for _ in range(2):
        opener(page).click()
        expect(page.get_by_role("navigation", name="Chats")).to_be_visible()
        expect(folder(page)).to_be_hidden()
        page.get_by_role("button", name="Close chat list").click()
        expect(page.get_by_role("navigation", name="Chats")).to_be_hidden()
        page.context.clear_cookies(name="agentchat_sidebar")
        page.reload()


@pytest.mark.parametrize("size", [None, PHONE])
def test_a_long_chat_is_read_and_written_as_ever_when_the_list_is_folded(page, site, size):
    folder(page).click()
    page.get_by_role("button", name="Chat with Assistant").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(page.get_by_role("status")).to_contain_text("Connected")
    tell(site, re.search(r"/chat/([0-9a-f-]{36})/", page.url)[1], messages(60))
    if size:
        page.set_viewport_size(size)
    page.goto(page.url)
    expect(page.get_by_role("status")).to_contain_text("Connected")
    expect(page.locator(".message").last).to_be_in_viewport()
    expect(page.locator(".composer")).to_be_in_viewport(ratio=1)
    expect(page.locator("body")).to_have_css("mask-image", "none")
    end = page.evaluate("scrollY")
    page.mouse.move(200, 400)
    page.mouse.wheel(0, -300)
    scrolled = (
        "end => new Promise((done) => { const look = () => scrollY <= end - 250 ? done() : setTimeout(look); look(); })"
    )
    page.evaluate(scrolled, end)
    assert_accessible(page)


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, PHONE])
def test_the_search_is_a_key_away_wherever_the_list_is(page, size):
    folder(page).click()
    if size:
        page.set_viewport_size(size)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_be_in_viewport()
    page.keyboard.type("rain")
    page.keyboard.press("Control+k")
    page.keyboard.type("snow")  # in its place
    expect(page.get_by_role("searchbox")).to_have_value("snow")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")  # the first one empties the field
    expect(page.get_by_role("navigation", name="Chats")).to_be_hidden()  # it was there for the search


def test_a_new_chat_is_a_key_away(page, site):
    page.get_by_role("button", name="Chat with Assistant").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(page.get_by_role("status")).to_contain_text("Connected")
    page.keyboard.press("Control+Shift+O")
    page.wait_for_url(f"{site.url}/chat/")


def test_where_letters_are_arabic_the_place_of_the_key_counts(page):
    page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " { key: 'ن', code: 'KeyK', ctrlKey: true, bubbles: true }))"
    )
    expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.parametrize("key", ["k", "Shift+O", "/", "Control+Alt+k", "Meta+k"])
def test_other_keys_do_nothing(page, site, key):
    page.keyboard.press(key)
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url == f"{site.url}/chat/"


def test_the_keys_are_listed_and_the_focus_comes_back(page):
    field = page.get_by_role("searchbox")
    field.focus()
    page.keyboard.press("Control+/")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Ctrl K")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(field).to_be_focused()
    summary = page.locator(".sidebar-account > summary")
    summary.click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(summary).to_be_focused()
    page.keyboard.press("Control+/")
    box = dialog.bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + 5)  # at its edge
    expect(dialog).to_be_visible()
    page.mouse.click(5, 5)  # beside it
    expect(dialog).to_be_hidden()


def test_whoever_opened_the_list_of_keys_from_the_drawer_comes_back_to_the_way_there(page):
    page.set_viewport_size(PHONE)
    opener(page).click()
    page.locator(".sidebar-account > summary").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(opener(page)).to_be_focused()


def test_escape_closes_the_list_of_keys_and_stops_no_agent(page, site):
    page.get_by_role("button", name="Chat with Assistant").click()
    expect(page.get_by_role("status")).to_contain_text("Connected")
    page.get_by_role("textbox", name="Message").fill("Tell me a short story")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Control+/")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".from-agent:not([data-writing])").last).to_be_visible()
    expect(page.locator(".ended")).to_have_count(0)


def test_on_a_mac_it_is_the_command_key(context, site):
    tab = Tab(context.new_page(), site)
    tab.page.add_init_script("Object.defineProperty(navigator, 'platform', { get: () => 'MacIntel' })")
    tab.page.goto(f"{site.url}/chat/")
    tab.page.keyboard.press("Control+k")  # there it is for texts
    expect(tab.page.get_by_role("searchbox")).not_to_be_focused()
    tab.page.keyboard.press("Meta+k")
    expect(tab.page.get_by_role("searchbox")).to_be_focused()
    tab.page.keyboard.press("Meta+/")
    expect(tab.page.get_by_role("dialog")).to_contain_text("⌘ K")
    assert not tab.problems
