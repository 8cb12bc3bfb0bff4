"""A group chat in the browser: who says what is seen, while it is written and after a reload."""

import pytest
from playwright.sync_api import expect

from agentchat.presentation.avatars import letter_of, palette_of
from tests.browser.axe import assert_accessible
from tests.browser.test_chat import assert_received_everything, words_of

NAMES = ["planner", "writer", "critic", "writer", "critic"]


@pytest.fixture
def tab(site_for_all, make_tab):
    return make_tab(site_for_all(AGENTCHAT_DEMO_RATE="400", AGENTCHAT_SHOW_USAGE="all"))


def looks_of(tab):
    """Name, letter and palette of each agent's message."""
    headers = tab.transcript.locator("article.from-agent header")
    return headers.evaluate_all(
        "headers => headers.map((h) => [h.querySelector('.name').textContent, h.querySelector('.letter').textContent,"
        " h.className])"
    )


def test_three_agents_are_told_apart_and_a_reload_shows_the_same(tab):
    tab.page.goto(tab.site.url)
    tab.page.get_by_role("button", name="Write a welcome note for a new colleague.").click()
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
    of_this_chat = "s JOIN agentchat_run r ON r.id = s.run_id WHERE r.session_id = ? AND s.name = 'speaker_selection'"
    chosen = tab.site.rows(f"SELECT kind, result FROM agentchat_step {of_this_chat}", tab.session_id.replace("-", ""))
    assert len(chosen) == 5
    assert {kind for kind, _ in chosen} == {"llm"}
    assert words_of(tab)[0] == "Write a note."
    assert len(words_of(tab)) == 1 + len(NAMES)
