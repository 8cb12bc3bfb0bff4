"""Answers of a real model, on a console: streams, usage, their length, and a context that is too long."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from agentchat import ConversableAgent, OpenAIWrapper, llm_config
from agentchat.errors import LLMContextTooLong, LLMRefused
from agentchat.events import TextMessageContent, TextMessageEnd, TextMessageStart, Usage
from agentchat.io import IOStream
from agentchat.llm.profiles import PROFILES
from agentchat.llm.tool_schemas import function_for
from agentchat.testing import RecordingStream
from agentchat.tools import tool_of
from scripts.local_model import CONTEXT, NAME
from tests.llm.test_tool_schemas import draw


def ask(text="Say hello.", **options):
    """The stream on which an agent has answered."""
    stream = RecordingStream()
    agent = ConversableAgent("a", llm_config=llm_config(**options), human_input_mode="NEVER")
    with IOStream.set_default(stream):
        agent.generate_reply(messages=[{"role": "user", "content": text}])
    return stream


def test_an_answer_comes_in_pieces_that_are_the_whole(model):
    stream = ask(max_tokens=8, ignore_eos=True)
    [end] = stream.events_of(TextMessageEnd)
    pieces = [event.delta for event in stream.events_of(TextMessageContent)]
    assert len(stream.events_of(TextMessageStart)) == 1
    assert len(pieces) > 3
    assert "".join(pieces) == end.content != ""


def test_what_an_answer_used_is_counted_by_the_service(model):
    [short], [long] = (ask(text, max_tokens=5, ignore_eos=True).events_of(Usage) for text in ("Hi.", "Hi. " * 50))
    assert (short.model, short.completion_tokens, short.cost) == (NAME, 5, 0)
    assert 0 < short.prompt_tokens < long.prompt_tokens


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_reaches_its_length_says_so(stream, model):
    asked = OpenAIWrapper(**llm_config(max_tokens=4, ignore_eos=True, stream=stream))
    with IOStream.set_default(RecordingStream()):
        completion = asked.create(messages=[{"role": "user", "content": "Count to one hundred."}])
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 4


def test_an_answer_that_ends_by_itself_says_so(model):
    asked = OpenAIWrapper(**llm_config(max_tokens=64, stop=[" "]))
    with IOStream.set_default(RecordingStream()):
        completion = asked.create(messages=[{"role": "user", "content": "Tell me about the sea."}])
    assert completion.choices[0].finish_reason == "stop"
    assert " " not in completion.choices[0].message.content


def test_a_context_that_is_too_long_is_an_error_in_the_services_words(model):
    with pytest.raises(LLMContextTooLong, match=f"exceeds the available context size .{CONTEXT} tokens"):
        ask("word " * (CONTEXT + 1))
    assert model.slots() == []


def test_a_conversation_with_tools_is_understood(model):
    function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    call = {"id": "call_1", "type": "function", "function": function}
    conversation = [
        {"role": "user", "content": "What is 1 + 2?", "name": "Ada"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
    ]

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    agent = ConversableAgent("a", "You are a calculator.", llm_config=llm_config(max_tokens=4, ignore_eos=True))
    agent.register_for_llm()(add)
    with IOStream.set_default(RecordingStream()):
        assert agent.generate_reply(messages=conversation)


def test_the_service_reads_the_schemas_of_tools_in_the_form_of_its_profile(model):
    def answered(parameters):
        schema = function_for({"parameters": parameters}, PROFILES["llama.cpp"].schemas)["parameters"]
        return ask(max_tokens=2, response_format=in_json(schema)).messages

    def in_json(schema):
        return {"type": "json_schema", "json_schema": {"name": "draw", "schema": schema}}

    dangling = {"type": "object", "properties": {"x": {"$ref": "#/$defs/Nowhere"}}}
    with pytest.raises(LLMRefused, match="schema"):
        ask(max_tokens=2, response_format=in_json(dangling))
    assert answered(dangling)
    assert answered(tool_of(draw).schema()["function"]["parameters"])


def test_answers_are_written_at_the_same_time(model):
    with ThreadPoolExecutor() as pool:
        streams = list(pool.map(lambda n: ask(f"Say {n}.", max_tokens=6, ignore_eos=True), range(3)))
    assert [stream.events_of(Usage)[0].completion_tokens for stream in streams] == [6, 6, 6]
