"""Reading: code, tables, formulas, long texts, copies; and that the page stays where one reads."""

import json
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from agentchat.testing import raw, say
from tests.browser import reading
from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab
from tests.browser.reading import ALL, markup, reply
from tests.llm.chunks import DONE, chunk


@pytest.fixture
def tab(library):
    return library


def scroll_y(tab):
    return tab.page.evaluate("scrollY")


def wait_for_the_end_of_the_page(tab):
    """The page has followed what was written, and is where it stays."""
    to_the_end = "Math.round(document.documentElement.scrollHeight - innerHeight - scrollY)"
    tab.wait_until(lambda: tab.page.evaluate(to_the_end) == 0, what="the page does not follow")


def wheel_up(tab, pixels):
    """Turn the wheel, and wait until the page has gone there and been painted."""
    to = scroll_y(tab) - pixels
    tab.page.mouse.wheel(0, -pixels)
    tab.wait_until(lambda: abs(scroll_y(tab) - to) < 1, what=f"the wheel turns to {to}")
    tab.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def clipboard(tab):
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return lambda: tab.page.evaluate("navigator.clipboard.readText()")


def test_code_has_its_language_and_is_copied_by_keyboard(tab):
    read = clipboard(tab)
    tab.say("Show me all.")
    code = reply(tab).locator(".code")
    expect(code.locator("[data-language]")).to_have_text("python")
    button = code.get_by_role("button", name="Copy")
    button.focus()
    button.press("Enter")
    expect(code.locator(".copied")).to_be_visible()  # first: it is there for two seconds only
    expect(tab.page.get_by_role("status")).to_contain_text("Copied")
    assert read() == "def answer():\n    return 42"
    expect(code.locator(".copied")).to_be_hidden()


def test_code_has_its_head_while_the_message_is_written_and_after_a_reload(tab):
    reading.paused["Slowly."] = answer = say(
        f"{reading.CODE}\n\nand more. TERMINATE", chunks=[f"{reading.CODE}\n\n", "and", " more. TERMINATE"]
    )
    answer.paused(after=2)
    tab.say("Slowly.")
    expect(tab.transcript.locator("[data-writing] [data-language]")).to_have_text("python")
    answer.release()
    expect(reply(tab).locator(".code-head")).to_have_count(1)
    tab.page.reload()
    expect(reply(tab).locator(".code-head")).to_have_count(1)


def test_the_place_of_a_head_is_free_before_it_comes(tab):
    tab.say("Show me all.")
    expect(reply(tab).locator(".code")).to_be_visible()
    heights = tab.page.evaluate(
        """() => {
          const prose = document.querySelector(".from-agent .prose");
          const dressed = prose.getBoundingClientRect().height;
          const box = prose.querySelector(".code");
          const plain = prose.cloneNode(true);
          const pre = plain.querySelector(".code > pre");
          pre.parentElement.replaceWith(pre);
          box.closest(".message").append(plain);
          const bare = plain.getBoundingClientRect().height;
          plain.remove();
          return [dressed, bare];
        }"""
    )
    assert heights[0] == pytest.approx(heights[1], abs=1)


def test_what_is_selected_while_a_message_is_written_stays_selected_when_it_is_whole(tab):
    chunks = ["First.\n\nSecond.\n\n", "Thi", "rd. TERMINATE"]
    reading.paused["Slowly."] = answer = say("".join(chunks), chunks=chunks).paused(after=2)
    tab.say("Slowly.")
    written = tab.transcript.locator("[data-writing] .prose p")
    expect(written).to_have_text(["First.", "Second.", "Thi"])
    written.first.evaluate("(paragraph) => getSelection().selectAllChildren(paragraph)")
    answer.release()
    expect(reply(tab).locator(".prose p")).to_have_text(["First.", "Second.", "Third."])
    assert tab.page.evaluate("getSelection().toString()") == "First."


def test_a_link_that_is_defined_at_the_end_is_one_when_the_message_is_whole(tab):
    chunks = ["See [here][1].\n\n", "[1]: https://example.org\n\n", "TERMINATE"]
    reading.paused["Slowly."] = answer = say("".join(chunks), chunks=chunks).paused(after=1)
    tab.say("Slowly.")
    expect(tab.transcript.locator("[data-writing] .prose p")).to_have_text("See [here][1].")
    answer.release()
    expect(reply(tab).get_by_role("link", name="here")).to_be_visible()
    expect(reply(tab).locator(".prose p")).to_have_text(["See here."])


