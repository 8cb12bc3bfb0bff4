"""The demo agent functions, on the demo model, in real runs."""

import uuid

import pytest

from agentchat.actions import colleagues
from agentchat.errors import Rejected
from agentchat.visitors import Visitor
from tests.factories import account


@pytest.fixture(autouse=True)
def fast_demo(monkeypatch):
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0")


def test_the_refund_desk_asks_for_an_account_and_pays_only_what_staff_have_approved(agent_chat):
    chat = agent_chat("refunds")
    chat.send("I'd like a refund for order 1017.")
    form = chat.wait_for("INPUT_REQUESTED", kind="form")
    assert set(form["schema"]["properties"]) == {"holder", "iban", "reason"}
    chat.answer(form["request"], {"holder": "Ada", "iban": "DE02120300000000202051", "reason": "damaged"})
    approval = chat.wait_for("INPUT_REQUESTED", kind="approval")
    shown = chat.wait_for("TOOL_CALL_ARGS", toolCallId=approval["toolCallId"])
    assert (shown["visible"], approval["colleague"]) == ("name", True)  # the customer sees that a colleague decides
    value = {"decision": "approve", "arguments": {"order": "1017", "euros": 5}}
    with pytest.raises(Rejected):
        chat.answer(approval["request"], value)
    staff = account("grace", is_staff=True)
    [question] = colleagues.open_questions(staff)
    assert question.arguments["order"] == "1017"
    answer = {"client_id": uuid.uuid4(), "request": approval["request"], "value": value}
    colleagues.answer(chat.session.pk, Visitor(user=staff), **answer)
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    results = [f["content"] for f in chat.frames if f["type"] == "TOOL_CALL_RESULT"]
    assert "kettle" in results[0]
    assert "Pretended to pay 5 euros for order 1017 to Ada" in results[1]


@pytest.mark.parametrize("words", ["May I talk to a person?", "Ich möchte einen Menschen sprechen.", "أريد شخصًا"])
def test_whoever_asks_the_refund_desk_for_a_person_talks_to_one(agent_chat, words):
    chat = agent_chat("refunds")
    chat.send(words)
    chat.wait_for("HANDOVER_REQUESTED")
    staff = account("grace", is_staff=True)
    chat.say("How can I help?", by=staff)
    chat.give_back(by=staff)
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert chat.said[-1] == ("grace", "How can I help?")


def test_the_weather_desk_answers_with_the_result_of_its_tool(agent_chat):
    chat = agent_chat("weather")
    chat.send("What is the weather in Paris?")
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("TOOL_CALL_ARGS")["args"] == '{"city": "Paris"}'
    assert "Paris" in chat.said[-1][1]


def test_the_assistant_remembers_an_earlier_run(agent_chat):
    chat = agent_chat("assistant")
    chat.send("My name is Ada.")
    chat.wait_for("INPUT_REQUESTED")
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    chat.send("What is my name?")
    chat.wait_for("INPUT_REQUESTED", count=2)
    assert "Your name is **Ada**" in chat.said[-1][1]
