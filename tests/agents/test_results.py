"""Results with a type: `reply(…, result=…)`, `agent.generate(…)`, and the classic `response_format`."""

import asyncio
import subprocess
import sys
from datetime import date
from typing import Literal

import pytest
from pydantic import BaseModel

import agentchat
from agentchat import ConversableAgent, UserProxyAgent, llm_config
from agentchat.errors import ConfigError, LLMDeclined, LLMResultInvalid
from agentchat.io import IOConsole, IOStream
from agentchat.models import Run, Step
from agentchat.testing import RecordingStream, call, fail, give, raw, say
from tests.llm.chunks import DONE, chunk


class Order(BaseModel):
    article: str
    amount: int = 1
    by: date | None = None


def clerk(**more):
    return ConversableAgent("clerk", "You take orders.", llm_config=llm_config(max_retries=0), **more)


def stock(article: str) -> int:
    """How many we have."""
    return 4


@pytest.fixture
def on_stream():
    def run(function, *answers):
        stream = RecordingStream(*answers)
        with IOStream.set_default(stream):
            stream.returned = function(stream)
        return stream

    return run


def deltas(stream):
    return "".join(event.delta for event in stream.events if event.type == "TEXT_MESSAGE_CONTENT")


# --- reply ------------------------------------------------------------------------------------------------------------


def test_a_reply_is_an_instance_and_users_see_its_fields(scripted_llm, on_stream):
    def orders(iostream):
        iostream.input()
        return agentchat.reply(iostream, clerk(), tools=[stock], result=Order)

    scripted_llm.replies(call("stock", article="chair"), give(article="chair", amount=2, by="2030-01-31"))
    stream = on_stream(orders, "Two chairs")
    assert stream.returned == Order(article="chair", amount=2, by=date(2030, 1, 31))
    shown = "- **Article:** chair\n- **Amount:** 2\n- **By:** 2030-01-31"
    assert stream.messages[-1] == ("clerk", shown)
    assert deltas(stream) == shown
    assert len([event for event in stream.events if event.type == "TEXT_MESSAGE_CONTENT"]) > 1
    assert stream.said[-1] == {"role": "assistant", "content": shown}


def test_a_model_s_own_format_is_what_users_see(scripted_llm, on_stream):
    class Receipt(Order):
        def format(self):
            return f"**{self.amount} x {self.article}**, thank you."

    def orders(iostream):
        iostream.input()
        return agentchat.reply(iostream, clerk(), result=Receipt)

    scripted_llm.replies(give(article="chair", amount=2))
    stream = on_stream(orders, "Two chairs")
    assert stream.messages == [("clerk", "**2 x chair**, thank you.")]
    assert deltas(stream) == "**2 x chair**, thank you."


def test_a_console_prints_the_fields(scripted_llm, capsys):
    refused = fail(400, "response_format is unknown")
    scripted_llm.always(lambda body: refused if "response_format" in body else give(article="chair"))
    console = IOConsole()
    console.remember("user", "A chair")
    with IOStream.set_default(console):
        agentchat.reply(console, clerk(), result=Order)
    assert "- **Article:** chair\n" in capsys.readouterr().out


def test_a_silent_agent_shows_nothing(scripted_llm, on_stream):
    def orders(iostream):
        iostream.input()
        return agentchat.reply(iostream, clerk(silent=True), result=Order)

    scripted_llm.replies(give(article="chair"))
    stream = on_stream(orders, "A chair")
    assert stream.returned == Order(article="chair")
    assert [event.type for event in stream.events] == ["USAGE"]


def test_a_model_that_calls_tools_to_the_last_gave_no_result(scripted_llm, on_stream):
    def orders(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[stock], max_turns=1, result=Order)

    scripted_llm.always(call("stock", article="chair"))
    with pytest.raises(LLMResultInvalid, match="'clerk' gave no Order"):
        on_stream(orders, "Two chairs")


def test_what_is_no_pydantic_model_is_refused_before_anything_is_asked(scripted_llm, on_stream):
    def orders(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), result=dict)

    with pytest.raises(ConfigError, match="use a pydantic model"):
        on_stream(orders, "Two chairs")
    assert scripted_llm.requests == []


# --- generate ---------------------------------------------------------------------------------------------------------


