"""Chats in other pages: the widget in a page of the site, and a frame in a page of another one.

For a browser, ports of `localhost` are one site with several origins, and 127.0.0.1 is another site.
"""

import http.server
import json
import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.axe import complaints
from tests.browser.chromium import ARGUMENTS, CHROMIUM
from tests.browser.conftest import Tab
from tests.sites import Site, free_port


@pytest.fixture
def host(site_for_all):
    """A site with the widget in its page."""
    return site_for_all(DJANGO_SETTINGS_MODULE="tests.host_site")


class Elsewhere:
    """Another server, with one page in which there is a frame."""

    def __init__(self) -> None:
        self.port = free_port()
        self.neighbour = f"http://localhost:{self.port}"  # its origin as one of the same site as what it frames,
        self.stranger = f"http://127.0.0.1:{self.port}"  # and as one of another site
        self.page = ""

    def show(self, site: Site) -> None:
        address = f"http://localhost:{site.port}/embed/assistant/"
        self.page = f'<!DOCTYPE html><title>Elsewhere</title><iframe src="{address}" title="Chat"></iframe>'


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    elsewhere = Elsewhere()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(elsewhere.page.encode())

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", elsewhere.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield elsewhere
    server.shutdown()
    server.server_close()


@pytest.fixture
def lenient(chromium, tmp_path) -> Iterator[BrowserContext]:
    """A browser that lets frames of other sites keep cookies, if these say so. Debian's does not unless it is told."""
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps({"profile": {"cookie_controls_mode": 0}}))
    launch = chromium.browser_type.launch_persistent_context
    context = launch(profile, executable_path=CHROMIUM, args=ARGUMENTS, locale="en")
    yield context
    context.close()


def say(frame, text):
    frame.get_by_role("textbox").fill(text)
    frame.get_by_role("button", name="Send").click()
    expect(frame.locator(".from-person .words")).to_have_text(text)


def talk(frame):
    say(frame, "Tell me a short story")
    expect(frame.locator(".from-agent:not([data-writing])").first).to_be_visible()


def test_the_widget_unfolds_a_chat_in_the_page(host, make_tab):
    page = make_tab(host).page
    page.goto(f"{host.url}/shop/")
    summary = page.locator("summary")
    assert summary.bounding_box()["height"] >= 44
    summary.focus()
    page.keyboard.press("Enter")
    frame = page.frame_locator(".agentchat-widget iframe")
    say(frame, "What is the weather in Paris?")
    expect(frame.locator(".tool")).to_contain_text("Paris")
    assert "/shop/" in page.url
    assert complaints(page) == []


def test_the_chat_in_the_text_is_there_again_after_a_reload(host, make_tab):
    page = make_tab(host).page
    page.goto(f"{host.url}/shop/")
    frame = page.frame_locator(".agentchat-inline")
    talk(frame)
    page.reload()
    expect(frame.locator(".from-person .words")).to_have_text("Tell me a short story")
    expect(frame.get_by_role("status")).to_contain_text("Connected")
    frame.get_by_role("link", name="New chat").click()
    expect(frame.get_by_role("button", name="What can you do?")).to_be_visible()


MAKE_ADA = "from django.contrib.auth.models import User; User.objects.create_user('ada', password='a long secret')"
HOST_STYLES = (
    "iframe { max-width: 100%; height: auto } details { padding: 2rem; border: 3px solid } details[open] summary "
    "{ display: list-item; margin: 1rem; color: red } main details > summary { padding: 0 }"
)


def test_the_open_widget_has_its_size_whatever_the_page_says_and_its_button_closes_it(host, chromium):
    page = chromium.new_context(locale="en", bypass_csp=True, viewport={"width": 1000, "height": 800}).new_page()
    page.goto(f"{host.url}/shop/")
    page.add_style_tag(content=HOST_STYLES)
    summary, panel = page.locator("summary"), page.locator(".agentchat-widget iframe")
    expect(summary).to_have_text(re.compile("^Weather desk"))
    expect(summary.get_by_text("Close")).to_be_hidden()
    summary.click()
    frame = page.frame_locator(".agentchat-widget iframe")
    expect(frame.get_by_role("textbox", name="Message")).to_be_visible()
    box, head = panel.bounding_box(), summary.bounding_box()
    assert (round(box["width"]), box["height"] > 400) == (416, True)
    assert (head["x"], head["width"]) == (box["x"], box["width"])
    assert head["y"] + head["height"] == pytest.approx(box["y"], abs=1)
    assert summary.locator(".agentchat-close").bounding_box()["width"] >= 44
    expect(summary).to_contain_text("Close")
    assert complaints(page) == []
    summary.locator(".agentchat-close").click()
    expect(panel).to_be_hidden()
    page.context.close()


