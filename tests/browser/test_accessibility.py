"""What axe-core has to say about each page in each of its states, in English and in Arabic, and in every look.

The site is as the public sees it: hashed static files, and error pages of our own.
"""

import json
import shutil
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.utils import translation
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, call, say
from tests.browser import reading
from tests.browser.axe import DESKTOP, LOOKS, PHONE, assert_accessible, complaints, small_targets
from tests.browser.conftest import Tab
from tests.sites import Site

BUDGETS = [
    {"of": "owner", "what": "tokens", "limit": 100_000, "per": "day"},
    {"of": "site", "what": "cost", "limit": 1_000, "per": "month"},
]


def model(request):
    if request["messages"][-1].get("content") == "Pay it back.":
        return call("refund", order="A-7", amount=12.5, note="With our apologies")
    return reading.librarian(request)


@pytest.fixture(scope="module")
def site(empty_database, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("public")
    (folder / "static").mkdir()
    with ScriptedLLM() as llm:
        llm.always(model)
        site = Site(
            folder,
            DEBUG="0",
            DJANGO_SETTINGS_MODULE="tests.reading_site",
            STATIC_ROOT=str(folder / "static"),
            ALLOWED_HOSTS="127.0.0.1",
            AGENTCHAT_GUESTS="1",
            AGENTCHAT_SHOW_USAGE="all",
            AGENTCHAT_KEEP_REQUESTS="1",
            AGENTCHAT_BUDGETS=json.dumps(BUDGETS),
            **llm.environment(),
        )
        shutil.copy(empty_database, site.database)
        site.manage("collectstatic", "--noinput", "--verbosity", "0")
        site.start()
        yield site
        site.close()


@pytest.fixture(params=["en", "ar"])
def language(request) -> Iterator[str]:
    """The reader's. The tests look for the words that people read in it."""
    with translation.override(request.param):
        yield request.param


@pytest.fixture
def tab(chromium, site, language) -> Iterator[Tab]:
    context = chromium.new_context(locale=language, viewport=DESKTOP)
    tab = Tab(context.new_page(), site)
    yield tab
    context.close()


def wait_until_it_says(tab: Tab, words: str) -> None:
    expect(tab.page.get_by_role("status")).to_contain_text(translation.gettext(words))


def button(place, name: str):
    return place.get_by_role("button", name=translation.gettext(name), exact=True)


def test_axe_finds_what_is_wrong(tab, site):
    tab.page.goto(f"{site.url}/accounts/login/")
    tab.page.evaluate("document.querySelectorAll('label').forEach((label) => label.remove())")
    assert [name for name, _ in complaints(tab.page)] == ["label"]
    button = tab.page.locator("main form.fields button")
    button.evaluate("(button) => button.style.setProperty('min-block-size', '43px')")
    assert len(small_targets(tab.page)) == 1


ERRORS = ["/nowhere/", "/fail/403/", "/fail/csrf/", "/fail/500/", "/fail/503/"]


@pytest.mark.parametrize("path", ["/chat/", "/accounts/login/", "/embed/library/", "/embed/nobody/", *ERRORS])
def test_the_list_the_sign_in_page_frames_and_error_pages(tab, site, language, path):
    tab.page.goto(site.url + path)
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    assert tab.page.locator("html").get_attribute("lang") == language
    assert_accessible(tab.page)


def test_a_chat_that_is_empty_is_written_and_is_read(tab):
    tab.open_agent("Library")
    wait_until_it_says(tab, "Connected")
    assert_accessible(tab.page)

    reading.paused["Slowly."] = answer = say("One word after another. TERMINATE").paused(after=2)
    tab.say("Slowly.")
    expect(tab.transcript.locator(".from-agent[data-writing] .prose")).not_to_be_empty()
    wait_until_it_says(tab, "Answering…")
    assert_accessible(tab.page)
    answer.release()
    tab.wait_for_frame("RUN_FINISHED")

    tab.say("Show me all.")
    tab.say("Look it up.")
    tab.wait_for_frame("RUN_FINISHED", count=3)
    wait_until_it_says(tab, "Connected")
    tab.transcript.locator(".tool summary").click()
    assert_accessible(tab.page)


def test_a_chat_with_an_approval(tab):
    tab.open_agent("Cash desk")
    wait_until_it_says(tab, "Connected")
    tab.say("Pay it back.")
    card = tab.transcript.locator(".card")
    expect(button(card, "Approve")).to_be_visible()
    assert_accessible(tab.page)
    button(card, "Edit").click()
    assert_accessible(tab.page)
    button(card, "Approve with changes").click()
    tab.wait_for_frame("RUN_FINISHED")
    wait_until_it_says(tab, "Connected")
    assert_accessible(tab.page)


def test_a_chat_with_an_error(tab):
    tab.open_agent("Library")
    wait_until_it_says(tab, "Connected")
    tab.say("Fail.")
    expect(button(tab.transcript.locator(".error"), "Try again")).to_be_visible()
    wait_until_it_says(tab, "Connected")
    assert_accessible(tab.page)


def test_what_others_see_of_a_chat(tab, chromium, language):
    tab.open_agent("Library")
    tab.say("Show me all.")
    tab.say("Look it up.")
    tab.wait_for_frame("RUN_FINISHED", count=2)
    tab.page.goto(f"{tab.page.url}share/")
    button(tab.page, "Create link").click()
    link = tab.page.locator("[data-select]").input_value()
    assert_accessible(tab.page)
    stranger = chromium.new_context(locale=language)
    page = stranger.new_page()
    page.goto(link)
    expect(page.locator(".from-agent").last).to_be_visible()
    assert_accessible(page)
    stranger.close()


def test_the_drawer_of_a_phone(tab, site):
    tab.page.set_viewport_size(PHONE)
    tab.page.goto(f"{site.url}/chat/")
    button(tab.page, "Open chat list").click()
    expect(tab.page.get_by_role("navigation")).to_be_visible()
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        assert complaints(tab.page) == []


def test_a_chat_in_a_frame_and_an_older_part_of_one(tab, site):
    tab.page.goto(f"{site.url}/embed/library/")
    tab.page.locator("form.agent button").last.click()
    wait_until_it_says(tab, "Connected")
    assert_accessible(tab.page)
    tab.say("Show me all.")
    tab.wait_for_frame("RUN_FINISHED")
    wait_until_it_says(tab, "Connected")
    assert_accessible(tab.page)
    tab.page.goto(f"{site.url}/chat/{tab.session_id}/?before=1000")
    expect(tab.page.locator(".from-agent").last).to_be_visible()
    assert_accessible(tab.page)


def test_what_somebody_who_is_signed_in_sees(tab, site):
    page = tab.page
    name = f"ada-{uuid4()}"
    make = f"from django.contrib.auth.models import User; User.objects.create_superuser({name!r}, password='x')"
    site.manage("shell", "-c", make)
    page.goto(f"{site.url}/accounts/login/?next=/chat/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill("y")
    page.locator("form.fields button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert_accessible(page)
    page.locator("[name=password]").fill("x")
    page.locator("form.fields button").click()
    page.wait_for_url(f"{site.url}/chat/")
    page.goto(f"{site.url}/accounts/password_change/")
    page.locator("form.fields button").click()
    assert_accessible(page)
    tab.open_agent("Library")
    wait_until_it_says(tab, "Connected")
    page.locator(".sidebar-account > summary").click()
    page.locator(".heading-menu > summary").evaluate("(summary) => (summary.parentElement.open = true)")
    page.locator(".heading-menu .menu-rename > summary").click()
    page.set_viewport_size(PHONE)  # where the account is in the drawer
    assert_accessible(page)


def test_the_search_and_the_forms(tab, site):
    tab.open_agent("Library")
    wait_until_it_says(tab, "Connected")
    tab.say("Show me all.")
    tab.wait_for_frame("RUN_FINISHED")
    found = ("/chat/?q=quotation", "/chat/?q=nothing+of+the+kind")
    paths = (*found, "/chat/my-data/", "/chat/my-data/delete/", "/chat/usage/")
    for address in (f"{tab.page.url}options/", *(site.url + path for path in paths)):
        tab.page.goto(address)
        expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
        assert tab.page.locator(".results a").count() == int("quotation" in address)
        assert_accessible(tab.page)


SETTLED = "() => Promise.all(document.getAnimations().map((each) => each.finished)).then(() => null)"
"""Waits until what changes its colour slowly, as admin's links do, has done so."""


def test_the_back_office_is_accessible_and_needs_no_script(chromium, tab, site, language):
    tab.open_agent("Library")
    wait_until_it_says(tab, "Connected")
    tab.say("Look it up.")
    tab.wait_for_frame("RUN_FINISHED")
    name = f"staff-{uuid4()}"
    make = f"from django.contrib.auth.models import User; User.objects.create_superuser({name!r}, password='x')"
    of_chat = f"session_id={tab.session_id!r}, token={name!r}, last_seq=3"
    share = f"from agentchat.models import Share; Share.objects.create({of_chat})"
    site.manage("shell", "-c", f"{make}\n{share}")
    context = chromium.new_context(locale=language, viewport=DESKTOP)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{site.url}/admin/login/?next=/admin/agentchat/chatsession/{tab.session_id}/change/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill("x")
    page.locator("[type=submit]").click()
    expect(page.locator("#agentchat-runs")).to_be_visible()
    chat = page.url
    replay = f"{chat.replace('/change/', '/replay/')}?at=5"
    page.locator("#agentchat-runs ~ div a[href*='/run/']").first.click()
    expect(page.locator("svg.agentchat-timeline .llm").first).to_be_visible()
    step = page.locator("a[href*='/step/']").first.evaluate("(link) => link.href")
    statistics = f"{site.url}/admin/agentchat/chatsession/statistics/?by=owner"
    lists = [f"{site.url}/admin/agentchat/{kind}/" for kind in ("chatsession", "share", "usagebudget", "pause/add")]
    found = []
    for address in (chat, replay, page.url, step, statistics, *lists):
        page.goto(address)
        expect(page.locator("#content")).to_be_visible()
        assert errors == [], "a policy that refuses something of a page says so in the console"
        for scheme, size in LOOKS:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size(size)
            page.evaluate(SETTLED)
            found += [(address, scheme, size, each) for each in complaints(page)]
        errors.clear()  # what axe did
    assert not found, "\n".join(map(str, found))

    without = chromium.new_context(locale=language, java_script_enabled=False, storage_state=context.storage_state())
    page = without.new_page()
    page.goto(replay)
    page.locator("[type=number]").fill("2")
    page.locator("form:has([type=number]) button").click()
    expect(page.locator("[aria-current=true]")).to_have_text("2")
    page.goto(statistics)
    page.locator("[name=by]").select_option("agent")
    page.locator(".agentchat-filter button").click()
    expect(page.locator(".agentchat-numbers tbody th")).to_contain_text(["library"])
    context.close()
    without.close()
