"""Update the screenshots in docs/, from a new site with the demo model.

    python -m scripts.screenshots

Needs Chromium (CHROMIUM is the path of one that is not in PATH). To see the pages in more sizes than the docs show,
pass a folder: each scene is saved there at the size of a phone, of a tablet and of a desktop, light and dark.

    python -m scripts.screenshots /tmp/looks
"""

import re
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import launch
from tests.sites import ROOT, Site

PHONE, TABLET, DESKTOP = ((390, 844), (768, 1024), (1440, 900))
SHOWN = [  # the scene, its size and colour scheme, and its file in docs/
    ("weather", DESKTOP, "light", "screenshot.png"),
    ("approval", DESKTOP, "dark", "screenshot-approval.png"),
    ("team", PHONE, "light", "screenshot-phone.png"),
    ("inbox", DESKTOP, "light", "inbox.png"),
    ("question", PHONE, "dark", "inbox-question.png"),
    ("handover", DESKTOP, "light", "handover.png"),
    ("admin-chat", DESKTOP, "light", "operating-chat.png"),
    ("admin-run", DESKTOP, "light", "operating-run.png"),
    ("admin-step", DESKTOP, "dark", "operating-step.png"),
    ("admin-replay", DESKTOP, "light", "operating-replay.png"),
    ("admin-statistics", DESKTOP, "light", "operating-statistics.png"),
]
OF_COLLEAGUE = (
    *("inbox", "question", "handover"),
    *("admin-chat", "admin-run", "admin-step", "admin-replay", "admin-statistics"),
)


def main(folder: Path | None) -> None:
    with TemporaryDirectory() as home, sync_playwright() as playwright:
        site = Site(Path(home), AGENTCHAT_SHOW_USAGE="all", AGENTCHAT_KEEP_REQUESTS="1")
        site.manage("migrate", "--verbosity", "0")
        site.start()
        browser = launch(playwright)
        try:
            page = new_page(browser)
            scenes = {"assistant": assistant, "team": team, "approval": approval, "weather": weather}
            addresses = {name: play(page, site.url) for name, play in scenes.items()}
            phone = new_page(browser, storage_state=page.context.storage_state(), is_mobile=True, has_touch=True)
            pages = {PHONE: phone, TABLET: page, DESKTOP: page}
            colleague = new_page(browser)
            addresses |= inbox(colleague, site) | {"handover": handover(page, colleague, site)}
            addresses |= back_office(colleague, site.url, addresses["weather"])
            phone_of_colleague = new_page(
                browser, storage_state=colleague.context.storage_state(), is_mobile=True, has_touch=True
            )
            pages_of_colleague = {PHONE: phone_of_colleague, TABLET: colleague, DESKTOP: colleague}
            looks = [(name, size, scheme, ROOT / "docs" / file) for name, size, scheme, file in SHOWN]
            if folder:
                addresses |= {"start": f"{site.url}/chat/", "sign-in": f"{site.url}/accounts/login/"}
                looks = [
                    (name, size, scheme, folder / f"{name}-{size[0]}-{scheme}.png")
                    for name, size, scheme in product(addresses, pages, ("light", "dark"))
                ]
            for name, size, scheme, file in looks:
                theirs = pages_of_colleague if name in OF_COLLEAGUE else pages
                look(theirs[size], addresses[name], size, scheme, file)
        finally:
            browser.close()
            site.close()


def new_page(browser: Browser, **how: Any) -> Page:
    return browser.new_context(locale="en", timezone_id="UTC", device_scale_factor=2, **how).new_page()


def look(page: Page, address: str, size: tuple[int, int], scheme: str, file: Path) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if "/chat/" in address:
        expect(page.locator("body")).not_to_contain_text("Connecting")
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
    print(file)


# --- scenes: each starts a chat, plays it up to the screenshot, and returns its address -------------------------------


def begin(page: Page, site: str, agent: str, words: str) -> str:
    page.goto(f"{site}/chat/")
    page.get_by_role("button", name=f"Chat with {agent}").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(page.get_by_role("status")).to_contain_text("Connected")
    page.get_by_role("textbox", name="Message").fill(words)
    page.get_by_role("textbox", name="Message").press("Control+Enter")
    return page.url


