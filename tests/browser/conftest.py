"""Chromium before a real site. Every page records the websocket frames that it received."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.chromium import CHROMIUM, launch
from tests.browser.reading import library, library_site  # noqa: F401  # fixtures
from tests.sites import Site

expect.set_options(timeout=20_000)  # ms; the machine may be busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = pytest.mark.skip(reason="no Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM")
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")
            if CHROMIUM is None and not os.environ.get("AGENTCHAT_REQUIRE_BROWSER"):
                item.add_marker(missing)


@pytest.fixture(scope="module")  # not longer: the loop of Playwright would be in the way of asyncio
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


# --- sites ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site_for_all(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """A site on the demo model with this environment, started once for all tests that ask for it.

    Each test comes as a guest of its own, and stops nothing.
    """
    sites: dict[frozenset[tuple[str, str]], Site] = {}

    def get(**environment: str) -> Site:
        key = frozenset(environment.items())
        if key not in sites:
            site = sites[key] = Site(tmp_path_factory.mktemp("site"), **environment)
            shutil.copy(empty_database, site.database)
            site.start()
        return sites[key]

    yield get
    for site in sites.values():
        site.close()


@pytest.fixture(scope="session")
def shared_site(site_for_all: Callable[..., Site]) -> Site:
    """A site as it is by default."""
    return site_for_all()


@pytest.fixture
def site(site_for_all: Callable[..., Site]) -> Site:
    """A site that shows what was used, so that what was received can be compared with what is stored."""
    return site_for_all(AGENTCHAT_SHOW_USAGE="all")


@pytest.fixture
def make_site(empty_database: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A site of the test's own, which it may stop."""
    sites: list[Site] = []

    def make(**environment: str) -> Site:
        # What was received is compared with what is stored, numbers and all.
        site = Site(tmp_path, **{"AGENTCHAT_SHOW_USAGE": "all", **environment})
        shutil.copy(empty_database, site.database)
        sites.append(site)
        site.start()
        return site

    yield make
    for site in sites:
        site.close()


# --- tabs -----------------------------------------------------------------------------------------------------------


class Tab:
    """A page of the site, and the frames that its websockets have received."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page, self.site = page, site
        self.frames: list[dict] = []
        self.problems: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", self._received))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._logged)

    def _received(self, payload: str | bytes) -> None:
        self.frames.append(json.loads(payload))

    def _logged(self, message) -> None:
        # A server that restarts refuses connections for a while, and Chromium says so.
        if message.type == "error" and "WebSocket" not in message.text and "ERR_CONNECTION" not in message.text:
            self.problems.append(message.text)

    @property
    def session_id(self) -> str:
        return re.search(r"/chat/([0-9a-f-]{36})/", self.page.url)[1]

    def open_agent(self, title: str) -> None:
        """Open an empty chat with an agent, from the start page; with the only one there is, if it has no button."""
        self.page.goto(f"{self.site.url}/")
        button = self.page.get_by_role("button", name=title).first
        if button.count():
            button.click()
        else:
            self.page.locator("#start").evaluate("form => form.submit()")
        self.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))

    def say(self, text: str) -> None:
        self.page.get_by_role("textbox").fill(text)
        self.page.get_by_role("textbox").press("Control+Enter")  # sends on a phone too

    @property
    def transcript(self):
        return self.page.get_by_role("log")

    def facts(self) -> list[dict]:
        """The stored facts among the frames, each once, without what is added on delivery."""
        by_seq = {f["seq"]: f for f in self.frames if "seq" in f}
        return [
            {k: v for k, v in by_seq[seq].items() if k not in ("at", "run", "html", "show")} for seq in sorted(by_seq)
        ]

    def written(self) -> dict[str, str]:
        """The text of each message as its deltas give it."""
        texts: dict[str, tuple[int, str]] = {}
        for frame in self.frames:
            if frame["type"] == "TEXT_MESSAGE_CONTENT":
                attempt, text = texts.get(frame["messageId"], (0, ""))
                if frame["attempt"] > attempt:
                    text = ""
                units = text.encode("utf-16-le")[: 2 * frame["offset"]].decode("utf-16-le")
                texts[frame["messageId"]] = (frame["attempt"], units + frame["delta"])
        return {message_id: text for message_id, (_, text) in texts.items()}

    def wait_until(self, holds, *, what: str) -> None:
        """Wait for what frames and the page show, letting the page live meanwhile."""
        for _ in range(2000):
            if holds():
                return
            self.page.wait_for_timeout(10)
        raise AssertionError(f"{what}: {[f['type'] for f in self.frames][-20:]}")

    def wait_for_frame(self, type_: str, *, count: int = 1) -> dict:
        found: list[dict] = []

        def enough() -> bool:
            found[:] = [f for f in self.frames if f["type"] == type_]
            return len(found) >= count

        self.wait_until(enough, what=f"no {count} {type_}")
        return found[count - 1]


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser: its tabs share cookies."""
    context = chromium.new_context(locale="en")
    yield context
    context.close()


@pytest.fixture
def make_tab(context: BrowserContext) -> Iterator:
    tabs: list[Tab] = []

    def make(site: Site) -> Tab:
        tabs.append(Tab(context.new_page(), site))
        return tabs[-1]

    yield make
    for tab in tabs:
        assert not tab.problems
