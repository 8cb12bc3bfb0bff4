"""Answers of the Responses API: streamed, whole, broken off, refused; with thoughts, calls, sources, hosted tools."""

import json

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from agentchat.errors import ConfigError, LLMDeclined, LLMRateLimited, LLMStreamTruncated
from agentchat.llm.config_entries import entries_of, unknown_keys
from agentchat.llm.results import result_format
from agentchat.testing import call, cut, fail, give, raw, say
from agentchat.testing.responses_dialect import ENCRYPTED, end, event
from tests.llm.results.test_asking import Weather

TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
SOURCE = {"url": "https://a.example/", "title": "A"}
END = end({}, finish_reason=None, usage=(3, 2))


@pytest.fixture
def asked(scripted_llm, ask, no_pauses):
    """What the entry answers in this dialect; what the model thought is in `asked.thoughts`."""

    def asked(answer=None, *, messages=None, tools=(), result=None, **config):
        if answer is not None:
            scripted_llm.replies(answer)
        asked.thoughts = []
        entry = {**scripted_llm.config_list[0], "api": "responses", "max_retries": 0, **config}
        return ask(entry, messages=messages, tools=tools, result=result, on_thought=asked.thoughts.append)

    return asked


def thinks(answer):
    answer.thoughts = "I look."
    return answer


def message(text, **part):
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, **part}]}


def delta(text, index=0):
    return event("response.output_text.delta", output_index=index, delta=text)


def done(item, index=0):
    return event("response.output_item.done", output_index=index, item=item)


def test_an_answer_comes_word_by_word_with_its_usage(scripted_llm, asked, ask):
    response = asked(say("Hello, world. How are you?", usage=(7, 3)))
    assert scripted_llm.paths == ["/v1/responses"]
    assert (response.content, response.finish_reason) == ("Hello, world. How are you?", "stop")
    assert len(ask.deltas) == 5
    assert (response.prompt_tokens, response.completion_tokens) == (7, 3)
    request = scripted_llm.requests[0]
    assert (request["store"], request["include"]) == (False, ["reasoning.encrypted_content"])
    assert request["input"] == [{"role": "user", "content": "Hello"}]


def test_calls_come_with_the_reasoning_that_led_to_them_and_it_goes_back(scripted_llm, asked):
    response = asked(thinks(call("look", city="Paris").and_call("look", city="Rome")), tools=[TOOL])
    arguments = [json.loads(each["function"]["arguments"]) for each in response.tool_calls]
    assert arguments == [{"city": "Paris"}, {"city": "Rome"}]
    assert (response.finish_reason, response.content) == ("tool_calls", "")
    assert "".join(each.text for each in asked.thoughts) == "I look."
    [item] = response.reasoning["reasoning_items"]
    assert item["encrypted_content"] == ENCRYPTED
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "Sunny"} for each in response.tool_calls]
    history = [{"role": "user", "content": "Look"}, {"role": "assistant", **response.message()}, *results]
    assert asked(say("Sunny."), messages=history, tools=[TOOL]).content == "Sunny."
    sent = scripted_llm.requests[1]["input"]
    kinds = [each.get("type", each.get("role")) for each in sent]
    assert kinds == ["user", "reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
    assert sent[1] == item


def test_reasoning_of_this_api_does_not_go_to_another(scripted_llm, asked, ask):
    response = asked(thinks(call("look")), tools=[TOOL])
    result = {"role": "tool", "tool_call_id": response.tool_calls[0]["id"], "content": "Sunny"}
    scripted_llm.replies(say("Sunny."))
    ask(scripted_llm.llm_config(), messages=[{"role": "assistant", **response.message()}, result], tools=[TOOL])
    assert "reasoning_items" not in json.dumps(scripted_llm.requests[1])


def test_what_it_cites_are_sources(asked):
    assert list(asked(say("Four.", sources=[SOURCE])).sources) == [SOURCE]
    file = {"type": "file_citation", "file_id": "f", "filename": "handbook.pdf", "index": 0}
    assert list(asked(raw(done(message("Four.", annotations=[file])), END)).sources) == [{"title": "handbook.pdf"}]


SEARCH = {"type": "search", "query": "chairs"}
FOUND = {"sources": [{"type": "url", "url": "https://a.example/"}]}
HOSTED = [
    (
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {**SEARCH, **FOUND}},
        ("web_search", SEARCH, "https://a.example/", True),
    ),
    (
        {"type": "code_interpreter_call", "code": "print(4)", "outputs": [{"type": "logs", "logs": "4"}]},
        ("code_interpreter", {"code": "print(4)"}, "4", True),
    ),
    (
        {"type": "file_search_call", "status": "failed", "queries": ["q"], "results": [{"filename": "a", "text": "b"}]},
        ("file_search", {"queries": ["q"]}, "a\nb", False),
    ),
    ({"type": "mcp_call", "id": "m", "name": "x", "output": "y"}, ("mcp", {"name": "x"}, "y", True)),
    ({"type": "web_search_call"}, ("web_search", {}, "", True)),
]


@pytest.mark.parametrize(("item", "wanted"), HOSTED)
def test_calls_that_the_service_makes_by_itself_are_kept_with_their_results(asked, item, wanted):
    response = asked(raw(done(item), done(message("Four."), 1), END))
    [made] = response.hosted_calls
    assert (made["name"], json.loads(made["arguments"]), made["result"], made["ok"]) == wanted
    assert (response.content, response.tool_calls) == ("Four.", ())


