"""The demo model, asked through the real SDK."""

import asyncio
import json
import time

import pytest

from agentchat.llm import demo
from agentchat.llm.client import complete
from agentchat.llm.config import DEMO
from agentchat.llm.demo_arguments import arguments_for, cities_in

CONFIG = {"config_list": DEMO}


def tool(name, description="", /, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("weather_forecast", "Weather forecast for a city.", city={"type": "string"})
TERMINATE = {"role": "system", "content": "Say TERMINATE when you are done."}


@pytest.fixture(autouse=True)
def as_fast_as_it_can(monkeypatch):
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0")


def arguments_of(reply):
    return [json.loads(call["function"]["arguments"]) for call in reply.tool_calls]


# --- as a service -----------------------------------------------------------------------------------------------------


def test_it_writes_at_reading_speed(monkeypatch):
    monkeypatch.delenv("AGENTCHAT_DEMO_RATE")
    assert 30 <= demo.tokens_per_second() <= 60
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "nonsense")
    assert 30 <= demo.tokens_per_second() <= 60


def test_its_tokens_come_at_the_rate_that_is_set(monkeypatch, ask):
    ask(CONFIG)  # imports the SDK
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "200")
    begun = time.monotonic()
    reply = ask(CONFIG)
    took = time.monotonic() - begun
    assert len(ask.deltas) == reply.completion_tokens
    # A machine under load may be slower than the rate, but nothing makes the model faster.
    assert reply.completion_tokens / took <= 200


def test_its_deltas_put_together_are_its_answer(ask):
    reply = ask(CONFIG)
    assert "".join(ask.deltas) == reply.content
    assert (reply.finish_reason, reply.model) == ("stop", "demo")
    assert reply.prompt_tokens > 0


def test_it_stops_when_nobody_listens_any_more(monkeypatch):
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0.001")  # the second token would take a quarter of an hour

    async def ask_and_stop():
        begun = asyncio.Event()
        asking = asyncio.ensure_future(
            complete(CONFIG, [{"role": "user", "content": "Hi"}], on_delta=lambda delta: begun.set())
        )
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(ask_and_stop())


def test_a_proxy_in_the_environment_does_not_stand_before_it(monkeypatch, ask):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "scripted, no AI" in ask(CONFIG).content


# --- what it says -----------------------------------------------------------------------------------------------------


def test_small_talk_has_a_list_a_table_and_a_code_block_and_is_honest(ask):
    content = ask(CONFIG, "Hello").content
    assert "\n- " in content
    assert "\n|---|---|\n" in content
    assert "\n```python\n" in content
    assert "scripted, no AI" in content
    assert "OPENAI_API_KEY" in content
    assert "TERMINATE" not in content


def test_it_calls_the_weather_tool_with_the_city_in_several_deltas(ask):
    reply = ask(CONFIG, "What is the weather in Lisbon?", tools=[WEATHER])
    assert reply.finish_reason == "tool_calls"
    assert reply.tool_calls[0]["function"]["name"] == "weather_forecast"
    assert arguments_of(reply) == [{"city": "Lisbon"}]
    assert reply.completion_tokens > 1


@pytest.mark.parametrize(
    ("question", "cities"),
    [
        ("What's the weather in Paris?", ["Paris"]),
        ("weather in san francisco tomorrow", ["San Francisco"]),
        ("How will the weather be in Saint-Étienne this weekend?", ["Saint-Étienne"]),
        ("Tell me about the weather in Rome and Oslo, please", ["Rome", "Oslo"]),
        ("Weather for Paris, Rome and Oslo", ["Paris", "Rome", "Oslo"]),
        ("What is the weather in Paris, France?", ["Paris, France"]),
        ("Tell me the weather in Kyoto and write a poem about it.", ["Kyoto"]),
        ("Is it raining in Bergen right now?", ["Bergen"]),
        ("London weather", ["London"]),
        ("weather Madrid", ["Madrid"]),
        ("Can you get the weather for me in Quito?", ["Quito"]),
        ("What's the weather like?", ["Paris"]),
        ("What is the weather like in München today?", ["München"]),
        ("Write a poem about the weather in New York City", ["New York City"]),
    ],
)
def test_it_finds_the_cities_in_the_question(question, cities):
    assert cities_in(question) == cities


def test_two_cities_are_two_calls(ask):
    reply = ask(CONFIG, "What is the weather in Paris and Rome?", tools=[WEATHER])
    assert arguments_of(reply) == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({call["id"] for call in reply.tool_calls}) == 2


def test_it_knows_what_and_in_london_means(ask):
    said = ["What is the weather in Paris?", {"role": "assistant", "content": "Mild."}, "And in London?"]
    assert arguments_of(ask(CONFIG, *said, tools=[WEATHER])) == [{"city": "London"}]


def test_without_a_tool_it_calls_none(ask):
    assert ask(CONFIG, "What is the weather in Paris?").tool_calls == ()


