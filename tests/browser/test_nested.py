"""Nested chats in Chromium before a real site: open while they go on, folded when they are finished."""

import shutil

import pytest
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, call, say
from tests.browser.axe import assert_accessible
from tests.browser.test_questions import assert_that_a_reload_shows_the_same, button, card, state_is
from tests.sites import Site

slow = {words: say("It is paid. TERMINATE").paused(after=1) for words in ("Slowly.", "Slowly, please.")}


def clerk(request):
    last = request["messages"][-1]
    if last["role"] == "tool":
        return say("It is paid. TERMINATE")
    return slow.get(last["content"]) or call("refund", order="A-7", amount=12.5)


@pytest.fixture(scope="module")
def site(empty_database, tmp_path_factory):
    with ScriptedLLM() as llm:
        llm.always(clerk)
        environment = {"DJANGO_SETTINGS_MODULE": "tests.asking_site", **llm.environment()}
        site = Site(tmp_path_factory.mktemp("site"), **environment)
        shutil.copy(empty_database, site.database)
        site.start()
        yield site
        site.close()


@pytest.fixture
def desk(make_tab, site):
    """A tab in which a chat can begin."""
    tab = make_tab(site)
    tab.open_agent("Chat with Review desk")
    return tab


@pytest.fixture
def tab(desk):
    """A tab in which a person is asked about a refund, in nested chats of the critic within those of the writer."""
    desk.say("Please.")
    state_is(desk, "open")
    return desk


def group(tab, name):
    return tab.transcript.locator(f'.nested[data-step="nested chats of {name}"]').first


def fold(tab, name):
    """Click on it."""
    group(tab, name).locator("> summary").click()


def is_open(tab, name, yes=True):
    if yes:
        expect(group(tab, name)).to_have_attribute("open", "")
    else:
        expect(group(tab, name)).not_to_have_attribute("open", "")


def finish(tab):
    button(tab, "Approve").click()
    tab.wait_for_frame("RUN_FINISHED")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")


def test_nested_chats_are_open_while_they_go_on_and_folded_afterwards(tab):
    is_open(tab, "writer")
    is_open(tab, "critic")
    finish(tab)
    is_open(tab, "writer", False)
    is_open(tab, "critic", False)
    expect(tab.transcript.locator("> *")).to_have_count(3)  # the person's message, the nested chats, the reply
    expect(group(tab, "writer").locator("> summary")).to_contain_text("Nested chats of writer")
    expect(group(tab, "writer").locator("> .nested-items > .nested")).to_have_count(1)
    expect(tab.transcript.locator("> .from-agent .name")).to_have_text("writer")
    assert_that_a_reload_shows_the_same(tab)
    fold(tab, "writer")
    fold(tab, "critic")
    expect(card(tab)).to_contain_text("Approved by Guest")


def test_a_card_cannot_be_folded_away_before_it_is_answered(tab):
    for name in ("writer", "critic"):
        fold(tab, name)
        expect(button(tab, "Approve")).to_be_visible()
    tab.page.reload()
    expect(button(tab, "Approve")).to_be_visible()


def test_nested_chats_go_on_where_they_were_after_a_reload(tab):
    tab.page.reload()
    is_open(tab, "critic")
    finish(tab)
    is_open(tab, "writer", False)
    expect(tab.transcript.locator("> *")).to_have_count(3)
    assert_that_a_reload_shows_the_same(tab)


def test_what_a_person_folds_and_says_while_nested_chats_go_on_is_respected(desk):
    desk.say("Slowly.")
    desk.wait_for_frame("TEXT_MESSAGE_CONTENT")
    fold(desk, "critic")
    is_open(desk, "critic", False)
    fold(desk, "writer")
    fold(desk, "writer")
    desk.say("By the way …")
    expect(desk.transcript.locator("> .from-person")).to_have_count(2)
    slow["Slowly."].release()
    desk.wait_for_frame("RUN_FINISHED")
    is_open(desk, "critic", False)
    is_open(desk, "writer")


def test_a_stopped_run_folds_its_nested_chats(desk):
    desk.say("Slowly, please.")
    desk.wait_for_frame("TEXT_MESSAGE_CONTENT")
    is_open(desk, "critic")
    desk.page.get_by_role("button", name="Stop").click()
    desk.wait_for_frame("RUN_FINISHED")
    is_open(desk, "writer", False)
    is_open(desk, "critic", False)
    expect(desk.transcript.locator("> .ended")).to_be_visible()
    assert_that_a_reload_shows_the_same(desk)


def test_axe_finds_nothing_on_nested_chats(tab):
    assert_accessible(tab.page)
    finish(tab)
    assert_accessible(tab.page)
