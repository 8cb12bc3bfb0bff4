"""`agentchat.reply` and `iostream.post`: an agent that answers its user, and remembers."""

import json

import pytest
from django.utils.translation import gettext_lazy

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.errors import ConfigError, LLMError
from agentchat.io import IOStream
from agentchat.models import Step
from agentchat.testing import RecordingStream, call, fail, say


def clerk(**more):
    return ConversableAgent("clerk", "You sell chairs.", llm_config=llm_config(max_retries=0), **more)


def stock(article: str) -> int:
    """How many we have."""
    return 4 if article == "chair" else 0


def contents(request):
    return [(message["role"], message["content"]) for message in request["messages"]]


@pytest.fixture
def on_stream():
    def run(function, *answers):
        stream = RecordingStream(*answers)
        with IOStream.set_default(stream):
            function(stream)
        return stream

    return run


def test_it_answers_with_the_help_of_tools(scripted_llm, on_stream):
    def shop(iostream):
        iostream.input()
        assert agentchat.reply(iostream, clerk(), tools=[stock]) == "We have 4."

    scripted_llm.replies(call("stock", article="chair"), say("We have 4."))
    stream = on_stream(shop, "Any chairs?")
    assert stream.messages[-1] == ("clerk", "We have 4.")
    first, second = scripted_llm.requests
    assert contents(first) == [("system", "You sell chairs."), ("user", "Any chairs?")]
    assert [tool["function"]["name"] for tool in first["tools"]] == ["stock"]
    assert contents(second)[-1] == ("tool", "4")
    assert second["messages"][-2]["tool_calls"][0]["function"]["name"] == "stock"


def test_a_loop_remembers(scripted_llm, on_stream):
    def shop(iostream):
        agent = clerk()
        for _ in range(2):
            iostream.input()
            agentchat.reply(iostream, agent)

    scripted_llm.replies(say("Hello, Ada."), say("You are Ada."))
    on_stream(shop, "I am Ada.", "Who am I?")
    assert contents(scripted_llm.requests[1]) == [
        ("system", "You sell chairs."),
        ("user", "I am Ada."),
        ("assistant", "Hello, Ada."),
        ("user", "Who am I?"),
    ]


def test_without_history_only_the_last_words_count(scripted_llm, on_stream):
    def shop(iostream):
        agent = clerk()
        for _ in range(2):
            iostream.input()
            iostream.input()
            agentchat.reply(iostream, agent, history=False)

    scripted_llm.replies(say("Hello."), say("Bye."))
    on_stream(shop, "one", "two", "three", "four")
    assert contents(scripted_llm.requests[1])[1:] == [("user", "three"), ("user", "four")]


def test_a_model_that_calls_for_ever_has_to_answer_in_the_end(scripted_llm, on_stream):
    def shop(iostream):
        iostream.input()
        assert agentchat.reply(iostream, clerk(), [stock], max_turns=2) == "Enough."

    scripted_llm.replies(call("stock", article="chair"), call("stock", article="lamp"), say("Enough."))
    on_stream(shop, "Any chairs?")
    assert ["tools" in request for request in scripted_llm.requests] == [True, True, False]


def test_mistakes_are_named(scripted_llm, on_stream):
    with pytest.raises(ConfigError, match=r"call iostream\.input\(\) first"):
        on_stream(lambda iostream: agentchat.reply(iostream, clerk()))
    with pytest.raises(ConfigError, match="'mute' has no llm_config"):
        on_stream(lambda iostream: (iostream.input(), agentchat.reply(iostream, ConversableAgent("mute"))), "hi")
    scripted_llm.replies(fail(500))
    with pytest.raises(LLMError):
        on_stream(lambda iostream: (iostream.input(), agentchat.reply(iostream, clerk())), "hi")


def test_a_password_is_not_remembered(on_stream):
    def ask(iostream):
        iostream.input()
        iostream.input("Password?", password=True)
        assert iostream.said == [{"role": "user", "content": "hi"}]

    on_stream(ask, "hi", "secret")


# --- in runs --------------------------------------------------------------------------------------------------------