def test_a_message_is_copied_as_markdown_also_after_a_reload(tab):
    read = clipboard(tab)
    tab.say("Show me all.")
    for _ in range(2):
        reply(tab).get_by_role("button", name="Copy").last.click()
        expect(tab.page.get_by_role("status")).to_contain_text("Copied")
        assert read() == ALL.removesuffix("\n\nTERMINATE")
        tab.page.evaluate("navigator.clipboard.writeText('')")
        tab.page.reload()
        expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    tab.transcript.locator(".from-person").get_by_role("button", name="Copy").click()
    expect(tab.page.get_by_role("status")).to_contain_text("Copied")
    assert read() == "Show me all."


def test_without_the_clipboard_api_it_is_copied_by_hand(tab):
    read = clipboard(tab)
    tab.say("Show me all.")
    tab.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    reply(tab).locator(".code").get_by_role("button", name="Copy").click()
    expect(tab.page.get_by_role("status")).to_contain_text("Copied")
    assert read() == "def answer():\n    return 42"


def test_what_was_shared_is_copied_too_and_its_times_are_the_readers(tab, chromium):
    tab.say("Show me all.")
    expect(reply(tab)).to_contain_text("A quotation.")
    tab.page.goto(f"{tab.page.url}share/")
    tab.page.get_by_role("button", name="Create link").click()
    address = tab.page.locator("[data-select]").input_value()
    stranger = chromium.new_context(locale="en", timezone_id="Asia/Kathmandu")
    page = stranger.new_page()
    page.goto(address)
    time = page.locator(".from-agent time").first
    at = datetime.fromisoformat(time.get_attribute("datetime")).astimezone(ZoneInfo("Asia/Kathmandu"))
    expect(time).to_contain_text(f"{at:%M} {at:%p}")
    stranger.grant_permissions(["clipboard-read", "clipboard-write"])
    for button, text in (
        (page.locator(".from-agent > .actions button"), ALL.removesuffix("\n\nTERMINATE")),
        (page.locator(".code button"), "def answer():\n    return 42"),
    ):
        button.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == text
    plain = chromium.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    expect(plain.locator(".from-agent .prose")).to_be_visible()
    expect(plain.get_by_role("button")).to_have_count(0)
    plain.context.close()
    stranger.close()


def test_times_of_other_days_have_their_day(tab):
    tab.say("Show me all.")
    time = reply(tab).locator("time")
    expect(time).to_have_text(re.compile(r"^\d+:\d\d\s[AP]M$"))
    said = datetime.fromisoformat(time.get_attribute("datetime"))
    in_this_year = said + timedelta(days=3 if said.month < 7 else -3)
    for now, shown in (
        (in_this_year, r"^[A-Z][a-z]{2} \d+, \d+:\d\d\s[AP]M$"),
        (said + timedelta(days=400), r"^[A-Z][a-z]{2} \d+, \d{4}, \d+:\d\d\s[AP]M$"),
    ):
        tab.page.clock.set_fixed_time(now)
        tab.page.reload()
        expect(time).to_have_text(re.compile(shown))


def test_tables_and_formulas_scroll_within_and_have_names(tab):
    tab.page.set_viewport_size({"width": 320, "height": 600})
    tab.say("Show me all.")
    table = reply(tab).get_by_role("group").filter(has=tab.page.locator("table"))
    expect(table).to_have_accessible_name(", ".join(f"a long heading {n}" for n in range(12))[:200])
    table.focus()
    table.press("ArrowRight")
    tab.wait_until(lambda: table.evaluate("(table) => table.scrollLeft") > 0, what="the table to scroll")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(reply(tab).get_by_role("group", name=r"\frac{a}{b}").locator("mfrac")).to_be_visible()
    expect(reply(tab).locator("p math")).to_have_count(1)
    expect(reply(tab)).to_contain_text("It costs $5 or $10, and")


