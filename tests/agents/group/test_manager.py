"""A group chat from its first message to its end."""

import asyncio
import sys

import pytest

from agentchat import UserProxyAgent, llm_config
from agentchat.agents import ConversableAgent, GroupChat, GroupChatManager
from agentchat.errors import ConfigError
from agentchat.events import Notice, TextMessage, ToolCallResult
from agentchat.testing import call, say

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}


def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture
def abc(says):
    return [says(*(f"{name}{number}" for number in range(1, 9)), name=name) for name in "abc"]


def manage(agents, *, manager=None, **settings):
    groupchat = GroupChat(agents, **{"speaker_selection_method": "round_robin", **settings})
    return GroupChatManager(groupchat, **(manager or {}))


def said_in(manager):
    return [(message["name"], message["content"]) for message in manager.groupchat.messages]


def remembered(agent, manager):
    return [(message["role"], message["name"], message["content"]) for message in agent.chat_messages[manager]]


# --- the chat ---------------------------------------------------------------------------------------------------------


def test_all_members_receive_all_messages_and_speak_in_turn(stream, abc):
    manager = manage(abc, max_round=4)
    result = abc[0].initiate_chat(manager, message="go")
    assert said_in(manager) == [("a", "go"), ("b", "b1"), ("c", "c1"), ("a", "a1")]
    assert remembered(abc[1], manager) == [
        ("user", "a", "go"),
        ("assistant", "b", "b1"),
        ("user", "c", "c1"),
        ("user", "a", "a1"),
    ]
    assert [message["content"] for message in result.chat_history] == ["go", "b1", "c1", "a1"]
    assert result.summary == "a1"
    assert manager.last_speaker is abc[0]


def test_each_message_is_emitted_once_by_its_speaker(stream, abc):
    abc[0].initiate_chat(manage(abc, max_round=3), message="go")
    emitted = [(event.name, event.to, event.content) for event in stream.events_of(TextMessage)]
    assert emitted == [("a", "chat_manager", "go"), ("b", "chat_manager", "b1"), ("c", "chat_manager", "c1")]
    assert [event.text for event in stream.events_of(Notice)] == ["Next speaker: b\n", "Next speaker: c\n"]


def test_the_managers_termination_message_ends_the_chat(stream, abc):
    manager = manage(abc, manager={"is_termination_msg": lambda message: message["content"] == "c1"})
    abc[0].initiate_chat(manager, message="go")
    assert said_in(manager)[-1] == ("c", "c1")


def test_a_member_without_a_reply_ends_the_chat(stream, says):
    manager = manage([says(name="a"), says("b1", name="b")])
    manager.groupchat.agents[0].initiate_chat(manager, message="go")
    assert said_in(manager) == [("a", "go"), ("b", "b1")]


def test_a_selection_function_ends_the_chat_with_none(stream, abc):
    manager = manage(abc, speaker_selection_method=lambda last, chat: None if len(chat.messages) == 2 else abc[1])
    abc[0].initiate_chat(manager, message="go")
    assert said_in(manager) == [("a", "go"), ("b", "b1")]


def test_a_chat_started_from_outside_is_summed_up_by_its_last_message(stream, abc):
    manager = manage(abc, max_round=3)
    result = ConversableAgent("outside", human_input_mode="NEVER").initiate_chat(manager, message="go")
    assert said_in(manager) == [("outside", "go"), ("a", "a1"), ("b", "b1")]
    assert result.summary == "b1"


def test_a_silent_chat_is_not_emitted(stream, abc):
    for number, silent in enumerate([{"silent": True}, {"manager": {"silent": True}}], start=1):
        manager = manage(abc, max_round=3, manager=silent.pop("manager", None))
        ConversableAgent("outside", silent=True).initiate_chat(manager, message="go", **silent)
        assert said_in(manager)[1:] == [("a", f"a{number}"), ("b", f"b{number}")]
    assert stream.events == []


