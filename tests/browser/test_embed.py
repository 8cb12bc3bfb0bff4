"""Chats in other pages: the widget in a page of the site, and a frame in a page of another one."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.axe import complaints
from tests.sites import free_port


@pytest.fixture
def host(make_site):
    """A site with the widget in its page."""
    return make_site(DJANGO_SETTINGS_MODULE="tests.host_site")


@pytest.fixture
def foreign() -> Iterator:
    """A page of another origin; `show(url)` gives its address, with a frame of that address in it."""
    page = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page["html"].encode())

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def show(url):
        page["html"] = f'<!DOCTYPE html><title>Elsewhere</title><iframe src="{url}" title="Chat"></iframe>'
        return f"http://localhost:{server.server_port}/"

    show.origin = f"http://localhost:{server.server_port}"
    yield show
    server.shutdown()
    server.server_close()


def say(frame, text):
    frame.get_by_role("button", name="Chat with").click()
    expect(frame.get_by_role("status")).to_contain_text("Connected")
    frame.get_by_role("textbox").fill(text)
    frame.get_by_role("textbox").press("Enter")
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
    frame.get_by_role("link", name="New chat").click()
    expect(frame.get_by_role("button", name="Chat with")).to_be_visible()


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


def test_a_page_that_is_named_may_frame_a_chat(foreign, make_site, make_tab):
    site = make_site(AGENTCHAT_EMBED_ORIGINS=foreign.origin)
    page = make_tab(site).page
    page.goto(foreign(f"http://localhost:{site.port}/embed/assistant/"))
    talk(page.frame_locator("iframe"))


def test_a_page_that_is_not_named_may_not(foreign, site, context):
    page = context.new_page()
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(foreign(f"http://localhost:{site.port}/embed/assistant/"))
    expect(page.frame_locator("iframe").get_by_role("button")).to_have_count(0)