def test_a_long_result_is_folded_and_a_short_one_is_not(tab):
    tab.say("Look it up.")
    tab.wait_for_frame("RUN_FINISHED")
    tab.transcript.locator(".tool summary").click()
    result = tab.transcript.locator("[data-result]")
    button = tab.transcript.get_by_role("button", name="Show all")
    folded = result.bounding_box()["height"]
    button.press("Enter")
    expect(tab.transcript.get_by_role("button", name="Show less")).to_have_attribute("aria-expanded", "true")
    assert result.bounding_box()["height"] > 2 * folded
    tab.say("Look a little up.")
    tab.wait_for_frame("RUN_FINISHED", count=2)
    tab.transcript.locator(".tool summary").last.click()
    expect(tab.transcript.locator("[data-result]").last).to_be_visible()
    expect(tab.transcript.locator("[data-unfold]").last).to_be_hidden()


def test_the_arguments_of_a_call_are_rows(tab):
    tab.say("Look it up.")
    tab.wait_for_frame("RUN_FINISHED")
    tab.transcript.locator(".tool summary").click()
    rows = tab.transcript.locator(".tool [data-rows]")
    expect(rows.locator("dt")).to_have_text(["Word", "Lines"])
    expect(rows.locator("dd")).to_have_text(["Snow", "40"])
    expect(tab.transcript.locator("pre[data-args]")).to_be_hidden()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    live = markup(tab)
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    assert markup(tab) == live.replace("<details open", "<details").replace(' open=""', "")


def test_what_a_person_pasted_is_folded(tab):
    text = "\n".join(f"line {number}" for number in range(60))
    tab.say(text)
    expect(reply(tab)).to_contain_text("You said")
    for _ in range(2):
        expect(tab.transcript.locator(".from-person .words")).to_have_class("words folded")
        expect(tab.transcript.locator(".from-person").get_by_role("button", name="Show all")).to_be_visible()
        tab.page.reload()


def test_whoever_reads_above_is_not_moved_by_500_deltas(tab):
    tab.page.set_viewport_size({"width": 800, "height": 500})
    tab.say("Show me all.")
    expect(reply(tab)).to_contain_text("A quotation.")
    pieces = [f"word {number} of it.\n\n" for number in range(520)]
    reading.paused["At length."] = answer = say("", chunks=[*pieces, "TERMINATE"]).paused(after=15)
    tab.say("At length.")
    expect(tab.transcript.locator("[data-writing]")).to_contain_text("word 14")
    wait_for_the_end_of_the_page(tab)
    assert scroll_y(tab) > 200  # it was followed so far
    wheel_up(tab, 30)  # near the end is not at the end
    expect(tab.page.get_by_role("button", name="Jump to latest")).to_be_visible()
    tab.page.evaluate(
        """() => {
          window.seen = new Set([scrollY]);
          const look = () => { window.seen.add(scrollY); requestAnimationFrame(look); };
          look();
        }"""
    )
    height = tab.page.evaluate("document.documentElement.scrollHeight")
    answer.release()
    tab.wait_until(lambda: any("word 519" in text for text in tab.written().values()), what="it does not end")
    expect(reply(tab)).to_contain_text("word 519")
    assert tab.page.evaluate("document.documentElement.scrollHeight") > height + 5_000
    assert len(tab.page.evaluate("[...window.seen]")) == 1
    tab.page.get_by_role("button", name="Jump to latest").click()
    expect(reply(tab).locator(".prose p").last).to_be_in_viewport()


def test_a_new_block_of_a_message_has_nothing_else_styled_again(tab, chromium):
    """A selector that looks around (`:has(+ …)`, `… + *`) would have it so, and a long chat would stutter."""
    tab.say("Show me all.")
    tab.wait_for_frame("RUN_FINISHED")
    chunks = [f"Paragraph {number} with *some* **more** `words`.\n\n" for number in range(60)] + ["TERMINATE"]
    reading.paused["Slowly."] = say("".join(chunks), chunks=chunks, delay=0.05)
    chromium.start_tracing(page=tab.page, categories=["devtools.timeline"])
    tab.say("Slowly.")
    tab.wait_for_frame("RUN_FINISHED", count=2)
    expect(reply(tab).locator(".prose p")).to_have_count(60)
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    styled = [
        e["args"]["elementCount"] for e in events if e["name"] == "UpdateLayoutTree" and "elementCount" in e["args"]
    ]
    pictures = [count for count in styled if count > 10]  # the others are those of animations
    assert len(pictures) >= 10  # on a busy machine several blocks share one
    # Sixty blocks have 240 elements: no more than two pictures can have so many new ones.
    assert sum(count > 120 for count in pictures) < len(pictures) / 4