def test_members_are_introduced_to_each_other(stream, abc):
    manager = manage(abc, max_round=2, send_introductions=True)
    abc[0].initiate_chat(manager, message="go")
    for agent in abc:
        introductions = [message for message in agent.chat_messages[manager] if message["name"] == "chat_manager"]
        assert [message["content"] for message in introductions] == [manager.groupchat.introductions_msg()]
    assert said_in(manager) == [("a", "go"), ("b", "b1")]


def test_a_new_chat_begins_with_empty_histories(stream, abc):
    manager = manage(abc, max_round=2)
    abc[0].initiate_chat(manager, message="go")
    abc[0].initiate_chat(manager, message="again")
    assert said_in(manager) == [("a", "again"), ("b", "b2")]
    assert len(remembered(abc[1], manager)) == 2


def test_a_chat_can_go_on_where_the_last_one_ended(stream, abc):
    manager = manage(abc, max_round=2)
    abc[0].initiate_chat(manager, message="go")
    abc[0].initiate_chat(manager, message="again", clear_history=False)
    assert [content for _, content in said_in(manager)] == ["go", "b1", "again", "b2"]


def test_a_tool_call_goes_to_the_one_who_can_run_it_and_is_emitted_once(stream, says):
    a, b, c = says({"content": "", "tool_calls": [CALL]}, name="a"), says("b1", name="b"), says("c1", name="c")
    c.register_function({"add": add})
    manager = manage(
        [a, b, c],
        max_round=4,
        speaker_selection_method=lambda last, chat: a if len(chat.messages) == 1 else "round_robin",
    )
    b.initiate_chat(manager, message="1 + 2?")
    assert [name for name, _ in said_in(manager)] == ["b", "a", "c"]
    assert [message["role"] for message in b.chat_messages[manager]] == ["assistant", "assistant", "tool"]
    assert [(event.name, event.content) for event in stream.events_of(ToolCallResult)] == [("c", "3")]


def test_on_a_console_the_admin_takes_over_at_an_interrupt(stream, says):
    def interrupted(agent, messages, sender, config):
        raise KeyboardInterrupt

    a, b, admin = says(name="a"), ConversableAgent("b"), says("stop", name="Admin")
    b.register_reply([ConversableAgent], interrupted)
    manager = manage([a, b, admin], max_round=3)
    a.initiate_chat(manager, message="go")
    assert said_in(manager) == [("a", "go"), ("Admin", "stop")]
    with pytest.raises(KeyboardInterrupt):
        a.initiate_chat(manage([a, b]), message="go")


def test_an_awaited_chat_is_the_same_chat(stream, abc):
    manager = manage(abc, max_round=3)
    result = asyncio.run(abc[0].a_initiate_chat(manager, message="go"))
    assert said_in(manager) == [("a", "go"), ("b", "b1"), ("c", "c1")]
    assert result.summary == "c1"


def test_a_hook_of_the_manager_changes_only_what_members_receive(stream, abc):
    manager = manage(abc, max_round=3)
    manager.register_hook(
        "process_message_before_send",
        lambda sender, message, recipient, silent: {**message, "content": f"{message['content']}, {recipient.name}"},
    )
    abc[0].initiate_chat(manager, message="go")
    assert [content for _, _, content in remembered(abc[1], manager)] == ["go, b", "b1", "c1, b"]
    assert [content for _, content in stream.messages] == ["go", "b1", "c1"]


def test_a_thousand_rounds_need_no_more_stack_than_one(stream, says):
    depths = set()

    def reply(agent, messages, sender, config):
        frame, depth = sys._getframe(), 0
        while (frame := frame.f_back) is not None:
            depth += 1
        depths.add(depth)
        return True, "on"

    agents = [ConversableAgent(name, human_input_mode="NEVER") for name in "abc"]
    for agent in agents:
        agent.register_reply([ConversableAgent], reply)
    manager = manage(agents, max_round=1000)
    agents[0].initiate_chat(manager, message="go")
    assert len(manager.groupchat.messages) == 1000
    assert len(depths) == 1


# --- with models ------------------------------------------------------------------------------------------------------


