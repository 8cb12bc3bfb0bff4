"""A result is asked for in the way that its service has, and asked for again until it fits."""

import json
import logging

import pytest
from pydantic import BaseModel, field_validator

from agentchat.cache import Cache
from agentchat.errors import LLMContentFiltered, LLMDeclined, LLMError, LLMResultInvalid
from agentchat.llm.results import result_format
from agentchat.llm.results.request_form import MAX_REPAIRS
from agentchat.testing import call, fail, give, raw, say
from tests.llm.chunks import DONE, chunk


class Weather(BaseModel):
    city: str
    degrees: int = 20


class Mixed(BaseModel):
    counts: dict[str, int]


PARIS = '{"city": "Paris", "degrees": 3}'
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def instant(no_pauses):
    pass


@pytest.fixture
def ask_for(scripted_llm, ask):
    def ask_for(model=Weather, *, tools=(), **config):
        wanted = result_format(model)
        response = ask(scripted_llm.llm_config(**config), result=wanted, tools=tools)
        ask_for.response = response
        return response if response.calls else wanted.read(response.content)

    return ask_for


def sent(scripted_llm, number=-1):
    """How a request asks for a result, and with which tools."""
    body = scripted_llm.requests[number]
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    kind = (body.get("response_format") or {}).get("type")
    return kind, names, body.get("tool_choice")


def told(scripted_llm, number=-1):
    return [message["content"] for message in scripted_llm.requests[number]["messages"]]


def test_a_service_gets_the_schema_as_a_response_format(scripted_llm, ask_for):
    scripted_llm.replies(give(Weather(city="Paris", degrees=3)))
    assert ask_for() == Weather(city="Paris", degrees=3)
    schema = scripted_llm.requests[0]["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"], schema["schema"]["required"]) == ("Weather", True, ["city", "degrees"])
    assert told(scripted_llm) == ["Hello"]


def test_a_schema_without_a_strict_form_is_sent_as_it_is(scripted_llm, ask_for):
    scripted_llm.replies(give(counts={"a": 1}))
    assert ask_for(Mixed).counts == {"a": 1}
    schema = scripted_llm.requests[0]["response_format"]["json_schema"]
    assert schema["strict"] is False
    assert schema["schema"] == Mixed.model_json_schema()