def test_hosted_tools_are_asked_for_with_what_is_to_be_sent_of_them(scripted_llm, asked):
    asked(say("Four."), hosted_tools=["web_search", "code_interpreter"], tools=[TOOL])
    request = scripted_llm.requests[0]
    assert [tool["type"] for tool in request["tools"]] == ["function", "web_search", "code_interpreter"]
    assert request["include"] == [
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "code_interpreter_call.outputs",
    ]


def test_a_model_that_does_not_reason_is_asked_without_encrypted_reasoning(scripted_llm, asked):
    refused = fail(400, "Encrypted content is not supported with this model.")
    scripted_llm.always(lambda body: refused if body["include"] else say("Four."))
    assert asked().content == "Four."
    assert asked().content == "Four."
    assert [len(body["include"]) for body in scripted_llm.requests] == [1, 0, 0]


def test_a_result_is_asked_for_and_read(scripted_llm, asked):
    response = asked(give(city="Paris"), result=result_format(Weather))
    assert json.loads(response.content) == {"city": "Paris"}
    assert scripted_llm.requests[0]["text"]["format"]["name"] == "Weather"


def test_a_result_by_a_tool_is_read_too(scripted_llm, asked):
    refused = fail(400, "Unsupported parameter: text.format")
    scripted_llm.always(lambda body: refused if "text" in body else give(city="Paris"))
    response = asked(result=result_format(Weather), tools=[TOOL])
    assert json.loads(response.content) == {"city": "Paris"}


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_is_incomplete_says_why(asked, reason):
    assert asked(say("Hel", finish_reason=reason)).cut_off == reason


def test_a_refusal_is_one(asked):
    refusal = event("response.refusal.delta", output_index=0, delta="I can't.")
    assert asked(raw(refusal, END)).declined is True
    with pytest.raises(LLMDeclined, match="I can't"):
        asked(raw(refusal, END), result=result_format(Weather))


def test_an_answer_that_is_not_streamed_is_read(asked):
    whole = {
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            message("Hi", annotations=[{"type": "url_citation", **SOURCE}]),
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    response = asked(raw(json.dumps(whole).encode(), content_type="application/json"), tools=[TOOL])
    assert (response.content, [each["id"] for each in response.tool_calls]) == ("Hi", ["c1"])
    assert (list(response.sources), response.completion_tokens) == ([SOURCE], 2)


SLOW = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Slow."}


@pytest.mark.parametrize(
    "broken", [event("response.failed", response={"status": "failed", "error": SLOW}), event("error", **SLOW)]
)
def test_a_failure_in_a_stream_is_one_with_the_service_s_words(asked, broken):
    with pytest.raises(LLMRateLimited, match=r"Slow\."):
        asked(raw(delta("Hel"), broken))


def test_a_stream_that_breaks_off_is_asked_for_again(scripted_llm, asked, ask):
    scripted_llm.replies(cut("Hel"), say("Hello."))
    assert asked(max_retries=1).content == "Hello."
    assert ask.emitted[-1].number == 2
    scripted_llm.replies(cut("Hel"))
    with pytest.raises(LLMStreamTruncated):
        asked()


@pytest.mark.parametrize(
    "odd",
    [
        done(None),
        done({"type": "message", "content": [None, 5]}),
        event("response.something.new", delta=5),
        event("response.output_text.annotation.added", annotation=None),
        event("response.output_item.added", item=5),
    ],
)
def test_what_is_odd_is_left_out(asked, odd):
    assert asked(raw(odd, delta("Hi", 3), END)).content == "Hi"


def test_the_next_entry_answers_whatever_its_api(scripted_llm, ask):
    entry = {**scripted_llm.config_list[0], "max_retries": 0}
    scripted_llm.replies(fail(500), say("Hello."))
    response = ask({"config_list": [{**entry, "api": "responses"}, entry]})
    assert (response.content, response.config_id) == ("Hello.", 1)
    assert scripted_llm.paths == ["/v1/responses", "/v1/chat/completions"]


def test_the_scripted_events_are_those_of_the_sdk():
    definitions = TypeAdapter(ResponseStreamEvent).json_schema()["$defs"].values()
    known = {each.get("properties", {}).get("type", {}).get("const") for each in definitions}
    request = {"model": "m", "input": [], "include": ["x"]}
    answers = (thinks(call("look", city="Paris")), say("Four.", sources=[SOURCE]), say("x", finish_reason="length"))
    sent = b"".join(chunk for answer in answers for chunk in answer.chunks(request)).decode().splitlines()
    kinds = {json.loads(line[6:])["type"] for line in sent if line.startswith("data: ")}
    assert kinds <= known
    assert len(kinds) > 6


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"api": "assistants"}, "there is no api 'assistants': use 'chat' or 'responses'"),
        ({"hosted_tools": ["web_search"]}, "add 'api': 'responses'"),
        ({"api": "responses", "hosted_tools": "web_search"}, "use a list"),
        ({"api": "responses", "hosted_tools": [5]}, "use a type such as"),
        ({"api": "responses", "hosted_tools": [{"type": "function"}]}, "use a type such as"),
    ],
)
def test_an_entry_that_cannot_be_asked_is_refused(entry, wrong):
    with pytest.raises(ConfigError, match=wrong):
        entries_of({"model": "m", "api_key": "k", **entry})


def test_the_check_of_keys_knows_the_parameters_of_this_api():
    assert unknown_keys({"model": "m", "api": "responses", "reasoning": {}, "max_output_tokens": 5}) == {}
    assert set(unknown_keys({"model": "m", "reasoning": {}})) == {"reasoning"}
