"""Scrolling while an answer is written: the page follows its end, and whoever turns away from it is left alone.

The answer goes on all the time, and gestures are small and in steps, as those of people are: a page that takes the
scroll back at each picture undoes them. One big step while nothing is written would not show that.
"""

import pytest
from playwright.sync_api import expect

from agentchat.testing import say
from tests.browser import reading
from tests.browser.conftest import Tab

TO_THE_END = "document.scrollingElement.scrollHeight - innerHeight - scrollY"
WORDS = [f"word{number}" + (".\n\n" if number % 20 == 19 else " ") for number in range(10_000)]
PHONE = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 700}}


def to_the_end(tab):
    return tab.page.evaluate(TO_THE_END)


def jump(tab):
    return tab.page.get_by_role("button", name="Jump to latest")


def wait_until_it_follows(tab):
    """The page is longer than its window, is being written, and shows its end."""
    before = tab.page.evaluate("document.scrollingElement.scrollHeight")
    tab.wait_until(
        lambda: tab.page.evaluate("document.scrollingElement.scrollHeight") > before + 60 and to_the_end(tab) < 2,
        what="the page does not follow",
    )


def start_writing(tab, words_per_second=50):
    """Have an answer written that does not end."""
    reading.paused["At length."] = say("", chunks=WORDS, delay=1 / words_per_second)
    tab.say("At length.")
    tab.wait_until(lambda: tab.page.evaluate("scrollY") > 200, what="nothing is followed")
    wait_until_it_follows(tab)


def let_it_grow(tab, pixels=150):
    before = tab.page.evaluate("document.scrollingElement.scrollHeight")
    tab.wait_until(
        lambda: tab.page.evaluate("document.scrollingElement.scrollHeight") > before + pixels, what="it does not go on"
    )


def assert_left_alone(tab, what="", at_least=1):
    """The page stays where the user has brought it, while the answer goes on."""
    tab.page.wait_for_function("new Promise((done) => setTimeout(done, 400))")  # a smooth movement comes to rest
    place = tab.page.evaluate("scrollY")
    assert to_the_end(tab) > at_least, what
    let_it_grow(tab)
    assert tab.page.evaluate("scrollY") == place, what
    expect(jump(tab)).to_be_visible()


@pytest.fixture
def tab(library):
    library.page.set_viewport_size({"width": 800, "height": 500})
    start_writing(library)
    yield library
    library.page.keyboard.press("Escape")  # stops the answer


@pytest.fixture
def phone(chromium, library_site):
    context = chromium.new_context(locale="en", **PHONE)
    tab = Tab(context.new_page(), library_site)
    tab.open_agent("Chat with Library")
    start_writing(tab, words_per_second=15)
    yield tab
    context.close()


