"""What one wrote is never stuck, lost or unsaid: offline, after sleep, and when something changes in another tab."""

import json
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab
from tests.sites import free_port

ACCOUNT = "ada"


class Proxy:
    """A way to a site that can be cut silently: what is open stays open, and nothing comes through any more."""

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self._to, self._others, self._silent = to, {}, set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._is_closed.set()
        self._thread.join()
        for each in (self._listener, *self._others):
            each.close()

    def silence(self) -> None:
        """Nothing more goes through the connections that are open now. New ones work."""
        self._silent |= set(self._others)

    def _run(self) -> None:
        while not self._is_closed.is_set():
            heard = [each for each in self._others if each not in self._silent]
            for end in select.select([self._listener, *heard], [], [], 0.05)[0]:
                if end is self._listener:
                    near, far = end.accept()[0], socket.create_connection(("127.0.0.1", self._to))
                    self._others |= {near: far, far: near}
                elif end in self._others:
                    self._forward(end, self._others[end])

    def _forward(self, end: socket.socket, other: socket.socket) -> None:
        try:
            if data := end.recv(65536):
                return other.sendall(data)
        except OSError:
            pass
        for each in (end, other):
            del self._others[each]
            each.close()


@pytest.fixture
def site(shared_site):
    return shared_site


@pytest.fixture
def tab(make_tab, site):
    tab = make_tab(site)
    tab.open_agent("Chat with Assistant")
    expect(status(tab)).to_contain_text("Connected")
    return tab


def status(tab):
    return tab.page.get_by_role("status")


def banner(tab):
    return tab.page.locator("#trouble")


def field(tab):
    return tab.page.get_by_role("textbox", name="Message")


def pending(tab):
    return tab.page.locator("#pending .message")


def words(tab):
    return tab.transcript.locator(".from-person .words")


def away(tab, is_away):
    """The page is hidden, or comes back into sight."""
    tab.page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.isAway, configurable: true})")
    tab.page.evaluate(f"window.isAway = {str(is_away).lower()}; dispatchEvent(new Event('x'))")
    tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@contextmanager
def elsewhere(tab, path) -> Iterator[Tab]:
    """Another tab of the same browser."""
    page = tab.page.context.new_page()
    page.goto(f"{tab.site.url}{path}")
    yield page
    page.close()


def sign_in(tab):
    code = (
        "from django.contrib.auth.models import User",
        f"User.objects.filter(username={ACCOUNT!r}).exists() or User.objects.create_user({ACCOUNT!r}, password='x')",
    )
    tab.site.manage("shell", "-v", "0", "-c", "; ".join(code))
    with elsewhere(tab, "/accounts/login/?next=/chat/") as page:
        page.get_by_label("Username").fill(ACCOUNT)
        page.get_by_label("Password").fill("x")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(re.compile("/chat/$"))


def sign_out(tab):
    with elsewhere(tab, "/chat/") as page:
        page.locator(".sidebar-account > summary").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator(".account-name")).to_have_text("Guest")


def test_as_many_characters_as_are_allowed_arrive_in_any_script_at_once(tab):
    for script in ("漢", "😀"):
        field(tab).fill(script * 30_000)
        field(tab).press("Enter")
        expect(words(tab).last).to_have_text(script * 30_000)
        expect(pending(tab)).to_have_count(0)
        tab.page.reload()
        expect(status(tab)).to_contain_text("Connected")
        expect(pending(tab)).to_have_count(0)
        tab.wait_for_frame("INPUT_REQUESTED")
        tab.frames.clear()
        tab.page.reload()
        expect(status(tab)).to_contain_text("Connected")


def test_a_message_that_the_server_finds_too_large_comes_back(tab):
    field(tab).evaluate("(field) => { field.dataset.max = 1_000_000; }")  # as if the limit had just been lowered
    field(tab).fill("漢" * 200_000)
    field(tab).press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("too long")
    expect(field(tab)).to_have_value("漢" * 200_000)
    expect(pending(tab)).to_have_count(0)


def test_what_waits_says_so_and_can_be_tried_again_or_removed(tab, context):
    context.set_offline(True)
    expect(banner(tab)).to_contain_text("You're offline.")
    tab.say("one")
    tab.say("two")
    expect(pending(tab).get_by_text("Not sent.").locator("visible=true")).to_have_count(2)
    pending(tab).first.get_by_role("button", name="Remove").click()
    expect(pending(tab)).to_have_count(1)
    context.set_offline(False)
    expect(words(tab)).to_have_text(["two"])
    expect(tab.transcript.locator("[data-delivery]")).to_have_count(0)
    expect(banner(tab)).to_be_hidden()


def test_what_the_server_could_not_save_is_tried_again_with_its_id(tab):
    ids = []

    def fail_once(route):
        server = route.connect_to_server()

        def forward(text):
            frame = json.loads(text)
            if frame["type"] == "send":
                ids.append(frame["id"])
                if len(ids) == 1:
                    rejected = {"type": "rejected", "id": frame["id"], "code": "unavailable", "message": "Not saved."}
                    route.send(json.dumps(rejected))
                    return
            server.send(text)

        route.on_message(forward)

    tab.page.route_web_socket(re.compile("/ws/chat/"), fail_once)
    tab.page.reload()
    expect(status(tab)).to_contain_text("Connected")
    tab.say("Hello")
    expect(tab.page.get_by_role("alert")).to_contain_text("Not saved.")
    expect(pending(tab).get_by_text("Not sent.")).to_be_visible()
    assert_accessible(tab.page)
    pending(tab).get_by_role("button", name="Retry").click()
    expect(words(tab)).to_have_text(["Hello"])
    expect(pending(tab)).to_have_count(0)
    assert len(set(ids)) == 1


