"""The demo model in a group chat."""

import pytest

from agentchat.llm.demo.script import answer_to
from agentchat.llm.demo.team import choice_of

TASK = {"role": "user", "name": "person", "content": "Write a note."}
ASKED = "Read the conversation above, and choose who speaks next from {}. Answer with the name alone."


def says(messages, tools=()):
    return answer_to(messages, tools).text


def role(name, more=""):
    return {"role": "system", "content": f"You are the {name} of a team.{more}"}


@pytest.mark.parametrize(
    ("last", "names", "chosen"),
    [
        (TASK, ["planner", "writer"], "planner"),
        ({"name": "planner", "content": "**writer**, the first draft is yours."}, ["writer", "critic"], "writer"),
        ({"name": "ann", "content": "I am done."}, ["ann", "bob"], "bob"),
        ({"name": "bob", "content": "I am done."}, ["ann", "bob"], "ann"),
    ],
)
def test_it_chooses_who_was_spoken_to_else_the_next(last, names, chosen):
    roles = {"role": "system", "content": "Several roles talk with each other."}
    assert says([roles, {"role": "user", **last}, {"role": "system", "content": ASKED.format(names)}]) == chosen


def test_it_selects_a_speaker_for_autogens_prompt_too():
    prompt = "Then select the next role from ['ann', 'bob'] to play. Only return the role."
    assert says([TASK, {"role": "system", "content": prompt}]) == "ann"


def test_each_role_has_its_own_text_and_hands_over():
    assert "“Write a note”" in says([role("planner"), TASK])
    assert "**critic**" in says([role("writer"), TASK])
    assert "**writer**" in says([role("critic"), TASK])


def test_the_writer_mends_the_draft_and_the_critic_ends_it():
    before = [TASK, {"role": "assistant", "content": "…"}]
    assert "**Second draft**" in says([role("writer"), *before])
    ended = says([role("critic", " End with TERMINATE."), *before])
    assert ended.endswith("\n\nTERMINATE")
    assert "scripted, no AI" in ended
    assert "TERMINATE" not in says([role("critic", " End with TERMINATE."), TASK])


def test_braces_in_a_task_are_left_as_they_are():
    assert "“{task}”" in says([role("writer"), {"role": "user", "content": "{task}"}])


def test_outside_of_a_team_it_talks_as_ever():
    assert "scripted, no AI" in says([{"role": "system", "content": "You are a planner."}, TASK])


def test_a_list_of_names_far_behind_the_word_is_no_question_for_a_speaker():
    assert choice_of([{"role": "user", "content": "next " * 6_000 + "['a', 'b']"}]) is not None
    assert choice_of([{"role": "user", "content": "next " + "x" * 300 + "['a', 'b']"}]) is None
