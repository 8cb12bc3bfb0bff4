"""Agents that outlive a run: in module globals, as the classic examples have them."""

import copy
import json

import pytest

from agentchat import ConversableAgent, GroupChat, GroupChatManager, UserProxyAgent, llm_config, register_function
from agentchat.io import IOStream
from agentchat.testing import RecordingStream, call, say


class Counting(ConversableAgent):
    """A site's own agent, with attributes of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = 0
        self.words = []

    def generate_reply(self, *args, **kwargs):
        self.asked += 1
        self.words.append(self.asked)
        return super().generate_reply(*args, **kwargs)


@pytest.fixture
def pair(scripted_llm):
    """Made outside of any run."""
    bot = Counting("bot", "", llm_config=llm_config(max_retries=0), human_input_mode="NEVER")
    user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=1)
    return bot, user


def printed(chat):
    return [frame["text"].strip() for frame in chat.frames if frame["type"] == "PRINTED"]


def test_two_users_words_never_meet(pair, agent_function, agent_chat, scripted_llm):
    bot, user = pair

    def shared(iostream):
        name = iostream.input()

        def whoami() -> str:
            """Who the user is."""
            return name

        register_function(whoami, caller=bot, executor=user)
        user.initiate_chat(bot, message=f"I am {name}.", max_turns=2)

    held = call("whoami").paused()
    scripted_llm.replies(held, call("whoami"), say("Hello, Bob."), say("Hello, Ann."))
    ann, bob = agent_chat(agent_function(shared)), agent_chat("probe")
    ann.send("Ann")
    scripted_llm.wait_for_request()
    bob.send("Bob")
    bob.wait_for("RUN_FINISHED")
    held.release()
    ann.wait_for("RUN_FINISHED")
    last = json.dumps(scripted_llm.requests[-1])
    assert "Ann" in last
    assert "Bob" not in last
    assert [f["content"] for f in ann.frames if f["type"] == "TOOL_CALL_RESULT"] == ["Ann"]
    assert len(scripted_llm.requests[-1]["tools"]) == 1


def test_a_resumed_run_and_the_next_one_begin_anew(pair, agent_function, agent_chat, scripted_llm):
    bot, user = pair

    def resumed(iostream):
        user.initiate_chat(bot, message=iostream.input(), max_turns=1)
        answer = iostream.input("And?")
        user.initiate_chat(bot, message=answer, max_turns=1, clear_history=False)
        iostream.print(bot.asked, bot.words, len(user.chat_messages[bot]), bot.get_total_usage() is not None)

    scripted_llm.always(say("ok"))
    chat = agent_chat(agent_function(resumed))
    for number in (1, 2):
        chat.send("one")
        chat.wait_for("INPUT_REQUESTED", count=number)
        chat.send("two")
        chat.wait_for("RUN_FINISHED", count=number)
    assert printed(chat) == ["2 [1, 2] 4 True"] * 2
    assert [len(request["messages"]) for request in scripted_llm.requests] == [1, 3, 1, 3]
    assert (bot.asked, bot.words, dict(bot.chat_messages), bot.get_total_usage()) == (0, [], {}, None)


def test_a_group_chat_begins_anew_too(agent_function, agent_chat, scripted_llm):
    model = llm_config(max_retries=0)
    one, two = (ConversableAgent(name, "", llm_config=model, human_input_mode="NEVER") for name in ("one", "two"))
    group = GroupChat([one, two], max_round=3, speaker_selection_method="round_robin")
    manager = GroupChatManager(group, llm_config=model)
    user = UserProxyAgent("user", human_input_mode="NEVER")

    def grouped(iostream):
        user.initiate_chat(manager, message=iostream.input())
        iostream.print(len(group.messages))

    scripted_llm.always(say("ok"))
    chat = agent_chat(agent_function(grouped))
    for number in (1, 2):
        chat.send("hi")
        chat.wait_for("RUN_FINISHED", count=number)
    assert printed(chat) == ["3", "3"]
    assert group.messages == []


def test_settings_and_tools_of_the_import_are_there_in_each_run(pair, agent_function, agent_chat, scripted_llm):
    bot, user = pair
    bot.update_system_message("Be kind.")
    register_function(lambda_tool, caller=bot, executor=user)

    def configured(iostream):
        bot.update_system_message(bot.system_message + "!")
        user.initiate_chat(bot, message=iostream.input(), max_turns=2)

    scripted_llm.replies(call("lambda_tool"), say("ok"), call("lambda_tool"), say("ok"))
    chat = agent_chat(agent_function(configured))
    for number in (1, 2):
        chat.send("hi")
        chat.wait_for("RUN_FINISHED", count=number)
    assert {request["messages"][0]["content"] for request in scripted_llm.requests} == {"Be kind.!"}
    assert bot.system_message == "Be kind."


def lambda_tool() -> str:
    """Of the import."""
    return "x"


def test_an_agent_that_leaks_from_one_run_into_another_is_refused(agent_function, agent_chat, scripted_llm, caplog):
    kept = {}

    def leaking(iostream):
        message = iostream.input()
        bot = kept.setdefault("bot", ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER"))
        UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=0).initiate_chat(
            bot, message=message, max_turns=1
        )

    scripted_llm.replies(say("ok"))
    chat = agent_chat(agent_function(leaking))
    chat.send("hi")
    chat.wait_for("RUN_FINISHED")
    chat.send("again")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "ConversableAgent 'bot' was made in another run" in caplog.text


def test_outside_of_runs_nothing_is_copied(pair, scripted_llm):
    bot, user = pair
    scripted_llm.always(say("ok"))
    for _ in range(2):
        with IOStream.set_default(RecordingStream()):
            user.initiate_chat(bot, message="hi", max_turns=1, clear_history=False)
    assert bot.asked == 2
    assert len(user.chat_messages[bot]) == 4


def test_agents_and_histories_can_be_copied(pair):
    bot, user = pair
    user.chat_messages.add("hello", partner=bot, role="assistant", speaker="user")
    assert copy.copy(user.chat_messages) == user.chat_messages
    assert copy.deepcopy(user.chat_messages[bot]) == user.chat_messages[bot]
    copied = copy.deepcopy(user)
    ((partner, messages),) = copied.chat_messages.items()
    assert (partner.name, messages) == ("bot", user.chat_messages[bot])
    assert partner is not bot


def changed_by(run, agent):
    """What a run reads after it has changed the agent in this way."""
    with IOStream.in_run(RecordingStream()):
        return run(agent)


def write_all(agent):
    vars(agent).update(asked=7, added=1)
    return agent.asked, agent.added, hasattr(agent, "missing")


def copy_whole(agent):
    agent.words.append("mine")
    return copy.copy(agent).words, copy.deepcopy(agent).words


def change_a_copy(agent):
    copied = copy.deepcopy(agent)
    copied.words.append("mine")
    return agent.words, copied.words


def delete(agent):
    agent.added = 1
    del agent.words, agent.added
    return hasattr(agent, "words"), hasattr(agent, "added"), "words" in vars(agent)


@pytest.mark.parametrize(
    ("run", "read"),
    [
        (write_all, (7, 1, False)),
        (copy_whole, (["mine"], ["mine"])),
        (change_a_copy, ([], ["mine"])),
        (delete, (False, False, False)),
    ],
)
def test_attributes_belong_to_the_run_in_whatever_way_it_changes_them(run, read):
    bot = Counting("bot", llm_config=False)
    assert changed_by(run, bot) == read
    assert (bot.asked, bot.words, hasattr(bot, "added")) == (0, [], False)
    assert changed_by(run, bot) == read


def test_a_copy_belongs_to_the_run_that_makes_it():
    bot = Counting("bot", llm_config=False)
    copied = changed_by(copy.deepcopy, bot)
    with IOStream.in_run(RecordingStream()), pytest.raises(ValueError, match="made in another run"):
        copied.words.append("more")
