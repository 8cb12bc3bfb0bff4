"""Who may speak after whom."""

import pytest

from agentchat.agents import ConversableAgent, GroupChat
from agentchat.errors import ConfigError

TRANSITIONS = "allowed_or_disallowed_speaker_transitions"


@pytest.fixture
def abc():
    return [ConversableAgent(name) for name in "abc"]


def who_may_follow(*agents, **rules):
    transitions = GroupChat(list(agents), **rules).allowed_speaker_transitions_dict
    return {agent.name: "".join(other.name for other in others) for agent, others in transitions.items()}


def rules(kind, **names):
    """Transitions by the agents' names: `rules("allowed", a="bc")`."""

    def of(agents):
        by_name = {agent.name: agent for agent in agents}
        transitions = {by_name[name]: [by_name[other] for other in others] for name, others in names.items()}
        return {TRANSITIONS: transitions, "speaker_transitions_type": kind}

    return of


def test_without_rules_all_may_follow_all(abc):
    assert who_may_follow(*abc) == {"a": "abc", "b": "abc", "c": "abc"}


def test_no_one_repeats_where_that_is_forbidden(abc):
    assert who_may_follow(*abc, allow_repeat_speaker=False) == {"a": "bc", "b": "ac", "c": "ab"}


def test_only_those_repeat_who_may(abc):
    assert who_may_follow(*abc, allow_repeat_speaker=[abc[1]]) == {"a": "bc", "b": "abc", "c": "ab"}


def test_only_allowed_transitions_are_made(abc):
    assert who_may_follow(*abc, **rules("allowed", a="b", b="ca")(abc)) == {"a": "b", "b": "ac", "c": ""}


def test_all_but_disallowed_transitions_are_made(abc):
    assert who_may_follow(*abc, **rules("disallowed", a="ab")(abc)) == {"a": "c", "b": "abc", "c": "abc"}


def test_the_kind_of_transitions_may_be_written_in_any_case(abc):
    assert who_may_follow(*abc, **rules("Allowed", a="b")(abc))["a"] == "b"


def test_an_agent_that_joins_later_follows_the_general_rules(abc):
    groupchat = GroupChat(abc[:2], allow_repeat_speaker=False)
    groupchat.agents.append(abc[2])
    assert groupchat.allowed_speaker_transitions_dict[abc[2]] == abc[:2]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"allow_repeat_speaker": "a"}, "allow_repeat_speaker is 'a'"),
        ({TRANSITIONS: {}, "allow_repeat_speaker": True, "speaker_transitions_type": "allowed"}, "not both"),
        ({TRANSITIONS: {}}, "needs speaker_transitions_type"),
        ({TRANSITIONS: {}, "speaker_transitions_type": "some"}, "speaker_transitions_type is 'some'"),
        ({TRANSITIONS: [], "speaker_transitions_type": "allowed"}, "use a dict"),
        ({TRANSITIONS: {"a": []}, "speaker_transitions_type": "allowed"}, "names 'a': not in the group chat"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(abc, wrong, sentence):
    with pytest.raises(ConfigError, match=sentence):
        GroupChat(abc, **wrong)


def test_names_in_the_place_of_agents_are_refused(abc):
    with pytest.raises(ConfigError, match=r"of 'a' lists \['b'\]; list agents, not their names"):
        GroupChat(abc, **{TRANSITIONS: {abc[0]: ["b"]}, "speaker_transitions_type": "allowed"})


def test_a_stranger_who_may_repeat_is_refused(abc):
    with pytest.raises(ConfigError, match="allow_repeat_speaker names 'd': not in the group chat"):
        GroupChat(abc, allow_repeat_speaker=[ConversableAgent("d")])


def test_an_agent_that_no_transition_leads_to_is_warned_of(abc, caplog):
    GroupChat(abc, **rules("allowed", a="b", b="a")(abc))
    assert "no transition to or from: c" in caplog.text
