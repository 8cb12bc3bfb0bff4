"""Long chats: the last messages are there at once, and older ones come when somebody scrolls up."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.long_chats import messages, tell

NUMBER = 500
MAX_SHIFT = 0.02
WHEEL_S = 60  # so long it may take to scroll up through all of them

# In the page: how much what is seen has moved by itself.
WATCH_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    window.shifts += entry.hadRecentInput ? 0 : entry.value;
  }
}).observe({ type: "layout-shift", buffered: true });
"""
# The first message that can be seen, and where it is.
FIRST_SEEN = """() => {
  const seen = [...document.querySelectorAll(".message")].find((each) => each.getBoundingClientRect().top >= 56);
  return { id: seen.dataset.id, top: seen.getBoundingClientRect().top };
}"""


@pytest.fixture
def site(shared_site):
    return shared_site


@pytest.fixture
def tab(make_tab, site):
    """A tab in a chat of 500 messages."""
    tab = make_tab(site)
    tab.page.add_init_script(WATCH_SHIFTS)
    tab.open_agent("Chat with Assistant")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    tell(site, tab.session_id, messages(NUMBER))
    open_again(tab)
    return tab


def open_again(tab):
    tab.page.goto(tab.page.url)
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")


def ids(tab):
    return tab.page.evaluate("[...document.querySelectorAll('#transcript .message')].map((each) => each.dataset.id)")


def all_ids(tab):
    stored = tab.site.events(tab.session_id)
    return [fact["messageId"] for fact in stored if fact["type"] == "TEXT_MESSAGE_START"]


def link(tab):
    return tab.page.get_by_role("link", name="Earlier messages")


def beginning(tab):
    return tab.page.get_by_text("This is the beginning of the chat.")


def wait_for_more(tab, number):
    tab.wait_until(lambda: len(ids(tab)) > number, what="older messages")


def test_a_long_chat_opens_at_its_end_with_its_last_messages(tab):
    assert ids(tab) == all_ids(tab)[-60:]
    expect(tab.transcript.locator(".message").last).to_be_in_viewport()
    expect(tab.page.get_by_role("button", name="Jump to latest")).to_be_hidden()


def test_scrolling_up_brings_all_of_it_once_and_in_order(tab):
    deadline = time.monotonic() + WHEEL_S
    while not beginning(tab).count() and time.monotonic() < deadline:
        tab.page.mouse.wheel(0, -1_500)
        tab.page.wait_for_timeout(20)
    expect(beginning(tab)).to_be_attached()
    assert ids(tab) == all_ids(tab)
    assert len(ids(tab)) == NUMBER


def test_what_is_seen_stays_where_it_is_when_older_messages_come(tab):
    with tab.page.expect_response(re.compile(r"/earlier\?")) as coming:
        held = []
        tab.page.route("**/earlier?*", lambda route: held.append(route))
        tab.page.evaluate("scrollTo(0, 900)")
        tab.wait_until(lambda: held, what="nothing was asked for")
        before, number = tab.page.evaluate(FIRST_SEEN), len(ids(tab))
        held[0].continue_()
    assert coming.value.ok
    wait_for_more(tab, number)
    tab.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = tab.page.evaluate(FIRST_SEEN)
    assert after["id"] == before["id"]
    assert abs(after["top"] - before["top"]) < 1
    assert tab.page.evaluate("window.shifts") <= MAX_SHIFT


def test_the_keyboard_alone_brings_older_messages_and_keeps_its_place(tab):
    tab.page.route("**/earlier?*", lambda route: route.abort())  # that none come by themselves
    tab.page.evaluate("scrollTo(0, 0)")
    failed = tab.page.get_by_role("link", name="Couldn't load earlier messages. Try again.")
    expect(failed).to_be_visible()
    tab.page.unroute("**/earlier?*")
    failed.focus()
    number = len(ids(tab))
    tab.page.keyboard.press("Enter")
    wait_for_more(tab, number)
    expect(link(tab)).to_be_focused()
    # The browser says, some time, that it could not be loaded.
    tab.problems[:] = [problem for problem in tab.problems if "ERR_FAILED" not in problem]


def test_the_beginning_is_said_where_the_focus_was(tab):
    tab.page.route(
        "**/earlier?*", lambda route: route.continue_(url=re.sub(r"before=\d+", "before=20", route.request.url))
    )
    link(tab).focus()
    tab.page.keyboard.press("Enter")
    expect(beginning(tab)).to_be_focused()


def test_older_messages_are_not_read_aloud_and_new_ones_are(tab):
    number = len(ids(tab))
    tab.page.evaluate(
        """() => {
          const log = document.getElementById("transcript");
          window.aloud = [];
          new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
            window.aloud.push(log.getAttribute("aria-live") ?? "as a log");
          }))).observe(log, { childList: true });
        }"""
    )
    link(tab).press("Enter")
    wait_for_more(tab, number)
    assert set(tab.page.evaluate("window.aloud")) == {"off"}
    expect(tab.transcript).not_to_have_attribute("aria-live", "off")
    tab.page.evaluate("window.aloud = []")
    tab.say("Hello")
    tab.wait_for_frame("TEXT_MESSAGE_END")
    tab.wait_until(lambda: tab.page.evaluate("window.aloud.length"), what="a word for screen readers")
    assert set(tab.page.evaluate("window.aloud")) == {"as a log"}