def test_generate_answers_a_text_for_code_alone(scripted_llm, on_stream):
    scripted_llm.replies(give(article="table"), say("Fine."))
    stream = on_stream(lambda _: (clerk().generate("A table", result=Order), clerk().generate("And?")))
    assert stream.returned == (Order(article="table"), "Fine.")
    assert {event.type for event in stream.events} == {"USAGE"}
    assert stream.said == []
    assert [message["content"] for message in scripted_llm.requests[0]["messages"]] == ["You take orders.", "A table"]


def test_generate_takes_messages_and_tools(scripted_llm, on_stream):
    scripted_llm.replies(call("stock", article="chair"), give(article="chair", amount=4))
    messages = [{"role": "user", "content": "All"}, {"role": "assistant", "content": "Of what?"}]
    messages.append({"role": "user", "content": "Chairs"})
    stream = on_stream(lambda _: clerk().generate(messages, tools=[stock], result=Order))
    assert stream.returned == Order(article="chair", amount=4)
    assert [message["role"] for message in scripted_llm.requests[0]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert scripted_llm.requests[1]["messages"][-1]["content"] == "4"


def test_generate_can_be_awaited(scripted_llm):
    scripted_llm.replies(give(article="table"))
    assert asyncio.run(clerk().a_generate("A table", result=Order)) == Order(article="table")


def test_an_agent_without_a_model_cannot_generate():
    with pytest.raises(ConfigError, match="has no llm_config"):
        ConversableAgent("mute", llm_config=False).generate("Hello")


# --- the classic config -----------------------------------------------------------------------------------------------


def test_a_classic_chat_gets_the_checked_json_as_its_message(scripted_llm, on_stream):
    def orders(iostream):
        agent = ConversableAgent("clerk", llm_config={**llm_config(), "response_format": Order})
        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        return person.initiate_chat(agent, message="Two chairs", max_turns=1).summary

    scripted_llm.replies(say("Two chairs, gladly."), say('Here: {"article": "chair", "amount": 2}'))
    stream = on_stream(orders)
    assert Order.model_validate_json(stream.returned) == Order(article="chair", amount=2)
    assert stream.messages[-1] == ("clerk", '{"article": "chair", "amount": 2}')


# --- in runs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(agent_chat, agent_function, monkeypatch):
    """A chat whose agent takes an order, and asks before it is done; `chat.results` are what it got."""
    wanted = {"model": Order}

    def take(iostream):
        iostream.input()
        result = agentchat.reply(iostream, clerk(), result=wanted["model"])
        checked = clerk().generate("Check it", result=wanted["model"])
        iostream.input("Sure?")
        chat.results.append((result, checked))
        agentchat.reply(iostream, clerk())

    chat = agent_chat(agent_function(take))
    chat.results, chat.wanted = [], wanted
    return chat


def test_a_resumed_run_gets_the_same_instance_without_asking(scripted_llm, orders):
    scripted_llm.replies(say("Gladly."), give(article="chair", amount=2**53 + 1), give(article="chair"), say("Done."))
    orders.send("Chairs")
    orders.wait_for("INPUT_REQUESTED")
    assert list(orders.session.runs.get().steps.filter(kind="llm").values_list("name", flat=True)) == ["clerk", "clerk"]
    orders.send("Yes")
    orders.wait_for("RUN_FINISHED")
    assert orders.results == [(Order(article="chair", amount=2**53 + 1), Order(article="chair"))]
    assert len(scripted_llm.requests) == 4
    orders.replayed()
    shown = "- **Article:** chair\n- **Amount:** 9007199254740993"
    assert ("clerk", shown) in orders.said
    assert [m["content"] for m in scripted_llm.requests[3]["messages"]][1:] == ["Chairs", shown, "Yes"]
    used = sum(frame["promptTokens"] for frame in orders.frames if frame["type"] == "USAGE")
    assert used > 0
    assert len([frame for frame in orders.frames if frame["type"] == "USAGE"]) == 4


def test_deltas_of_an_answer_that_did_not_fit_are_replaced(scripted_llm, orders):
    scripted_llm.replies(say('{"amount": 5, "note": "' + "x" * 99 + '"}'), give(article="a" * 40), give(article="b"))
    orders.send("Chairs")
    orders.wait_for("INPUT_REQUESTED")
    attempts = {frame["attempt"] for frame in orders.frames if frame["type"] == "TEXT_MESSAGE_CONTENT"}
    assert len(attempts) == 2
    assert len([frame for frame in orders.frames if frame["type"] == "USAGE"]) == 3


class OrderWithNote(Order):
    note: str = ""


class OrderWithPrice(Order):
    price: float


def test_a_class_that_has_changed_meanwhile_reads_what_was_recorded(scripted_llm, orders):
    scripted_llm.replies(give(article="chair"), give(article="chair"), say("Done."))
    orders.send("Chairs")
    orders.wait_for("INPUT_REQUESTED")
    orders.wanted["model"] = OrderWithNote
    orders.send("Yes")
    orders.wait_for("RUN_FINISHED")
    assert orders.results == [(OrderWithNote(article="chair"), OrderWithNote(article="chair"))]


def test_what_does_not_fit_the_changed_class_ends_the_run_and_asks_nobody(scripted_llm, orders, caplog):
    scripted_llm.replies(give(article="chair"), give(article="chair"))
    orders.send("Chairs")
    orders.wait_for("INPUT_REQUESTED")
    orders.wanted["model"] = OrderWithPrice
    orders.send("Yes")
    assert orders.wait_for("RUN_ERROR")["code"] == "diverged"
    assert "the recorded result of 'clerk' is no OrderWithPrice any more: it does not fit: price" in caplog.text
    assert len(scripted_llm.requests) == 2


def test_a_failure_that_is_caught_is_caught_again_and_its_answers_are_counted(scripted_llm, agent_chat, agent_function):
    caught = []

    def take(iostream):
        iostream.input()
        try:
            agentchat.reply(iostream, clerk(), result=Order)
        except LLMResultInvalid as error:
            caught.append(str(error))
        try:
            clerk().generate("Again", result=Order)
        except LLMDeclined as error:
            caught.append(type(error).code)
        iostream.input("And now?")

    declined = raw(chunk({"refusal": "No."}, "stop"), DONE)
    scripted_llm.replies(say("no", usage=(7, 1)), say("no", usage=(7, 1)), say("no", usage=(7, 1)), declined)
    chat = agent_chat(agent_function(take))
    chat.send("Chairs")
    chat.wait_for("INPUT_REQUESTED")
    usage = [frame["promptTokens"] for frame in chat.frames if frame["type"] == "USAGE"]
    assert usage[:3] == [7, 7, 7]
    chat.send("Go on")
    chat.wait_for("RUN_FINISHED")
    assert caught == [caught[0], "llm_declined"] * 2
    assert set(chat.session.runs.get().steps.filter(kind="llm").values_list("status", flat=True)) == {
        Step.Status.FAILED
    }


def test_a_failure_that_is_not_caught_says_what_users_can_do(scripted_llm, agent_chat, agent_function):
    def take(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), result=Order)

    scripted_llm.always(say("no"))
    chat = agent_chat(agent_function(take))
    chat.send("Chairs")
    failed = chat.wait_for("RUN_ERROR")
    assert (failed["code"], failed["message"]) == (
        "llm_result",
        "The model gave no usable answer. Please try again.",
    )
    assert chat.session.runs.get().status == Run.Status.FAILED


# --- without Django, and with the demo model --------------------------------------------------------------------------


class Trip(BaseModel):
    city: str
    days: int
    by: Literal["train", "plane"] = "train"
    stops: list[str] = []


@pytest.mark.parametrize("text", ["By plane, 3 days in Oslo", "Hello"])
def test_the_demo_model_gives_results_too(monkeypatch, text):
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0")
    agent = ConversableAgent("guide", llm_config={"config_list": [{"model": "demo", "api_type": "demo"}]})
    with IOStream.set_default(RecordingStream()):
        trip = agent.generate(text, tools=[stock], result=Trip)
    if text != "Hello":
        assert (trip.city, trip.days) == ("Oslo", 3)


def test_it_needs_no_django(scripted_llm):
    script = (
        "import sys; from pydantic import BaseModel; from agentchat import ConversableAgent, llm_config\n"
        "class Answer(BaseModel): number: int\n"
        "answer = ConversableAgent('a', llm_config=llm_config()).generate('?', result=Answer)\n"
        "print(answer.number, 'django' in sys.modules)"
    )
    scripted_llm.replies(give(number=7))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "7 False"
