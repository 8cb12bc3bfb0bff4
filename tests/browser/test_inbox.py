"""A customer's window and a colleague's inbox, in Chromium before a real site: live, and across a server's death."""

import json
import re
import shutil
import signal

import pytest
from django.utils import translation
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, call, say
from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab
from tests.sites import Site

SECRET = "O-4711"  # an argument that the customer must not see

GRACE = """
from django.contrib.auth.models import Group, User
grace = User.objects.create_user("grace", password="secret")
grace.groups.add(Group.objects.create(name="support"))
"""

AGE = """
from datetime import timedelta
from django.db.models import F
from agentchat.models import DelegatedQuestion
DelegatedQuestion.objects.update(asked_at=F("asked_at") - timedelta(hours=3))
"""


def clerk(request):
    if request["messages"][-1]["role"] == "tool":
        return say("That is settled. TERMINATE")
    return call("refund", order=SECRET, amount=12.5)


@pytest.fixture
def site(empty_database, tmp_path):
    with ScriptedLLM() as llm:
        llm.always(clerk)
        environment = {"DJANGO_SETTINGS_MODULE": "tests.asking_site", "AGENTCHAT_LEASE_S": "2"}
        site = Site(tmp_path, **environment, **llm.environment())
        shutil.copy(empty_database, site.database)
        site.manage("shell", "-c", GRACE)
        site.start()
        yield site
        site.close()


@pytest.fixture
def sign_in(chromium, site):
    """A colleague's browser, with so many tabs of the inbox."""
    contexts = []

    def sign_in(tabs=1, **options):
        context = chromium.new_context(**{"locale": "en", **options})
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{site.url}/inbox/")
        page.locator("[name=username]").fill("grace")
        page.locator("[name=password]").fill("secret")
        page.locator("main form.fields button").click()
        pages = [page, *(context.new_page() for _ in range(tabs - 1))]
        for each in pages[1:]:
            each.goto(f"{site.url}/inbox/")
        for each in pages:
            expect(each.locator("#inbox")).to_be_visible()
        return pages

    yield sign_in
    for context in contexts:
        context.close()


def ask_for_a_refund(make_tab, site):
    customer = make_tab(site)
    customer.page.goto(f"{site.url}/chat/")
    customer.page.get_by_role("button", name="Chat with Returns desk").click()
    customer.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    customer.say("It is broken.")
    expect(customer.transcript.locator(".card").last).to_contain_text("A colleague decides about this")
    return customer


def test_the_inbox_is_live_in_every_tab_and_the_keyboard_is_enough(make_tab, sign_in, site):
    pages = sign_in(tabs=4)
    listed, other, question, start = pages
    start.goto(f"{site.url}/chat/")
    for each in (listed, other):
        expect(each).to_have_title("Inbox")
        expect(each.locator(".inbox-list")).to_contain_text("Nothing is waiting for you.")
    link = start.locator("#inbox-link")
    expect(link).to_be_hidden()
    loads = []
    for each in pages:
        each.on("load", lambda: loads.append(1))
    ask_for_a_refund(make_tab, site)
    for each in (listed, other):
        expect(each).to_have_title("(1) Inbox")
        expect(each.locator(".inbox-list a")).to_have_count(1)
        expect(each.get_by_role("status")).to_contain_text("1 question is waiting for you.")
    start.locator(".sidebar-account summary").click()
    expect(link).to_have_text("Inbox (1)")
    ask_for_a_refund(make_tab, site)
    expect(listed.locator(".inbox-list a")).to_have_count(2)
    expect(link).to_have_text("Inbox (2)")
    listed.keyboard.press("ArrowDown")
    listed.keyboard.press("ArrowDown")
    second = listed.locator(".inbox-list a").nth(1)
    expect(second).to_be_focused()
    listed.keyboard.press("ArrowUp")
    expect(listed.locator(".inbox-list a").first).to_be_focused()
    listed.keyboard.press("ArrowDown")
    expect(second).to_be_focused()
    assert not loads
    question.goto(f"{site.url}{other.locator('.inbox-list a').first.get_attribute('href')}")
    expect(question).to_have_title(re.compile(r"^\(2\) refund"))
    question.get_by_label("Reason for rejecting").fill("What I have typed stays.")
    other.locator(".inbox-list a").first.click()
    other.get_by_role("button", name="Approve").click()
    expect(other.locator("#toasts")).to_contain_text("Your answer was saved.")
    expect(listed).to_have_title("(1) Inbox")
    expect(listed.locator(".inbox-list a")).to_have_count(1)
    expect(listed.locator(".inbox-list a")).to_be_focused()  # it has moved, and is the same question
    expect(question.get_by_role("alert")).to_contain_text("grace has answered this question.")
    expect(question.get_by_role("button", name="Reject")).to_be_disabled()
    expect(question.get_by_label("Reason for rejecting")).to_have_value("What I have typed stays.")
    listed.keyboard.press("Control+/")
    expect(listed.get_by_role("dialog")).to_contain_text("Next question")
    listed.keyboard.press("Escape")
    expect(listed.locator(".inbox-list a")).to_be_focused()
    listed.keyboard.press("Enter")
    expect(listed.get_by_role("button", name="Approve")).to_be_visible()


