"""A real model in runs: what a page sees, what a stop closes, and what a kill in mid-answer leaves."""

import json
import shutil
import signal

import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config
from agentchat.core import registry
from agentchat.models import Run
from tests.faults.page import Guest
from tests.sites import Site

LONG = 2000  # more than any test waits for


@pytest.fixture
def talker():
    """Registers agent functions with one answer each: `talker(max_tokens=8)` is the name of one."""
    names = []

    def register(**options):
        def talk(iostream):
            agent = ConversableAgent("talker", llm_config=llm_config(max_retries=0, ignore_eos=True, **options))
            person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
            person.initiate_chat(agent, message=iostream.input(), max_turns=1)

        names.append(name := f"talker{len(names)}")
        registry.on_connect(name)(talk)
        return name

    yield register
    for name in names:
        registry.unregister(name)


def decoded(slots):
    return slots[0]["next_token"][0]["n_decoded"] if slots else 0


def test_a_page_sees_an_answer_grow_and_what_it_used(model, talker, agent_chat):
    chat = agent_chat(talker(max_tokens=8))
    chat.send("Tell me a story.")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    usage = chat.wait_for("USAGE")
    end = chat.wait_for("TEXT_MESSAGE_END", count=2)
    deltas = [f for f in chat.frames if f["type"] == "TEXT_MESSAGE_CONTENT" and f["messageId"] == end["messageId"]]
    assert len(deltas) > 3
    assert "".join(f["delta"] for f in deltas) == end["content"]
    run = Run.objects.get()
    assert (run.prompt_tokens, run.completion_tokens) == (usage["promptTokens"], 8)
    assert "stopped" not in end
    assert end["finishReason"] == "length"


def test_a_stop_before_the_first_token_closes_the_request(model, talker, agent_chat):
    chat = agent_chat(talker(max_tokens=8))
    chat.send("word " * 600)
    slots = model.wait_until(lambda slots: slots and slots[0]["n_prompt_tokens_processed"])[-1]
    assert decoded(slots) == 0
    assert len(model.connections()) == 1
    assert chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    model.wait_until(lambda _: not model.connections())
    assert not [f for f in chat.frames if f["type"] == "TEXT_MESSAGE_CONTENT"]
    assert [content for _, content in chat.said] == ["word " * 600]


def test_a_stop_after_the_first_token_closes_the_request_and_keeps_what_was_said(model, talker, agent_chat):
    chat = agent_chat(talker(max_tokens=LONG))
    chat.send("Tell me a story.")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    assert len(model.connections()) == 1
    assert chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    seen = model.wait_until(lambda slots: not slots and not model.connections())
    assert all(decoded(slots) < LONG / 2 for slots in seen)  # the service has noticed
    end = chat.wait_for("TEXT_MESSAGE_END", count=2)
    assert end["stopped"] is True
    assert end["content"]


def test_a_context_that_is_too_long_ends_the_run_and_the_next_message_works(model, talker, agent_chat, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "MAX_MESSAGE_CHARS": 100_000}
    chat = agent_chat(talker(max_tokens=4))
    chat.send("word " * 9000)
    assert chat.wait_for("RUN_ERROR")["code"] == "llm_context"
    chat.send("Say hello.")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})


def test_a_model_that_is_killed_in_mid_answer_ends_the_run_and_the_next_one_tries_again(
    mortal_model, talker, agent_chat
):
    killed = mortal_model()
    chat = agent_chat(talker(max_tokens=LONG))
    chat.send("Tell me a story.")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    killed.close()
    assert chat.wait_for("RUN_ERROR")["code"] == "llm_stream_cut"
    mortal_model()
    chat.retry()
    begun = chat.wait_for("RUN_STARTED", count=2)
    chat.wait_for("TEXT_MESSAGE_CONTENT", attempt=1)
    assert begun["seq"] > chat.wait_for("RUN_ERROR")["seq"]
    chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})


@pytest.mark.faults
def test_an_answer_is_completed_after_the_site_was_killed_in_its_middle(running_model, empty_database, tmp_path):
    entry = {**running_model.entry, "max_tokens": 120, "ignore_eos": True}
    shutil.copy(empty_database, tmp_path / "db.sqlite3")
    site = Site(tmp_path, OAI_CONFIG_LIST=json.dumps([entry]), AGENTCHAT_LEASE_S="2", AGENTCHAT_SHOW_USAGE="all")
    guest = Guest(site, lambda page, question: None)
    try:
        site.start()
        page = guest.new_chat("assistant")
        page.send("Tell me a story.")
        page.wait_until(lambda: any(written.text for written in page.written.values()), "delta")
        assert site.stop(signal.SIGKILL) == -signal.SIGKILL
        site.start()
        usage = page.wait_for("USAGE")
        end = page.wait_for("TEXT_MESSAGE_END", count=2)
        assert usage["completionTokens"] == 120
        assert page.written[end["messageId"]].text == end["content"]
        assert page.written[end["messageId"]].attempt > 0
        assert "stopped" not in end
    finally:
        guest.close()
        site.close()
