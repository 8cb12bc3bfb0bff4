"""The command "clear history", read."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.agents.clearing import clearing_in

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
def test_the_command_is_taken_out_of_what_was_said(text, agent, keep, rest):
    command = clearing_in(text, MEMBERS)
    assert (command.agent and command.agent.name, command.keep, command.rest) == (agent, keep, rest)


@pytest.mark.parametrize("text", ["", "a clear view of history", "nuclear history", "clear histories"])
def test_other_words_are_no_command(text):
    assert clearing_in(text, MEMBERS) is None
