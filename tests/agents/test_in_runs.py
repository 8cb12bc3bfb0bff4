"""Chats within chats, and one after another, in real runs: each model is asked once, however often the run resumes."""

import asyncio
import sys

import pytest

from agentchat import AssistantAgent, ConversableAgent, OpenAIWrapper, UserProxyAgent, llm_config
from agentchat.core import registry
from agentchat.models import Step
from agentchat.testing import call, cut, say


@pytest.fixture
def on_connect():
    """Register agent functions for one test."""
    names = []

    def register(function):
        names.append(function.__name__)
        registry.on_connect(function.__name__)(function)
        return function.__name__

    yield register
    for name in names:
        registry.unregister(name)


def assistant(name, **more):
    return AssistantAgent(name, "", llm_config=llm_config(), **more)


def deltas(chat, text):
    """The frames of the message that ends with this text."""
    [end] = [f for f in chat.frames if f["type"] == "TEXT_MESSAGE_END" and f["content"] == text]
    return [f for f in chat.frames if f["type"] == "TEXT_MESSAGE_CONTENT" and f["messageId"] == end["messageId"]]


def test_a_run_that_waits_within_a_nested_chat_continues_there(on_connect, scripted_llm, agent_chat):
    @on_connect
    def review(iostream):
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        writer, critic = assistant("writer"), assistant("critic")
        boss = UserProxyAgent("boss", human_input_mode="ALWAYS")
        writer.register_nested_chats(
            [
                {"recipient": critic, "max_turns": 1},
                {"sender": boss, "recipient": critic, "message": "Well?", "max_turns": 2, "clear_history": False},
            ],
            trigger=user,
        )
        user.initiate_chat(writer, message=iostream.input(), max_turns=1)

    scripted_llm.replies(say("Too long."), say("Ask the boss."))
    chat = agent_chat("review")
    chat.send("a draft")
    chat.wait_for("INPUT_REQUESTED")
    assert len(scripted_llm.requests) == 2
    scripted_llm.replies(say("Then it is done."))
    chat.send("It is fine.")
    chat.wait_for("RUN_FINISHED")
    assert len(scripted_llm.requests) == 3
    assert [content for _, content in chat.said] == [
        "a draft",
        "a draft",
        "Too long.",
        "Well?\nContext: \nToo long.",
        "Ask the boss.",
        "It is fine.",
        "Then it is done.",
        "Then it is done.",
    ]
    assert [(step.kind, step.name) for step in Step.objects.order_by("number")] == [
        ("input", "input"),
        ("llm", "critic"),
        ("llm", "critic"),
        ("input", "input"),
        ("llm", "critic"),
    ]


def test_a_run_that_waits_between_the_chats_of_a_queue_continues_there(on_connect, scripted_llm, agent_chat):
    @on_connect
    def desk(iostream):
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        user.initiate_chats(
            [
                {"recipient": assistant("first"), "message": iostream.input(), "max_turns": 1},
                {"recipient": assistant("second"), "max_turns": 1},  # the user is asked for its message
                {"recipient": assistant("third"), "message": "Sum up.", "summary_method": "reflection_with_llm"},
            ]
        )

    scripted_llm.replies(say("one"))
    chat = agent_chat("desk")
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    scripted_llm.replies(say("two"), say("three"), say("all three"))
    chat.send("and now?")
    chat.wait_for("RUN_FINISHED")
    said = [request["messages"][0]["content"] for request in scripted_llm.requests]
    assert said[:3] == ["hi", "and now?\nContext: \none", "Sum up.\nContext: \none\ntwo"]
    assert len(said) == 4
    steps = [(step.kind, step.name) for step in Step.objects.order_by("number")]
    assert [name for _, name in steps] == ["input", "first", "input", "second", "third", "third"]