def test_enter_in_a_changed_field_does_not_approve_of_what_was_asked(make_tab, sign_in, site):
    ask_for_a_refund(make_tab, site)
    [page] = sign_in()
    page.locator(".inbox-list a").click()
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("amount").fill("10")
    page.get_by_label("amount").press("Enter")
    page.get_by_role("button", name="Approve with changes").click()
    expect(page.locator("#toasts")).to_contain_text("Your answer was saved.")
    [(payload,)] = site.rows("SELECT payload FROM agentchat_event WHERE type = 'INPUT_ANSWERED'")
    assert json.loads(payload)["value"]["arguments"]["amount"] == 10


def test_an_age_grows_though_nothing_else_changes(make_tab, sign_in, site):
    ask_for_a_refund(make_tab, site)
    [page] = sign_in()
    expect(page.locator(".inbox-list")).to_contain_text("Age: 0")
    page.clock.install()
    page.reload()
    site.manage("shell", "-c", AGE)
    page.clock.fast_forward(61_000)
    expect(page.locator(".inbox-list")).to_contain_text("Age: 3\xa0hours")


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_axe_finds_nothing_in_the_inbox(make_tab, sign_in, site, language):
    for _ in range(2):
        ask_for_a_refund(make_tab, site)
    [page] = sign_in(locale=language)
    with translation.override(language):
        expect(page).to_have_title(f"(2) {translation.gettext('Inbox')}")
        edit = translation.gettext("Edit")
    assert_accessible(page)
    page.locator(".inbox-list a").first.click()
    page.get_by_text(edit, exact=True).click()
    assert_accessible(page)
    address = page.url
    page.locator("[value=reject]").click()
    expect(page.locator(".inbox-list a")).to_have_count(1)
    page.goto(address)
    expect(page.locator("#question-closed p")).to_be_visible()
    assert_accessible(page)
    page.goto(f"{site.url}/inbox/?closed=1")
    expect(page.locator(".inbox-list a")).to_have_count(1)
    assert_accessible(page)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_colleague_decides_and_the_customer_sees_no_more_than_that(make_tab, chromium, site):
    customer = make_tab(site)
    customer.open_agent("Chat with Returns desk")
    customer.say("It is broken.")
    card = customer.transcript.locator(".card")
    expect(card).to_contain_text("A colleague decides about this")
    expect(card.get_by_role("button")).to_have_count(0)
    expect(customer.page.get_by_role("button", name="Stop")).to_be_visible()
    site.stop(signal.SIGKILL)
    site.start()
    context = chromium.new_context(locale="en")
    colleague = Tab(context.new_page(), site)
    page = colleague.page
    page.goto(f"{site.url}/inbox/")
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("(1) Inbox")
    page.get_by_role("link", name="refund").press("Enter")
    expect(page.get_by_text(SECRET)).to_be_visible()
    assert_accessible(page)
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("amount").fill("10")
    page.get_by_role("button", name="Approve with changes").press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Your answer was saved.")
    expect(page.locator(".inbox-list")).to_contain_text("Nothing is waiting for you.")
    expect(card).to_contain_text("Approved by grace")
    customer.wait_for_frame("RUN_FINISHED")
    assert colleague.problems == []
    context.close()
    [result] = [fact for fact in customer.facts() if fact["type"] == "TOOL_CALL_RESULT"]
    assert (result["ok"], result["content"]) == (True, "")
    assert SECRET not in json.dumps(customer.frames)
    shown = customer.transcript.inner_html()
    customer.page.reload()
    expect(card).to_contain_text("Approved by grace")
    assert "A colleague decides" in shown