def test_in_a_chat_it_remembers_across_runs_and_waits(agent_function, agent_chat, scripted_llm):
    def shop(iostream):
        agent = clerk()
        iostream.input()
        agentchat.reply(iostream, agent, tools=[stock])
        iostream.input("Anything else?")
        agentchat.reply(iostream, agent)

    scripted_llm.replies(call("stock", article="chair"), say("4."), say("Welcome."), say("Yes."), say("Bye."))
    chat = agent_chat(agent_function(shop))
    chat.send("Any chairs?")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Thanks.")
    chat.wait_for("RUN_FINISHED")
    chat.send("Do you remember me?")
    chat.wait_for("INPUT_REQUESTED", count=2)
    said = [("user", "Any chairs?"), ("assistant", "4."), ("user", "Thanks."), ("assistant", "Welcome.")]
    assert contents(scripted_llm.requests[2])[1:] == said[:3]
    assert contents(scripted_llm.requests[3])[1:] == [*said, ("user", "Do you remember me?")]
    assert [step.kind for step in Step.objects.filter(run__number=1).order_by("number")] == [
        *("input", "llm", "tool", "llm", "input", "llm")
    ]


def test_a_tool_of_reply_can_ask_for_approval(agent_function, agent_chat, scripted_llm):
    paid = []

    def pay(euros: int) -> str:
        """Pay."""
        paid.append(euros)
        return "paid"

    def cashier(iostream):
        agent = clerk()
        agent.register_for_execution(approval=True)(pay)
        iostream.input()
        agentchat.reply(iostream, agent)

    scripted_llm.replies(call("pay", euros=5), say("Done."))
    chat = agent_chat(agent_function(cashier))
    chat.send("Pay 5 euros.")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], {"decision": "approve", "arguments": {"euros": 4}})
    chat.wait_for("RUN_FINISHED")
    assert paid == [4]
    assert chat.said[-1] == ("clerk", "Done.")


def test_what_is_posted_is_shown_streamed_and_said_once(agent_function, agent_chat, scripted_llm):
    consumed = []

    def pieces():
        for piece in ("**One** 🦄, ", "two, ", "three."):
            consumed.append(piece)
            yield piece

    def host(iostream):
        iostream.post("Welcome!")
        iostream.input()
        assert iostream.post(pieces(), name="host") == "**One** 🦄, two, three."
        iostream.input("More?")
        agentchat.reply(iostream, clerk())

    scripted_llm.replies(say("Fine."))
    chat = agent_chat(agent_function(host))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert [content for _, content in chat.said] == ["hi", "Welcome!", "**One** 🦄, two, three.", "yes", "Fine."]
    assert [name for name, _ in chat.said if name in ("probe", "host", "clerk")] == ["probe", "host", "clerk"]
    deltas = [frame for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_CONTENT"]
    assert "three." in json.dumps(deltas)
    assert len(consumed) == 3
    assert contents(scripted_llm.requests[0])[1:] == [
        ("assistant", "Welcome!"),
        ("user", "hi"),
        ("assistant", "**One** 🦄, two, three."),
        ("user", "yes"),
    ]


def test_elsewhere_what_is_posted_is_printed_as_a_message(on_stream):
    stream = on_stream(lambda iostream: iostream.post(["Hello, ", "world."], name="host"))
    assert stream.messages == [("host", "Hello, world.")]


class Echo:
    """A custom model client."""

    def __init__(self, config, **kwargs):
        pass

    def create(self, params):
        return params["messages"][-1]["content"], [tool["function"]["name"] for tool in params.get("tools", ())]

    def message_retrieval(self, response):
        return [f"{response[0]} {response[1]}"]

    def cost(self, response):
        return 0.0

    @staticmethod
    def get_usage(response):
        return {"prompt_tokens": 3, "completion_tokens": 2}


def test_a_custom_model_client_answers_too(on_stream):
    agent = ConversableAgent("echo", "", llm_config={"config_list": [{"model": "m", "model_client_cls": "Echo"}]})
    agent.register_model_client(Echo)

    def echoing(iostream):
        iostream.input()
        assert agentchat.reply(iostream, agent, tools=[stock]) == "Hello ['stock']"

    on_stream(echoing, "Hello")
    assert agent.get_total_usage()["m"]["total_tokens"] == 5


def test_a_lazy_translation_is_posted_as_one_text():
    stream = RecordingStream()
    assert stream.post(gettext_lazy("Hello")) == "Hello"
    assert [event.delta for event in stream.events if event.type == "TEXT_MESSAGE_CONTENT"] == ["Hello"]


@pytest.mark.parametrize(("given", "named"), [(5, "5"), (None, "None"), (["one", 2], "2")])
def test_what_is_no_text_is_not_posted(given, named):
    with pytest.raises(ConfigError, match=rf"post\(\) got {named}: use a text"):
        RecordingStream().post(given)


def test_a_result_that_is_nested_too_deeply_is_no_json():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ConfigError, match="must return a JSON value"):
        RecordingStream().step("deep", lambda: deep)