def test_awaited_chats_of_a_run_take_place_one_after_the_other(on_connect, scripted_llm, agent_chat):
    @on_connect
    def awaited(iostream):
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        message = iostream.input()

        async def think(agent, messages, sender, config):
            await asyncio.sleep(0)
            result = await agent.a_initiate_chat(assistant("within"), message="psst", max_turns=1)
            return True, f"{result.summary} {await agent.a_get_human_input('sure?')}"

        thinker = ConversableAgent("thinker", human_input_mode="NEVER")
        thinker.register_reply([UserProxyAgent], think)

        async def chats():
            return await user.a_initiate_chats(
                [
                    {"chat_id": 1, "recipient": assistant("one"), "message": message, "max_turns": 1},
                    {"chat_id": 2, "recipient": thinker, "message": message, "max_turns": 1},
                    {"chat_id": 3, "recipient": assistant("three"), "message": "so?", "prerequisites": [1, 2]},
                ]
            )

        iostream.print(asyncio.run(chats())[3].summary)

    scripted_llm.replies(say("first"), say("from within"))
    chat = agent_chat("awaited")
    chat.send("hi")
    assert chat.wait_for("INPUT_REQUESTED")["prompt"] == "sure?"
    scripted_llm.replies(say("third"))
    chat.send("yes")
    assert chat.wait_for("PRINTED")["text"] == "third\n"
    chat.wait_for("RUN_FINISHED")
    assert len(scripted_llm.requests) == 3
    assert scripted_llm.requests[2]["messages"][0]["content"] == "so?\nContext: \nfirst\nfrom within yes"
    assert [step.name for step in Step.objects.order_by("number")] == ["input", "one", "within", "input", "three"]


def test_an_exit_within_an_awaited_chat_of_a_run_fails_that_run_alone(on_connect, scripted_llm, agent_chat):
    @on_connect
    def exiting(iostream):
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        user.register_hook("process_message_before_send", lambda message, **_: sys.exit(message))
        asyncio.run(user.a_initiate_chat(assistant("bot"), message=iostream.input()))

    chat = agent_chat("exiting")
    for number, text in enumerate(["hi", "and again"], start=1):
        chat.send(text)
        chat.wait_for("RUN_ERROR", count=number)


def test_an_async_tool_may_await_an_agent(on_connect, scripted_llm, agent_chat):
    @on_connect
    def asking(iostream):
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=1)
        bot = assistant("bot")

        @user.register_for_execution()
        @bot.register_for_llm()
        async def consult(what: str) -> str:
            """Ask another agent."""
            return (await user.a_initiate_chat(assistant("other"), message=what, max_turns=1)).summary

        user.initiate_chat(bot, message=iostream.input(), max_turns=2)

    scripted_llm.replies(call("consult", what="rain"), say("Wet."), say("It is wet."))
    chat = agent_chat("asking")
    chat.send("rain?")
    result = chat.wait_for("TOOL_CALL_RESULT")
    assert result["content"] == "Wet."
    chat.wait_for("RUN_FINISHED")


def test_asking_a_model_without_an_agent_is_a_step_too(on_connect, scripted_llm, agent_chat):
    @on_connect
    def bare(iostream):
        client = OpenAIWrapper(**llm_config())
        response = client.create(messages=[{"role": "user", "content": iostream.input()}])
        iostream.print(response.choices[0].message.content, iostream.input("And you?"))

    scripted_llm.replies(say("Fine."))
    chat = agent_chat("bare")
    chat.send("How are you?")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Fine too.")
    assert chat.wait_for("PRINTED")["text"] == "Fine. Fine too.\n"
    assert len(scripted_llm.requests) == 1


def test_what_was_shown_of_a_broken_answer_is_replaced(on_connect, scripted_llm, agent_chat):
    @on_connect
    def broken(iostream):
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        bot = AssistantAgent("bot", llm_config={"config_list": scripted_llm.config_list * 2, "max_retries": 0})
        user.initiate_chat(bot, message=iostream.input())

    whole = say("The whole").paused(after=1)
    scripted_llm.replies(cut("Half an"), whole)
    chat = agent_chat("broken")
    chat.send("hi")
    chat.wait_for("TEXT_MESSAGE_CONTENT", attempt=2, offset=0)
    whole.release()
    chat.wait_for("RUN_FINISHED")
    emitted = deltas(chat, "The whole")
    assert "".join(frame["delta"] for frame in emitted if frame["attempt"] == 2) == "The whole"
    assert [frame["attempt"] for frame in emitted] == sorted(frame["attempt"] for frame in emitted)
    assert len([f for f in chat.frames if f["type"] == "TEXT_MESSAGE_START" and f["name"] == "bot"]) == 1
