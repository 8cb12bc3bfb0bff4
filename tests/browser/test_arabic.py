"""A conversation in Arabic: all that is ours is in the reader's language and direction, and code stays as it is."""

import re
import shutil
from collections.abc import Iterator

import pytest
from django.utils import translation
from playwright.sync_api import Page, expect

from agentchat.testing import ScriptedLLM, call, say
from tests.browser.conftest import Tab
from tests.sites import Site
from tests.test_project.test_translations import PLACEHOLDER, words

PAID = "تم الدفع.\n\n```python\nprint(1)\n```\n\nTERMINATE"
slow = say("أكتب الآن ببطء شديد حتى يوقفني أحد.").paused()
SEEN = """() => {
  const isShown = (element) => element.checkVisibility({ checkVisibilityCSS: true });
  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (isShown(walk.currentNode.parentElement)) texts.push(walk.currentNode.data);
  for (const name of ["aria-label", "title", "placeholder"])
    for (const element of document.querySelectorAll(`[${name}]`))
      if (isShown(element)) texts.push(element.getAttribute(name));
  return [document.title, ...texts].map((text) => text.trim()).filter(Boolean);
}"""


def clerk(request):
    last = request["messages"][-1]
    if last["role"] == "tool":
        return say(PAID)
    return slow if last["content"] == "ببطء" else call("refund", order="A-7", amount=12.5)


@pytest.fixture(scope="module")
def site(empty_database, tmp_path_factory) -> Iterator[Site]:
    with ScriptedLLM() as llm:
        llm.always(clerk)
        site = Site(tmp_path_factory.mktemp("site"), DJANGO_SETTINGS_MODULE="tests.asking_site", **llm.environment())
        shutil.copy(empty_database, site.database)
        site.start()
        yield site
        site.close()


@pytest.fixture(params=[("light", 1440, 900), ("dark", 390, 844)], ids=["light desktop", "dark phone"])
def tab(request, chromium, site) -> Iterator[Tab]:
    scheme, width, height = request.param
    context = chromium.new_context(locale="ar", color_scheme=scheme, viewport={"width": width, "height": height})
    tab = Tab(context.new_page(), site)
    yield tab
    context.close()
    assert not tab.problems


@pytest.fixture(scope="module")
def english() -> set[str]:
    """Our words that are others in Arabic."""
    return {each.msgid for each in words("ar") if len(each.msgid) > 3 and not PLACEHOLDER.search(each.msgid)}


def assert_arabic(page: Page, english: set[str]) -> None:
    assert page.locator("html").get_attribute("lang") == "ar"
    assert page.locator("html").get_attribute("dir") == "rtl"
    seen = set(page.evaluate(SEEN))
    assert any(re.search("[\u0600-\u06ff]", text) for text in seen)
    assert not seen & english
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def arabic(msgid: str) -> str:
    with translation.override("ar"):
        return translation.gettext(msgid)


def test_a_conversation_in_arabic(tab, site, english):
    page = tab.page
    tab.page.goto(f"{site.url}/chat/")
    expect(page.get_by_role("heading", level=1)).to_have_text(arabic("New chat"))
    assert_arabic(page, english)

    tab.open_agent("Cash desk")
    expect(page.get_by_role("status")).to_contain_text(arabic("Connected"))
    tab.say("أريد استرداد المال")
    card = tab.transcript.locator(".card").last
    expect(card).to_contain_text(arabic("Approve this action?"))
    assert_arabic(page, english)
    assert card.locator("[data-tool]").evaluate("(tool) => getComputedStyle(tool).textAlign") == "right"

    card.get_by_role("button", name=arabic("Approve"), exact=True).click()
    expect(card).to_contain_text("تمت الموافقة من زائر")
    expect(tab.transcript).to_contain_text("تم الدفع.")
    expect(tab.transcript.locator(".tool .tool-state")).to_contain_text(arabic("done"))
    code = tab.transcript.locator(".prose pre code")
    assert code.evaluate("(code) => getComputedStyle(code).direction") == "ltr"
    assert tab.transcript.locator(".prose p").first.evaluate("(p) => getComputedStyle(p).direction") == "rtl"
    expect(page.get_by_role("status")).to_contain_text(arabic("Connected"))
    assert_arabic(page, english)

    tab.say("ببطء")
    page.get_by_role("button", name=arabic("Stop"), exact=True).click()
    expect(tab.transcript).to_contain_text(re.compile(f"{arabic('Stopped here.')}|{arabic('Stopped.')}"))
    assert_arabic(page, english)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text(arabic("Connected"))
    assert_arabic(page, english)


def test_english_among_it_would_be_found(tab, site, english):
    tab.page.goto(f"{site.url}/chat/")
    tab.page.evaluate("document.querySelector('h1').textContent = 'New chat'")
    with pytest.raises(AssertionError):
        assert_arabic(tab.page, english)


def test_the_drawer_comes_from_the_right(tab, site, english):
    page = tab.page
    page.goto(f"{site.url}/chat/")
    opener = page.get_by_role("button", name=arabic("Open chat list"))
    if opener.is_visible():
        opener.click()
    box = page.locator("#sidebar").bounding_box()
    assert round(box["x"] + box["width"]) == page.viewport_size["width"]
    assert_arabic(page, english)


def test_the_sign_in_page_is_arabic(tab, site, english):
    tab.page.goto(f"{site.url}/accounts/login/")
    assert_arabic(tab.page, english)


def test_a_person_chooses_a_language_without_javascript(chromium, site):
    context = chromium.new_context(locale="en", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/chat/?q=kettle")
    page.locator(".sidebar-account > summary").click()
    page.get_by_label("Language").select_option("ar")
    page.get_by_role("button", name="Switch").click()
    assert page.url == f"{site.url}/chat/?q=kettle"
    assert page.locator("html").get_attribute("dir") == "rtl"
    context.close()