def test_from_right_to_left_nothing_leaves_the_page(tab):
    tab.page.set_viewport_size({"width": 320, "height": 600})
    tab.say("Show me all.")
    expect(reply(tab)).to_contain_text("A quotation.")
    tab.page.evaluate("document.documentElement.dir = 'rtl'")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    send, words = tab.page.locator("#send").bounding_box(), tab.page.locator(".from-person .words").bounding_box()
    assert send["x"] < 160 - send["width"]  # they have changed sides
    assert words["x"] == pytest.approx(16, abs=1)


def test_every_target_can_be_hit_by_a_finger(chromium, library_site):
    context = chromium.new_context(locale="en", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    tab = Tab(context.new_page(), library_site)
    tab.open_agent("Chat with Library")
    for number, words in enumerate(("Look it up.", "Show me all."), 1):
        tab.page.get_by_role("textbox").fill(words)
        tab.page.get_by_role("button", name="Send").tap()
        tab.wait_for_frame("RUN_FINISHED", count=number)
    expect(reply(tab)).to_contain_text("A quotation.")
    # The buttons of the last message are there, those of another one come with a tap on it.
    messages = tab.transcript.locator(".message").all()
    for tapped in [None, *messages]:
        if tapped is not None:
            tapped.tap(position={"x": 5, "y": 5})
        small = tab.page.evaluate(
            """() => [...document.querySelectorAll("main :is(button, summary, textarea)")]
              .filter((each) => each.checkVisibility())
              .filter((each) => !each.closest(".message:not(:last-of-type, [data-tapped]) > .actions"))
              .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
              .filter(([, { width, height }]) => width < 44 || height < 44)
              .map(([html]) => html)"""
        )
        assert small == []
    context.close()


def test_sources_are_numbered_below_the_answer_and_are_copied_with_it(tab):
    read = clipboard(tab)
    places = {"The manual": "https://www.shop.example/manual", "Not a link": "javascript:alert(1)"}
    cited = [{"type": "url_citation", "url_citation": {"url": u, "title": t}} for t, u in places.items()]
    answer = [chunk({"content": "Wipe it. TERMINATE"}), chunk({"annotations": cited}, "stop"), DONE]
    reading.paused["Sources?"] = raw(*answer)
    tab.say("Sources?")
    sources = reply(tab).get_by_role("region", name="Sources")
    expect(sources.get_by_role("listitem")).to_have_text([re.compile("The manual *shop.example"), "Not a link"])
    expect(sources.get_by_role("link")).to_have_attribute("href", places["The manual"])
    assert_accessible(tab.page)
    reply(tab).get_by_role("button", name="Copy").last.click()
    expect(tab.page.get_by_role("status")).to_contain_text("Copied")
    assert read() == "Wipe it.\n\n1. [The manual](<https://www.shop.example/manual>)\n2. Not a link"


def test_what_the_model_reads_instead_of_older_messages_is_folded_and_opens_by_keyboard(make_tab, library_site):
    tab = make_tab(library_site)
    tab.open_agent("Chat with Companion")
    tab.say("Go on.")
    expect(reply(tab)).to_contain_text("You said")
    note = tab.transcript.locator(".summary-note")
    heading = note.locator("summary")
    expect(heading).to_have_text("The agent now reads a summary of 17 earlier messages")
    expect(note.get_by_text("You said:")).to_be_hidden()
    heading.press("Enter")
    expect(note.get_by_text("You said:")).to_be_visible()
    assert_accessible(tab.page)
    before = markup(tab)
    tab.page.reload()
    expect(note.locator("summary")).to_be_visible()
    assert markup(tab).replace(' open=""', "") == before.replace(' open=""', "")
