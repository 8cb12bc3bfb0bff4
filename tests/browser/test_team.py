"""A group chat in the browser: who says what is seen, while it is written and after a reload."""

from importlib.resources import files

import pytest
from playwright.sync_api import expect

from agentchat.palettes import letter_of, palette_of
from tests.browser.axe import assert_accessible
from tests.browser.test_chat import assert_received_everything, words_of

NAMES = ["planner", "writer", "critic", "writer", "critic"]


@pytest.fixture
def tab(make_site, make_tab):
    return make_tab(make_site(AGENTCHAT_DEMO_RATE="400"))


def looks_of(tab):
    """Name, letter and palette of each agent's message."""
    headers = tab.transcript.locator("article.from-agent header")
    return headers.evaluate_all(
        "headers => headers.map((h) => [h.querySelector('.name').textContent, h.querySelector('.letter').textContent,"
        " h.className])"
    )


def test_three_agents_are_told_apart_and_a_reload_shows_the_same(tab):
    tab.page.goto(tab.site.url)
    tab.page.get_by_role("button", name="Write a note that welcomes a new colleague.").click()
    tab.wait_for_frame("RUN_FINISHED")
    expect(tab.transcript.locator("article.from-agent .name")).to_have_text(NAMES)
    expect(tab.transcript.locator("article.from-person")).to_have_count(1)
    expect(tab.transcript).not_to_contain_text("TERMINATE")
    live, words = looks_of(tab), words_of(tab)
    assert live == [[name, letter_of(name), f"palette-{palette_of(name)}"] for name in NAMES]
    assert len({palette for _, _, palette in live}) == 3
    assert_received_everything(tab)
    tab.page.reload()
    assert looks_of(tab) == live
    assert words_of(tab) == words


def test_axe_finds_nothing_on_a_group_chat(tab):
    tab.open_agent("Writing team")
    tab.say("Write a note.")
    tab.wait_for_frame("RUN_FINISHED")
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    assert_accessible(tab.page)


def test_who_speaks_next_is_chosen_unseen(tab):
    tab.open_agent("Writing team")
    tab.say("Write a note.")
    tab.wait_for_frame("RUN_FINISHED")
    chosen = tab.site.rows("SELECT kind, result FROM agentchat_step WHERE name = 'speaker_selection'")
    assert len(chosen) == 5
    assert {kind for kind, _ in chosen} == {"llm"}
    assert words_of(tab)[0] == "Write a note."
    assert len(words_of(tab)) == 1 + len(NAMES)


@pytest.mark.parametrize("name", ["planner", "_Über agent", "3d", "straße", "評論家", "🤖", "", "a\u0301"])
def test_the_browser_and_the_server_agree_on_every_name(tab, name):
    source = (files("agentchat") / "static/agentchat/js/palettes.js").read_text()
    look = tab.page.evaluate(
        "async ([source, name]) => {"
        " const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));"
        " const { letterOf, paletteOf } = await import(url);"
        " return [letterOf(name), paletteOf(name)]; }",
        [source, name],
    )
    assert look == [letter_of(name), f"palette-{palette_of(name)}"]
