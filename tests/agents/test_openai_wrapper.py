"""A config list that can be asked, with or without an agent."""

from types import SimpleNamespace

import pytest
from openai.types.chat import ChatCompletion

from agentchat.agents import AssistantAgent, OpenAIWrapper, UserProxyAgent
from agentchat.cache import Cache
from agentchat.errors import ConfigError
from agentchat.events import TextMessageContent, TextMessageEnd, TextMessageStart, Usage
from agentchat.testing import call, cut, fail, say

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(scripted_llm, stream):
    return OpenAIWrapper(**scripted_llm.llm_config())


def text(client, **config):
    return client.extract_text_or_completion_object(client.create(**config))[0]


def test_an_answer_is_as_the_sdk_gives_it(client, scripted_llm):
    scripted_llm.replies(say("Hi", usage=(7, 1)))
    response = client.create(messages=HELLO, temperature=0)
    assert isinstance(response, ChatCompletion)
    assert response.choices[0].message.content == "Hi"
    assert (response.usage.prompt_tokens, response.usage.total_tokens) == (7, 8)
    assert (response.cost, response.cost_is_known, response.config_id, response.pass_filter) == (0.0, False, 0, True)
    assert scripted_llm.requests[0]["temperature"] == 0
    assert scripted_llm.requests[0]["messages"] == HELLO


def test_a_message_that_calls_tools_comes_whole(client, scripted_llm):
    scripted_llm.replies(call("weather", city="Paris"))
    message = text(client, messages=HELLO)
    assert message.tool_calls[0].function.name == "weather"
    assert message.content is None


def test_nothing_is_emitted_unless_it_is_streamed(client, scripted_llm, stream):
    scripted_llm.always(say("Hi"))
    client.create(messages=HELLO)
    assert [type(event) for event in stream.events] == [Usage]
    client.create(messages=HELLO, stream=True, agent=SimpleNamespace(name="bot"))
    start, *_ = emitted = stream.events[1:]
    assert [type(event) for event in emitted] == [TextMessageStart, TextMessageContent, TextMessageEnd, Usage]
    assert start.name == "bot"


def test_a_prompt_stands_for_one_message(client, scripted_llm):
    scripted_llm.replies(say("Hi"))
    assert text(client, prompt="Hello") == "Hi"
    assert scripted_llm.requests[0]["messages"] == HELLO


@pytest.mark.parametrize("config", [{}, {"messages": HELLO, "prompt": "Hello"}])
def test_there_is_one_question(client, config):
    with pytest.raises(ConfigError, match="either messages or a prompt"):
        client.create(**config)


def test_templates_are_filled_in_with_the_context(client, scripted_llm):
    scripted_llm.always(say("Hi"))
    context = {"name": "Ann"}
    client.create(messages=[{"role": "user", "content": lambda context: f"I am {context['name']}"}], context=context)
    client.create(prompt="I am {name}", context=context, allow_format_str_template=True)
    client.create(prompt="I am {name}", context=context)
    client.create(prompt="I am {name}", allow_format_str_template=True)
    asked = [request["messages"][0]["content"] for request in scripted_llm.requests]
    assert asked == ["I am Ann", "I am Ann", "I am {name}", "I am {name}"]
    assert client.instantiate("I am {name}", context, True) == "I am Ann"


def test_an_entry_s_own_parameters_win(scripted_llm, stream):
    scripted_llm.replies(say("Hi"))
    client = OpenAIWrapper(config_list=[{**scripted_llm.config_list[0], "temperature": 1}], top_p=0.5)
    client.create(messages=HELLO, temperature=0, top_p=0.9, seed=7)
    request = scripted_llm.requests[0]
    assert (request["temperature"], request["top_p"], request["seed"]) == (1, 0.5, 7)


def test_the_filter_asks_the_next_entry(scripted_llm, stream):
    client = OpenAIWrapper(config_list=scripted_llm.config_list * 2)
    scripted_llm.replies(say("maybe", usage=(5, 1)), say("yes", usage=(6, 2)))

    def yes_or_no(context, response):
        return client.extract_text_or_completion_object(response)[0] in context["allowed"]

    response = client.create(messages=HELLO, filter_func=yes_or_no, context={"allowed": ["yes", "no"]})
    assert (response.choices[0].message.content, response.config_id, response.pass_filter) == ("yes", 1, True)
    assert client.actual_usage_summary["scripted"]["total_tokens"] == 14  # the first one is paid for too
    assert len(stream.events_of(Usage)) == 2


def test_what_it_used_is_added_up(client, scripted_llm, stream):
    scripted_llm.replies(say("a", usage=(10, 1)), say("b", usage=(20, 2)))
    assert client.total_usage_summary is None
    client.create(messages=HELLO, price=[0.5, 1])
    with Cache.memory() as cache:
        for _ in range(2):
            client.create(messages=HELLO, price=[0.5, 1], cache=cache)
    used = {"cost": pytest.approx(0.018), "prompt_tokens": 30, "completion_tokens": 3, "total_tokens": 33}
    assert client.actual_usage_summary == {"total_cost": pytest.approx(0.018), "scripted": used}
    assert client.total_usage_summary["scripted"]["total_tokens"] == 55
    client.print_usage_summary("actual")
    assert "* Model 'scripted': cost: 0.018, prompt_tokens: 30" in stream.printed
    client.clear_usage_summary()
    assert client.actual_usage_summary is None