def test_members_with_models_know_who_said_what(stream, scripted_llm):
    scripted_llm.replies(say("bob"), say("I am Bob."), say("ann"), say("I am Ann. TERMINATE"))
    members = [ConversableAgent(name, f"You are {name}.", llm_config=llm_config()) for name in ("ann", "bob")]
    groupchat = GroupChat(members)
    manager = GroupChatManager(
        groupchat, llm_config=llm_config(), is_termination_msg=lambda message: "TERMINATE" in message["content"]
    )
    result = UserProxyAgent("user", human_input_mode="NEVER").initiate_chat(manager, message="Who are you?")
    assert stream.messages == [("user", "Who are you?"), ("bob", "I am Bob."), ("ann", "I am Ann. TERMINATE")]
    assert scripted_llm.requests[3]["messages"] == [
        {"role": "system", "content": "You are ann."},
        {"role": "user", "name": "user", "content": "Who are you?"},
        {"role": "user", "name": "bob", "content": "I am Bob."},
    ]
    assert result.cost["usage_including_cached_inference"]["scripted"]["completion_tokens"] == 2


def test_a_manager_calls_no_tools(says):
    config = {**llm_config(), "tools": [{"type": "function"}]}
    with pytest.raises(ConfigError, match="calls no tools"):
        GroupChatManager(GroupChat([says(name="a"), says(name="b")]), llm_config=config)


def test_a_tool_of_a_member_runs_in_the_group(stream, scripted_llm, says):
    scripted_llm.replies(call("add", a=1, b=2), say("It is 3."))
    bot = ConversableAgent("bot", llm_config=llm_config())
    runner = says("Thanks.", name="runner")
    bot.register_for_llm(description="Add.")(runner.register_for_execution()(add))
    manager = manage([bot, runner], max_round=4)
    runner.initiate_chat(manager, message="1 + 2?")
    assert said_in(manager) == [("runner", "1 + 2?"), ("bot", ""), ("runner", "3"), ("bot", "It is 3.")]


# --- group chats in group chats ---------------------------------------------------------------------------------------


def test_a_nested_group_chat_replies_with_its_last_message(stream, says):
    inner = manage([says("a1", name="a"), says("b1", "TERMINATE", name="b")], max_round=3, manager={"name": "inner"})
    c = says("c1", "c2", name="c")
    outer = manage([c, inner], max_round=3, manager={"name": "outer"})
    c.initiate_chat(outer, message="go")
    assert said_in(outer) == [("c", "go"), ("inner", "b1"), ("c", "c1")]
    assert said_in(inner) == [("outer", "go"), ("a", "a1"), ("b", "b1")]
    assert [content for _, content in stream.messages] == ["go", "a1", "b1", "c1"]


def test_the_signal_that_ends_a_nested_group_chat_does_not_end_the_outer_one(stream, says):
    inner = manage([says("a1", name="a"), says("TERMINATE", name="b")], manager={"name": "inner"})
    c = says("c1", name="c")
    outer = manage([c, inner], max_round=3, manager={"name": "outer"})
    c.initiate_chat(outer, message="go")
    assert said_in(outer) == [("c", "go"), ("inner", "a1"), ("c", "c1")]


def test_a_nested_group_chat_in_which_no_one_speaks_ends_the_outer_one(stream, says):
    inner = manage([says(name="a"), says(name="b")], manager={"name": "inner"})
    c = says("c1", name="c")
    outer = manage([c, inner], manager={"name": "outer"})
    c.initiate_chat(outer, message="go")
    assert said_in(outer) == [("c", "go")]


# --- clearing histories -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "group", "writer"),
    [
        ("please clear history", [("user", "please")], [("user", "user", "please")]),
        ("clear history 1 now", [("a", "go"), ("user", "now")], [("user", "a", "go"), ("user", "user", "now")]),
        ("clear history writer", [("a", "go"), ("user", "")], [("user", "user", "")]),
        ("clear history a 1", [("a", "go"), ("user", "")], [("user", "a", "go"), ("user", "user", "")]),
    ],
)
def test_the_user_clears_histories(stream, says, words, group, writer):
    a, user, listener = says(name="a"), UserProxyAgent("user"), says(name="writer")
    manager = manage([a, user, listener], max_round=2, enable_clear_history=True)
    stream.answer(words)
    a.initiate_chat(manager, message="go")
    assert said_in(manager) == group
    assert remembered(listener, manager) == writer
    assert stream.printed.startswith("Clearing history for ")


