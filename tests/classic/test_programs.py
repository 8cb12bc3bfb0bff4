"""What classic programs do to agents: subclass them, decorate tools, change results, use names of AutoGen 0.2."""

import asyncio
import functools
import inspect
import json
import logging
from typing import Annotated

import pytest

from agentchat import (
    AssistantAgent,
    ChatResult,
    ConversableAgent,
    GroupChat,
    GroupChatManager,
    UserProxyAgent,
    errors,
    initiate_chats,
    llm_config,
    register_function,
)
from agentchat.errors import ConfigError
from agentchat.testing import call, fail, say
from tests.unattended import never

pytestmark = pytest.mark.usefixtures("stream")


def add(a: int, b: int) -> int:
    "Add."
    return a + b


# --- subclasses -------------------------------------------------------------------------------------------------------


OWN_NAMES = [
    "tools",
    "human_input",
    "spent",
    "usage",
    "emitter",
    "auto_replies",
    "hooks",
    "replies",
    "parts",
    "history",
]


@pytest.mark.parametrize("name", OWN_NAMES)
def test_a_subclass_may_have_attributes_of_any_name(name, scripted_llm):
    class Mine(ConversableAgent):
        def __init__(self, *args, **kwargs):
            setattr(self, name, ["before"])
            super().__init__(*args, **kwargs)
            setattr(self, name, [*getattr(self, name), "after"])

    scripted_llm.replies(call("add", a=1, b=2), say("It is 3."))
    bot = Mine("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
    user = Mine("user", human_input_mode="NEVER", max_consecutive_auto_reply=1)
    register_function(add, caller=bot, executor=user)
    result = user.initiate_chat(bot, message="1 + 2?")
    assert result.summary == "It is 3."
    assert getattr(bot, name) == getattr(user, name) == ["before", "after"]
    assert bot.get_actual_usage()["total_cost"] >= 0


@pytest.mark.parametrize("name", ["begin_chat", "prepare_chat", "messages_with", "converse", "ask"])
def test_a_subclass_may_have_methods_of_any_name(name):
    def surprise(self):
        raise AssertionError("never called by agentchat")

    mine = type("Mine", (ConversableAgent,), {name: surprise})
    one, two = mine("one", human_input_mode="NEVER", default_auto_reply="1"), never("two", "2")
    assert two.initiate_chat(one, message="go", max_turns=1).summary == "1"
    group = GroupChat([one, two], max_round=3, speaker_selection_method="round_robin")
    two.initiate_chat(GroupChatManager(group), message="go")
    assert [message["content"] for message in group.messages] == ["go", "1", "2"]


def test_what_is_received_passes_the_method_that_programs_override():
    shown = []

    class Shown(ConversableAgent):
        def _process_received_message(self, message, sender, silent):
            shown.append((self.name, sender.name, message if isinstance(message, str) else message["content"]))
            return super()._process_received_message(message, sender, silent)

    one, two = (Shown(name, human_input_mode="NEVER", default_auto_reply=f"{name}!") for name in ("one", "two"))
    result = one.initiate_chat(two, message="hello", max_turns=1)
    assert shown == [("two", "one", "hello"), ("one", "two", "two!")]
    assert [message["content"] for message in result.chat_history] == ["hello", "two!"]
    shown.clear()
    group = GroupChat([one, two], max_round=2, speaker_selection_method="round_robin")
    one.initiate_chat(GroupChatManager(group), message="all")
    assert shown == [("two", "chat_manager", "all"), ("one", "chat_manager", "two!")]
    asyncio.run(one.a_initiate_chat(two, message="again", max_turns=1))
    assert ("two", "one", "again") in shown


@pytest.mark.parametrize(
    "name",
    ["_print_received_message", "_append_oai_message", "run_code", "process_last_received_message"],
)
def test_overriding_a_method_that_is_never_called_is_refused(name):
    with pytest.raises(ConfigError, match=f"Mine.{name} would be ignored.*Instead, "):
        type("Mine", (AssistantAgent,), {name: lambda self, *args: None})


def test_overriding_an_inner_method_of_group_chats_is_refused():
    with pytest.raises(ConfigError, match="speaker_selection_method"):
        type("Mine", (GroupChat,), {"_prepare_and_select_agents": lambda self, last_speaker: None})


def test_attributes_with_an_underscore_lead_to_ours():
    class Asks(UserProxyAgent):
        def get_human_input(self, prompt):
            self._human_input.append("typed")
            return "typed"

    user, bot = Asks("user", code_execution_config=False), never("bot", "hm")
    user._is_termination_msg = lambda message: message["content"] == "hm"
    result = user.initiate_chat(bot, message="go", max_turns=2)
    assert result.human_input == ["typed"]
    assert user._oai_messages[bot] == user.chat_messages[bot]
    assert user._name == "user"
    assert user.is_termination_msg({"content": "hm"})
    with pytest.raises(AttributeError, match="register_reply"):
        user._reply_func_list  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'$"):
        user.nothing  # noqa: B018


def test_async_input_may_be_set_on_the_agent_itself():
    user = UserProxyAgent("user", human_input_mode="ALWAYS")
    answers = ["typed", "exit"]

    async def typed(prompt):
        await asyncio.sleep(0)
        return answers.pop(0)

    user.a_get_human_input = typed
    result = asyncio.run(user.a_initiate_chat(never("bot", "hm"), message="go"))
    assert [message["content"] for message in result.chat_history] == ["go", "hm", "typed", "hm"]


# --- tools ------------------------------------------------------------------------------------------------------------


def test_a_decorated_tool_stays_a_function(scripted_llm):
    bot = ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
    user = never("user", max_consecutive_auto_reply=1)

    @user.register_for_execution()
    @bot.register_for_llm(name="plus", description="Add two numbers.")
    def add(a: Annotated[int, "one"], b: int = 2) -> int:
        return a + b

    assert inspect.isfunction(add)
    assert add.__name__ == "add"
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert add(1) == 3
    assert list(user.function_map) == ["plus"]
    scripted_llm.replies(call("plus", a=1, b=2), say("It is 3."))
    assert user.initiate_chat(bot, message="1 + 2?").chat_history[2]["content"] == "3"


def test_a_decorated_coroutine_function_stays_one(scripted_llm):
    bot = ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
    user = never("user", max_consecutive_auto_reply=1)

    @user.register_for_execution(name="later")
    @bot.register_for_llm(name="later", description="Later.")
    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return a + 1

    assert inspect.iscoroutinefunction(later)
    assert asyncio.run(later(1)) == 2
    scripted_llm.replies(call("later", a=1), say("It is 2."))
    assert user.initiate_chat(bot, message="later?").chat_history[2]["content"] == "2"


def test_a_decorator_on_top_of_a_tool_is_called():
    user, calls = never("user"), []

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            calls.append(args or kwargs)
            return function(*args, **kwargs)

        return wrapper

    @user.register_for_execution(name="outer")
    @logged
    @user.register_for_execution(name="inner", approval=True)
    def add(a: int, b: int) -> int:
        return a + b

    ok, result = user.execute_function({"name": "outer", "arguments": '{"a": 1, "b": 2}'})
    assert ok
    assert result["content"] == "3"
    assert calls == [{"a": 1, "b": 2}]


def test_a_call_has_a_text_as_content(scripted_llm):
    bot = ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
    user = never("user", is_termination_msg=lambda m: m.get("content", "").rstrip().endswith("TERMINATE"))
    register_function(add, caller=bot, executor=user)
    scripted_llm.replies(call("add", a=1, b=2), say("3. TERMINATE"))
    assert user.initiate_chat(bot, message="1 + 2?").summary == "3. "
    assert scripted_llm.requests[1]["messages"][-2].get("content") != ""  # services differ; the request has their form


# --- results ----------------------------------------------------------------------------------------------------------


def test_a_result_can_be_made_and_changed():
    result = ChatResult()
    assert (result.summary, result.chat_history, result.cost, result.human_input) == (None, [], {}, [])
    result.summary = "mine"
    result.chat_history.append({"content": "x"})
    assert ChatResult().chat_history == []
    assert ChatResult(None, [], "s", {}, []) == ChatResult(summary="s")
    made = never("one").initiate_chat(never("two", "2"), message="go", max_turns=1)
    made.summary += "!"
    assert made.summary == "2!"


# --- group chats ------------------------------------------------------------------------------------------------------


def test_a_manager_may_start_its_own_chat():
    members = [never(name, f"{name}!") for name in "abc"]
    group = GroupChat(members, messages=[], max_round=4, speaker_selection_method="round_robin")
    manager = GroupChatManager(group)
    manager.initiate_chat(manager, message="go")
    said = [("chat_manager", "go"), ("a", "a!"), ("b", "b!"), ("c", "c!")]
    assert [(message["name"], message["content"]) for message in group.messages] == said


@pytest.mark.parametrize("name", ["chat_manager", "Admin", None])
def test_a_chat_resumes_after_the_managers_own_words(name):
    members = [never(name, f"{name}!") for name in "ab"]
    group = GroupChat(members, messages=[], max_round=3, speaker_selection_method="round_robin")
    manager = GroupChatManager(group)
    last_words = {"content": "go on", "role": "user"} | ({"name": name} if name else {})
    last, message = manager.resume(json.dumps([{"content": "hello", "role": "user", "name": "a"}, last_words]))
    result = last.initiate_chat(manager, message=message, clear_history=False)
    assert [message["content"] for message in group.messages] == ["hello", "go on", "a!", "b!"]
    assert result.summary == "b!"


@pytest.mark.parametrize("method", ["round_robin", "random", lambda last, group: group.agents[-1]])
def test_agents_of_one_name_can_speak_in_a_group(method):
    first, second = never("bot", "first"), never("bot", "second")
    user = never("user", "u")
    group = GroupChat([user, first, second], max_round=9, speaker_selection_method=method)
    user.initiate_chat(GroupChatManager(group), message="go")
    said = {message["content"] for message in group.messages}
    assert len(group.messages) == 9
    assert "second" in said
    if method == "round_robin":
        assert said == {"go", "u", "first", "second"}


def test_a_model_cannot_choose_between_agents_of_one_name():
    with pytest.raises(errors.AgentNameConflict, match="chooses by name"):
        GroupChat([never("bot"), never("bot")])


def test_a_selection_function_may_say_that_no_one_is_eligible(caplog):
    def choose(last_speaker, groupchat):
        raise errors.NoEligibleSpeaker("done")

    members = [never(name, f"{name}!") for name in "ab"]
    group = GroupChat(members, max_round=5, speaker_selection_method=choose)
    with caplog.at_level(logging.WARNING):
        members[0].initiate_chat(GroupChatManager(group), message="go")
    assert len(group.messages) == 1
    assert "no eligible speaker: done" in caplog.text
    assert errors.NoEligibleSpeaker("done").message == "done"


def test_classic_exceptions_are_what_is_raised():
    one, two = never("one"), never("two")
    with pytest.raises(errors.SenderRequired):
        one.generate_reply()
    with pytest.raises(errors.InvalidCarryOverType):
        one.initiate_chat(two, message="go", carryover=7, max_turns=1)
    with pytest.raises(errors.UndefinedNextAgent):
        GroupChat([one, two]).next_agent(one, [])
    with pytest.raises(errors.AgentNameConflict):
        GroupChat([one, never("one")], speaker_selection_method="random").agent_by_name(
            "one", raise_on_name_conflict=True
        )


# --- what programs are told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, {"config_list": []}, {"config_list": [{"api_key": "x"}]}, {"temperature": 0}])
@pytest.mark.parametrize("kind", [AssistantAgent, ConversableAgent, UserProxyAgent])
def test_a_config_without_a_model_is_refused_at_construction(kind, config):
    with pytest.raises(ConfigError, match="agent 'bot' would have no model"):
        kind("bot", llm_config=config)


def test_an_assistant_without_a_model_is_told_at_construction(caplog):
    AssistantAgent("bot", llm_config=False)
    ConversableAgent("bot")
    UserProxyAgent("user")
    assert not caplog.text
    AssistantAgent("bot")
    assert "AssistantAgent 'bot' has no model" in caplog.text


def test_a_manager_that_has_no_model_to_choose_with_is_told(caplog):
    GroupChatManager(GroupChat([never("a"), never("b")], speaker_selection_method="round_robin"))
    assert not caplog.text
    GroupChatManager(GroupChat([never("a"), never("b")]))
    assert "has no model to choose who speaks next" in caplog.text


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_automatic_replies_are_counted_alike_in_both_kinds_of_chats(limit):
    def two():
        return never("one", "1", max_consecutive_auto_reply=limit), never("two", "2")

    one, other = two()
    assert len(one.initiate_chat(other, message="go").chat_history) == 2 * limit + 2
    one, other = two()
    assert len(asyncio.run(one.a_initiate_chat(other, message="go")).chat_history) == 2 * limit + 2


def test_code_that_nobody_runs_is_logged_once(caplog):
    coder = never("coder", "Run this:\n```python\nprint(1)\n```")
    user = UserProxyAgent("user", human_input_mode="NEVER")
    user.initiate_chat(coder, message="Plot it.", max_turns=3)
    [said] = [record.message for record in caplog.records if "python code" in record.message]
    assert "'user'" in said
    assert "register_function()" in said


def test_text_in_a_block_is_no_code(caplog):
    UserProxyAgent("user", human_input_mode="NEVER").initiate_chat(
        never("bot", "A table:\n```text\na b\n```\nand `sh`"), message="Show it.", max_turns=2
    )
    assert "code that a model writes" not in caplog.text


def test_another_function_of_a_name_is_warned_of():
    user = never("user", function_map={"add": add})
    user.register_function({"add": add})
    with pytest.warns(UserWarning, match=r"Function 'add' is being overridden\."):
        user.register_function({"add": lambda a, b: 0})
    with pytest.warns(UserWarning, match="The function gone to remove doesn't exist"):
        user.register_function({"gone": None})


def test_a_group_of_two_and_an_empty_description_are_warned_of(caplog):
    two = [never("one", "1"), ConversableAgent("two", "", human_input_mode="NEVER", default_auto_reply="2")]
    group = GroupChat(two, max_round=2, speaker_selection_method="random", send_introductions=True)
    two[0].initiate_chat(GroupChatManager(group), message="go")
    assert "GroupChat is underpopulated with 2 agents" in caplog.text
    assert "The agent 'two' has an empty description" in caplog.text
    caplog.clear()
    two[0].initiate_chat(
        GroupChatManager(GroupChat(two, max_round=2, speaker_selection_method="round_robin")), message="go"
    )
    assert "underpopulated" not in caplog.text


def test_a_summary_that_a_service_refuses_is_empty(scripted_llm):
    scripted_llm.replies(say("Hello."), fail(400, "no"), fail(400, "no"), fail(400, "no"))
    bot = ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
    with pytest.warns(UserWarning, match="Cannot extract summary using reflection_with_llm"):
        result = never("user").initiate_chat(bot, message="hi", max_turns=1, summary_method="reflection_with_llm")
    assert result.summary == ""


# --- mistakes that programs make --------------------------------------------------------------------------------------


def hooked(place):
    """A chat with an agent whose hook only looks."""
    bot = never("bot", "hm")
    bot.register_hook(place, lambda *args, **kwargs: None)
    never("user").initiate_chat(bot, message="hi", max_turns=1)


def replying_with(returned):
    bot = never("bot")
    bot.register_reply([ConversableAgent, None], lambda recipient, messages, sender, config: returned)
    return bot


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda: never("a").initiate_chat(None, message="x"), "recipient=None"),
        (lambda: never("a").initiate_chat("hello", never("b")), "recipient='hello'"),
        (lambda: never("a").initiate_chat(never("b"), message="x", max_turns="3"), "max_turns='3'"),
        (lambda: never("a", max_consecutive_auto_reply="3"), "max_consecutive_auto_reply is '3'"),
        (lambda: never("a", is_termination_msg="TERMINATE"), "is_termination_msg is 'TERMINATE'"),
        (lambda: never("a").initiate_chat(replying_with(None), message="x"), "<lambda> returned None; it must return"),
        (lambda: never("a").initiate_chat(replying_with("hey"), message="x"), "returned 'hey'; it must return"),
        (lambda: never("a").initiate_chat(replying_with((True, "a", 1)), message="x"), "it must return"),
        (lambda: GroupChat(["a", "b"], messages=[], max_round=3), r"has \['a', 'b'\] in it"),
        (lambda: GroupChat([never("a")], [], "5", speaker_selection_method="random"), "max_round is '5'"),
        (lambda: GroupChatManager([never("a")]), "use a GroupChat"),
        (lambda: initiate_chats({"sender": never("a"), "recipient": never("b")}), "use a list of dicts"),
        (lambda: never("a").initiate_chats(["b"]), "use a list of dicts"),
        (lambda: never("a").register_nested_chats("b", trigger=never("b")), "use a list of dicts"),
        (lambda: never("a").initiate_chat(never("b"), message=["x", "y"]), "a list is of messages"),
        (lambda: hooked("process_last_received_message"), "<lambda> returned None: it must return the content"),
        (lambda: hooked("process_all_messages_before_reply"), "it must return the messages"),
        (lambda: hooked("process_message_before_send"), "it must return the message"),
        (lambda: register_function(add, caller=None, executor=never("a"), description="d"), "caller=None"),
        (lambda: register_function(add, caller=never("a"), executor="user", description="d"), "executor='user'"),
    ],
)
def test_a_mistake_is_named(mistake, says):
    with pytest.raises(ConfigError, match=says):
        mistake()


def test_writing_into_the_function_map_is_no_silent_loss():
    user = never("user", function_map={"add": add})
    with pytest.raises(TypeError, match="does not support item assignment"):
        user.function_map["plus"] = add


def test_a_selection_function_may_return_an_agent_of_a_programs_own():
    class Echo:
        name, description = "echo", "echoes"

        def send(self, message, recipient, request_reply=None, silent=False):
            recipient.receive(message, self, request_reply, silent)

        def receive(self, message, sender, request_reply=None, silent=False):
            pass

        def generate_reply(self, messages=None, sender=None, **kwargs):
            return "echo!"

    one, echo = never("one", "1"), Echo()
    group = GroupChat([one, echo], messages=[], max_round=3, speaker_selection_method=lambda last, group: echo)
    one.initiate_chat(GroupChatManager(group), message="go")
    assert [message["content"] for message in group.messages] == ["go", "echo!", "echo!"]
