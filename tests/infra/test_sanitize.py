"""What models, tools, users and agent functions write is stored, whatever it is, and read again as it was shown.

Some of it only PostgreSQL refuses: these tests are run there as well.
"""

import pytest
from django.utils.translation import gettext_lazy

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.errors import StepFailed
from agentchat.infra.sanitize import clean, clean_json, short
from agentchat.models import Event, Run, Step
from agentchat.testing import call, say

BAD = "a\0b \ud83d c 😀"
GOOD = "ab \ufffd c 😀"


def test_a_clean_text_has_no_nul_and_no_lone_surrogate():
    assert clean(BAD) == GOOD
    assert clean("Grüße 😀") == "Grüße 😀"
    assert clean("\ud83d\ude00") == "😀"  # two halves that belong together


def test_clean_json_is_clean_all_through():
    assert clean_json({BAD: [BAD, (1, None)], "nan": float("nan"), "x": 1.5}) == {
        GOOD: [GOOD, [1, None]],
        "nan": None,
        "x": 1.5,
    }


def test_a_lazy_translation_is_stored_as_its_text():
    stored = clean_json({"prompt": gettext_lazy("Send")})
    assert stored == {"prompt": "Send"}
    assert type(stored["prompt"]) is str


def test_a_run_may_use_lazy_translations_wherever_texts_are(agent_function, scripted_llm, agent_chat):
    lazy = gettext_lazy("Send")

    def function(iostream):
        message = iostream.input()
        bot = ConversableAgent("bot", lazy, llm_config=llm_config(), human_input_mode="NEVER")
        desk = UserProxyAgent("desk", human_input_mode="NEVER", default_auto_reply=lazy)
        register_function(lambda: BAD, caller=bot, executor=desk, name="send", description=lazy)
        desk.initiate_chat(bot, message=lazy, carryover=message, max_turns=2)
        iostream.input(lazy)

    scripted_llm.replies(call("send"), say("ok"))
    chat = agent_chat(agent_function(function))
    chat.send("hi")
    assert chat.wait_for("INPUT_REQUESTED")["prompt"] == "Send"
    asked = scripted_llm.requests[0]
    assert [message["content"][:4] for message in asked["messages"]] == ["Send", "Send"]
    assert asked["tools"][0]["function"]["description"] == "Send"


def test_long_names_fit_and_differ():
    one, other = short("x" * 300 + "1"), short("x" * 300 + "2")
    assert len(one) == len(other) == 200
    assert one != other
    assert short("x" * 200) == "x" * 200


def test_prints_own_steps_and_questions_are_cleaned_and_a_replay_sees_the_same(agent_function, agent_chat):
    seen = []

    def write(iostream):
        iostream.input()
        iostream.print(BAD)
        seen.append(iostream.step("s" * 300, lambda: {"text": BAD}))
        iostream.print(iostream.input(BAD))

    chat = agent_chat(agent_function(write))
    chat.send("go")
    assert chat.wait_for("INPUT_REQUESTED")["prompt"] == GOOD
    chat.send(BAD)
    chat.wait_for("RUN_FINISHED")
    assert seen == [{"text": GOOD}] * 2
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == [GOOD + "\n"] * 2
    assert Step.objects.get(kind="step").result == {"text": GOOD}


def test_an_own_step_that_is_not_json_is_reported_and_its_own_error_is_named(agent_function, agent_chat, caplog):
    def write(iostream):
        iostream.input()
        with pytest.raises(StepFailed, match="ValueError"):
            iostream.step("raise", lambda: int("mine"))
        iostream.step("odds", lambda: float("nan"))

    chat = agent_chat(agent_function(write))
    chat.send("go")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "odds" in caplog.text


def test_what_a_model_and_a_tool_write_is_cleaned(agent_function, agent_chat, scripted_llm):
    def shout(words: str) -> str:
        return BAD

    def work(iostream):
        agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
        person = UserProxyAgent(
            "person", human_input_mode="NEVER", is_termination_msg=lambda m: "DONE" in (m["content"] or "")
        )
        register_function(shout, caller=agent, executor=person, description="Shout")
        person.initiate_chat(agent, message=iostream.input())

    scripted_llm.replies(call("shout", words=BAD), call("t" * 300), say(BAD + " DONE"))
    chat = agent_chat(agent_function(work))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("TOOL_CALL_RESULT")["content"] == GOOD
    assert chat.said[-1] == ("agent", GOOD + " DONE")
    assert max(len(step.name) for step in Step.objects.all()) == 200


def test_a_half_written_message_with_such_characters_does_not_keep_a_run_from_ending(
    agent_function, agent_chat, scripted_llm
):
    def work(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        agent.generate_reply([{"role": "user", "content": iostream.input()}])

    reply = say("", chunks=[BAD, " and more"]).paused(after=1)
    scripted_llm.replies(reply)
    chat = agent_chat(agent_function(work))
    chat.send("go")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    assert chat.said[-1] == ("agent", GOOD)


def test_an_end_that_cannot_be_stored_is_stored_as_a_failure(agent_function, agent_chat, monkeypatch, caplog):
    from agentchat.runs import finalize

    closing = finalize.closing_events

    def once(run, half_written):
        monkeypatch.setattr(finalize, "closing_events", closing)
        raise ValueError("nobody can write this")

    monkeypatch.setattr(finalize, "closing_events", once)
    chat = agent_chat(agent_function(lambda iostream: iostream.input()))
    chat.send("go")
    error = chat.wait_for("RUN_ERROR")
    assert error["id"] in caplog.text
    assert Run.objects.get().status == Run.Status.FAILED
    assert Event.objects.filter(type="RUN_FINISHED").count() == 0


def test_a_service_that_claims_absurd_usage_ends_no_run(agent_function, agent_chat, scripted_llm, settings):
    settings.AGENTCHAT = {"MAX_RUN_TOKENS": None}

    def work(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        for _ in range(2):
            agent.generate_reply([{"role": "user", "content": iostream.input()}])

    scripted_llm.replies(say("one", usage=(2**62, 1)), say("two", usage=(2**62, 1)))
    chat = agent_chat(agent_function(work))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("on")
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().prompt_tokens == 2**63 - 1
