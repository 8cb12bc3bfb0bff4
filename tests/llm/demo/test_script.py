"""The demo model's answers, through the real SDK."""

import asyncio
import json

from agentchat.llm.client import complete
from agentchat.llm.condensing import summary_request, title_request
from agentchat.llm.config import DEMO
from agentchat.llm.demo import transport
from agentchat.llm.demo.script import answer_to

CONFIG = {"config_list": DEMO}


def tool(name, description="", /, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("weather_forecast", "Weather forecast for a city.", city={"type": "string"})
TERMINATE = {"role": "system", "content": "Say TERMINATE when you are done."}


def arguments_of(reply):
    return [json.loads(call["function"]["arguments"]) for call in reply.tool_calls]


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


def test_it_reports_the_tools_result(ask):
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


def test_it_writes_terminate_on_a_separate_line_if_asked_to(ask):
    assert talk(ask, "Weather in Oslo?", "Sunny", system=[TERMINATE]).content.endswith("\n\nTERMINATE")
    assert ask(CONFIG, TERMINATE, "Hello").content.endswith("\n\nTERMINATE")
    assert ask(CONFIG, TERMINATE, "Weather in Oslo?", tools=[WEATHER]).content == ""


def test_its_call_ids_differ_within_a_conversation(ask):
    first = ask(CONFIG, "Weather in Oslo?", tools=[WEATHER])
    result = {"role": "tool", "tool_call_id": first.tool_calls[0]["id"], "content": "Sunny"}
    second = ask(CONFIG, "Weather in Oslo?", first.message(), result, "Weather in Rome?", tools=[WEATHER])
    assert first.tool_calls[0]["id"] != second.tool_calls[0]["id"]


def test_it_remembers_earlier_messages(ask):
    content = ask(CONFIG, "Hi, my name is Ada", {"role": "assistant", "content": "Hello!"}, "What is my name?").content
    assert "Your name is **Ada**" in content
    assert "message 2 of yours" in content
    assert "“Hi, my name is Ada”" in content
    assert "not told me your name" in ask(CONFIG, "What is my name?").content


def test_a_long_answer_takes_well_over_half_a_minute(ask):
    reply = ask(CONFIG, "Please give me a long answer")
    assert 30 <= reply.completion_tokens / transport.TOKENS_PER_SECOND <= 60


def test_an_empty_conversation_is_answered_too():
    reply = asyncio.run(complete(CONFIG, [], on_delta=lambda delta: None))
    assert "Hello!" in reply.content


def test_a_message_in_parts_is_read(ask):
    parts = {"role": "user", "content": [{"type": "text", "text": "Weather in Rome?"}, {"type": "image_url"}]}
    assert arguments_of(ask(CONFIG, parts, tools=[WEATHER])) == [{"city": "Rome"}]


def test_it_calls_a_tool_whose_name_is_mentioned(ask):
    book = tool("book_table", guests={"type": "integer"}, name={"type": "string"})
    reply = ask(CONFIG, 'Please book a table for 4 guests, "Ada Lovelace"', tools=[WEATHER, book])
    assert reply.tool_calls[0]["function"]["name"] == "book_table"
    assert arguments_of(reply) == [{"guests": 4, "name": "Ada Lovelace"}]
    assert ask(CONFIG, "Please book a room", tools=[WEATHER, book]).tool_calls == ()


def test_small_talk_names_the_tools_that_there_are(ask):
    content = ask(CONFIG, "Hello", tools=[tool("in_stock", article={"type": "string"})]).content
    assert "`in_stock`" in content
    assert "tools" not in ask(CONFIG, "Hello").content


def test_after_a_result_it_does_not_call_the_only_tool_again_without_being_asked(ask):
    stock = tool("in_stock", "How many we have.", article={"type": "string"})
    first = ask(CONFIG, "Do you sell chairs?", tools=[stock])
    result = {"role": "tool", "tool_call_id": first.tool_calls[0]["id"], "content": "4"}
    said = ["Do you sell chairs?", first.message(), result, {"role": "assistant", "content": "4"}]
    assert ask(CONFIG, *said, "That is all for today", tools=[stock]).tool_calls == ()
    assert ask(CONFIG, *said, "", tools=[stock]).tool_calls == ()
    assert arguments_of(ask(CONFIG, *said, "How many tables are in stock?", tools=[stock])) == [{"article": "tables"}]


def test_it_reports_another_tools_result(ask):
    book = tool("bookTable", guests={"type": "integer"})
    assert "`bookTable`" in talk(ask, "book a table", "done", tools=[book]).content


def test_it_names_conversations(ask):
    said = [{"role": "user", "content": "Hello, please find my order 4711, which is late"}]
    assert ask(CONFIG, *title_request([*said, {"role": "assistant", "content": "I will."}])).content == (
        "Find my order 4711"
    )


def test_it_sums_up_with_names_numbers_and_open_questions(ask):
    said = [
        {"role": "user", "content": "My name is Ada. I ordered 3 chairs on 2 May"},
        {"role": "assistant", "content": "Fine. I see order 4711 of Ada. Anything else?"},
        {"role": "user", "content": "When do they come?"},
    ]
    summary = ask(CONFIG, *summary_request("- user: I live in Paris", said)).content
    for fact in ("Paris", "Ada", "3 chairs", "2 May", "4711", "open question: When do they come?"):
        assert fact in summary
    assert "Fine." not in summary


def test_files_are_named_and_are_no_words_of_the_user():
    text = (
        "What is in these?\n\n[File sun.png (image/png, 5 kB) is attached, but you cannot read it: this model takes no "
        "images]\n\n[The text of file sales (1).csv (text/csv, 32 bytes)]\ncity,amount\nOslo,3\n"
        "[The end of file sales (1).csv]"
    )
    answer = answer_to([{"role": "user", "content": text}], []).text
    assert "With it came sun.png, sales (1).csv, which I cannot read." in answer
    assert "| words | 4 |" in answer
