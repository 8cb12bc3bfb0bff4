"""The list of chats in the hands of a person: live, searched, renamed, deleted, shared."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible


@pytest.fixture
def site(shared_site):
    return shared_site


@pytest.fixture
def tab(make_tab, site):
    return make_tab(site)


def new_chat(tab, text, agent="Chat with Weather desk"):
    """Start a chat, and wait until its run has ended or asks for the next message."""
    tab.page.goto(f"{tab.site.url}/chat/")
    tab.page.get_by_role("button", name=agent).click()
    tab.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    before = len(tab.frames)
    tab.say(text)
    tab.wait_until(
        lambda: any(f["type"] in ("INPUT_REQUESTED", "RUN_FINISHED") for f in tab.frames[before:]), what="it goes on"
    )
    expect(entry(tab, text)).to_have_attribute("data-status", "idle")  # nothing goes on, and nothing is asked
    expect(tab.transcript.locator(".from-agent:not([data-writing])").last).to_be_visible()
    return tab.session_id


def entry(tab, title):
    return tab.page.locator(".entry", has=tab.page.locator(".entry-title", has_text=title))


def ask_the_refund_desk(tab, text):
    """Start a chat whose agent asks back, and wait until it does."""
    tab.page.goto(f"{tab.site.url}/chat/")
    tab.page.get_by_role("button", name="Chat with Refund desk").click()
    tab.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    tab.say(text)
    expect(entry(tab, text)).to_have_attribute("data-status", "waiting")
    return tab.session_id


def titles(tab):
    return tab.page.locator(".entry-title")


def have_older_chats(site, session_id, number):
    """Give the owner of a chat so many others, of two months ago: ten of them in each millisecond, two at once."""
    code = f"""