def assistant(page: Page, site: str) -> str:
    address = begin(page, site, "Assistant", "Show me a table and a piece of code.")
    expect(page.locator(".usage")).to_be_visible(timeout=60_000)
    return address


def team(page: Page, site: str) -> str:
    address = begin(page, site, "Writing team", "Write a welcome note for a new colleague.")
    expect(page.locator(".usage")).to_be_visible(timeout=60_000)
    return address


def approval(page: Page, site: str) -> str:
    address = begin(page, site, "Refund desk", "I'd like a refund for order 1017.")
    form = page.locator(".card form")
    form.get_by_label("Account holder").fill("Ada Lovelace")
    form.get_by_label("IBAN").fill("DE02120300000000202051")
    form.get_by_role("radio", name="damaged").check()
    form.get_by_role("button", name="Send").click()
    expect(page.get_by_text("A colleague decides about this")).to_be_visible(timeout=60_000)
    return address


COLLEAGUE = """
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
grace = get_user_model().objects.create_user("grace", password="grace", is_staff=True)
grace.user_permissions.set(Permission.objects.filter(content_type__app_label="agentchat"))
"""


def inbox(page: Page, site: Site) -> dict[str, str]:
    """The inbox of a member of staff, and the question in it that `approval` has left."""
    site.manage("shell", "-c", COLLEAGUE)
    page.goto(f"{site.url}/inbox/")
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill("grace")
    page.get_by_role("button", name="Sign in").click()
    question = page.locator(".inbox-list a").first
    expect(question).to_be_visible()
    return {"inbox": f"{site.url}/inbox/", "question": f"{site.url}{question.get_attribute('href')}"}


def handover(page: Page, colleague: Page, site: Site) -> str:
    """A customer who asks for a person, and the member of staff who has come; what staff see."""
    begin(page, site.url, "Refund desk", "I'd like to talk to a person, please.")
    expect(page.get_by_text("A colleague has been asked to join")).to_be_visible(timeout=60_000)
    colleague.goto(f"{site.url}/inbox/")
    colleague.locator(".inbox-list a[href*='/inbox/chats/']").first.click()
    colleague.get_by_role("button", name="Join").click()
    expect(colleague.get_by_role("button", name="Join")).to_be_hidden()
    expect(colleague.get_by_text("has joined")).to_be_visible()
    expect(colleague.get_by_role("status").first).to_contain_text("Connected")
    message = colleague.get_by_role("textbox", name="Message")
    message.fill("Hello, this is Grace. How can I help you?")
    message.press("Control+Enter")
    expect(page.get_by_text("How can I help you?")).to_be_visible()
    answer = "My order 1017 arrived broken, and I have no account for a refund."
    page.get_by_role("textbox", name="Message").fill(answer)
    page.get_by_role("textbox", name="Message").press("Control+Enter")
    expect(colleague.get_by_text(answer)).to_be_visible()
    return colleague.url


def back_office(page: Page, site: str, chat: str) -> dict[str, str]:
    """A chat in admin: its page, a run of it, a step of that, the chat as it was; and the statistics."""
    key = chat.rstrip("/").rpartition("/")[2]
    page.goto(f"{site}/admin/agentchat/chatsession/{key}/change/")
    page.locator("a[href*='/agentchat/run/']").filter(has_text="weather").first.click()
    expect(page.locator("svg.agentchat-timeline")).to_be_visible()
    run = page.url
    page.locator("a[href*='/step/']").last.click()
    expect(page.locator("#agentchat-request")).to_be_visible()
    return {
        "admin-chat": f"{site}/admin/agentchat/chatsession/{key}/change/",
        "admin-run": f"{run}#agentchat-timeline",
        "admin-step": page.url,
        "admin-replay": f"{site}/admin/agentchat/chatsession/{key}/replay/?at=14",
        "admin-statistics": f"{site}/admin/agentchat/chatsession/statistics/?by=agent",
    }


def weather(page: Page, site: str) -> str:
    address = begin(page, site, "Weather desk", "Compare the weather in Oslo and Cairo.")
    expect(page.locator(".usage")).to_be_visible(timeout=60_000)
    return address


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