class Echo:
    def __init__(self, config, suffix=""):
        self.config, self.suffix = config, suffix

    def create(self, params):
        message = SimpleNamespace(content=params["messages"][-1]["content"] + self.suffix)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], model=params["model"])

    def message_retrieval(self, response):
        return [choice.message.content for choice in response.choices]

    def cost(self, response):
        return 0

    @staticmethod
    def get_usage(response):
        return None


ENTRY = {"model": "echo", "model_client_cls": "Echo"}


def test_a_model_client_of_your_own_is_made_with_its_entry(stream):
    client = OpenAIWrapper(config_list=[ENTRY, {**ENTRY, "model": "second"}])
    client.register_model_client(Echo, suffix="!")
    client.register_model_client(Echo, suffix="?")
    assert text(client, messages=HELLO) == "Hello!"
    with pytest.raises(ConfigError, match="'model_client_cls': 'Echo', or it is registered already"):
        client.register_model_client(Echo)


# --- of an agent ------------------------------------------------------------------------------------------------------


@pytest.fixture
def user():
    return UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0)


def test_an_agent_without_a_model_has_no_client(user):
    assert user.client is None
    assert user.get_actual_usage() is None
    with pytest.raises(ConfigError, match="'user' has no llm_config"):
        user.register_model_client(Echo)


def test_an_agent_s_client_is_asked_for_its_replies(user, stream):
    bot = AssistantAgent("bot", llm_config={"config_list": [ENTRY]})
    bot.register_model_client(Echo, suffix="!")
    assert user.initiate_chat(bot, message="hi").summary == "hi!"


def test_an_agent_s_client_adds_up_with_the_agent(scripted_llm, stream):
    scripted_llm.always(say("Hi", usage=(1, 1)))
    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config())
    bot.generate_reply(HELLO)
    bot.client.create(messages=HELLO)
    assert bot.get_actual_usage()["scripted"]["total_tokens"] == 4
    bot.reset()
    assert bot.get_total_usage() is None
    assert bot.client.total_usage_summary is None


def test_an_agent_fills_in_the_last_message_s_context(scripted_llm, stream, user):
    scripted_llm.always(say("Hi"))
    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config(allow_format_str_template=True))
    user.initiate_chat(bot, message={"content": "I am {name}", "context": {"name": "Ann"}})
    user.initiate_chat(bot, message={"content": lambda context: context["name"], "context": {"name": "Bob"}})
    assert [request["messages"][-1]["content"] for request in scripted_llm.requests] == ["I am Ann", "Bob"]


def test_an_agent_s_summary_is_printed_under_its_name(scripted_llm, stream, user):
    scripted_llm.replies(say("Hi", usage=(1, 1)))
    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config(price=1))
    user.initiate_chat(bot, message="hi")
    bot.print_usage_summary()
    user.print_usage_summary()
    assert stream.printed.startswith("Agent 'bot':\n" + "-" * 100 + "\nUsage summary excluding cached usage: \n")
    assert stream.printed.endswith("No cost incurred from agent 'user'.\n")


def test_a_cache_is_for_one_chat_and_those_within_it(scripted_llm, stream, user):
    scripted_llm.replies(say("first"), say("second"))
    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config())
    with Cache.memory() as cache:
        answers = [user.initiate_chat(bot, message="hi", cache=cache).summary for _ in range(2)]
        answers.append(user.initiate_chat(bot, message="hi").summary)
    assert answers == ["first", "first", "second"]
    usages = stream.events_of(Usage)
    assert len(usages) == 2  # what a cache answers has used nothing
    assert [end for _, end in stream.messages] == ["hi", "first", "hi", "first", "hi", "second"]


def test_an_answer_that_breaks_off_restarts_under_a_higher_attempt(scripted_llm, stream, user):
    scripted_llm.replies(cut("Half an answer"), fail(400), say("Whole"))
    bot = AssistantAgent("bot", llm_config={"config_list": scripted_llm.config_list * 3, "max_retries": 0})
    user.initiate_chat(bot, message="hi")
    emitted = [(event.attempt, event.offset, event.delta) for event in stream.events_of(TextMessageContent)]
    assert emitted == [(1, 0, "Half"), (1, 4, " an"), (1, 7, " answer"), (2, 0, "Whole")]
    assert len(stream.events_of(TextMessageStart)) == 1
    assert stream.contents_of(TextMessageEnd) == ["Whole"]
    assert "Half an answer\n>>>>>>>> THE ANSWER BROKE OFF, AND IS ASKED FOR AGAIN...\nWhole" in stream.text