from datetime import timedelta
from uuid import uuid4
from agentchat.models import ChatSession
chat = ChatSession.objects.get(pk={session_id!r})
then = (chat.updated_at - timedelta(days=60)).replace(microsecond=0)
for each in range({number}):
    chat.pk, chat.head, chat.title = uuid4(), None, "An older one"
    chat.save(force_insert=True)
    ChatSession.objects.filter(pk=chat.pk).update(updated_at=then + each // 2 * timedelta(microseconds=200))
"""
    site.manage("shell", "-v", "0", "-c", code)


def menu(tab, title):
    entry(tab, title).get_by_role("link", name="Options for").click()
    return tab.page.locator("#chat-menu")


# --- live -----------------------------------------------------------------------------------------------------------


def test_a_chat_in_one_tab_shows_in_the_list_of_another_as_it_goes_on(make_site, make_tab):
    site = make_site(AGENTCHAT_DEMO_RATE="20")  # so slow that the list is read while the run goes on
    tab = make_tab(site)
    new_chat(tab, "Rain in Paris?")
    other = make_tab(site)
    other.page.goto(f"{site.url}/chat/")
    expect(titles(other)).to_have_text(["Rain in Paris?"])
    seen = other.page.evaluate_handle(
        "() => { const seen = []; new MutationObserver(() => seen.push(...[...document.querySelectorAll('.entry')]"
        ".map((e) => e.dataset.status))).observe(document.querySelector('#chats'), {subtree: true, childList: true,"
        " attributes: true}); return seen; }"
    )
    ask_the_refund_desk(tab, "My money, please")
    expect(titles(other)).to_have_text(["My money, please", "Rain in Paris?"])
    link = entry(other, "My money").get_by_role("link").first
    expect(link).to_have_accessible_name("My money, please (waiting for you)")
    new_chat(tab, "And in Oslo?", "Chat with Assistant")
    expect(titles(other)).to_have_text(["And in Oslo?", "My money, please", "Rain in Paris?"])
    expect(entry(other, "Oslo")).to_have_attribute("data-status", "idle")  # it has answered, and asked nothing
    assert "running" in seen.json_value()


# In the page: the first chat of the list that can be seen, and where it is.
FIRST_SEEN = """() => {
  const top = document.getElementById("chats").getBoundingClientRect().top;
  const seen = [...document.querySelectorAll("#chats .entry")].find((each) => each.getBoundingClientRect().top >= top);
  return { id: seen.dataset.id, top: seen.getBoundingClientRect().top };
}"""


def test_focus_scroll_and_an_open_menu_stay_while_the_list_changes(tab, make_tab, site):
    have_older_chats(site, new_chat(tab, "The first one"), 30)
    new_chat(tab, "The second one")
    older = ["An older one"] * 30
    other, scrolled = make_tab(site), make_tab(site)
    for each in (other, scrolled):
        each.page.goto(f"{site.url}/chat/")
        expect(titles(each)).to_have_text(["The second one", "The first one", *older])
    scrolled.page.evaluate("document.getElementById('chats').scrollTop = 400")
    assert scrolled.page.evaluate("document.getElementById('chats').scrollTop") == 400
    seen = scrolled.page.evaluate(FIRST_SEEN)
    menu(other, "The first one").get_by_text("Rename").click()
    name = other.page.locator("#chat-menu").get_by_label("Chat name")
    name.fill("Half a na")
    new_chat(tab, "The third one")
    tab.page.goto(f"{site.url}/chat/")
    entry(tab, "The first one").get_by_role("link").first.click()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    tab.say("More")
    expect(titles(other)).to_have_text(["The first one", "The third one", "The second one", *older])
    expect(name).to_be_focused()
    expect(name).to_have_value("Half a na")
    other.page.keyboard.press("Escape")
    link = entry(other, "The second one").get_by_role("link").first
    link.focus()
    entry(tab, "The second one").get_by_role("link").first.click()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    tab.say("More")
    expect(titles(other).first).to_have_text("The second one")
    expect(link).to_be_focused()
    expect(titles(scrolled).first).to_have_text("The second one")
    scrolled.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert scrolled.page.evaluate(FIRST_SEEN) == seen


def away(page):
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.isAway, configurable: true})")
    page.evaluate("window.isAway = true; document.dispatchEvent(new Event('visibilitychange'))")


def test_the_tab_says_that_a_chat_waits_until_the_person_looks(tab, make_tab, site):
    new_chat(tab, "Hello", "Chat with Assistant")
    title = tab.page.title()
    away(tab.page)
    ask_the_refund_desk(make_tab(site), "My money, please")
    expect(tab.page).to_have_title(f"● (waiting for you) {title}")
    tab.page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(tab.page).to_have_title(title)


def test_a_notification_comes_only_when_it_was_asked_for(tab, make_tab, context, site):
    context.grant_permissions(["notifications"], origin=site.url)
    tab.page.add_init_script(
        "window.told = []; window.Notification = class { static permission = 'default';"
        " static requestPermission() { window.asked = true; this.permission = 'granted';"
        " return Promise.resolve('granted'); } constructor(...words) { told.push(words); } addEventListener() {} }"
    )
    new_chat(tab, "Hello", "Chat with Assistant")
    other = make_tab(site)
    away(tab.page)
    ask_the_refund_desk(other, "Once")
    expect(tab.page).to_have_title(re.compile("^●"))
    assert tab.page.evaluate("[told.length, Boolean(window.asked)]") == [0, False]
    tab.page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    tab.page.locator(".sidebar-account > summary").click()
    tab.page.get_by_role("button", name="Turn on notifications").click()
    expect(tab.page.get_by_role("button", name="Turn off notifications")).to_be_visible()
    away(tab.page)
    session_id = ask_the_refund_desk(other, "Twice")
    expect(tab.page).to_have_title(re.compile("^●"))
    assert tab.page.evaluate("told") == [["“Twice” is waiting for you", {"tag": session_id}]]


def test_a_long_answer_that_is_ready_is_told_and_a_short_one_is_not(make_site, make_tab, context):
    site = make_site(AGENTCHAT_DEMO_RATE="20")  # so slow that an answer takes some seconds
    context.grant_permissions(["notifications"], origin=site.url)
    tab = make_tab(site)
    tab.page.add_init_script(
        "window.told = []; localStorage.setItem('agentchat:notify', 'on'); window.Notification = class {"
        " static permission = 'granted'; constructor(...words) { told.push(words); } addEventListener() {} }"
    )
    session_id = new_chat(tab, "Hello", "Chat with Assistant")
    title = tab.page.title()
    tab.page.evaluate("performance.now = () => 0")  # no time passes
    away(tab.page)
    tab.say("How are you?")
    expect(entry(tab, "Hello")).to_have_attribute("data-status", "running")
    expect(entry(tab, "Hello")).to_have_attribute("data-status", "idle")
    assert (tab.page.evaluate("told"), tab.page.title()) == ([], title)
    tab.page.evaluate("let now = 0; performance.now = () => (now += 5_000)")
    tab.say("And now?")
    expect(tab.page).to_have_title(f"● (answer ready) {title}")
    assert tab.page.evaluate("told") == [["Your answer in “Hello” is ready", {"tag": session_id}]]
    tab.page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(tab.page).to_have_title(title)


# --- older chats ----------------------------------------------------------------------------------------------------


SCROLL = "document.getElementById('chats').scrollTop"


def test_older_chats_are_added_to_the_list_which_stays_as_it_is_on_the_next_page(tab, site):
    have_older_chats(site, new_chat(tab, "The first one"), 230)
    chat = tab.page.url
    tab.page.reload()
    expect(titles(tab)).to_have_count(100)
    link = tab.page.get_by_role("link", name="Older chats")
    link.click()
    expect(titles(tab)).to_have_count(200)
    assert tab.page.url == chat
    link.focus()
    tab.page.keyboard.press("Enter")
    expect(titles(tab)).to_have_count(231)
    expect(link).to_have_count(0)
    expect(tab.page.locator(".entry").nth(200).get_by_role("link").first).to_be_focused()
    oldest = tab.page.locator(".entry").last
    oldest.scroll_into_view_if_needed()
    place = tab.page.evaluate(SCROLL)
    oldest.get_by_role("link").first.click()
    tab.page.wait_for_url(lambda url: url != chat)
    expect(titles(tab)).to_have_count(231)
    expect(tab.page.locator(".entry").last.get_by_role("link").first).to_have_attribute("aria-current", "page")
    tab.wait_until(lambda: abs(tab.page.evaluate(SCROLL) - place) < 60, what="the list is where it was")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    expect(titles(tab)).to_have_count(231)  # the list that the socket sends is of the newest


# --- menus ----------------------------------------------------------------------------------------------------------


def test_a_chat_is_renamed_in_its_heading_by_keyboard_alone(tab):
    new_chat(tab, "Rain in Paris?")
    tab.page.locator(".heading-menu > summary").focus()
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Control+A")
    tab.page.keyboard.type("<b>Umbrella</b>")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("<b>Umbrella</b>")
    expect(titles(tab)).to_have_text(["<b>Umbrella</b>"])
    expect(tab.page).to_have_title("<b>Umbrella</b>")
    expect(tab.page.locator("#toasts")).to_contain_text("Renamed.")
    tab.page.reload()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("<b>Umbrella</b>")


def test_escape_closes_a_menu_and_stops_no_agent(tab):
    new_chat(tab, "Hello", "Chat with Assistant")
    tab.say("a long answer, please")
    expect(tab.page.get_by_role("button", name="Stop")).to_be_visible()
    tab.page.locator(".heading-menu > summary").click()
    expect(tab.page.get_by_role("link", name="Export as JSON")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("link", name="Export as JSON")).to_be_hidden()
    expect(tab.page.locator(".heading-menu > summary")).to_be_focused()
    expect(tab.page.get_by_role("button", name="Stop")).to_be_visible()
    tab.page.keyboard.press("Escape")  # with nothing open, it does
    expect(tab.transcript.get_by_text("Stopped here.").last).to_be_visible()


def test_a_chat_of_the_list_is_deleted_and_taken_back(tab):
    new_chat(tab, "Rain in Paris?")
    new_chat(tab, "Rain in Oslo?")
    menu(tab, "Paris").get_by_role("button", name="Delete").click()
    expect(titles(tab)).to_have_text(["Rain in Oslo?"])
    toasts = tab.page.locator("#toasts")
    expect(toasts).to_have_attribute("aria-live", "polite")
    expect(toasts).to_contain_text("Chat deleted.")
    assert tab.page.evaluate("document.activeElement.closest('.sidebar') !== null")  # not lost
    toasts.get_by_role("button", name="Undo").click()
    expect(titles(tab)).to_have_text(["Rain in Oslo?", "Rain in Paris?"])


def test_the_chat_of_the_page_is_deleted_and_its_other_tab_hears_it(tab, make_tab, site):
    new_chat(tab, "Rain in Paris?")
    other = make_tab(site)
    other.page.goto(tab.page.url)
    expect(other.page.get_by_role("status")).to_contain_text("Connected")
    tab.page.locator(".heading-menu > summary").click()
    tab.page.locator(".heading-menu").get_by_role("button", name="Delete").click()
    expect(tab.page).to_have_url(re.compile(r"/chat/\?deleted="))
    expect(other.page.get_by_role("status")).to_contain_text("This chat no longer exists.")
    tab.page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(tab.transcript).to_contain_text("Rain in Paris?")


def test_at_phone_width_a_menu_opens_within_the_drawer(tab):
    new_chat(tab, "Rain in Paris?")
    tab.page.set_viewport_size({"width": 320, "height": 600})
    tab.page.get_by_role("button", name="Open chat list").click()
    opened = menu(tab, "Paris")
    expect(opened.get_by_role("link", name="Share…")).to_be_in_viewport(ratio=1)
    expect(tab.page.get_by_role("navigation")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(opened).to_be_hidden()
    expect(tab.page.get_by_role("navigation")).to_be_visible()
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_javascript_a_chat_is_found_renamed_deleted_and_taken_back(tab, chromium, context):
    new_chat(tab, "Rain in Paris?")
    plain = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state()).new_page()
    plain.goto(f"{tab.site.url}/chat/")
    plain.get_by_role("searchbox").fill("pari")
    plain.get_by_role("searchbox").press("Enter")
    expect(plain.locator(".results mark").first).to_have_text("Pari")
    plain.get_by_role("link", name="Options for").click()
    plain.locator(".menu-rename summary").click()
    plain.get_by_label("Chat name").fill("Umbrella")
    plain.get_by_role("button", name="Save").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Umbrella")
    plain.get_by_role("link", name="Options for").click()
    plain.locator("main").get_by_role("button", name="Delete").click()
    expect(plain.get_by_text("Chat deleted.")).to_be_visible()
    plain.get_by_role("button", name="Undo").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Umbrella")
    plain.context.close()


def test_what_was_found_leads_to_where_it_was_said(tab):
    new_chat(tab, "Rain in Paris?")
    tab.page.keyboard.press("Control+k")
    tab.page.keyboard.type("pari")
    tab.page.keyboard.press("Enter")
    tab.page.locator(".results a").click()
    expect(tab.page.locator(".message:focus")).to_contain_text("Paris")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    expect(tab.page.locator(".message:focus")).to_be_in_viewport()


# --- share, data ----------------------------------------------------------------------------------------------------


def test_a_link_is_made_read_by_a_stranger_and_withdrawn(tab, chromium):
    new_chat(tab, "Rain in Paris?")
    menu(tab, "Paris").get_by_role("link", name="Share…").click()
    tab.page.get_by_role("button", name="Create link").click()
    link = tab.page.locator("[data-select]").input_value()
    reader = chromium.new_context().new_page()
    reader.goto(link)
    expect(reader.locator(".transcript")).to_contain_text("Rain in Paris?")
    assert reader.context.cookies() == []
    tab.page.get_by_role("button", name="Revoke").click()
    expect(tab.page.locator("[data-select]")).to_have_count(0)
    assert reader.goto(link).status == 404
    reader.context.close()


def test_all_data_is_taken_along_and_deleted(tab):
    new_chat(tab, "Rain in Paris?")
    tab.page.locator(".sidebar-account > summary").click()
    tab.page.get_by_role("link", name="Your data").click()
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="Download my data").click()
    assert "Rain in Paris?" in download.value.path().read_text()
    tab.page.get_by_role("link", name="Delete all my data").click()
    tab.page.get_by_role("button", name="Delete everything").click()
    expect(tab.page.locator("#toasts")).to_contain_text("All your chats have been deleted.")
    expect(titles(tab)).to_have_count(0)


# --- for everyone ---------------------------------------------------------------------------------------------------


def test_axe_finds_nothing_on_menus_and_what_they_open(tab, site):
    page = tab.page
    new_chat(tab, "Rain in Paris?")
    page.locator(".heading-menu > summary").click()
    page.locator(".heading-menu").get_by_text("Rename").click()
    assert_accessible(page)
    page.goto(f"{site.url}/chat/")
    page.get_by_role("link", name="Options for").click()
    page.locator("#chat-menu").get_by_role("button", name="Delete").focus()
    assert_accessible(page)
    page.locator("#chat-menu").get_by_role("button", name="Delete").press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Chat deleted.")
    assert_accessible(page)
