"""Who is in a group chat, what was said, and who speaks next."""

import asyncio
from types import SimpleNamespace

import pytest

from agentchat import llm_config
from agentchat.agents import ConversableAgent, GroupChat, GroupChatManager
from agentchat.errors import ConfigError, NoEligibleSpeaker
from agentchat.testing import say

HELLO = {"role": "user", "name": "a", "content": "Hello."}

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}


def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture
def abc():
    return [ConversableAgent(name, description=f"{name}!") for name in "abc"]


def next_after(groupchat, agent):
    return groupchat.select_speaker(agent, ConversableAgent("manager"))


# --- who is in it, and what was said ----------------------------------------------------------------------------------


def test_members_are_found_by_name_in_nested_group_chats_too(abc):
    a, b, c = abc
    outer = GroupChat([c, GroupChatManager(GroupChat([a, b]), name="inner")])
    assert outer.agent_names == ["c", "inner"]
    assert outer.agent_by_name("a") is None
    assert outer.agent_by_name("a", recursive=True) is a
    assert [agent.name for agent in outer.nested_agents()] == ["c", "inner", "a", "b"]


def test_two_nested_members_of_one_name_can_be_refused(abc):
    outer = GroupChat([abc[0], GroupChatManager(GroupChat([ConversableAgent("a"), abc[1]]))])
    assert outer.agent_by_name("a", recursive=True) is abc[0]
    with pytest.raises(ConfigError, match="2 agents are named 'a'"):
        outer.agent_by_name("a", recursive=True, raise_on_name_conflict=True)


def test_messages_are_kept_as_text_under_the_speakers_name(abc):
    groupchat = GroupChat(abc)
    said = {"role": "user", "content": [{"type": "text", "text": "look: "}, {"type": "image_url"}]}
    groupchat.append(said, abc[0])
    groupchat.append({"role": "assistant", "content": None, "tool_calls": [CALL]}, abc[1])
    assert groupchat.messages[0] == {"role": "user", "name": "a", "content": "look: <image>"}
    assert (groupchat.messages[1]["name"], groupchat.messages[1]["content"]) == ("b", "")
    assert "name" not in said
    groupchat.reset()
    assert groupchat.messages == []


def test_the_introduction_names_all_with_their_description(abc):
    assert GroupChat(abc).introductions_msg().endswith("a: a!\nb: b!\nc: c!")


# --- who speaks next --------------------------------------------------------------------------------------------------


def test_round_robin_goes_around(abc):
    groupchat = GroupChat(abc, speaker_selection_method="Round_Robin")
    assert [next_after(groupchat, agent) for agent in abc] == [*abc[1:], abc[0]]


def test_an_outside_speaker_is_followed_by_the_first_member(abc):
    groupchat = GroupChat(abc, speaker_selection_method="round_robin", allow_repeat_speaker=False)
    assert next_after(groupchat, ConversableAgent("outside")) is abc[0]


def test_only_one_who_may_speak_is_chosen_without_a_question(abc):
    groupchat = GroupChat(abc[:2], speaker_selection_method="manual", allow_repeat_speaker=False)
    assert next_after(groupchat, abc[0]) is abc[1]


def test_no_one_speaks_after_an_agent_without_followers(abc):
    a, b, _ = abc
    for nobody in ({a: [b]}, {a: [b], b: []}):
        groupchat = GroupChat(
            abc,
            speaker_selection_method="round_robin",
            allowed_or_disallowed_speaker_transitions=nobody,
            speaker_transitions_type="allowed",
        )
        assert next_after(groupchat, a) is b
        with pytest.raises(NoEligibleSpeaker, match="no one may speak after 'b'"):
            next_after(groupchat, b)


def test_a_choice_that_the_user_skips_is_the_next_in_turn(abc, stream):
    stream.answer("q")
    assert next_after(GroupChat(abc, speaker_selection_method="manual"), abc[0]) is abc[1]


def test_without_a_model_auto_is_the_next_in_turn(abc, stream):
    assert next_after(GroupChat(abc), abc[2]) is abc[0]
    assert stream.events == []


def test_a_function_chooses_an_agent_a_method_or_the_end(abc):
    asked = []

    def choose(last_speaker, groupchat):
        asked.append((last_speaker, groupchat))
        return answers.pop(0)

    groupchat = GroupChat(abc, speaker_selection_method=choose)
    answers = [abc[2], "round_robin", None]
    assert [next_after(groupchat, abc[0]) for _ in range(3)] == [abc[2], abc[1], None]
    assert asked[0] == (abc[0], groupchat)


def test_a_functions_choice_stands_whatever_the_transitions(abc):
    groupchat = GroupChat(abc, speaker_selection_method=lambda last, chat: last, allow_repeat_speaker=False)
    assert next_after(groupchat, abc[0]) is abc[0]


@pytest.mark.parametrize("choice", [5, "somehow"])
def test_a_function_that_gives_something_else_is_an_error(abc, choice):
    with pytest.raises(ConfigError, match=f"speaker selection {choice!r}"):
        next_after(GroupChat(abc, speaker_selection_method=lambda last, chat: choice), abc[0])


def test_a_function_that_gives_a_stranger_is_an_error(abc):
    stranger = ConversableAgent("stranger")
    with pytest.raises(ConfigError, match="'stranger' was chosen to speak, but is not in the group chat"):
        next_after(GroupChat(abc, speaker_selection_method=lambda last, chat: stranger), abc[0])


