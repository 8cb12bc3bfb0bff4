"""A run and its model: asked once for each step however often the run is resumed, disconnected at once by a stop."""

import time

import openai
import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config, owner, register_function
from agentchat.core import registry
from agentchat.models import Run, Step
from agentchat.testing import call, cut, fail, say
from tests.llm import services
from tests.llm.services import refusing


@pytest.fixture
def booked():
    """What the tool of the agent function has done."""
    return []


@pytest.fixture
def clerk(booked):
    @registry.on_connect("clerk")
    def clerk(iostream):
        agent = ConversableAgent("clerk", llm_config={**llm_config(), "max_retries": 0})
        person = UserProxyAgent("person", is_termination_msg=lambda m: "DONE" in (m.get("content") or ""))

        def book(item: str) -> str:
            booked.append(item)
            return f"{item} is booked"

        register_function(book, caller=agent, executor=person, description="Book an item", outcome_unknown_to=owner())
        person.initiate_chat(agent, message=iostream.input())

    yield "clerk"
    registry.unregister("clerk")


def test_a_resumed_run_asks_no_model_and_runs_no_tool_twice(clerk, booked, scripted_llm, agent_chat):
    scripted_llm.replies(call("book", item="tea"), say("Booked. Anything else?"), say("Then we are DONE."))
    chat = agent_chat(clerk)
    chat.send("book tea")
    chat.wait_for("INPUT_REQUESTED")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], "")  # no word: let the tool call be made
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.send("no")
    chat.wait_for("INPUT_REQUESTED", count=3)
    assert booked == ["tea"]
    assert len(scripted_llm.requests) == 3
    assert [(step.kind, step.status) for step in Step.objects.order_by("number")][:3] == [
        ("input", "done"),
        ("llm", "done"),
        ("input", "done"),
    ]


def test_the_users_message_is_shown_once(clerk, scripted_llm, agent_chat):
    scripted_llm.replies(say("Hello!"))
    chat = agent_chat(clerk)
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    assert [content for _, content in chat.said] == ["hi", "Hello!"]


def test_the_deltas_put_together_are_the_message(clerk, scripted_llm, agent_chat):
    text = "Grüße 😀 from **here**.\n\n- one\n- two\n\nEnd."
    scripted_llm.replies(answer := say(text).paused(after=1))
    chat = agent_chat(clerk)
    chat.send("hi")
    chat.wait_for("TEXT_MESSAGE_CONTENT")  # a page that is still being opened when all is said gets the whole at once
    answer.release()
    chat.wait_for("INPUT_REQUESTED")
    deltas = [f for f in chat.frames if f["type"] == "TEXT_MESSAGE_CONTENT"]
    assert "".join(f["delta"] for f in deltas) == text
    offset = 0
    for frame in deltas:
        assert frame["offset"] == offset
        offset += len(frame["delta"].encode("utf-16-le")) // 2


def test_stop_closes_the_connection_to_the_model_at_once(clerk, scripted_llm, agent_chat):
    scripted_llm.replies(answer := say("This will be a long story.").paused(after=3))
    chat = agent_chat(clerk)
    chat.send("tell me")
    answer.wait_until_paused()
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    asked = time.monotonic()
    assert chat.stop()
    scripted_llm.wait_for_disconnect(timeout=1)
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    end = [f for f in chat.frames if f["type"] == "TEXT_MESSAGE_END"][-1]
    assert end["stopped"] is True
    assert end["content"]
    assert "This will be a long story.".startswith(end["content"])
    assert time.monotonic() - asked < 10  # not when a time-out has run out
    assert Run.objects.get().status == Run.Status.STOPPED


@pytest.mark.parametrize(
    ("answer", "code"), [(fail(401), "llm_auth"), (fail(429), "llm_rate_limited"), (cut("It is"), "llm_stream_cut")]
)
def test_a_model_that_fails_ends_the_run_with_a_user_message(clerk, scripted_llm, agent_chat, answer, code, caplog):
    scripted_llm.replies(answer)
    chat = agent_chat(clerk)
    chat.send("hi")
    error = chat.wait_for("RUN_ERROR")
    assert error["code"] == code
    assert error["id"] in caplog.text
    assert "sk-" not in error["message"]
    assert all(f["stopped"] for f in chat.frames if f["type"] == "TEXT_MESSAGE_END" and f["messageId"].endswith("-2"))
    scripted_llm.replies(say("Here I am again."))
    chat.send("again")
    chat.wait_for("INPUT_REQUESTED")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (fail(429), openai.RateLimitError, "llm_rate_limited"),
        (fail(400, "no"), openai.BadRequestError, "llm_refused"),
        (fail(404, "no"), openai.NotFoundError, "llm_not_found"),
        (cut("Half"), openai.APIConnectionError, "llm_stream_cut"),
    ],
)
def test_a_handler_for_the_sdk_takes_the_same_branch_when_the_run_is_resumed(
    agent_function, scripted_llm, agent_chat, answer, kind, code
):
    def careful(iostream):
        message = iostream.input()
        agent = ConversableAgent("agent", llm_config=llm_config(max_retries=0))
        try:
            agent.generate_reply(messages=[{"role": "user", "content": message}])
        except kind as error:
            iostream.print(f"caught {type(error).__name__} {error.code} {getattr(error, 'status_code', None)}")
        iostream.print(f"and {iostream.input('more?')}")

    scripted_llm.replies(answer)
    chat = agent_chat(agent_function(careful))
    chat.send("hi")
    asked = chat.wait_for("INPUT_REQUESTED")
    [end] = [
        frame for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_END" and frame["messageId"].endswith("-2")
    ]
    assert (end["content"], end["stopped"]) == ("Half" if answer.text else "", True)  # the page writes no more
    assert end["seq"] < asked["seq"]
    chat.send("on")
    assert chat.wait_for("RUN_FINISHED")["outcome"] == {"type": "success"}
    printed = [frame["text"] for frame in chat.frames if frame["type"] == "PRINTED"]
    assert len(printed) == 2
    assert f" {code} " in printed[0]
    assert printed[1] == "and on\n"
    assert len(scripted_llm.requests) == 1


