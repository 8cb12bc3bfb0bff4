"""A run and its model: asked once for each step however often the run is resumed, and let go at once when stopped."""

import time

import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function, registry
from agentchat.models import Run, Step
from agentchat.testing import call, cut, fail, say


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

        register_function(book, caller=agent, executor=person, description="Book an item")
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


def test_the_persons_words_are_shown_once(clerk, scripted_llm, agent_chat):
    scripted_llm.replies(say("Hello!"))
    chat = agent_chat(clerk)
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    assert [content for _, content in chat.said] == ["hi", "Hello!"]


def test_the_deltas_put_together_are_the_message(clerk, scripted_llm, agent_chat):
    text = "Grüße 😀 from **here**.\n\n- one\n- two\n\nEnd."
    scripted_llm.replies(say(text))
    chat = agent_chat(clerk)
    chat.send("hi")
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
def test_a_model_that_fails_ends_the_run_in_kind_words(clerk, scripted_llm, agent_chat, answer, code, caplog):
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


def test_usage_is_told_and_counted(clerk, scripted_llm, agent_chat):
    scripted_llm.replies(say("Hello!", usage=(7, 3)))
    chat = agent_chat(clerk)
    chat.send("hi")
    usage = chat.wait_for("USAGE")
    assert (usage["promptTokens"], usage["completionTokens"]) == (7, 3)
    chat.wait_for("INPUT_REQUESTED")
    run = Run.objects.get()
    assert (run.prompt_tokens, run.completion_tokens) == (7, 3)


@pytest.mark.parametrize(("decision", "effects"), [("reject", []), ("approve", ["tea"])])
def test_a_tool_that_may_have_taken_effect_is_called_again_only_if_the_person_says_so(
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