def talk(ask, question, result, *, system=(), tools=(WEATHER,)):
    called = ask(CONFIG, *system, question, tools=tools)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": result} for call in called.tool_calls]
    return ask(CONFIG, *system, question, called.message(), *results, tools=tools)


def test_it_tells_what_the_tool_answered(ask):
    content = talk(ask, "What is the weather in Oslo?", '{"temperature": "-3 °C", "sky": "clear|cold"}').content
    assert "**Oslo**" in content
    assert "| temperature | -3 °C |" in content
    assert "clear\\|cold" in content
    assert "> Sunny and 20 degrees" in talk(ask, "Weather in Oslo?", "Sunny\nand 20 degrees").content
    assert "> It snows" in talk(ask, "Weather in Oslo?", '"It snows"').content
    assert "did not work" in talk(ask, "Weather in Oslo?", "Error: no such city").content


def test_a_poem_comes_when_one_is_asked_for(ask):
    assert "poem" not in talk(ask, "Weather in Oslo?", "Sunny").content
    assert "roofs of Oslo" in talk(ask, "Weather in Oslo and write a poem about it", "Sunny").content


def test_it_says_terminate_on_a_line_of_its_own_if_it_is_told_to(ask):
    assert talk(ask, "Weather in Oslo?", "Sunny", system=[TERMINATE]).content.endswith("\n\nTERMINATE")
    assert ask(CONFIG, TERMINATE, "Hello").content.endswith("\n\nTERMINATE")
    assert ask(CONFIG, TERMINATE, "Weather in Oslo?", tools=[WEATHER]).content == ""


def test_its_call_ids_differ_within_a_conversation(ask):
    first = ask(CONFIG, "Weather in Oslo?", tools=[WEATHER])
    result = {"role": "tool", "tool_call_id": first.tool_calls[0]["id"], "content": "Sunny"}
    second = ask(CONFIG, "Weather in Oslo?", first.message(), result, "Weather in Rome?", tools=[WEATHER])
    assert first.tool_calls[0]["id"] != second.tool_calls[0]["id"]


def test_it_remembers_what_was_said(ask):
    content = ask(CONFIG, "Hi, my name is Ada", {"role": "assistant", "content": "Hello!"}, "What is my name?").content
    assert "Your name is **Ada**" in content
    assert "message 2 of yours" in content
    assert "“Hi, my name is Ada”" in content
    assert "not told me your name" in ask(CONFIG, "What is my name?").content


def test_a_long_answer_takes_well_over_half_a_minute(ask):
    reply = ask(CONFIG, "Please give me a long answer")
    assert 30 <= reply.completion_tokens / demo.TOKENS_PER_SECOND <= 60


def test_an_empty_conversation_is_answered_too():
    reply = asyncio.run(complete(CONFIG, [], on_delta=lambda delta: None))
    assert "Hello!" in reply.content


def test_a_message_in_parts_is_read(ask):
    parts = {"role": "user", "content": [{"type": "text", "text": "Weather in Rome?"}, {"type": "image_url"}]}
    assert arguments_of(ask(CONFIG, parts, tools=[WEATHER])) == [{"city": "Rome"}]


# --- other tools ------------------------------------------------------------------------------------------------------


def test_it_calls_a_tool_whose_name_is_mentioned(ask):
    book = tool("book_table", guests={"type": "integer"}, name={"type": "string"})
    reply = ask(CONFIG, 'Please book a table for 4 guests, "Ada Lovelace"', tools=[WEATHER, book])
    assert reply.tool_calls[0]["function"]["name"] == "book_table"
    assert arguments_of(reply) == [{"guests": 4, "name": "Ada Lovelace"}]
    assert ask(CONFIG, "Please book a room", tools=[book]).tool_calls == ()


def test_it_tells_what_another_tool_answered(ask):
    book = tool("bookTable", guests={"type": "integer"})
    assert "`bookTable`" in talk(ask, "book a table", "done", tools=[book]).content


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "take 3 of the red ones"),
        ({"type": "string", "enum": ["blue", "red"]}, "red"),
        ({"type": "string", "default": "x"}, "x"),
        ({"type": "string", "format": "date"}, "2030-01-31"),
        ({"const": 5}, 5),
        ({"type": "integer"}, 3),
        ({"type": "number", "minimum": 10}, 10),
        ({"type": "boolean"}, True),
        ({"type": "array", "items": {"type": "integer"}}, [3]),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 3),
        ({"$ref": "#/$defs/Size"}, {"cm": 3}),
        ({"type": "null"}, None),
    ],
)
def test_arguments_fit_the_schema(schema, value):
    size = {"type": "object", "properties": {"cm": {"type": "integer"}, "more": {}}, "required": ["cm"]}
    parameters = {"properties": {"it": schema, "more": {}}, "required": ["it"], "$defs": {"Size": size}}
    assert arguments_for({"parameters": parameters}, "take 3 of the red ones") == {"it": value}
