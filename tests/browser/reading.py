"""What the tests of reading, writing and state have in common: a site with a library, and what its model says."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, call, fail, say
from tests.sites import Site

CODE = "```python\ndef answer():\n    return 42\n```"
TABLE = "| " + " | ".join(f"a long heading {n}" for n in range(12)) + " |\n|" + "---|" * 12 + "\n|" + " x |" * 12
ALL = "\n\n".join(
    [
        "# About it",
        CODE,
        TABLE,
        "> A quotation.",
        "It costs $5 or $10, and $E = mc^2$.",
        "$$\n\\frac{a}{b}\n$$",
        "- one",
        "TERMINATE",
    ]
)
paused = {}


def librarian(request):
    """The model of the library: what the person says is what it does."""
    last = request["messages"][-1]
    words = last.get("content") or ""
    if last["role"] == "tool":
        return say("That is all. TERMINATE", usage=(1000, 234))
    if words in paused:
        return paused[words]
    match words:
        case "Look it up.":
            return call("look_up", word="Snow", lines=40)
        case "Look a little up.":
            return call("look_up", word="Snow", lines=2)
        case "Wait for it.":
            return call("wait_for_it", word="Godot")
        case "Fail.":
            return fail(401, "a bad key")
        case "Refuse it.":
            return fail(400, "no such thing")
        case "Be brief.":
            return say("There are three reasons: first TERMINATE", finish_reason="length")
        case "Show me all.":
            return say(ALL, usage=(1000, 234))
    return say(f"You said: {words} TERMINATE", usage=(1000, 234))


@pytest.fixture(scope="module")
def library_site(empty_database, tmp_path_factory) -> Iterator[Site]:
    """One site for all tests of a module: each comes as a guest of its own."""
    folder = tmp_path_factory.mktemp("site")
    with ScriptedLLM() as llm:
        llm.always(librarian)
        environment = {"DJANGO_SETTINGS_MODULE": "tests.reading_site", "READING_MARK": str(folder / "mark")}
        site = Site(
            folder, AGENTCHAT_SHOW_USAGE="all", AGENTCHAT_MAX_MESSAGE_CHARS="2000", **environment, **llm.environment()
        )
        shutil.copy(empty_database, site.database)
        site.start()
        yield site
        site.close()


@pytest.fixture
def library(make_tab, library_site):
    """A tab in a new chat with the library, connected."""
    tab = make_tab(library_site)
    tab.open_agent("Chat with Library")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    return tab


def let_it_come(tab) -> None:
    """What the tool waits for is here."""
    (tab.site.database.parent / "mark").touch()


def markup(tab) -> str:
    """The transcript's elements, without the space between them."""
    return re.sub(r">\s+<", "><", tab.transcript.inner_html()).strip()


def reply(tab):
    return tab.transcript.locator(".from-agent:not([data-writing])").last