def end_of(tab, message):
    """The number of the fact that completed it."""
    [fact] = [f for f in tab.site.events(tab.session_id) if f.get("messageId") == message and f["type"].endswith("END")]
    return fact["seq"]


def open_at(tab, seq):
    address = tab.page.url.partition("#")[0]
    tab.page.goto("about:blank")
    tab.page.goto(f"{address}#message-{seq}")


def test_a_link_leads_to_a_message_however_far_up(tab):
    open_at(tab, end_of(tab, "m21"))
    message = tab.transcript.locator('[data-id="m21"]')
    expect(message).to_be_focused()
    expect(message).to_be_in_viewport()
    expect(tab.page.get_by_role("button", name="Jump to latest")).to_be_visible()
    loaded = ids(tab)
    assert loaded == all_ids(tab)[-len(loaded) :]  # all that was said since
    assert "#" not in tab.page.url  # loaded again, it shows its end
    tab.page.get_by_role("button", name="Jump to latest").click()
    expect(tab.transcript.locator(".message").last).to_be_in_viewport()


def test_whoever_writes_meanwhile_is_left_alone(tab):
    wanted = end_of(tab, "m21")
    ways = []
    tab.page.route(re.compile(r"/earlier\?"), lambda route: route.continue_() if ways else ways.append(route))
    open_at(tab, wanted)
    tab.wait_until(lambda: ways, what="older messages are asked for")
    message = tab.page.get_by_role("textbox")
    message.fill("Half a se")
    ways[0].continue_()
    tab.wait_until(lambda: "m21" in ids(tab), what="the message is there")
    expect(message).to_be_focused()


def test_a_link_says_so_when_what_it_leads_to_cannot_be_loaded(tab):
    wanted = end_of(tab, "m21")
    tab.page.route(re.compile(r"/earlier\?"), lambda route: route.fulfill(status=503))
    open_at(tab, wanted)
    expect(tab.page.locator("#toasts")).to_contain_text("Couldn't load earlier messages.")
    tab.problems.clear()  # the 503s
    tab.page.unroute(re.compile(r"/earlier\?"))
    tab.page.reload()
    expect(tab.transcript.locator('[data-id="m21"]')).to_be_focused()


def test_a_link_leads_into_what_is_folded(tab):
    words = "\n".join(f"Line {number}" for number in range(60))
    nested = [("STEP_STARTED", {"stepName": name, "name": name}) for name in ("outer", "inner")]
    said = ("TEXT_MESSAGE_START", {"messageId": "deep", "role": "user", "name": "Guest"})
    facts = [("INPUT_REQUESTED", {"request": "9-1", "kind": "text", "prompt": "Well?"}), said]
    facts += [("TEXT_MESSAGE_END", {"messageId": "deep", "content": words})]
    facts += [("INPUT_ANSWERED", {"request": "9-1", "value": words, "by": "Guest"})]
    ends = [("STEP_FINISHED", {"stepName": name, "name": name}) for name in ("inner", "outer")]
    tell(tab.site, tab.session_id, [*nested, *facts, *ends])
    open_at(tab, end_of(tab, "deep"))
    expect(tab.transcript.locator('[data-id="deep"]')).to_be_focused()
    expect(tab.transcript.get_by_text("Line 59")).to_be_in_viewport()


def test_a_link_to_a_message_at_hand_loads_nothing(tab):
    at_hand = ids(tab)
    open_at(tab, end_of(tab, at_hand[-2]))
    expect(tab.transcript.locator(f'[data-id="{at_hand[-2]}"]')).to_be_focused()
    assert ids(tab) == at_hand


def test_a_link_to_what_is_not_in_this_version_says_so_and_looks_no_farther(tab):
    open_at(tab, end_of(tab, "m301") + 1)
    expect(tab.page.locator("#toasts")).to_contain_text("in another version of the chat")
    assert "m301" in ids(tab)
    assert len(ids(tab)) < NUMBER / 2


@pytest.mark.parametrize("junk", ["message-", "message-x", "message-99999999999999999999", "nowhere", "%22%3E"])
def test_any_other_link_shows_the_end(tab, junk):
    address = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(f"{address}#{junk}")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    expect(tab.transcript.locator(".message").last).to_be_in_viewport()


def test_the_page_does_not_move_by_itself_while_it_opens(tab):
    open_again(tab)
    assert tab.page.evaluate("window.shifts") <= MAX_SHIFT


def test_without_javascript_older_messages_are_pages(tab, chromium, context):
    plain = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state()).new_page()
    plain.goto(tab.page.url)
    seen = []
    while True:
        parts = plain.locator(".transcript .message")
        seen = [parts.nth(index).get_attribute("data-id") for index in range(parts.count())] + seen
        earlier = plain.get_by_role("link", name="Earlier messages")
        if not earlier.count():
            break
        with plain.expect_navigation():
            earlier.press("Enter")
    assert seen == all_ids(tab)
    expect(plain.get_by_text("This is the beginning of the chat.")).to_be_visible()
    plain.get_by_role("link", name="Go to latest messages").press("Enter")
    expect(plain).to_have_url(tab.page.url)
    plain.context.close()