def test_whoever_must_sign_in_is_led_to_the_sites_own_page_and_chats_when_they_come_back(make_site, make_tab):
    site = make_site(AGENTCHAT_GUESTS="0", DJANGO_SETTINGS_MODULE="tests.host_site")
    tab = make_tab(site)
    tab.page.goto(f"{site.url}/shop/")
    link = tab.page.frame_locator(".agentchat-inline").get_by_role("link", name="Sign in")
    expect(link).to_have_attribute("href", re.compile(r"^/accounts/login/\?next="))
    tab.problems.clear()  # the frames' 403
    site.manage("shell", "-c", MAKE_ADA)
    with tab.page.expect_popup() as popup:
        link.click()
    popup.value.get_by_label("Username").fill("ada")
    popup.value.get_by_label("Password").fill("a long secret")
    popup.value.get_by_role("button", name="Sign in").click()
    popup.value.wait_for_url(re.compile("/chat/$"))
    frame = next(frame for frame in tab.page.frames if "/embed/assistant/" in frame.url)
    frame.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(tab.page.frame_locator(".agentchat-inline").get_by_role("textbox", name="Message")).to_be_visible()


def test_the_widget_fits_a_phone(host, make_tab):
    page = make_tab(host).page
    page.set_viewport_size({"width": 320, "height": 568})
    page.goto(f"{host.url}/shop/")
    page.locator("summary").click()
    box = page.locator(".agentchat-widget iframe").bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 320
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_page_of_another_site_that_is_named_may_frame_a_chat(elsewhere, make_site, lenient, tmp_path):
    public = {
        "DJANGO_SETTINGS_MODULE": "tests.public_site",
        "DEBUG": "0",  # then chatsite has cookies for such frames
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "STATIC_ROOT": str(tmp_path / "static"),
        "AGENTCHAT_GUESTS": "1",
        "AGENTCHAT_EMBED_ORIGINS": elsewhere.stranger,
    }
    Site(tmp_path, **public).manage("collectstatic", "--no-input", "--verbosity", "0")
    site = make_site(**public)
    elsewhere.show(site)
    tab = Tab(lenient.new_page(), site)
    tab.page.goto(elsewhere.stranger)
    frame = tab.page.frame_locator("iframe")
    talk(frame)
    tab.page.reload()
    expect(frame.locator(".from-person .words")).to_have_text("Tell me a short story")
    assert not tab.problems


def test_where_the_frame_of_another_site_gets_no_cookies_it_says_so(elsewhere, make_site, lenient):
    elsewhere.show(make_site(AGENTCHAT_EMBED_ORIGINS=elsewhere.stranger))  # with DEBUG, which keeps them for itself
    page = lenient.new_page()
    page.goto(elsewhere.stranger)
    frame = page.frame_locator("iframe")
    frame.get_by_role("textbox").fill("Hello?")
    frame.get_by_role("button", name="Send").click()
    expect(frame.get_by_text("Your browser blocks cookies in embedded pages")).to_be_visible()


def test_a_page_of_the_same_site_that_is_named_may_frame_a_chat_with_the_cookies_there_are(
    elsewhere, make_site, make_tab
):
    site = make_site(AGENTCHAT_EMBED_ORIGINS=elsewhere.neighbour)
    elsewhere.show(site)
    page = make_tab(site).page
    page.goto(elsewhere.neighbour)
    talk(page.frame_locator("iframe"))


@pytest.mark.parametrize("kind", ["stranger", "neighbour"])
def test_a_page_that_is_not_named_may_not(elsewhere, site, context, kind):
    elsewhere.show(site)
    page = context.new_page()
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(getattr(elsewhere, kind))
    expect(page.frame_locator("iframe").get_by_role("textbox")).to_have_count(0)
