"""Try again, edit, versions and ratings, in Chromium before a real daphne."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab

LONG = "Give me a long answer, please."


@pytest.fixture
def tab(site, make_tab):
    return make_tab(site)


def words_of(tab):
    return tab.transcript.locator(".from-person .words").all_inner_texts()


def say_and_wait(tab, text, count):
    tab.page.get_by_label("Message", exact=True).fill(text)
    tab.page.get_by_label("Message", exact=True).press("Control+Enter")  # on a phone Enter breaks the line
    tab.wait_for_frame("INPUT_REQUESTED", count=count)


def is_ready(tab):
    expect(tab.page.get_by_role("status").first).to_contain_text(re.compile("Waiting for your answer|Connected"))


def test_an_answer_is_tried_again_and_both_versions_can_be_looked_at_in_every_tab(tab, make_tab):
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "Hello", 1)
    second = make_tab(tab.site)
    second.page.goto(tab.page.url)
    second.page.get_by_label("Message", exact=True).fill("half a thought")
    tab.transcript.get_by_role("button", name="Try again").click()
    for each in (tab, second):
        each.wait_for_frame("INPUT_REQUESTED", count=2 if each is tab else 1)
        expect(each.transcript.locator("article")).to_have_count(2)
        expect(each.transcript.get_by_role("group", name="Versions")).to_contain_text("2 / 2")
    expect(second.page.get_by_label("Message", exact=True)).to_have_value("half a thought")
    first_id = tab.transcript.locator(".from-agent").get_attribute("data-id")
    tab.transcript.get_by_role("button", name="Previous version").focus()
    tab.page.keyboard.press("Enter")
    for each in (tab, second):
        expect(each.transcript.get_by_role("group", name="Versions")).to_contain_text("1 / 2")
        expect(each.transcript.locator("article")).to_have_count(2)
        assert each.transcript.locator(".from-agent").get_attribute("data-id") != first_id
    expect(tab.transcript.get_by_role("button", name="Next version")).to_be_focused()
    # The older branch goes on: its question is asked again, and answered.
    is_ready(tab)
    tab.page.get_by_label("Message", exact=True).fill("And then?")
    tab.page.get_by_label("Message", exact=True).press("Enter")
    for each in (tab, second):
        expect(each.transcript.locator(".from-agent:not([data-writing])")).to_have_count(2)
        is_ready(each)
    live = tab.transcript.locator("article [data-body]").all_inner_texts()
    tab.page.reload()
    assert tab.transcript.locator("article [data-body]").all_inner_texts() == live
    expect(tab.transcript.get_by_role("group", name="Versions")).to_contain_text("1 / 2")


def test_the_focus_stays_on_the_switch_while_the_older_branch_waits_for_its_turn(make_site, make_tab):
    tab = make_tab(make_site(AGENTCHAT_MAX_RUNS="1", AGENTCHAT_DEMO_RATE="50"))
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "Hello", 1)
    tab.transcript.get_by_role("button", name="Try again").click()
    tab.wait_for_frame("INPUT_REQUESTED", count=2)
    expect(tab.transcript.get_by_role("group", name="Versions")).to_contain_text("2 / 2")
    other = make_tab(tab.site)
    other.page.goto(f"{tab.site.url}/chat/")
    other.page.get_by_role("button", name="Chat with Assistant").click()
    other.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    other.say(LONG)  # and has the only place now
    other.wait_until(lambda: any(other.written().values()), what="no answer")
    tab.transcript.get_by_role("button", name="Previous version").focus()
    tab.page.keyboard.press("Enter")
    expect(tab.transcript.get_by_role("group", name="Versions")).to_contain_text("1 / 2")
    expect(tab.page.locator("#chat")).to_have_attribute("data-busy", "")
    expect(tab.transcript.get_by_role("button", name="Next version")).to_be_focused()
    tab.page.keyboard.press("Enter")  # too early
    expect(tab.page.locator("#complaint")).to_contain_text("Please wait for this answer to finish")
    other.page.get_by_role("button", name="Stop", exact=True).click()
    tab.wait_for_frame("INPUT_REQUESTED", count=3)
    expect(tab.page.locator("#chat")).not_to_have_attribute("data-busy", "")
    expect(tab.transcript.get_by_role("button", name="Next version")).to_be_focused()


def test_a_message_is_edited_in_its_place_and_the_older_one_stays(tab):
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "one", 1)
    say_and_wait(tab, "two", 2)
    tab.page.get_by_label("Message", exact=True).press("ArrowUp")
    field = tab.page.get_by_label("Your message", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_value("two")
    field.press("Escape")
    expect(field).to_have_count(0)
    first = tab.transcript.locator(".from-person").first
    first.hover()
    first.get_by_role("button", name="Edit").click()
    field.fill("ONE")
    field.press("Enter")
    tab.wait_for_frame("INPUT_REQUESTED", count=3)
    expect(tab.transcript.locator("article")).to_have_count(2)
    expect(tab.transcript.locator(".from-person .words")).to_have_text(["ONE"])
    assert words_of(tab) == ["ONE"]
    expect(first.get_by_role("group", name="Versions")).to_contain_text("2 / 2")
    first.get_by_role("button", name="Previous version").click()
    expect(tab.transcript.locator("article")).to_have_count(4)
    assert words_of(tab) == ["one", "two"]


def test_a_stopped_answer_is_tried_again_by_the_keyboard_and_nothing_can_be_while_it_is_written(make_site, make_tab):
    tab = make_tab(make_site(AGENTCHAT_DEMO_RATE="150"))
    tab.open_agent("Chat with Assistant")
    tab.say(LONG)
    tab.wait_until(lambda: any(len(t) > 50 for t in tab.written().values()), what="no answer")
    expect(tab.transcript.locator("[data-edit]")).not_to_be_visible()
    tab.page.get_by_role("button", name="Stop", exact=True).click()
    tab.wait_for_frame("RUN_FINISHED")
    again = tab.transcript.locator(".from-agent").get_by_role("button", name="Try again")
    again.focus()
    tab.page.keyboard.press("Enter")
    tab.wait_for_frame("RUN_STARTED", count=2)
    tab.wait_for_frame("INPUT_REQUESTED")
    expect(tab.transcript.locator("article")).to_have_count(2)
    expect(tab.transcript.locator("[data-stopped]:visible")).to_have_count(0)
    expect(tab.transcript.get_by_role("group", name="Versions")).to_contain_text("2 / 2")


def test_an_answer_is_rated_with_a_comment_and_the_rating_outlives_a_reload(tab):
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "Hello", 1)
    bad = tab.transcript.get_by_role("button", name="Bad answer")
    bad.click()
    comment = tab.page.get_by_label("Add a comment (optional)")
    expect(comment).to_be_focused()
    comment.fill("too long")
    comment.press("Enter")
    expect(bad).to_be_focused()

    def kept():
        query = "SELECT value, comment FROM agentchat_feedback WHERE session_id = ?"
        return tab.site.rows(query, tab.session_id.replace("-", ""))

    tab.wait_until(lambda: kept() == [("down", "too long")], what="none")
    tab.page.reload()
    expect(bad).to_have_attribute("aria-pressed", "true")
    is_ready(tab)
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    tab.wait_until(lambda: kept() == [], what="still there")


def test_axe_finds_nothing_on_versions_an_edit_and_a_comment(tab):
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "Hello", 1)
    tab.transcript.get_by_role("button", name="Try again").click()
    tab.wait_for_frame("INPUT_REQUESTED", count=2)
    tab.transcript.get_by_role("button", name="Good answer").click()
    person = tab.transcript.locator(".from-person")
    person.hover()
    person.get_by_role("button", name="Edit").click()
    expect(tab.page.get_by_label("Your message", exact=True)).to_be_focused()
    assert_accessible(tab.page)


def test_without_javascript_the_branch_that_people_look_at_is_shown(tab, chromium):
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "one", 1)
    first = tab.transcript.locator(".from-person").first
    first.hover()
    first.get_by_role("button", name="Edit").click()
    tab.page.get_by_label("Your message", exact=True).fill("ONE")
    tab.page.get_by_label("Your message", exact=True).press("Enter")
    tab.wait_for_frame("INPUT_REQUESTED", count=2)
    plain = chromium.new_context(java_script_enabled=False, storage_state=tab.page.context.storage_state())
    page = plain.new_page()
    page.goto(tab.page.url)
    expect(page.locator("article.from-person .words")).to_have_text(["ONE"])
    expect(page.locator(".actions").first).not_to_be_visible()
    plain.close()


def test_fingers_hit_the_buttons(site, chromium):
    context = chromium.new_context(locale="en", viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    tab = Tab(context.new_page(), site)
    tab.open_agent("Chat with Assistant")
    say_and_wait(tab, "Hello", 1)
    for name in ("Try again", "Good answer", "Bad answer", "Edit"):
        if name == "Edit":
            tab.transcript.get_by_text(
                "Hello", exact=True
            ).first.tap()  # the buttons of an earlier message come with a tap
        button = tab.transcript.get_by_role("button", name=name)
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
        assert button.evaluate("(button) => getComputedStyle(button).opacity") == "1"
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
