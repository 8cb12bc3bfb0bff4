"""Tools between two agents."""

import pytest

from agentchat.agents import AssistantAgent, ConversableAgent, UserProxyAgent, register_function
from agentchat.errors import ConfigError
from agentchat.events import TextMessage, TextMessageStart, ToolCallArgs, ToolCallEnd, ToolCallResult, ToolCallStart

MODEL = {"config_list": [{"model": "m", "api_key": "k"}]}


def forecast(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


async def tide(city: str) -> str:
    """Tell the tide."""
    return f"high in {city}"


def call(name, city="Paris", id_="call_1"):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": f'{{"city": "{city}"}}'}}


@pytest.fixture
def user():
    return UserProxyAgent("user", human_input_mode="NEVER", function_map={"forecast": forecast, "tide": tide})


def names(agent):
    return [tool["function"]["name"] for tool in agent.llm_config.get("tools", [])]


def test_the_executor_answers_the_calls_of_the_caller(stream, user, says):
    calls = [call("forecast"), call("tide", id_="call_2")]
    result = user.initiate_chat(says({"content": "let me see", "tool_calls": calls}, "TERMINATE"), message="hi")
    assert result.chat_history[2] == {
        "role": "tool",
        "name": "user",
        "content": "sunny in Paris\n\nhigh in Paris",
        "tool_responses": [
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny in Paris"},
            {"role": "tool", "tool_call_id": "call_2", "content": "high in Paris"},
        ],
    }


def test_calls_and_results_are_emitted_once_and_in_order(stream, user, says):
    user.initiate_chat(says({"content": "", "tool_calls": [call("forecast")]}, "TERMINATE"), message="hi")
    kinds = (TextMessage, TextMessageStart, ToolCallStart, ToolCallArgs, ToolCallEnd, ToolCallResult)
    assert [type(event) for event in stream.events if isinstance(event, kinds)] == [
        TextMessage,  # hi
        TextMessage,  # the header over the call
        ToolCallStart,
        ToolCallArgs,
        ToolCallEnd,
        ToolCallResult,
        TextMessage,  # TERMINATE
    ]
    assert stream.contents_of(ToolCallResult) == ["sunny in Paris"]


def test_tool_calls_read_as_in_autogen(stream, user, says):
    user.initiate_chat(says({"content": "", "tool_calls": [call("forecast")]}), message="hi")
    rule = "-" * 80
    assert stream.text == (
        f"user (to bot):\n\nhi\n\n{rule}\n"
        "bot (to user):\n\n"
        "***** Suggested tool call (call_1): forecast *****\n"
        'Arguments: \n{"city": "Paris"}\n'
        f"**************************************************\n\n{rule}\n"
        "\n>>>>>>>> EXECUTING FUNCTION forecast...\n"
        "user (to bot):\n\n"
        "***** Response from calling tool (call_1) *****\n"
        "sunny in Paris\n"
        f"***********************************************\n\n{rule}\n"
    )


def test_the_model_sees_what_went_wrong(stream, user, says):
    result = user.initiate_chat(says({"content": "", "tool_calls": [call("snow")]}, "TERMINATE"), message="hi")
    assert result.chat_history[2]["content"] == "Error: there is no tool 'snow'"


def test_a_silent_chat_emits_nothing_of_its_tools(stream, user, says):
    bot = says({"content": "", "tool_calls": [call("forecast")]}, "TERMINATE")
    result = user.initiate_chat(bot, message="hi", silent=True)
    assert result.chat_history[2]["content"] == "sunny in Paris"
    assert stream.events == []


def test_register_function_adds_the_tool_to_caller_and_executor(user):
    bot = AssistantAgent("bot", llm_config=MODEL)
    register_function(forecast, caller=bot, executor=user, description="Weather", retry_safe=True, timeout=5)
    assert bot.llm_config["tools"][0]["function"]["description"] == "Weather"
    tool = user._agentchat.tools["forecast"]
    assert (tool.function, tool.retry_safe, tool.timeout) == (forecast, True, 5)


def test_a_name_given_to_register_function_holds_on_both_sides(user):
    bot = AssistantAgent("bot", llm_config=MODEL)
    register_function(forecast, caller=bot, executor=user, name="weather", description="Weather")
    assert names(bot) == ["weather"]
    assert user.function_map["weather"] is forecast


def test_the_decorators_can_be_stacked(stream, user):
    bot = AssistantAgent("bot", llm_config=MODEL)

    @user.register_for_execution(timeout=5)
    @bot.register_for_llm(name="weather", description="Weather")
    def forecast(city: str) -> str:
        return f"rain in {city}"

    assert names(bot) == ["weather"]
    assert user._agentchat.tools["weather"].timeout == 5
    assert forecast("Paris") == "rain in Paris"


def test_a_name_given_in_one_place_leaves_the_function_as_it_is(user):
    bot, other = AssistantAgent("bot", llm_config=MODEL), AssistantAgent("other", llm_config=MODEL)
    bot.register_for_llm(name="weather")(forecast)
    other.register_for_llm()(forecast)
    assert (names(bot), names(other)) == (["weather"], ["forecast"])


def test_tools_of_one_agent_never_appear_at_another():
    shared = {"config_list": [{"model": "m"}], "tools": []}
    bot, other = AssistantAgent("bot", llm_config=shared), AssistantAgent("other", llm_config=shared)
    bot.register_for_llm()(forecast)
    assert (names(bot), names(other), shared["tools"]) == (["forecast"], [], [])


def test_a_tool_registered_again_replaces_the_one_before():
    bot = AssistantAgent("bot", llm_config=MODEL)
    bot.register_for_llm(description="old")(forecast)
    with pytest.warns(UserWarning, match=r"Function 'forecast' is being overridden\."):
        bot.register_for_llm(description="new")(forecast)
    assert [tool["function"]["description"] for tool in bot.llm_config["tools"]] == ["new"]


def test_the_docstring_describes_a_tool_without_a_description(user):
    bot = AssistantAgent("bot", llm_config=MODEL)
    register_function(forecast, caller=bot, executor=user)
    assert bot.llm_config["tools"][0]["function"]["description"] == "Tell the weather."


def test_an_agent_without_a_model_cannot_ask_for_tools(user):
    with pytest.raises(ConfigError, match="'nobody' has no llm_config"):
        register_function(forecast, caller=ConversableAgent("nobody"), executor=user, description="x")


def test_functions_may_be_taken_away_again(user):
    user.register_function({"tide": None})
    assert user.function_map == {"forecast": forecast}
