"""Files of a message: added in each way, sent, seen, opened; and what happens when something is in the way."""

import re
import shutil
import struct

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.files import hostile
from tests.sites import Site

TINY_WAV = b"RIFF" + struct.pack("<I", 44) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
TINY_WAV += b"data" + struct.pack("<I", 8) + bytes(8)


@pytest.fixture(scope="module")
def clerks(empty_database, tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"), DJANGO_SETTINGS_MODULE="tests.uploading_site")
    shutil.copy(empty_database, site.database)
    site.start()
    yield site
    site.close()


@pytest.fixture
def tab(make_tab, clerks):
    tab = make_tab(clerks)
    tab.open_agent("Chat with Clerk")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    return tab


def payload(name, content, type_="application/octet-stream"):
    return {"name": name, "mimeType": type_, "buffer": content}


def pick(tab, *files):
    with tab.page.expect_file_chooser() as chooser:
        tab.page.get_by_role("button", name="Add files").click()
    chooser.value.set_files(list(files))


def transfer(tab, type_, name, content, mime):
    """Drop or paste a file on the message field, as a browser says that."""
    tab.page.get_by_role("textbox", name="Message").evaluate(
        """(field, [type, name, bytes, mime]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type: mime }));
          const options = { bubbles: true, cancelable: true };
          field.dispatchEvent(type === "paste" ? new ClipboardEvent(type, { ...options, clipboardData: data })
            : new DragEvent(type, { ...options, dataTransfer: data }));
        }""",
        [type_, name, list(content), mime],
    )


def uploads(tab):
    return tab.page.get_by_role("list", name="Files to send").get_by_role("listitem")


def test_files_picked_dropped_and_pasted_are_sent_shown_and_opened_in_place(tab):
    pick(tab, payload("photo.jpg", hostile.photo(size=(800, 400))), payload("paper.pdf", hostile.PDF_WITH_SCRIPT))
    transfer(tab, "drop", "notes.txt", b"<b>first</b> line\n" * 3, "text/plain")
    transfer(tab, "paste", "image.png", hostile.image(), "image/png")
    pick(tab, payload("sound.wav", TINY_WAV))
    expect(uploads(tab)).to_have_count(5)
    expect(tab.page.locator(".upload[data-state='ready']")).to_have_count(5)
    assert_accessible(tab.page)
    tab.say("Look at these")
    message = tab.transcript.locator(".from-person")
    expect(message.locator(".files li")).to_have_count(5)
    expect(uploads(tab)).to_have_count(0)
    expect(tab.transcript).to_contain_text("I have photo.jpg, paper.pdf, notes.txt, image.png, sound.wav.")
    thumbnail = message.get_by_role("img", name="photo.jpg")
    expect(thumbnail).to_be_visible()
    tab.wait_until(lambda: thumbnail.evaluate("image => image.naturalHeight > image.naturalWidth"), what="not turned")
    dialog = tab.page.get_by_role("dialog")
    for name, shows in (
        ("photo.jpg", "img"),
        ("paper.pdf", "iframe"),
        ("sound.wav", "audio"),
        ("notes.txt", "pre"),
    ):
        message.locator(f'[data-name="{name}"]').click()
        expect(dialog.get_by_role("heading", name=name)).to_be_visible()
        expect(dialog.locator(shows)).to_be_visible()
        if name == "notes.txt":
            expect(dialog.locator("pre")).to_contain_text("<b>first</b> line")
            assert_accessible(tab.page)
        tab.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    tab.page.reload()
    expect(tab.transcript.locator(".from-person .files li")).to_have_count(5)


def test_what_is_not_sent_survives_a_reload_and_goes_on_after_a_lost_connection(tab, clerks):
    content = b"0123456789abcdef" * 200_000  # thirteen parts
    parts = []

    def third_is_lost(route):
        if route.request.method == "POST" and "upload-offset" in route.request.headers:
            parts.append(int(route.request.headers["upload-offset"]))
            if len(parts) >= 3:
                route.abort()
                return
        route.continue_()

    tab.page.route(re.compile("/uploads/"), third_is_lost)
    tab.page.get_by_role("textbox", name="Message").fill("This is mine")
    pick(tab, payload("big.txt", content))
    tab.wait_until(lambda: len(parts) >= 3, what="no third part")
    tab.page.unroute(re.compile("/uploads/"))
    tab.page.reload()
    expect(tab.page.get_by_role("textbox", name="Message")).to_have_value("This is mine")
    expect(tab.page.locator(".upload[data-state='ready']")).to_contain_text("big.txt")
    assert clerks.rows("SELECT size FROM agentchat_storedfile WHERE name = 'big.txt'") == [(len(content),)]
    assert parts[:3] == [0, 2**18, 2 * 2**18]
    tab.problems.clear()  # Chromium says that a request was lost
    tab.page.keyboard.press("Control+Enter")
    tab.page.get_by_role("button", name="Send").click()
    expect(tab.transcript).to_contain_text("I have big.txt.")


def test_a_file_that_could_not_be_uploaded_is_tried_again_by_its_button(tab):
    busy = {"status": 429, "json": {"error": "Please wait a moment."}}
    tab.page.route(re.compile("/uploads/"), lambda route: route.fulfill(**busy))
    pick(tab, payload("notes.txt", b"first line"))
    card = uploads(tab)
    expect(card).to_contain_text("Please wait a moment.")
    tab.page.unroute(re.compile("/uploads/"))
    tab.problems.clear()  # Chromium says that it was refused
    card.get_by_role("button", name="Retry").click()
    expect(tab.page.locator(".upload[data-state='ready']")).to_contain_text("notes.txt")
    tab.say("Read this")
    expect(tab.transcript).to_contain_text("I have notes.txt.")


def test_a_refused_file_says_why_and_what_was_typed_stays(tab):
    field = tab.page.get_by_role("textbox", name="Message")
    field.fill("What is this?")
    pick(tab, payload("photo.png", hostile.SVG))
    card = uploads(tab)
    expect(card).to_contain_text("can't be sent here. You can send: images, PDF, audio, texts, BIN.")
    tab.page.get_by_role("button", name="Send").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("Retry or remove them")
    expect(field).to_have_value("What is this?")
    tab.page.get_by_role("button", name="Remove “photo.png”").click()
    expect(card).to_have_count(0)
    pick(tab, payload("empty.txt", b""))
    expect(tab.page.get_by_role("alert")).to_contain_text("“empty.txt” is empty.")
    tab.page.get_by_role("button", name="Send").click()
    expect(tab.transcript).to_contain_text("I have no file.")


def test_a_new_chat_begins_with_files_on_a_phone(chromium, clerks):
    from tests.browser.conftest import Tab

    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    context = chromium.new_context(locale="en", **phone)
    tab = Tab(context.new_page(), clerks)
    tab.page.goto(f"{clerks.url}/chat/")
    agents = tab.page.get_by_role("combobox", name="Agent")
    agents.select_option("Weather desk")
    expect(tab.page.get_by_role("button", name="Add files")).to_be_hidden()
    agents.select_option("Clerk")
    # Several at once: the first ones of a guest who has no key yet.
    pick(tab, payload("photo.jpg", hostile.photo(size=(800, 400))), payload("one.txt", b"1"), payload("two.txt", b"2"))
    expect(tab.page.locator(".upload[data-state='ready']")).to_have_count(3)
    assert_accessible(tab.page)
    tab.page.locator("#start").get_by_role("button", name="Send").tap()
    tab.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(tab.transcript).to_contain_text("I have photo.jpg, one.txt, two.txt.")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not tab.problems
    context.close()


def test_a_chart_of_an_agent_is_shown_with_what_it_says_and_a_table_can_be_downloaded(make_tab, clerks):
    tab = make_tab(clerks)
    tab.page.set_viewport_size({"width": 390, "height": 740})
    tab.open_agent("Chat with Painter")
    tab.say("Draw!")
    chart = tab.transcript.get_by_role("img", name="Chairs sold in May")
    expect(chart).to_be_visible()
    tab.wait_until(lambda: chart.evaluate("image => image.naturalWidth > 0"), what="loaded")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    chart.click()
    dialog = tab.page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="chart.png")).to_be_visible()
    tab.page.keyboard.press("Escape")
    tab.transcript.locator('[data-name="sales.csv"]').click()
    expect(dialog).to_contain_text("<b>table</b>,4")
    tab.page.keyboard.press("Escape")
    with tab.page.expect_download() as download:
        tab.transcript.get_by_role("link", name="Download sales.csv").click()
    assert download.value.suggested_filename == "sales.csv"
    assert_accessible(tab.page)
    tab.page.reload()
    expect(chart).to_be_visible()
    expect(tab.transcript.locator('[data-name="sales.csv"]')).to_be_visible()
