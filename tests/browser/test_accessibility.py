"""What axe-core has to say about a site as the public sees it: hashed static files, and error pages of our own."""

import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.sites import Site

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}


@pytest.fixture(scope="module")
def site(empty_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    (folder / "static").mkdir()
    site = Site(
        folder,
        DEBUG="0",
        DJANGO_SETTINGS_MODULE="tests.public_site",
        STATIC_ROOT=str(folder / "static"),
        ALLOWED_HOSTS="127.0.0.1",
        AGENTCHAT_GUESTS="1",
    )
    shutil.copy(empty_database, site.database)
    site.manage("collectstatic", "--noinput", "--verbosity", "0")
    site.start()
    yield site
    site.close()


@pytest.fixture(params=SIZES)
def size(request):
    return SIZES[request.param]


@pytest.fixture(params=["light", "dark"])
def context(request, chromium, size):
    context = chromium.new_context(locale="en", color_scheme=request.param, viewport=size)
    yield context
    context.close()


@pytest.fixture
def page(context):
    return context.new_page()


def complaints(page):
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def test_axe_finds_what_is_wrong(page, site):
    page.goto(f"{site.url}/accounts/login/")
    page.evaluate("document.querySelectorAll('label').forEach((label) => label.remove())")
    assert [name for name, _ in complaints(page)] == ["label"]


@pytest.mark.parametrize("path", ["/chat/", "/accounts/login/", "/nowhere/"])
def test_axe_finds_nothing_on_the_list_the_sign_in_page_and_an_error(page, site, path):
    page.goto(site.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert complaints(page) == []


def test_axe_finds_nothing_on_a_chat_before_while_and_after_it_is_written(page, site):
    page.goto(f"{site.url}/chat/")
    page.get_by_role("button", name="Chat with Assistant").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(page.get_by_role("status")).to_contain_text("Connected")
    assert complaints(page) == []
    page.get_by_role("textbox").fill("What is the weather in Paris?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".from-agent[data-writing] .prose")).not_to_be_empty()
    assert complaints(page) == []
    expect(page.get_by_role("status")).to_contain_text("Waiting for your answer")
    assert complaints(page) == []


def test_axe_finds_nothing_on_an_open_tool_call(page, site):
    page.goto(f"{site.url}/chat/")
    page.get_by_role("button", name="What is the weather in Paris?").click()
    call = page.get_by_role("log").locator("summary")
    call.click()
    expect(page.get_by_role("log").locator("[data-result]")).to_contain_text("forecast")
    expect(page.get_by_role("status")).to_contain_text("Connected")
    assert complaints(page) == []


@pytest.mark.parametrize("size", [SIZES["phone"]], ids=["phone"])
def test_axe_finds_nothing_on_the_open_drawer(page, site):
    page.goto(f"{site.url}/chat/")
    page.get_by_role("button", name="Open the list of chats").click()
    expect(page.get_by_role("navigation")).to_be_visible()
    assert complaints(page) == []