REFUSALS = [
    (400, "This response_format type is unavailable now"),
    (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
    (422, "body.response_format: Extra inputs are not permitted"),
    (400, "Function calling with a response mime type: 'application/json' is unsupported"),
    (400, "structured outputs are not supported"),
]


@pytest.mark.parametrize(("status", "words"), REFUSALS)
def test_where_that_is_refused_a_tool_is_called_and_from_then_on_at_once(scripted_llm, ask_for, status, words):
    scripted_llm.always(lambda body: fail(status, words) if "response_format" in body else give(city="Paris"))
    assert ask_for() == Weather(city="Paris")
    assert [sent(scripted_llm, n)[0] for n in range(len(scripted_llm.requests))] == ["json_schema", None]
    assert sent(scripted_llm) == (None, ["final_result"], {"type": "function", "function": {"name": "final_result"}})
    assert ask_for.response.finish_reason == "stop"
    assert ask_for() == Weather(city="Paris")
    assert len(scripted_llm.requests) == 3


def test_where_tools_are_refused_too_the_schema_stands_in_the_conversation(scripted_llm, ask_for):
    def service(body):
        if "response_format" in body:
            return fail(400, "response_format is not supported")
        if "tools" in body:
            return fail(400, "tool_choice is not supported by this model")
        return say(f"Sure:\n```json\n{PARIS}\n```")

    scripted_llm.always(service)
    assert ask_for() == Weather(city="Paris", degrees=3)
    assert len(scripted_llm.requests) == 3
    instruction, question = told(scripted_llm)
    assert "one JSON object and nothing else" in instruction
    assert '"degrees"' in instruction
    assert question == "Hello"
    assert ask_for.response.content == PARIS
    ask_for()
    assert len(scripted_llm.requests) == 4


def test_a_refusal_of_this_very_schema_says_nothing_about_others(scripted_llm, ask_for):
    def service(body):
        odd = "response_format" in body and body["response_format"]["json_schema"]["name"] == "Mixed"
        refused = fail(400, "Invalid schema for response_format 'Mixed': dict is not permitted")
        return refused if odd else give({"city": "Paris", "counts": {}})

    scripted_llm.always(service)
    ask_for(Mixed)
    ask_for(Weather)
    assert [sent(scripted_llm, n)[0] for n in range(3)] == ["json_schema", None, "json_schema"]


def test_another_refusal_is_raised_as_it_is(scripted_llm, ask_for):
    scripted_llm.always(fail(400, "temperature must be below 2"))
    with pytest.raises(LLMError, match="temperature"):
        ask_for()
    assert len(scripted_llm.requests) == 1


@pytest.mark.parametrize(("profile", "kind"), [("deepseek", "tool"), ("anthropic", "tool"), ("strict", "prompt")])
def test_a_service_that_is_known_is_asked_in_its_way_at_once(scripted_llm, ask, profile, kind):
    scripted_llm.always(give(city="Paris"))
    config = {**scripted_llm.config_list[0], "profile": profile}
    response = ask(config, result=result_format(Weather))
    assert json.loads(response.content) == {"city": "Paris"}
    assert sent(scripted_llm)[1] == (["final_result"] if kind == "tool" else [])
    assert "response_format" not in scripted_llm.requests[0]


# --- with tools -------------------------------------------------------------------------------------------------------


def test_the_model_may_call_tools_before(scripted_llm, ask_for):
    scripted_llm.replies(call("look"), give(city="Paris"))
    response = ask_for(tools=[TOOL])
    assert [each["function"]["name"] for each in response.tool_calls] == ["look"]
    assert ask_for(tools=[TOOL]) == Weather(city="Paris")


def test_beside_tools_the_result_is_one_that_must_be_called(scripted_llm, ask_for):
    refused = fail(400, "json_schema cannot be combined with tools")
    scripted_llm.always(lambda body: refused if "response_format" in body else give(city="Paris"))
    assert ask_for(tools=[TOOL]) == Weather(city="Paris")
    assert sent(scripted_llm) == (None, ["look", "final_result"], "required")
    scripted_llm.always(give(city="Rome"))
    assert ask_for() == Weather(city="Rome")  # without tools nothing was refused
    assert sent(scripted_llm)[0] == "json_schema"


def test_calls_beside_the_result_come_first(scripted_llm, ask_for):
    refused = fail(400, "json_schema cannot be combined with tools")
    both = call("look").and_call("final_result", city="Paris")
    scripted_llm.always(lambda body: refused if "response_format" in body else both)
    response = ask_for(tools=[TOOL])
    assert [each["function"]["name"] for each in response.tool_calls] == ["look"]


def test_a_tool_of_the_same_name_is_another(scripted_llm, ask_for):
    own = {"type": "function", "function": {**TOOL["function"], "name": "final_result"}}
    refused = fail(400, "json_schema is unknown")
    scripted_llm.always(lambda body: refused if "response_format" in body else call("final_result"))
    response = ask_for(tools=[own])
    assert sent(scripted_llm)[1] == ["final_result", "final_result_"]
    assert [each["function"]["name"] for each in response.tool_calls] == ["final_result"]


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_a_result_that_does_not_fit_is_asked_for_again_with_the_reason(scripted_llm, ask_for, ask, caplog):
    caplog.set_level(logging.INFO, "agentchat")
    scripted_llm.replies(say('{"city": "Paris", "degrees": "warm"}', usage=(10, 5)), give(city="Paris", degrees=3))
    assert ask_for() == Weather(city="Paris", degrees=3)
    *_, wrong, repair = told(scripted_llm)
    assert wrong == '{"city": "Paris", "degrees": "warm"}'
    assert "degrees: Input should be a valid integer" in repair
    assert "JSON schema" in repair
    assert [each.number for each in ask.emitted if each.text.startswith('{"city"')] == [1, 2]
    [first, second] = ask_for.response.paid_for
    assert (first.prompt_tokens, first.completion_tokens) == (10, 5)
    assert second.prompt_tokens > 0
    assert "Asking again (1 of 2)" in caplog.text


def test_a_service_that_ignores_the_schema_is_asked_in_another_way(scripted_llm, ask_for):
    scripted_llm.always(lambda body: say("It is sunny.") if "response_format" in body else give(city="Paris"))
    assert ask_for() == Weather(city="Paris")
    assert [sent(scripted_llm, n)[0] for n in range(2)] == ["json_schema", None]
    ask_for()
    assert len(scripted_llm.requests) == 3


def test_repairs_are_bounded_and_then_the_next_entry_is_asked(scripted_llm, ask):
    entry = scripted_llm.config_list[0]
    config = {"config_list": [{**entry, "model": "stubborn"}, {**entry, "model": "good"}]}
    scripted_llm.always(lambda body: say("no") if body["model"] == "stubborn" else give(city="Paris"))
    response = ask(config, result=result_format(Weather))
    assert response.config_id == 1
    assert [body["model"] for body in scripted_llm.requests] == ["stubborn"] * (MAX_REPAIRS + 1) + ["good"]
    assert len(response.paid_for) == MAX_REPAIRS + 2


def test_if_none_gives_one_the_answers_that_were_paid_for_are_known(scripted_llm, ask_for):
    scripted_llm.always(say('{"degrees": 3}', usage=(7, 3)))
    with pytest.raises(
        LLMResultInvalid, match=r"gave no Weather, asked several times: .*city: Field required"
    ) as raised:
        ask_for()
    assert len(scripted_llm.requests) == MAX_REPAIRS + 1
    assert [each["prompt_tokens"] for each in raised.value.answers] == [7, 7, 7]


def test_a_model_that_declines_is_not_pressed(scripted_llm, ask_for):
    scripted_llm.replies(raw(chunk({"refusal": "I can't help with that."}, finish_reason="stop"), DONE))
    with pytest.raises(LLMDeclined, match=r"declined with the words .I can't help with that"):
        ask_for()


def test_a_result_that_is_cut_off_at_its_length_says_so(scripted_llm, ask_for):
    scripted_llm.replies(say('{"city": "Par', finish_reason="length"))
    with pytest.raises(LLMResultInvalid, match="cut off at its maximum length; raise 'max_completion_tokens'"):
        ask_for()


def test_a_result_that_a_filter_ends_says_so(scripted_llm, ask_for):
    scripted_llm.replies(say('{"city": "Par', finish_reason="content_filter"))
    with pytest.raises(LLMContentFiltered, match="a filter of its service"):
        ask_for()


def test_a_result_that_is_whole_at_its_maximum_length_is_one(scripted_llm, ask_for):
    scripted_llm.replies(say(PARIS, finish_reason="length"))
    assert ask_for() == Weather(city="Paris", degrees=3)


def test_validators_do_not_run_on_the_loop_that_reads(scripted_llm, ask_for):
    import threading

    main = threading.get_ident()
    seen = []

    class Slow(BaseModel):
        city: str

        @field_validator("city")
        @classmethod
        def check(cls, value):
            seen.append(threading.get_ident())
            return value

    scripted_llm.replies(give(city="Paris"))
    ask_for(Slow)
    assert seen[0] != main  # the test's own thread has the loop


# --- a cache, the classic config, custom clients ----------------------------------------------------------------------


def test_what_is_cached_is_the_result_and_not_what_it_took(scripted_llm, ask):
    scripted_llm.replies(say("no"), give(city="Paris"))
    cache, config = Cache.memory(), scripted_llm.llm_config()
    first = ask(config, result=result_format(Weather), cache=cache)
    again = ask(config, result=result_format(Weather), cache=cache)
    assert (first.content, first.cached) == (again.content, False)
    assert (again.cached, again.paid_for) == (True, [again])


@pytest.mark.parametrize("place", ["entry", "config"])
def test_a_pydantic_model_in_the_classic_config_is_checked_as_well(scripted_llm, ask, place):
    scripted_llm.replies(say("no"), say(f"```json\n{PARIS}\n```"))
    if place == "entry":
        config = {"config_list": [{**scripted_llm.config_list[0], "response_format": Weather}]}
    else:
        config = scripted_llm.llm_config(response_format=Weather)
    assert ask(config).content == PARIS
    assert len(scripted_llm.requests) == 2


def test_a_result_wins_over_the_config_s_response_format(scripted_llm, ask_for):
    scripted_llm.replies(give(city="Paris"))
    assert ask_for(response_format={"type": "json_object"}) == Weather(city="Paris")
    assert sent(scripted_llm)[0] == "json_schema"


class Clerk:
    """A custom model client that needs to be told."""

    def __init__(self):
        self.params = []

    def create(self, params):
        self.params.append(params)
        return '{"city": "Paris"}' if len(self.params) > 1 else "Sunny."

    def message_retrieval(self, response):
        return [response]

    def cost(self, response):
        return 0.0

    @staticmethod
    def get_usage(response):
        return None


def test_a_custom_client_gets_the_model_and_is_told_as_well(ask):
    clerk = Clerk()
    config = {"config_list": [{"model": "m", "model_client_cls": "Clerk"}]}
    response = ask(config, clients={0: clerk}, result=result_format(Weather))
    assert response.content == '{"city": "Paris"}'
    assert clerk.params[0]["response_format"] is Weather
    assert "JSON schema" in clerk.params[0]["messages"][0]["content"]
    assert "cannot be used" in clerk.params[1]["messages"][-1]["content"]
