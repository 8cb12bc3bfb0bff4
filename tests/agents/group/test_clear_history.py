"""The command "clear history", read."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.agents.group.clear_history import find_clear_history

MEMBERS = [ConversableAgent("writer"), ConversableAgent("critic")]


@pytest.mark.parametrize(
    ("text", "agent", "keep", "rest"),
    [
        ("clear history", None, 0, ""),
        ("Well done. CLEAR  history", None, 0, "Well done."),
        ("clear history writer", "writer", 0, ""),
        ("clear history writer, and go on", "writer", 0, "and go on"),
        ("clear history 3.", None, 3, ""),
        ("Please clear history critic 2 and start again", "critic", 2, "Please and start again"),
        ("clear history 2 critic", "critic", 2, ""),
        ("clear history. Now the second part", None, 0, "Now the second part"),
        ("clear history of Rome", None, 0, "of Rome"),
        ("clear history 1 clear history 2", None, 2, "clear history 1"),
        ("one\n\nclear history\n\ntwo", None, 0, "one two"),
    ],
)
def test_the_command_is_removed_from_the_text(text, agent, keep, rest):
    command = find_clear_history(text, MEMBERS)
    assert (command.agent and command.agent.name, command.keep, command.rest) == (agent, keep, rest)


@pytest.mark.parametrize("text", ["", "a clear view of history", "nuclear history", "clear histories"])
def test_other_text_is_not_a_command(text):
    assert find_clear_history(text, MEMBERS) is None
