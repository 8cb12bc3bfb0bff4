"""What models, tools, people and agent functions write is stored, whatever it is, and read again as it was shown.

Some of it only PostgreSQL refuses: these tests are run there as well.
"""

import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function, registry
from agentchat.models import Event, Run, Step
from agentchat.runs.storable import clean, clean_json, short
from agentchat.testing import call, say

BAD = "a\0b \ud83d c 😀"
GOOD = "ab \ufffd c 😀"


@pytest.fixture
def register():
    names = []

    def on_connect(function, name="probe"):
        registry.on_connect(name)(function)
        names.append(name)
        return name

    yield on_connect
    for name in names:
        registry.unregister(name)


def test_a_clean_text_has_no_nul_and_no_half_of_a_pair():
    assert clean(BAD) == GOOD
    assert clean("Grüße 😀") == "Grüße 😀"
    assert clean("\ud83d\ude00") == "😀"  # two halves that belong together


def test_clean_json_is_clean_all_through():
    assert clean_json({BAD: [BAD, (1, None)], "nan": float("nan"), "x": 1.5}) == {
        GOOD: [GOOD, [1, None]],
        "nan": None,
        "x": 1.5,
    }


def test_long_names_fit_and_differ():
    one, other = short("x" * 300 + "1"), short("x" * 300 + "2")
    assert len(one) == len(other) == 200
    assert one != other
    assert short("x" * 200) == "x" * 200


def test_prints_own_steps_and_questions_are_cleaned_and_a_later_life_sees_the_same(register, agent_chat):
    seen = []

    def write(iostream):
        iostream.input()
        iostream.print(BAD)
        seen.append(iostream.step("s" * 300, lambda: {"text": BAD}))
        iostream.print(iostream.input(BAD))

    chat = agent_chat(register(write))
    chat.send("go")
    assert chat.wait_for("INPUT_REQUESTED")["prompt"] == GOOD
    chat.send(BAD)
    chat.wait_for("RUN_FINISHED")
    assert seen == [{"text": GOOD}] * 2
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == [GOOD + "\n"] * 2
    assert Step.objects.get(kind="step").result == {"text": GOOD}


def test_an_own_step_that_is_no_json_number_says_so_and_its_own_errors_stay_what_they_are(register, agent_chat, caplog):
    def write(iostream):
        iostream.input()
        with pytest.raises(ValueError, match="mine"):
            iostream.step("raise", lambda: int("mine"))
        iostream.step("odds", lambda: float("nan"))

    chat = agent_chat(register(write))
    chat.send("go")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "odds" in caplog.text


def test_what_a_model_and_a_tool_write_is_cleaned(register, agent_chat, scripted_llm):
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
    chat = agent_chat(register(work))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("TOOL_CALL_RESULT")["content"] == GOOD
    assert chat.said[-1] == ("agent", GOOD + " DONE")
    assert max(len(step.name) for step in Step.objects.all()) == 200


def test_a_half_written_message_with_such_characters_does_not_keep_a_run_from_ending(
    register, agent_chat, scripted_llm
):
    def work(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        agent.generate_reply([{"role": "user", "content": iostream.input()}])

    reply = say("", chunks=[BAD, " and more"]).paused(after=1)
    scripted_llm.replies(reply)
    chat = agent_chat(register(work))
    chat.send("go")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    assert chat.said[-1] == ("agent", GOOD)


def test_an_end_that_cannot_be_written_is_written_as_a_failure(register, agent_chat, monkeypatch, caplog):
    from agentchat.runs import ending

    closing = ending.closing_facts

    def once(run, half_written):
        monkeypatch.setattr(ending, "closing_facts", closing)
        raise ValueError("nobody can write this")

    monkeypatch.setattr(ending, "closing_facts", once)
    chat = agent_chat(register(lambda iostream: iostream.input()))
    chat.send("go")
    error = chat.wait_for("RUN_ERROR")
    assert error["id"] in caplog.text
    assert Run.objects.get().status == Run.Status.FAILED
    assert Event.objects.filter(type="RUN_FINISHED").count() == 0


def test_a_service_that_claims_absurd_usage_ends_no_run(register, agent_chat, scripted_llm, settings):
    settings.AGENTCHAT = {"MAX_RUN_TOKENS": None}

    def work(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        for _ in range(2):
            agent.generate_reply([{"role": "user", "content": iostream.input()}])

    scripted_llm.replies(say("one", usage=(2**62, 1)), say("two", usage=(2**62, 1)))
    chat = agent_chat(register(work))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("on")
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().prompt_tokens == 2**63 - 1