def test_the_next_of_some_agents_must_be_members(abc):
    groupchat = GroupChat(abc)
    assert groupchat.next_agent(abc[0], [abc[0], abc[2]]) is abc[2]
    with pytest.raises(ConfigError, match="is not in the group chat"):
        groupchat.next_agent(abc[0], [ConversableAgent("stranger")])
    with pytest.raises(ConfigError, match="no agents to choose from"):
        groupchat.next_agent(abc[0], [])


def test_one_agent_is_no_group(abc):
    with pytest.raises(ConfigError, match="a group chat needs at least two agents, not 1"):
        next_after(GroupChat(abc[:1]), abc[0])


def test_the_group_chat_can_have_a_model_of_its_own_on_the_managers_account(abc, stream, scripted_llm):
    scripted_llm.replies(say("c"), say("b"))
    groupchat = GroupChat(abc, [HELLO], select_speaker_auto_llm_config={**llm_config(), "temperature": 0})
    manager = ConversableAgent("manager")
    assert [groupchat.select_speaker(abc[0], manager) for _ in range(2)] == [abc[2], abc[1]]
    assert scripted_llm.requests[0]["temperature"] == 0
    assert manager.get_actual_usage()["scripted"]["completion_tokens"] == 2


class Oracle:
    """A model client that always names the same agent."""

    made = 0

    def __init__(self, config, **_):
        type(self).made += 1

    def create(self, params):
        message = SimpleNamespace(content="c", tool_calls=None, function_call=None)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], model="oracle", cost=0)

    def message_retrieval(self, response):
        return [choice.message.content for choice in response.choices]

    def cost(self, response):
        return 0

    @staticmethod
    def get_usage(response):
        return {}


@pytest.mark.parametrize("classes", [Oracle, [Oracle]])
def test_the_choice_can_be_made_by_a_client_of_your_own_which_is_made_once(abc, stream, classes):
    Oracle.made = 0
    config = {"config_list": [{"model": "oracle", "model_client_cls": "Oracle"}]}
    groupchat = GroupChat(
        abc, [HELLO], select_speaker_auto_llm_config=config, select_speaker_auto_model_client_cls=classes
    )
    assert [next_after(groupchat, abc[0]) for _ in range(2)] == [abc[2], abc[2]]
    assert Oracle.made == 1


def test_the_choice_may_be_awaited_and_so_may_the_function_that_makes_it(abc):
    async def choose(last_speaker, groupchat):
        return abc[2]

    groupchat = GroupChat(abc, speaker_selection_method=choose)
    assert next_after(groupchat, abc[0]) is abc[2]
    assert asyncio.run(groupchat.a_select_speaker(abc[0], ConversableAgent("manager"))) is abc[2]


# --- who can run a tool -----------------------------------------------------------------------------------------------


def calling(abc, **settings):
    messages = [{"role": "assistant", "name": "a", "content": "", "tool_calls": [CALL]}]
    return GroupChat(abc, messages, speaker_selection_method="round_robin", **settings)


def test_a_tool_call_is_answered_by_the_one_who_can_run_it(abc):
    abc[2].register_function({"add": add})
    assert next_after(calling(abc), abc[0]) is abc[2]
    assert next_after(calling(abc, func_call_filter=False), abc[0]) is abc[1]


def test_of_several_who_can_run_it_the_method_chooses_one_who_may_speak(abc):
    for agent in abc:
        agent.register_function({"add": add})
    assert next_after(calling(abc, allow_repeat_speaker=False), abc[2]) is abc[0]


def test_a_tool_that_no_one_has_is_answered_by_one_who_has_tools(abc):
    abc[1].register_function({"subtract": add})
    assert next_after(calling(abc), abc[0]) is abc[1]


def test_a_tool_call_where_no_one_has_tools_is_an_error(abc):
    with pytest.raises(ConfigError, match="no agent in the group chat can run add"):
        next_after(calling(abc), abc[0])


# --- arguments that cannot work ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"speaker_selection_method": "best"}, "speaker selection 'best': use one of auto, manual"),
        ({"max_round": 0}, "max_round is 0"),
        ({"max_retries_for_selecting_speaker": -1}, "is -1; it must be 0 or more"),
        ({"max_retries_for_selecting_speaker": None}, "is None; it must be 0 or more"),
        ({"role_for_select_speaker_messages": ""}, "role_for_select_speaker_messages is empty"),
        ({"select_speaker_message_template": ""}, "select_speaker_message_template is ''"),
        ({"select_speaker_prompt_template": "{who}"}, r"may contain \{agentlist\}"),
        ({"select_speaker_auto_none_template": None}, "select_speaker_auto_none_template is None"),
        ({"select_speaker_transform_messages": []}, r"use a function of a list of messages"),
        ({"select_speaker_auto_llm_config": {"tools": [{}]}}, "has tools"),
        ({"select_speaker_auto_model_client_cls": Oracle}, "requires a select_speaker_auto_llm_config"),
    ],
)
def test_arguments_that_cannot_work_are_refused(abc, wrong, sentence):
    with pytest.raises(ConfigError, match=sentence):
        GroupChat(abc, **wrong)


def test_two_members_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="several agents in the group chat are named bob"):
        GroupChat([ConversableAgent("bob"), ConversableAgent("bob")])
