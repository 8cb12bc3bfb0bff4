"""An answer while it is written: rendered as it stands, without marks; long blocks too, without a stutter."""

import json
import re

import pytest
from playwright.sync_api import expect

from agentchat.testing import say
from tests.browser import reading
from tests.browser.axe import assert_accessible
from tests.browser.reading import reply

MEASURE = """() => {
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shift += entry.hadRecentInput ? 0 : entry.value;
  }).observe({ type: "layout-shift" });
}"""


@pytest.fixture
def tab(library):
    return library


def writing(tab):
    return tab.transcript.locator("[data-writing] .prose")


def test_a_list_a_table_and_code_are_what_they_will_be_while_they_are_written(tab):
    steps = [
        "Steps:\n\n1. **One** `x`\n2. **Two** and `half",
        "`\n\n| a | b |",
        "\n|---|---|\n| 1 | **2",
        "** |\n\n```python\nprint(1)\n",
        "``",
        "`\n\n[a link](https://example.org/",
        ") and the end.\n\nTERMINATE",
    ]
    reading.paused["Step by step."] = answer = say("".join(steps), chunks=steps).paused(after=1)
    tab.say("Step by step.")
    expect(writing(tab).locator("ol > li strong")).to_have_text(["One", "Two"])
    expect(writing(tab).locator("ol > li code")).to_have_text(["x", "half"])
    answer.release(1)
    expect(writing(tab).locator("th")).to_have_text(["a", "b"])
    answer.release(1)
    expect(writing(tab).locator("td strong")).to_have_text("2")
    answer.release(1)
    expect(writing(tab).locator(".code pre")).to_have_text("print(1)")
    writing(tab).locator("pre").evaluate("(pre) => { window.pre = pre; }")
    answer.release(1)
    answer.release(1)
    expect(writing(tab).locator("p").last).to_have_text("a link")
    for marks in ("**", "`", "|", "](", "TERM"):
        expect(writing(tab)).not_to_contain_text(marks)
    answer.release()
    expect(reply(tab).get_by_role("link", name="a link")).to_be_visible()
    assert tab.page.evaluate("window.pre.isConnected")  # what was there stays, and what is selected in it
    expect(reply(tab).locator(".code-head")).to_have_count(1)


def test_thoughts_are_folded_at_once_stay_as_the_reader_left_them_and_are_not_copied(tab):
    steps = ["<think>\nFirst, **a", "** plan.\n\nThen more.\n</think>\n\nThe ", "answer. TERMINATE"]
    reading.paused["Think."] = answer = say("".join(steps), chunks=steps).paused(after=1)
    tab.say("Think.")
    thoughts = writing(tab).locator("details.thoughts")
    expect(thoughts.locator("summary")).to_have_text("Thoughts")
    expect(thoughts.locator("strong")).to_be_hidden()
    thoughts.locator("summary").click()
    expect(thoughts.locator("strong")).to_have_text("a")
    answer.release(1)
    expect(writing(tab).locator("> p")).to_have_text("The")
    expect(thoughts).to_contain_text("Then more.")
    expect(thoughts).to_have_attribute("open", "")
    answer.release()
    expect(reply(tab).locator("details.thoughts > summary")).to_have_text(re.compile(r"Thought for \d+ s"))
    expect(reply(tab).locator("details.thoughts")).to_have_attribute("open", "")
    assert_accessible(tab.page)
    tab.page.reload()
    expect(reply(tab).locator("details.thoughts strong")).to_be_hidden()
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply(tab).get_by_role("button", name="Copy").last.click()
    expect(tab.page.get_by_role("status")).to_contain_text("Copied")
    assert tab.page.evaluate("navigator.clipboard.readText()") == "The answer."


def test_thoughts_without_an_opening_tag_are_folded_when_they_end(tab):
    steps = ["Hm, **a** plan.\n\nMore of it.\n", "</think>\n\nFo", "ur. TERMINATE"]
    reading.paused["Think late."] = answer = say("".join(steps), chunks=steps).paused(after=1)
    tab.say("Think late.")
    expect(writing(tab).locator("> p")).to_have_text(["Hm, a plan.", "More of it."])
    answer.release(1)
    expect(writing(tab).locator("> p")).to_have_text(["Fo"])
    expect(writing(tab).locator("details.thoughts p")).to_have_count(2)
    answer.release()
    expect(reply(tab).locator(".prose > p")).to_have_text(["Four."])
    expect(reply(tab).locator("details.thoughts p")).to_have_count(2)


@pytest.mark.parametrize(
    ("opening", "line"), [("", "- an **item** of `a list` that goes on\n"), ("```\n", "a line of code\n")]
)
def test_a_block_of_16000_characters_does_not_stutter(tab, chromium, opening, line):
    text = opening + line * (16_000 // len(line))
    chunks = [text[start : start + 80] for start in range(0, len(text), 80)]
    reading.paused["At length."] = say(text, chunks=[*chunks, "\n\nTERMINATE"], delay=0.02)
    tab.page.evaluate(MEASURE)
    chromium.start_tracing(page=tab.page, categories=["toplevel", "devtools.timeline"])
    tab.say("At length.")
    tab.wait_for_frame("TEXT_MESSAGE_END", count=2)
    expect(reply(tab).locator(".prose :is(li, pre)").last).to_be_attached()
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    main = {e["tid"] for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    tasks = [e for e in events if e["tid"] in main and e["name"].endswith("RunTask") and "tdur" in e]
    asked = [e["ts"] for e in events if e["tid"] in main and "blink.mojom.DevTools" in str(e.get("args"))]
    ours = [e["tdur"] for e in tasks if not any(e["ts"] <= at <= e["ts"] + e["dur"] for at in asked)]
    assert len(ours) > 50
    # µs of the processor: by the clock, the tests beside this one would count. Without what this test asks the page.
    assert max(ours) < 50_000
    assert tab.page.evaluate("window.shift") < 0.01


MIXED = """English with `code()` first.

هذا نص عربي مع `code()` أيضا.

- قائمة
- English item

```
print("مرحبا")
```

TERMINATE"""
SIDES = """(prose) => [...prose.querySelectorAll("p, li")].map((block) => {
  const range = document.createRange();
  range.selectNodeContents(block);
  const text = range.getBoundingClientRect();
  const page = prose.getBoundingClientRect();
  return text.left - page.left < page.right - text.right ? "left" : "right";
})"""


@pytest.mark.parametrize("page_direction", ["ltr", "rtl"])
def test_each_block_has_its_own_direction_and_code_is_from_left_to_right(tab, page_direction):
    tab.page.set_viewport_size({"width": 600, "height": 800})
    reading.paused["Mix them."] = say(MIXED)
    tab.say("Mix them.")
    expect(reply(tab).locator("li")).to_have_count(2)
    tab.page.evaluate("(direction) => { document.documentElement.dir = direction; }", page_direction)
    prose = reply(tab).locator(".prose")
    assert prose.evaluate(SIDES) == ["left", "right", "right", "left"]
    marks = prose.locator("li").evaluate_all("(items) => items.map((item) => getComputedStyle(item).direction)")
    assert marks == ["rtl", "ltr"]
    code = prose.locator("code").evaluate_all(
        "(all) => all.map((code) => [getComputedStyle(code).direction, getComputedStyle(code).unicodeBidi])"
    )
    assert code == [["ltr", "isolate"]] * 3
    assert prose.locator("pre").evaluate("(pre) => getComputedStyle(pre).textAlign") == "left"
