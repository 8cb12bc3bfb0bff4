"""Which tools there are, for models and for those who run them."""

import json

import pytest

from agentchat import staff
from agentchat.agents import AssistantAgent, ConversableAgent, UserProxyAgent, register_function
from agentchat.errors import ConfigError
from agentchat.events import ToolCallResult, ToolCallStart
from agentchat.testing import raw, say

MODEL = {"config_list": [{"model": "m", "api_key": "k"}]}
ADD = {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {}}}


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@pytest.fixture
def bot():
    return AssistantAgent("bot", llm_config=MODEL)


def test_tools_can_be_added_and_removed_by_their_schemas(bot):
    tool = {"type": "function", "function": ADD}
    bot.update_tool_signature(tool, is_remove=False)
    with pytest.warns(UserWarning, match=r"Function 'add' is being overridden\."):
        bot.update_tool_signature({"type": "function", "function": {**ADD, "description": "New."}}, is_remove=None)
    assert [known["function"]["description"] for known in bot.llm_config["tools"]] == ["New."]
    bot.update_tool_signature("add", is_remove=True)
    assert "tools" not in bot.llm_config


def test_the_older_functions_have_a_list_of_their_own(bot):
    bot.update_function_signature(ADD, is_remove=False)
    bot.register_for_llm(name="plus", api_style="function")(add)
    assert [known["name"] for known in bot.llm_config["functions"]] == ["add", "plus"]
    assert "tools" not in bot.llm_config
    bot.update_function_signature(ADD, is_remove=True)
    bot.update_function_signature("plus", is_remove=True)
    assert "functions" not in bot.llm_config


def test_an_invalid_signature_is_refused(bot):
    with pytest.raises(ConfigError, match="its model has no tool 'add'"):
        bot.update_tool_signature("add", is_remove=True)
    with pytest.raises(ConfigError, match="must be a dict"):
        bot.update_tool_signature("add", is_remove=False)
    with pytest.raises(ConfigError, match="'nobody' has no llm_config"):
        ConversableAgent("nobody").update_function_signature(ADD, is_remove=False)


def test_an_agent_says_what_it_can_run():
    user = UserProxyAgent("user", function_map={"add": add})
    assert user.can_execute_function("add")
    assert user.can_execute_function(["add"])
    assert not user.can_execute_function(["add", "sub"])


# --- calling ----------------------------------------------------------------------------------------------------------

CALL = {"content": "", "function_call": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}


def test_a_function_call_is_answered_in_the_older_shape(stream, says):
    user = UserProxyAgent("user", human_input_mode="NEVER", function_map={"add": add})
    result = user.initiate_chat(says(CALL, "TERMINATE"), message="hi")
    assert result.chat_history[2] == {"role": "function", "name": "add", "content": "3"}
    [start], [outcome] = stream.events_of(ToolCallStart), stream.events_of(ToolCallResult)
    assert (start.tool_call_id, start.tool_call_name) == (outcome.tool_call_id, "add") == ("function_add", "add")


def test_typed_text_answers_a_pending_function_call_in_its_place(stream, says):
    user = UserProxyAgent("user", function_map={"add": add})
    stream.answer("do not", "exit")
    result = user.initiate_chat(says(CALL, "as you like"), message="hi")
    words = result.chat_history[2]
    assert words["content"] == "do not"
    assert words["tool_responses"] == [{"role": "function", "name": "add", "content": "USER INTERRUPTED"}]


