"""A run that waits for something outside of its chat, as its owner sees it."""

import shutil

import pytest
from django.utils import translation
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab
from tests.sites import Site

PAY = """
from agentchat import chats
from agentchat.models import ChatSession
chats.signal(ChatSession.objects.latest("created_at"), "paid")
"""


@pytest.fixture
def site(empty_database, tmp_path):
    site = Site(tmp_path, DJANGO_SETTINGS_MODULE="tests.asking_site")
    shutil.copy(empty_database, site.database)
    site.start()
    yield site
    site.close()


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_a_run_that_waits_says_so_kindly_goes_on_by_itself_and_can_be_stopped(chromium, site, language):
    context = chromium.new_context(locale=language)
    tab = Tab(context.new_page(), site)
    page = tab.page
    page.goto(f"{site.url}/chat/")
    page.locator("form", has_text="Order desk").get_by_role("button").last.click()
    page.wait_for_url("**/chat/*-*/")
    with translation.override(language):
        words = translation.gettext("Waiting for something outside this chat. It goes on by itself.")
        stop = page.get_by_role("button", name=translation.gettext("Stop"), exact=True)
    assert (words.startswith("Waiting")) == (language == "en")
    status = page.get_by_role("status")
    tab.say("chair")
    expect(status).to_contain_text(words)
    expect(page.locator("#working")).to_be_hidden()
    assert_accessible(page)
    page.reload()
    expect(status).to_contain_text(words)
    expect(page.locator(".entry[data-status=running]")).to_have_count(0)
    site.manage("shell", "-c", PAY)
    expect(tab.transcript).to_contain_text("Thank you.")
    expect(status).not_to_contain_text(words)
    tab.say("table")
    expect(status).to_contain_text(words)
    stop.click()
    expect(status).not_to_contain_text(words)
    tab.wait_for_frame("RUN_FINISHED", count=2)
    assert tab.problems == []
    context.close()
