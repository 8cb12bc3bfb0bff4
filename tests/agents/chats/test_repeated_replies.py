"""A chat that leads nowhere ends, unless the program has set an end of its own."""

import pytest

from agentchat import AssistantAgent, UserProxyAgent, llm_config
from agentchat.events import ChatStalled
from agentchat.testing import call, say
from tests.unattended import never


def test_a_model_that_never_ends_the_chat_is_asked_three_times(stream, scripted_llm):
    scripted_llm.always(lambda request: say(f"Hello! {len(request['messages'])}"))
    bot = AssistantAgent("bot", llm_config=llm_config())
    user = UserProxyAgent("user", human_input_mode="NEVER")
    result = user.initiate_chat(bot, message="hello there")
    assert len(scripted_llm.requests) == 3
    assert result.summary == ""
    [stalled] = stream.events_of(ChatStalled)
    assert "user replied nothing 3 times in a row" in stalled.text
    assert "agentchat.reply()" in stream.text


@pytest.mark.parametrize(("replies", "messages"), [(("again", "again"), 7), (("", ""), 6), (("again", ""), 6)])
def test_equal_and_empty_replies_end_after_three(stream, replies, messages):
    one, two = never("one", replies[0]), never("two", replies[1])
    assert len(one.initiate_chat(two, message="go").chat_history) == messages
    assert len(stream.events_of(ChatStalled)) == 1


def test_one_that_repeats_itself_may_drive_another_on(stream, says):
    driver = never("driver", "Go on, or say TERMINATE.")
    steps = [f"step {number}" for number in range(12)]
    result = driver.initiate_chat(says(*steps, "TERMINATE"), message="go")
    assert len(result.chat_history) == 26
    assert not stream.events_of(ChatStalled)


@pytest.mark.parametrize("bound", [{"max_consecutive_auto_reply": 9}, {"max_turns": 10}, {"update": 9}])
def test_an_end_of_the_programs_own_decides(stream, bound):
    one, two = never("one"), never("two")
    if "update" in bound:
        one.update_max_consecutive_auto_reply(bound["update"])
    elif "max_turns" not in bound:
        one = never("one", **bound)
    turns = {"max_turns": bound["max_turns"]} if "max_turns" in bound else {}
    assert len(one.initiate_chat(two, message="go", **turns).chat_history) == 20
    assert not stream.events_of(ChatStalled)


def test_a_user_who_is_asked_each_time_may_stay_silent(stream):
    stream.answer(*[""] * 6, "exit")
    user = UserProxyAgent("user", human_input_mode="ALWAYS")
    assert len(user.initiate_chat(never("bot", "hm"), message="go").chat_history) == 14


def test_calls_of_tools_are_no_repetition(stream, scripted_llm):
    bot = AssistantAgent("bot", llm_config=llm_config())
    user = UserProxyAgent("user", human_input_mode="NEVER")

    @user.register_for_execution()
    @bot.register_for_llm(description="Poll.")
    def poll() -> str:
        return "not yet"

    scripted_llm.replies(*[call("poll")] * 6, say("TERMINATE"))
    assert len(user.initiate_chat(bot, message="go").chat_history) == 14


def test_a_page_under_debug_says_why_the_chat_has_ended(agent_function, agent_chat, settings, caplog):
    settings.DEBUG = True

    def loops(iostream):
        never("one").initiate_chat(never("two"), message=iostream.input())

    chat = agent_chat(agent_function(loops))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    [printed] = [frame["text"] for frame in chat.frames if frame["type"] == "PRINTED"]
    assert "replied nothing 3 times" in printed
    assert "replied nothing 3 times" in caplog.text