def test_a_model_that_knows_only_functions_gets_functions(stream, scripted_llm):
    asked = {"choices": [{"delta": {"function_call": CALL["function_call"]}, "finish_reason": "function_call"}]}
    scripted_llm.replies(raw(b"data: " + json.dumps(asked).encode() + b"\n\n"), say("3. TERMINATE"))
    bot = AssistantAgent("bot", "", llm_config=scripted_llm.llm_config())
    user = UserProxyAgent(
        "user", human_input_mode="NEVER", is_termination_msg=lambda message: "TERMINATE" in (message["content"] or "")
    )
    user.register_for_execution()(bot.register_for_llm(api_style="function")(add))
    user.initiate_chat(bot, message="1 + 2?")
    first, second = scripted_llm.requests
    assert [function["name"] for function in first["functions"]] == ["add"]
    assert second["messages"][1:] == [
        {"role": "assistant", "content": None, "function_call": CALL["function_call"]},
        {"role": "function", "name": "add", "content": "3"},
    ]


def test_a_call_can_be_run_without_a_chat(stream):
    user = UserProxyAgent("user", function_map={"add": add})
    assert user.execute_function({"name": "add", "arguments": '{"a": 1, "b": 2}'}) == (
        True,
        {"name": "add", "role": "function", "content": "3"},
    )
    well, message = user.execute_function({"name": "add", "arguments": '{"a": "one"}'}, verbose=True)
    assert not well
    assert message["content"].startswith("Error: ")
    assert message["content"] in stream.printed
    assert stream.events_of(ToolCallResult) == []


async def test_a_call_can_be_awaited(stream):
    user = UserProxyAgent("user", function_map={"add": add})
    assert (await user.a_execute_function({"name": "sub", "arguments": "{}"}))[0] is False


# --- what users see ---------------------------------------------------------------------------------------------------


def shown(stream):
    return [(type(each).__name__, each.visible) for each in stream.events if hasattr(each, "tool_call_id")]


def test_each_event_of_a_call_says_what_users_see_of_it(stream, says):
    clerk = says(CALL, "TERMINATE", llm_config=MODEL)
    user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=1)
    register_function(add, caller=clerk, executor=user, visible="name")
    user.initiate_chat(clerk, message="hi")
    names = ["ToolCallStart", "ToolCallArgs", "ToolCallEnd", "ToolCallResult"]
    assert shown(stream) == [(name, "name") for name in names]


def test_who_may_have_to_approve_a_call_sees_it(bot):
    user = UserProxyAgent("user")
    register_function(add, caller=bot, executor=user, approval=True)
    assert bot._agentchat.visible == {"add": "all"}
    with pytest.raises(ConfigError, match="who approves a call must see it"):
        register_function(add, caller=bot, executor=user, approval=True, visible="none")


def test_decorators_that_disagree_about_what_users_see_are_refused(bot):
    user = UserProxyAgent("user")
    function = user.register_for_execution()(bot.register_for_llm(visible="none")(add))
    assert user._agentchat.tools["add"].visible == bot._agentchat.visible["add"] == "none"
    assert function(1, 2) == 3
    with pytest.raises(ConfigError, match="applied first"):
        user.register_for_execution(visible="none")(bot.register_for_llm()(add))


@pytest.mark.parametrize(
    ("options", "visible"),
    [({}, "name"), ({"shown": True}, None), ({"visible": "all"}, "all"), ({"visible": "none"}, "none")],
)
def test_where_somebody_else_approves_users_see_the_name_unless_something_else_is_said(bot, options, visible):
    user = UserProxyAgent("user")
    register_function(add, caller=bot, executor=user, approval=True, to=staff(), **options)
    assert bot._agentchat.visible.get("add") == user._agentchat.tools["add"].visible == visible


def test_a_decorator_that_hides_a_call_of_which_the_model_was_told_otherwise_is_refused(bot):
    user = UserProxyAgent("user")
    with pytest.raises(ConfigError, match="applied first"):
        user.register_for_execution(approval=True, to=staff())(bot.register_for_llm()(add))
    user.register_for_execution(approval=True, to=staff())(bot.register_for_llm(visible="name")(add))
    user.register_for_execution(approval=True, to=staff(), shown=True)(bot.register_for_llm()(add))


def test_visible_has_three_values(bot):
    with pytest.raises(ConfigError, match="use 'all', 'name' or 'none'"):
        bot.register_for_llm(visible="staff")(add)
