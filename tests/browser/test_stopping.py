"""Ways out: what Stop, Escape and a lost connection do; and what one bad frame does not."""

import re
import shutil
import signal

import pytest
from playwright.sync_api import expect

from tests.sites import Site

NONSENSE = '{"type": "PRINTED", "text": "x", "show": [{"key": "printed-0", "html": "no element"}]}'
SLOW = {"AGENTCHAT_DEMO_RATE": "4", "AGENTCHAT_LEASE_S": "2"}  # tokens a second; seconds


@pytest.fixture
def begun(make_tab, make_site):
    """A tab in which the agent speaks slowly, and its site."""
    site = make_site(**SLOW)
    tab = make_tab(site)
    tab.open_agent("Chat with Assistant")
    tab.say("Tell me a long story.")
    tab.wait_for_frame("TEXT_MESSAGE_CONTENT")
    return tab, site


@pytest.fixture
def form(make_tab, empty_database, tmp_path):
    """A tab in which a form waits for the person."""
    site = Site(tmp_path, DJANGO_SETTINGS_MODULE="tests.asking_site")
    shutil.copy(empty_database, site.database)
    site.start()
    tab = make_tab(site)
    tab.open_agent("Chat with Delivery desk")
    tab.say("Please.")
    expect(tab.page.locator('.card[data-state="open"]')).to_be_visible()
    yield tab
    site.close()


def ended(tab):
    return [frame["outcome"]["type"] for frame in tab.frames if frame["type"] == "RUN_FINISHED"]


def test_a_form_that_nobody_wants_to_fill_in_can_be_left(form):
    form.page.get_by_role("button", name="Stop").click()
    form.wait_for_frame("RUN_FINISHED")
    assert ended(form) == ["cancelled"]
    expect(form.page.locator("[data-controls]")).to_have_count(0)
    expect(form.page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(form.page.get_by_role("status")).to_contain_text("Connected")


def test_escape_leaves_an_open_form_alone(form):
    form.page.get_by_role("textbox", name="Message").press("Escape")
    form.page.get_by_role("textbox", name="Message").fill("Is it urgent?")
    form.page.get_by_role("button", name="Send", exact=True).last.click()
    form.wait_for_frame("TEXT_MESSAGE_END", count=2)
    assert ended(form) == []


def test_escape_in_another_field_stops_no_agent(begun):
    tab, _ = begun
    search = tab.page.get_by_role("searchbox")
    search.fill("Rain")
    search.press("Escape")
    expect(search).to_have_value("")
    seen = len(tab.frames)
    tab.wait_until(lambda: len(tab.frames) > seen + 3, what="it goes on")
    assert ended(tab) == []
    tab.page.get_by_role("textbox", name="Message").press("Escape")
    tab.wait_for_frame("RUN_FINISHED")
    assert ended(tab) == ["cancelled"]


@pytest.mark.faults
def test_stop_says_so_where_there_is_no_connection_and_when_it_comes_back(begun):
    tab, site = begun
    site.stop(signal.SIGKILL)
    expect(tab.page.get_by_role("status")).to_contain_text("Connection lost")
    expect(tab.page.locator("#countdown")).to_have_text(re.compile(r"^retrying in \d+ s$"))
    tab.page.get_by_role("button", name="Stop").click()
    expect(tab.page.get_by_role("alert").first).to_contain_text("No connection.")
    site.start()
    expect(tab.page.get_by_role("status")).not_to_contain_text("Connection lost")
    expect(tab.page.locator("#countdown")).to_be_empty()
    tab.page.get_by_role("button", name="Stop").click()
    tab.wait_for_frame("RUN_FINISHED")
    assert ended(tab) == ["cancelled"]


def test_a_frame_that_cannot_be_shown_costs_none_of_the_others(make_tab, site):
    tab = make_tab(site)

    def with_nonsense(socket):
        server = socket.connect_to_server()
        server.on_message(lambda text: (socket.send(NONSENSE), socket.send(text)))

    tab.page.route_web_socket(re.compile("/ws/chat/"), with_nonsense)
    tab.open_agent("Chat with Weather desk")
    tab.say("Rain in Paris?")
    expect(tab.page.locator(".usage")).to_be_visible()
    expect(tab.transcript).to_contain_text("The made-up forecast for Paris")
    assert tab.problems
    tab.problems.clear()


def test_a_message_is_copied_once(make_tab, site):
    tab = make_tab(site)
    tab.page.add_init_script(
        "window.copied = []; Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: (text) => Promise.resolve(void copied.push(text))}})"
    )
    tab.open_agent("Chat with Weather desk")
    tab.say("Rain in Paris?")
    expect(tab.page.locator(".usage")).to_be_visible()
    tab.page.reload()
    tab.transcript.locator(".from-person [data-copy]").click()
    expect(tab.transcript.locator(".from-person [data-copied]")).to_be_visible()
    assert tab.page.evaluate("copied") == ["Rain in Paris?"]
    expect(tab.page.locator(".toast")).to_have_count(0)


def test_a_click_on_a_notification_opens_the_chat_that_waits(make_tab, context, site):
    context.grant_permissions(["notifications"], origin=site.url)
    tab = make_tab(site)
    tab.page.add_init_script(
        "window.notes = []; window.Notification = class extends EventTarget { static permission = 'granted';"
        " constructor() { super(); notes.push(this); } close() {} }; localStorage.setItem('agentchat:notify', 'on');"
        " Object.defineProperty(document, 'hidden', {get: () => true});"
    )
    tab.open_agent("Chat with Assistant")
    other = make_tab(site)
    other.open_agent("Chat with Refund desk")
    other.say("My money, please.")
    tab.wait_until(lambda: tab.page.evaluate("notes.length") > 0, what="it is told")
    tab.page.evaluate("notes[0].dispatchEvent(new Event('click'))")
    tab.page.wait_for_url(other.page.url)