def test_unless_it_is_enabled_the_command_is_plain_text(stream, says):
    a, user = says(name="a"), UserProxyAgent("user")
    manager = manage([a, user], max_round=2)
    stream.answer("clear history")
    a.initiate_chat(manager, message="go")
    assert said_in(manager) == [("a", "go"), ("user", "clear history")]


def test_models_clear_nothing_by_a_mere_text(stream, says):
    a, b = says(name="a"), says("clear history", name="b")
    manager = manage([a, b], max_round=2, enable_clear_history=True)
    a.initiate_chat(manager, message="go")
    assert said_in(manager) == [("a", "go"), ("b", "clear history")]


def test_a_tool_that_clears_histories_leaves_the_call_that_it_answers(stream, says):
    forget = {"id": "call_1", "type": "function", "function": {"name": "forget", "arguments": "{}"}}
    a, b = says("a1", name="a"), says({"content": "", "tool_calls": [forget]}, name="b")
    a.register_function({"forget": lambda: "clear history"})
    manager = manage([a, b], max_round=3, enable_clear_history=True)
    a.initiate_chat(manager, message="go")
    assert [message["role"] for message in manager.groupchat.messages] == ["assistant", "tool"]
    assert [message["role"] for message in b.chat_messages[manager]] == ["assistant", "tool"]


# --- going on with an old chat ----------------------------------------------------------------------------------------


def test_a_resumed_chat_continues_with_its_history(stream, abc, says):
    old = manage(abc, max_round=3)
    abc[0].initiate_chat(old, message="go")
    saved = old.messages_to_string(old.groupchat.messages)

    a, b, c = (says(f"{name} again", name=name) for name in "abc")
    manager = manage([a, b, c], max_round=2, send_introductions=True)
    last, message = manager.resume(saved)
    assert last is c
    assert message["content"] == "c1"
    assert remembered(b, manager) == [("user", "a", "go"), ("assistant", "b", "b1")]
    last.initiate_chat(manager, message=message, clear_history=False)
    assert said_in(manager) == [("a", "go"), ("b", "b1"), ("c", "c1"), ("a", "a again")]


@pytest.mark.parametrize("take_out", [" TERMINATE", lambda text: text.removesuffix(" TERMINATE")])
def test_the_signal_that_ended_the_old_chat_can_be_taken_out(stream, abc, take_out, caplog):
    manager = manage(abc, manager={"is_termination_msg": lambda message: "TERMINATE" in message["content"]})
    saved = [{"role": "user", "name": "a", "content": "done TERMINATE"}]
    _, message = manager.resume(saved, remove_termination_string=take_out, silent=True)
    assert message["content"] == "done"
    assert saved[0]["content"] == "done TERMINATE"
    assert not caplog.records
    manager.resume(saved)
    assert "the last message ends the chat" in caplog.text


def test_a_message_from_the_admin_or_without_a_name_is_the_managers(stream, abc):
    manager = manage(abc)
    last, _ = manager.resume([{"content": "go"}, {"role": "user", "name": "Admin", "content": "stop"}])
    assert last is manager
    assert remembered(abc[0], manager) == [("user", "chat_manager", "go")]


def test_an_old_chat_of_strangers_or_of_nothing_is_refused(stream, abc):
    manager = manage(abc)
    with pytest.raises(ConfigError, match="from 'eve', who is not in the group chat; its members are a, b, c"):
        manager.resume([{"role": "user", "name": "eve", "content": "go"}])
    with pytest.raises(ConfigError, match="there are no messages"):
        manager.resume("[]")


def test_a_reset_manager_forgets_the_chat(stream, abc):
    manager = manage(abc, max_round=2)
    abc[0].initiate_chat(manager, message="go")
    manager.reset()
    assert manager.groupchat.messages == []