def test_a_message_that_fails_inside_a_tool_is_written_no_more(agent_function, scripted_llm, agent_chat):
    def research(iostream):
        reader = ConversableAgent("reader", llm_config=llm_config(max_retries=0))
        agent = ConversableAgent("agent", llm_config=llm_config(max_retries=0))
        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=1)

        def look_up() -> str:
            "Look it up."
            return reader.generate_reply(messages=[{"role": "user", "content": "Look."}])

        register_function(look_up, caller=agent, executor=person, description="Look it up")
        person.initiate_chat(agent, message=iostream.input(), max_turns=2)
        iostream.input("more?")

    scripted_llm.replies(call("look_up"), cut("Half"), say("It could not be looked up."))
    chat = agent_chat(agent_function(research))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    starts = {frame["messageId"] for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_START"}
    ends = {frame["messageId"]: frame["content"] for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_END"}
    assert starts == set(ends)
    assert "Half" in ends.values()


@pytest.mark.parametrize(
    ("answer", "code", "never"),
    [
        (fail(400, "bad"), "llm_refused", "try again"),
        (fail(400, "x", code="context_length_exceeded"), "llm_context", "try again"),
        (fail(402, "pay"), "llm_quota", "try again"),
        (fail(403, "no"), "llm_forbidden", "try again"),
        (fail(404, "who"), "llm_not_found", "try again"),
        (fail(503, "down"), "llm_unavailable", "reached"),
    ],
)
def test_what_users_read_of_a_refusal_depends_on_its_kind_and_staff_get_the_service_s_words(
    clerk, scripted_llm, agent_chat, answer, code, never
):
    scripted_llm.replies(answer)
    chat = agent_chat(clerk)
    chat.send("hi")
    error = chat.wait_for("RUN_ERROR")
    assert error["code"] == code
    assert never not in error["message"].lower()
    assert "reached" not in error["message"]
    assert f"HTTP {answer.status}" in error["detail"]  # the chat's frames before they are trimmed for a visitor


@pytest.mark.parametrize(
    ("finish_reason", "told"),
    [("length", "length"), ("content_filter", "content_filter"), ("stop", None), ("max_tokens", "length")],
)
def test_an_incomplete_answer_says_why(clerk, scripted_llm, agent_chat, finish_reason, told):
    scripted_llm.replies(say("There are three reasons: first", finish_reason=finish_reason))
    chat = agent_chat(clerk)
    chat.send("why?")
    chat.wait_for("INPUT_REQUESTED")
    assert [frame for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_END"][-1].get("finishReason") == told


def test_usage_is_emitted_and_counted(clerk, scripted_llm, agent_chat):
    scripted_llm.replies(say("Hello!", usage=(7, 3)))
    chat = agent_chat(clerk)
    chat.send("hi")
    usage = chat.wait_for("USAGE")
    assert (usage["promptTokens"], usage["completionTokens"]) == (7, 3)
    chat.wait_for("INPUT_REQUESTED")
    run = Run.objects.get()
    assert (run.prompt_tokens, run.completion_tokens) == (7, 3)


@pytest.mark.parametrize(("decision", "effects"), [("reject", []), ("approve", ["tea"])])
def test_a_tool_that_may_have_taken_effect_is_called_again_only_with_the_users_consent(
    clerk, booked, scripted_llm, agent_chat, decision, effects
):
    """Its process died between the tool and its result: the journal has the beginning only."""
    scripted_llm.replies(call("book", item="tea"), say("So be it."))
    chat = agent_chat(clerk)
    chat.send("book tea")
    chat.wait_for("INPUT_REQUESTED")
    run = Run.objects.get()
    common = {"run": run, "started_at": run.started_at}
    Step.objects.create(number=3, kind="input", name="input", status="done", result="", **common)
    Step.objects.create(number=4, kind="tool", name="book", status="started", **common)
    Run.objects.update(status=Run.Status.QUEUED)
    question = chat.wait_for("INPUT_REQUESTED", unsure=True)
    assert question["toolCallId"] == chat.wait_for("TOOL_CALL_START")["toolCallId"]
    assert booked == []
    chat.answer(question["request"], {"decision": decision})
    result = chat.wait_for("TOOL_CALL_RESULT")
    assert booked == effects
    assert result["ok"] is bool(effects)


def test_a_chat_goes_on_with_a_service_that_refuses_its_form_and_is_not_refused_twice(clerk, scripted_llm, agent_chat):
    scripted_llm.always(refusing(services.names, services.user_after_tool, status=422))
    chat = agent_chat(clerk)
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    assert len(scripted_llm.requests) == 2
    chat.send("and more")
    chat.wait_for("INPUT_REQUESTED", count=2)
    assert len(scripted_llm.requests) == 3
    assert not any("name" in message for request in scripted_llm.requests[1:] for message in request["messages"])