@pytest.mark.parametrize("sign", ["sight", "network", "message"])
def test_a_connection_that_was_cut_silently_is_found_out_when_the_user_comes_back(make_tab, site, sign):
    with Proxy(site.port) as proxy:
        tab = make_tab(site)
        tab.page.goto(f"{site.url}/")
        tab.open_agent("Chat with Assistant")
        tab.page.goto(tab.page.url.replace(str(site.port), str(proxy.port)))
        expect(status(tab)).to_contain_text("Connected")
        tab.page.wait_for_load_state("networkidle")
        sockets = []
        tab.page.on("websocket", lambda each: sockets.append(each))
        proxy.silence()
        match sign:
            case "sight":
                away(tab, True)
                away(tab, False)
            case "network":
                tab.page.evaluate("dispatchEvent(new Event('online'))")
            case "message":
                tab.say("Are you there?")
                expect(pending(tab).get_by_text("Sending…")).to_be_visible()
        begun = tab.page.evaluate("performance.now()")
        tab.wait_until(lambda: any("/ws/chat/" in each.url for each in sockets), what="it does not reconnect")
        assert tab.page.evaluate("performance.now()") - begun < 4_500
        expect(status(tab)).to_contain_text("Connected")
        if sign == "message":
            expect(words(tab)).to_have_text(["Are you there?"])


def test_whoever_signs_in_in_another_tab_goes_on_in_this_one(tab):
    tab.say("Hello")
    tab.wait_for_frame("INPUT_REQUESTED")
    sign_in(tab)
    expect(tab.page.locator("#toasts")).to_contain_text(f"You're now signed in as {ACCOUNT}.")
    expect(tab.page.locator(".account-name")).to_have_text(ACCOUNT)
    expect(status(tab)).to_contain_text("Connected")
    tab.say("Still there?")
    expect(words(tab)).to_have_text(["Hello", "Still there?"])
    tab.page.locator(".heading-menu > summary").click()
    tab.page.locator(".heading-menu").get_by_text("Rename").click()
    tab.page.locator(".heading-menu").get_by_label("Chat name").fill("Signed in")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Signed in")
    field(tab).fill("a thought")
    sign_out(tab)
    expect(banner(tab)).to_contain_text("You're no longer signed in")
    expect(banner(tab).get_by_role("link", name="Sign in")).to_be_visible()
    assert_accessible(tab.page)
    expect(field(tab)).to_have_value("a thought")
    expect(field(tab)).not_to_be_editable()
    expect(tab.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    sign_in(tab)
    away(tab, False)
    expect(banner(tab)).to_be_hidden()
    field(tab).press("Enter")
    expect(words(tab).last).to_have_text("a thought")
    tab.problems = [each for each in tab.problems if "404" not in each]  # the page asked whether it may stay


def test_a_chat_that_is_renamed_or_deleted_in_another_tab_says_so(tab, make_tab, site):
    tab.say("Hello")
    tab.wait_for_frame("INPUT_REQUESTED")
    other = make_tab(site)
    other.page.goto(tab.page.url)
    other.page.locator(".heading-menu > summary").click()
    other.page.locator(".heading-menu").get_by_text("Rename").click()
    other.page.locator(".heading-menu").get_by_label("Chat name").fill("Elsewhere")
    other.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Elsewhere")
    expect(tab.page.locator("#toasts")).to_contain_text("This chat is now called “Elsewhere”.")
    other.page.locator(".heading-menu > summary").click()
    other.page.locator(".heading-menu").get_by_role("button", name="Delete").click()
    expect(banner(tab)).to_contain_text("This chat no longer exists.")
    expect(banner(tab).get_by_role("link", name="New chat")).to_be_visible()
    expect(field(tab)).to_be_hidden()
    other.page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(other.transcript).to_contain_text("Hello")
    away(tab, False)
    expect(banner(tab)).to_be_hidden()
    expect(field(tab)).to_be_editable()


def test_a_script_that_does_not_load_is_said(tab):
    tab.page.route("**/js/chat/composer.js", lambda route: route.abort())
    tab.page.reload()
    notice = tab.page.get_by_text("This page hasn't loaded completely.")
    expect(notice).to_be_visible()
    tab.page.unroute("**/js/chat/composer.js")
    tab.page.get_by_role("link", name="Reload").click()
    expect(status(tab)).to_contain_text("Connected")
    expect(notice).to_have_count(0)
    tab.problems = [each for each in tab.problems if "ERR_FAILED" not in each]


def test_files_are_refused_in_words_and_never_opened(tab):
    tab.open_agent("Chat with Weather desk")
    expect(status(tab)).to_contain_text("Connected")
    address = tab.page.url
    for type_, name in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        is_left_to_the_browser = field(tab).evaluate(
            """(field, [type, name]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File(["x"], "x.png", { type: "image/png" }));
              const init = { bubbles: true, cancelable: true, [name]: transfer };
              const event = type === "drop" ? new DragEvent(type, init) : new ClipboardEvent(type, init);
              return field.dispatchEvent(event);
            }""",
            [type_, name],
        )
        assert is_left_to_the_browser is (type_ == "paste")
        expect(tab.page.get_by_role("alert")).to_contain_text("You can only send text here")
        field(tab).press("Control+Enter")
        tab.page.evaluate("document.getElementById('complaint').textContent = ''")
    assert tab.page.url == address
