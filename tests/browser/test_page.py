"""The chat page in the hands of a person: what they type, press, lose and get back."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def site(shared_site):
    return shared_site


@pytest.fixture
def tab(make_tab, site):
    return make_tab(site)


@pytest.fixture
def assistant(tab):
    """A tab in a new chat with the assistant, connected."""
    tab.open_agent("Chat with Assistant")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    return tab


def replies(tab):
    return tab.transcript.locator(".from-agent:not([data-writing])")


def words(tab):
    return tab.transcript.locator(".from-person .words")


def markup(tab):
    """The transcript's elements, without the space between them."""
    return re.sub(r">\s+<", "><", tab.transcript.inner_html()).strip()


def test_what_was_shown_live_is_what_a_reload_shows(tab):
    tab.open_agent("What is the weather in Paris?")
    tab.wait_for_frame("RUN_FINISHED")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    live = markup(tab)
    assert 'data-state="done"' in live
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    assert markup(tab) == live


def ended(tab):
    return any(event["type"] == "RUN_FINISHED" for event in tab.site.events(tab.session_id))


def test_a_suggestion_is_sent_once_however_often_the_page_is_loaded(tab):
    tab.open_agent("What is the weather in Paris?")
    tab.page.reload()
    # As it is stored: an end that comes while the page loads is in the page, and no frame tells of it.
    tab.wait_until(lambda: ended(tab), what="the run has not ended")
    tab.page.reload()
    expect(words(tab)).to_have_text(["What is the weather in Paris?"])
    expect(tab.page.get_by_role("textbox")).to_have_value("")


def test_a_suggestion_in_an_empty_chat_starts_that_chat(assistant):
    session_id = assistant.session_id
    assistant.page.get_by_role("button", name="What can you do?").click()
    expect(words(assistant)).to_have_text(["What can you do?"])
    assert assistant.session_id == session_id


def test_enter_sends_and_shift_enter_breaks_the_line(assistant):
    field = assistant.page.get_by_role("textbox")
    field.press_sequentially("one")
    field.press("Shift+Enter")
    field.press_sequentially("two")
    expect(field).to_have_value("one\ntwo")
    expect(words(assistant)).to_have_count(0)
    field.press("Enter")
    expect(words(assistant)).to_have_text("one\ntwo", use_inner_text=True)
    expect(field).to_have_value("")
    expect(field).to_be_focused()


def test_the_enter_that_ends_a_composition_does_not_send(assistant):
    field = assistant.page.get_by_role("textbox")
    field.fill("にほん")
    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    expect(field).to_have_value("にほん")
    field.press("Enter")  # the same key without a composition does
    expect(words(assistant)).to_have_text(["にほん"])


def test_an_empty_message_is_not_sent(assistant):
    field = assistant.page.get_by_role("textbox")
    field.fill("  \n ")
    field.press("Enter")
    expect(field).to_have_value("  \n ")
    assistant.say("Hi")
    expect(words(assistant)).to_have_text(["Hi"])


def test_words_that_are_refused_come_back(make_tab, make_site):
    tab = make_tab(make_site(AGENTCHAT_MESSAGES_PER_MINUTE="1"))
    tab.open_agent("Chat with Assistant")
    tab.say("one")
    expect(replies(tab)).to_have_count(1)
    tab.say("two")
    expect(tab.page.get_by_role("alert")).to_contain_text("Please wait a minute")
    expect(tab.page.get_by_role("textbox")).to_have_value("two")
    expect(words(tab)).to_have_text(["one"])


def test_what_is_sent_without_a_connection_is_kept_and_counts_once(assistant, context):
    context.set_offline(True)
    expect(assistant.page.get_by_role("status")).to_contain_text("offline")
    assistant.say("while away")
    expect(assistant.page.locator("#pending")).to_contain_text("while away")
    context.set_offline(False)
    expect(words(assistant)).to_have_text(["while away"])
    expect(assistant.page.locator("#pending")).to_be_empty()
    expect(replies(assistant)).to_have_count(1)


def test_escape_stops_what_is_being_written_and_the_next_message_starts_again(assistant):
    assistant.say("a long answer, please")
    expect(assistant.transcript.locator(".from-agent .prose")).not_to_be_empty()
    assistant.page.keyboard.press("Escape")
    expect(assistant.transcript.get_by_text("Stopped here.")).to_be_visible()
    expect(assistant.page.get_by_role("button", name="Stop")).to_be_hidden()
    assistant.say("Hello")
    expect(replies(assistant)).to_have_count(2)


def test_whoever_reads_above_stays_there_and_can_jump_to_the_latest(assistant):
    assistant.page.set_viewport_size({"width": 390, "height": 500})
    assistant.say("Hi")
    expect(replies(assistant)).to_have_count(1)
    jump = assistant.page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_hidden()
    assistant.page.mouse.wheel(0, -100_000)
    expect(jump).to_be_visible()
    assistant.say("Hello")  # whoever speaks wants to see it
    expect(jump).to_be_hidden()
    expect(replies(assistant)).to_have_count(2)
    expect(replies(assistant).last).to_be_in_viewport()


def test_a_failed_run_can_be_tried_again(make_tab, make_site):
    tab = make_tab(make_site(OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="no-one-listens-there"))
    tab.open_agent("Chat with Assistant")
    tab.say("Hello")
    retry = tab.page.get_by_role("button", name="Try again")
    retry.click()
    tab.wait_for_frame("RUN_ERROR", count=2)
    expect(words(tab)).to_have_text(["Hello"])  # it goes on from where it broke
    expect(retry).to_have_count(1)  # only the last one


def test_at_phone_width_the_chats_are_in_a_drawer(assistant):
    assistant.page.set_viewport_size({"width": 320, "height": 600})
    chats = assistant.page.get_by_role("navigation")
    expect(chats).to_be_hidden()
    assistant.page.get_by_role("button", name="Open chat list").press("Enter")
    expect(chats).to_be_visible()
    assistant.page.keyboard.press("Escape")
    expect(chats).to_be_hidden()
    assert assistant.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_javascript_the_whole_transcript_can_be_read(tab, chromium, context):
    tab.open_agent("What is the weather in Paris?")
    tab.wait_for_frame("RUN_FINISHED")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    plain = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state()).new_page()
    plain.goto(tab.page.url)
    expect(plain.get_by_role("log").locator(".words")).to_have_text(["What is the weather in Paris?"])
    expect(plain.get_by_role("log").locator(".prose")).to_have_text(tab.transcript.locator(".prose").all_inner_texts())
    expect(plain.get_by_role("button", name="Send")).to_be_disabled()
    plain.context.close()
