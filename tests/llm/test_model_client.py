"""Model clients of one's own, asked where an entry names them."""

from types import SimpleNamespace

import httpx2
import openai
import pytest
from pydantic import BaseModel

from agentchat.cache import Cache
from agentchat.errors import ConfigError, LLMError
from agentchat.llm.model_client import ModelClient


class Parrot:
    """Says what it hears."""

    def __init__(self, message=None):
        self.params = []
        self.message = message

    def create(self, params):
        self.params.append(params)
        heard = params["messages"][-1]["content"]
        if heard == "break":
            raise RuntimeError("the cage is open")
        message = self.message or SimpleNamespace(content=heard, tool_calls=None, function_call=None)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], model="parrot-1")

    def message_retrieval(self, response):
        return [choice.message for choice in response.choices]

    def cost(self, response):
        return 0.5

    @staticmethod
    def get_usage(response):
        return {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.5, "model": response.model}


ENTRY = {"model": "parrot", "model_client_cls": "Parrot", "loudness": 5}


def test_it_is_asked_instead_of_a_service_and_emitted_in_one_delta(ask):
    parrot = Parrot()
    reply = ask({"config_list": [ENTRY], "temperature": 1}, "Hello there", clients={0: parrot})
    assert isinstance(parrot, ModelClient)
    assert (reply.content, reply.model, reply.cost, reply.prompt_tokens) == ("Hello there", "parrot-1", 0.5, 3)
    assert ask.emitted == [(1, "Hello there")]
    assert parrot.params == [
        {"model": "parrot", "messages": [{"role": "user", "content": "Hello there"}], "temperature": 1, "loudness": 5}
    ]


@pytest.mark.parametrize("said", ["words", {"content": "words"}, SimpleNamespace(content="words")])
def test_its_messages_may_be_texts_dicts_or_objects(ask, said):
    assert ask({"config_list": [ENTRY]}, clients={0: Parrot(said)}).content == "words"


def test_it_gets_a_response_format_that_is_a_pydantic_model_as_it_is(ask):
    class Answer(BaseModel):
        city: str

    parrot = Parrot()
    config = {"config_list": [{**ENTRY, "response_format": Answer}], "cache_seed": None}
    ask(config, clients={0: parrot}, cache=Cache.memory())
    assert parrot.params[0]["response_format"] is Answer


def test_what_it_raises_of_the_sdk_s_is_raised_as_that(ask):
    request = httpx2.Request("POST", "http://127.0.0.1/v1")

    class Busy(Parrot):
        def create(self, params):
            raise openai.RateLimitError("slow", response=httpx2.Response(429, request=request), body={"code": "slow"})

    with pytest.raises(openai.RateLimitError) as raised:
        ask({"config_list": [ENTRY]}, clients={0: Busy()})
    assert isinstance(raised.value, LLMError)
    assert (raised.value.status_code, raised.value.body) == (429, {"code": "slow"})


def test_it_may_call_tools(ask):
    call = SimpleNamespace(id="1", type="function", function=SimpleNamespace(name="add", arguments="{}"))
    reply = ask({"config_list": [ENTRY]}, clients={0: Parrot(SimpleNamespace(content=None, tool_calls=[call]))})
    assert reply.tool_calls == ({"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}},)


def test_without_usage_the_model_is_the_entrys(ask):
    class Careless(Parrot):
        @staticmethod
        def get_usage(response):
            return None

        def cost(self, response):
            return None

    reply = ask({"config_list": [ENTRY]}, "hi", clients={0: Careless()})
    assert (reply.model, reply.prompt_tokens, reply.cost) == ("parrot", 0, None)


def test_the_next_entry_answers_when_it_fails(ask, scripted_llm):
    from agentchat.testing import say

    scripted_llm.replies(say("Hi"))
    config = {"config_list": [ENTRY, *scripted_llm.config_list]}
    assert ask(config, "break", clients={0: Parrot()}).content == "Hi"
    with pytest.raises(LLMError, match=r"model 'parrot' at Parrot: .*the cage is open"):
        ask({"config_list": [ENTRY]}, "break", clients={0: Parrot()})


def test_one_that_was_not_registered_is_named(ask):
    with pytest.raises(ConfigError, match=r"register_model_client\(Parrot\)"):
        ask({"config_list": [ENTRY]})