def touch(tab, way, *, pause_ms=16):
    """A finger goes down the window by so many pixels, or up, 8 at a time, and is lifted."""
    client, y = tab.page.context.new_cdp_session(tab.page), 300
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 200, "y": y}]})
    for _ in range(abs(way) // 8):
        y += 8 if way > 0 else -8
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": 200, "y": y}]})
        tab.page.wait_for_timeout(pause_ms)
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def tap_the_button(tab):
    box = jump(tab).bounding_box()
    tab.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def wheel(tab, *steps):
    for step in steps:
        tab.page.mouse.wheel(0, step)
        tab.page.wait_for_timeout(120)


def test_five_clicks_of_the_wheel_lead_away_and_the_way_back_leads_to_following(tab):
    tab.page.mouse.move(400, 200)
    wheel(tab, *[-100] * 5)
    assert_left_alone(tab, at_least=350)
    wheel(tab, *[100] * 2)  # not the whole way
    assert_left_alone(tab)
    for _ in range(40):
        wheel(tab, 400)
        if jump(tab).is_hidden():
            break
    wait_until_it_follows(tab)


def press(tab, key):
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.keyboard.press(key)


def drag_the_selection(tab):
    tab.page.mouse.move(300, 250)
    tab.page.mouse.down()
    tab.page.mouse.move(420, 200, steps=5)
    let_it_grow(tab, 60)
    tab.page.mouse.up()


TURNING_AWAY = {
    "a small click of the wheel": lambda tab: wheel(tab, -30),
    "the smallest movement of a trackpad": lambda tab: wheel(tab, -2),
    "PageUp": lambda tab: press(tab, "PageUp"),
    "arrow up": lambda tab: press(tab, "ArrowUp"),
    "Home": lambda tab: press(tab, "Home"),
    "Shift+Space": lambda tab: press(tab, "Shift+Space"),
    "a selection": drag_the_selection,
    "a search": lambda tab: tab.page.evaluate("find('word21', false, true)"),
    "the scroll bar": lambda tab: tab.page.evaluate("scrollBy(0, -40)"),
    "the focus": lambda tab: tab.page.locator(".from-person .actions button").first.focus(),
}


def test_whatever_leads_upwards_is_not_undone_and_the_button_leads_back(tab):
    tab.page.mouse.move(400, 200)
    for name, turn_away in TURNING_AWAY.items():
        turn_away(tab)
        assert_left_alone(tab, name)
        jump(tab).click()
        wait_until_it_follows(tab)


def test_the_end_key_follows_again_although_the_page_grows_on_the_way(tab):
    press(tab, "Home")
    assert_left_alone(tab)
    press(tab, "End")
    wait_until_it_follows(tab)


def test_what_is_selected_stays_selected_and_in_its_place(tab):
    drag_the_selection(tab)
    selected, place = tab.page.evaluate("[getSelection().toString(), scrollY]")
    assert selected
    let_it_grow(tab)
    assert tab.page.evaluate("[getSelection().toString(), scrollY]") == [selected, place]


def test_what_is_opened_to_be_read_stays_in_its_place(library):
    library.page.set_viewport_size({"width": 800, "height": 700})
    library.say("Look it up.")
    library.wait_for_frame("RUN_FINISHED")
    reading.paused["At length."] = say("", chunks=WORDS, delay=0.02)
    library.say("At length.")
    library.wait_until(lambda: library.page.evaluate("scrollY") > 50, what="nothing is followed")
    library.transcript.locator(".tool summary").click()
    assert_left_alone(library, "a call")
    library.transcript.get_by_role("button", name="Show all").evaluate("(button) => button.click()")
    assert_left_alone(library, "a long result")


def test_a_low_window_and_a_new_message_of_ones_own_show_the_end(tab):
    tab.page.set_viewport_size({"width": 800, "height": 300})  # as by the keyboard of a phone
    wait_until_it_follows(tab)
    wheel(tab, -100)
    assert_left_alone(tab)
    tab.page.set_viewport_size({"width": 800, "height": 500})
    assert_left_alone(tab)
    tab.page.get_by_role("textbox", name="Message").press_sequentially("And")
    assert_left_alone(tab)
    tab.say("And then?")
    wait_until_it_follows(tab)


def test_whoever_has_scrolled_up_stays_there_when_the_connection_comes_back(tab):
    wheel(tab, -150)
    place = tab.page.evaluate("scrollY")
    tab.page.context.set_offline(True)
    expect(tab.page.get_by_role("status")).to_contain_text("offline")
    tab.page.context.set_offline(False)
    let_it_grow(tab)
    assert tab.page.evaluate("scrollY") == place


def test_a_finger_leads_away_and_back(phone):
    touch(phone, 300)
    assert_left_alone(phone, at_least=200)
    for _ in range(20):
        touch(phone, -280)
        if jump(phone).is_hidden():
            break
    wait_until_it_follows(phone)
    touch(phone, 40)  # hardly more than the browser takes for a tap
    assert_left_alone(phone)
    tap_the_button(phone)
    wait_until_it_follows(phone)
    touch(phone, 120, pause_ms=0)  # a flick
    assert_left_alone(phone)
    tap_the_button(phone)
    wait_until_it_follows(phone)
