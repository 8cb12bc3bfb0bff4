"""How the demo model is asked: in the older form of function calls, and with `tool_choice`."""

import pytest

from agentchat import ConversableAgent, UserProxyAgent, register_function
from agentchat.events import ToolCallResult
from agentchat.io import IOStream
from agentchat.llm.config import DEMO
from agentchat.testing import RecordingStream
from tests.llm.demo.test_script import TERMINATE, WEATHER, tool

ORDER = tool("order_status", "Where an order is.", number={"type": "integer"})
QUESTION = "Where is my order 17?"


def config(**more):
    return {"config_list": DEMO, **more}


def test_functions_of_the_older_form_are_called_and_their_results_reported(ask):
    functions = [ORDER["function"], WEATHER["function"]]
    called = ask(config(functions=functions), QUESTION)
    assert called.finish_reason == "function_call"
    assert called.tool_calls == ()
    assert called.function_call["name"] == "order_status"
    assert called.function_call["arguments"] == '{"number": 17}'
    call = {"role": "assistant", "content": None, "function_call": dict(called.function_call)}
    result = {"role": "function", "name": "order_status", "content": "On its way"}
    told = ask(config(functions=functions), TERMINATE, QUESTION, call, result)
    assert "I called `order_status`" in told.content
    assert "> On its way" in told.content


def test_an_agent_with_functions_of_the_older_form_uses_them():
    def order_status(number: int) -> str:
        """Where an order is."""
        return f"Order {number} is on its way."

    clerk = ConversableAgent("clerk", "Say TERMINATE.", llm_config=config(), human_input_mode="NEVER")
    desk = UserProxyAgent(
        "desk", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m["content"] or "")
    )
    clerk.register_for_llm(api_style="function")(order_status)
    desk.register_for_execution()(order_status)
    stream = RecordingStream()
    with IOStream.set_default(stream):
        desk.initiate_chat(clerk, message=QUESTION)
    assert [result.content for result in stream.events_of(ToolCallResult)] == ["Order 17 is on its way."]
    assert "Order 17 is on its way." in stream.messages[-1][1]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", ["order_status"]),
        ("required", ["order_status"]),
        ("none", []),
        ({"type": "function", "function": {"name": "weather_forecast"}}, []),
        ({"type": "function", "function": {"name": "order_status"}}, ["order_status"]),
    ],
)
def test_a_choice_of_tools_is_obeyed(choice, called, ask):
    answer = ask(config(tool_choice=choice), QUESTION, tools=[ORDER, WEATHER])
    assert [call["function"]["name"] for call in answer.tool_calls] == called


def test_the_arguments_of_a_client_of_ones_own_may_be_an_object():
    class Client:
        def __init__(self, config): ...

        def create(self, params):
            from types import SimpleNamespace as Some

            done = params["messages"][-1]["role"] == "tool"
            call = {"id": "c1", "type": "function", "function": {"name": "order_status", "arguments": {"number": 17.0}}}
            message = Some(content="Done." if done else None, tool_calls=None if done else [call], function_call=None)
            return Some(choices=[Some(message=message, finish_reason="stop")], model="mine", usage=None)

        def message_retrieval(self, response):
            return [choice.message for choice in response.choices]

        def cost(self, response):
            return 0

        @staticmethod
        def get_usage(response):
            return {}

    def order_status(number: int) -> str:
        """Where an order is."""
        return f"Order {number} is on its way."

    entry = {"model": "mine", "model_client_cls": "Client"}
    clerk = ConversableAgent("clerk", llm_config={"config_list": [entry]}, human_input_mode="NEVER")
    clerk.register_model_client(Client)
    desk = UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=1)
    register_function(order_status, caller=clerk, executor=desk)
    stream = RecordingStream()
    with IOStream.set_default(stream):
        desk.initiate_chat(clerk, message=QUESTION)
    assert [result.content for result in stream.events_of(ToolCallResult)] == ["Order 17 is on its way."]
