"""The transcript while events change it: what is there stays, and what was missed is fetched."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_page import markup

WATCH = """
window.added = [];
new MutationObserver((mutations) => mutations.forEach(({ addedNodes }) => added.push(
  ...[...addedNodes].filter((node) => node.matches?.(".message")).map((node) => node.className))))
  .observe(document.getElementById("transcript"), { childList: true, subtree: true });
"""

SELECT = """(p) => {
  p.mark = 1;
  const text = document.createTreeWalker(p, NodeFilter.SHOW_TEXT).nextNode();
  getSelection().setBaseAndExtent(text, 0, text, 8);
}"""


@pytest.fixture
def tab(make_tab, shared_site):
    return make_tab(shared_site)


def connected(tab):
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")


def test_what_is_shown_of_a_message_stays_when_it_is_complete_and_is_announced_once(tab):
    tab.open_agent("Chat with Assistant")
    connected(tab)
    tab.page.evaluate(WATCH)
    tab.say("a long answer, please")
    first = tab.transcript.locator(".from-agent .prose > p").first
    expect(tab.transcript.locator(".from-agent .prose > :nth-child(3)")).to_be_attached()  # so the first is finished
    first.evaluate(SELECT)
    selected = tab.page.evaluate("getSelection().toString()")
    assert len(selected) == 8
    tab.page.keyboard.press("Escape")
    expect(tab.transcript.get_by_text("Stopped here.")).to_be_visible()
    assert first.evaluate("(p) => [p.mark, getSelection().toString()]") == [1, selected]
    assert tab.page.evaluate("added") == ["message from-person", "message from-agent"]
    connected(tab)
    live = markup(tab)
    tab.page.reload()
    connected(tab)
    assert markup(tab) == live


def test_a_page_that_has_missed_much_loads_its_transcript_again_and_goes_on(tab):
    tab.open_agent("What is the weather in Paris?")
    tab.wait_for_frame("RUN_FINISHED")
    sockets = []

    def passed_on(socket):
        sockets.append(socket)
        socket.connect_to_server()

    tab.page.route_web_socket(re.compile("/ws/chat/"), passed_on)
    tab.page.reload()
    connected(tab)
    live = markup(tab)
    tab.transcript.evaluate("(log) => log.querySelector('.message').remove()")
    sockets[0].send('{"type":"BEHIND"}')
    expect(tab.transcript.locator(".from-person")).to_have_count(1)
    assert markup(tab) == live
    tab.say("And in London?")
    expect(tab.transcript.locator(".from-agent:not([data-writing])")).to_have_count(2)
