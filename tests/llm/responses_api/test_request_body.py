"""A request of the chat API in the words of the Responses API, checked against the SDK's own types."""

import pytest
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from agentchat.llm.responses_api.request_body import as_responses

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Paris"}'}}
ITEM = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc"}
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}}


def body(*messages, **more):
    return {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "messages": [*messages], **more}


def test_a_conversation_becomes_items():
    asked = as_responses(
        body(
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_items": [ITEM]},
            {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
            {"role": "assistant", "content": "It is sunny."},
        )
    )
    assert asked["input"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Look"},
        ITEM,
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "Sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]
    assert "messages" not in asked
    assert "stream_options" not in asked


def test_reasoning_that_the_service_would_have_to_remember_does_not_go_back():
    message = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    asked = as_responses(body({**message, "reasoning_items": [{**ITEM, "encrypted_content": None}]}))
    assert [item["type"] for item in asked["input"]] == ["function_call"]


def test_tools_and_the_choice_of_one_are_flat():
    choice = {"type": "function", "function": {"name": "look"}}
    asked = as_responses(body(tools=[TOOL], tool_choice=choice), [{"type": "web_search"}])
    assert asked["tools"] == [
        {"type": "function", "strict": False, "name": "look", "description": "Look.", "parameters": SCHEMA},
        {"type": "web_search"},
    ]
    assert asked["tool_choice"] == {"type": "function", "name": "look"}
    assert as_responses(body(tools=[TOOL], tool_choice="required"))["tool_choice"] == "required"


def test_parameters_have_their_other_names():
    schema = {"name": "Weather", "schema": SCHEMA, "strict": True}
    asked = as_responses(
        body(
            response_format={"type": "json_schema", "json_schema": schema},
            max_tokens=9,
            reasoning_effort="low",
            verbosity="low",
            temperature=1,
        )
    )
    assert asked["text"] == {"format": {"type": "json_schema", **schema}, "verbosity": "low"}
    assert (asked["max_output_tokens"], asked["temperature"]) == (9, 1)
    assert asked["reasoning"] == {"effort": "low", "summary": "auto"}


def test_parts_are_of_the_kinds_that_it_has():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    user = {"role": "user", "content": [{"type": "text", "text": "Look"}, image]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": "I see"}]}
    first, second = as_responses(body(user, answer))["input"]
    assert first["content"] == [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
    ]
    assert second["content"] == [{"type": "output_text", "text": "I see"}]


@pytest.mark.parametrize("content", ["text", [{"type": "text", "text": "parts"}]])
def test_the_sdk_s_types_take_it(content):
    messages = [
        {"role": "user", "content": content},
        {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_items": [ITEM]},
        {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
    ]
    asked = as_responses(body(*messages, tools=[TOOL], store=False, include=["reasoning.encrypted_content"]))
    params = TypeAdapter(response_create_params.ResponseCreateParamsStreaming)
    assert params.validate_python(asked)["store"] is False
