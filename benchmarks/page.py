"""How fast the page is, in Chromium: a chat of 500 messages opens, and an answer of 16,000 characters streams into it.

    python -m benchmarks.page [messages] [characters]

It reports the size of all JavaScript, the time until the page can be used, how much it moves by itself (CLS), and the
longest task of its main thread. CHROMIUM names a browser that is not in the path.
"""

import gzip
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, sync_playwright
from rjsmin import jsmin

from agentchat.testing import ScriptedLLM, say
from tests.browser.chromium import launch
from tests.browser.long_chats import messages, tell
from tests.sites import ROOT, Site

TOKEN_S = 0.01  # between two pieces of the answer: a fast model
PARAGRAPH = (
    "Here is **some** text with `code` and a [link](https://example.org), as models write it, and then a list.\n\n"
    "- one thing\n- another thing, which is longer\n- and a third\n\n"
    "```python\ndef answer(question):\n    return f'{question}? Forty-two.'\n```\n\n"
)
WATCH = """
window.seen = { shifts: [], tasks: [] };
const watch = (type, take) => {
  new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
};
watch("layout-shift", (entry) => entry.hadRecentInput || seen.shifts.push({
  at: entry.startTime,
  value: entry.value,
  what: entry.sources.map(({ node }) => node?.className || node?.id || node?.nodeName),
}));
watch("longtask", (entry) => seen.tasks.push(entry.duration));
"""


def main(number: int, length: int) -> None:
    scripts = [*(ROOT / "agentchat/static/agentchat/js").glob("**/*.js")]
    size = sum(len(gzip.compress(jsmin(script.read_text()).encode())) for script in scripts)  # as it is served
    print(f"JavaScript, {len(scripts)} files, gzipped     {size / 1024:8.1f} KB")
    answer = (PARAGRAPH * (length // len(PARAGRAPH) + 1))[:length]
    with TemporaryDirectory() as folder, ScriptedLLM() as llm, sync_playwright() as playwright:
        llm.always(say(answer, delay=TOKEN_S))
        site = Site(Path(folder), **llm.environment())
        site.manage("migrate", "--verbosity", "0")
        site.start()
        browser = launch(playwright)
        try:
            measure(browser.new_page(viewport={"width": 1440, "height": 900}), site, number, answer)
        finally:
            browser.close()
            site.close()


def measure(page: Page, site: Site, number: int, answer: str) -> None:
    page.add_init_script(WATCH)
    page.goto(f"{site.url}/")
    page.get_by_role("button", name="Chat with Assistant").first.click()
    page.wait_for_selector(".status[data-connection=live]")
    tell(site, page.url.rstrip("/").rsplit("/", 1)[1], messages(number))
    opened = []
    for _ in range(5):
        page.reload()
        page.wait_for_selector(".status[data-connection=live]")
        opened.append(look(page))
    opened.sort(key=lambda seen: seen["ready"])
    print(f"a chat of {number} messages (median of {len(opened)})")
    show(opened[len(opened) // 2], "until it can be used")

    page.evaluate("seen.shifts.length = 0; seen.tasks.length = 0")
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline", "devtools.timeline"])
    page.get_by_role("textbox").fill("Tell me everything.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message[data-writing] [data-body]:not(:empty)")
    page.wait_for_selector(".message[data-writing]", state="detached", timeout=600_000)
    trace = json.loads(browser.stop_tracing())
    written = page.locator(".message.from-agent").last.inner_text()
    assert written.count("Forty-two") == answer.count("Forty-two")
    print(f"an answer of {len(answer)} characters, in {len(answer.split())} pieces, {1000 * TOKEN_S:.0f} ms apart")
    show(look(page), "")
    cpu = tasks_of(trace["traceEvents"])
    print(f"  {'longest task, processor time':36}{max(cpu):8.0f} ms, and {sum(each > 50 for each in cpu)} over 50 ms")
    print(f"  {'all tasks, processor time':36}{sum(cpu) / 1000:8.1f} s")


def tasks_of(events: list[dict[str, Any]]) -> list[float]:
    """The tasks of the pages' main threads, in ms of processor time: what else the machine does is not in it."""
    main_threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    return [
        event["tdur"] / 1000
        for event in events
        if event["name"] == "RunTask" and "tdur" in event and (event["pid"], event["tid"]) in main_threads
    ]


def look(page: Page) -> dict[str, Any]:
    """What was seen so far. `ready`: the page is there, its scripts have run, and the socket is open."""
    return page.evaluate(
        """() => new Promise((done) => setTimeout(() => done({
          ...seen, ready: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
        }), 300))"""
    )


def worst_window(shifts: list[dict[str, Any]]) -> float:
    """CLS as browsers report it: the worst five seconds, of shifts that are less than one apart."""
    worst = window = began = last = 0.0
    for shift in shifts:
        if shift["at"] - last > 1_000 or shift["at"] - began > 5_000:
            window, began = 0.0, shift["at"]
        window, last = window + shift["value"], shift["at"]
        worst = max(worst, window)
    return worst


def show(seen: dict[str, Any], ready: str) -> None:
    if ready:
        print(f"  {ready:36}{seen['ready']:8.0f} ms")
    print(f"  {'moves by itself (CLS)':36}{worst_window(seen['shifts']):8.3f}")
    tasks = seen["tasks"]  # those over 50 ms: a browser tells of no others
    longest = f"{max(tasks):8.0f} ms, and {len(tasks)} over 50 ms" if tasks else "under 50 ms"
    print(f"  {'longest task':36}{longest:>11}")


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    main(*(arguments + [500, 16_000][len(arguments) :]))
