"""A customer's window and a colleague's inbox, in Chromium before a real site, across a server's death."""

import json
import shutil
import signal

import pytest
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
    expect(page.get_by_text("Your answer was saved.")).to_be_visible()
    expect(page.get_by_text("Nothing is waiting for you.")).to_be_visible()
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
