"""One chat between two agents."""

import sys

import pytest

from agentchat.agents import ConversableAgent, UserProxyAgent
from agentchat.errors import ConfigError
from agentchat.events import TextMessage


@pytest.fixture
def user():
    return UserProxyAgent("user", human_input_mode="NEVER", default_auto_reply="go on")


def said(result):
    return [(message.get("name"), message["role"], message["content"]) for message in result.chat_history]


def test_a_chat_continues_until_one_has_nothing_to_say(stream, user, says):
    result = user.initiate_chat(says("one", "TERMINATE", "never said"), message="hi")
    assert said(result) == [
        ("user", "assistant", "hi"),
        ("bot", "user", "one"),
        ("user", "assistant", "go on"),
        ("bot", "user", "TERMINATE"),
    ]
    assert stream.contents_of(TextMessage) == ["hi", "one", "go on", "TERMINATE"]


def test_both_agents_remember_the_chat_from_their_own_side(stream, user, says):
    bot = says("one", "TERMINATE")
    user.initiate_chat(bot, message="hi")
    roles = [[message["role"] for message in agent.chat_messages[other]] for agent, other in ((user, bot), (bot, user))]
    assert roles == [["assistant", "user"] * 2, ["user", "assistant"] * 2]


def test_a_chat_reads_as_in_autogen(stream, user, says):
    user.initiate_chat(says("TERMINATE"), message="hi")
    rule = "-" * 80
    assert stream.text == f"user (to bot):\n\nhi\n\n{rule}\nbot (to user):\n\nTERMINATE\n\n{rule}\n"


def test_empty_replies_are_sent_but_not_emitted(stream, says):
    user = UserProxyAgent("user", human_input_mode="NEVER")
    result = user.initiate_chat(says("one", "TERMINATE"), message="hi")
    assert [message["content"] for message in result.chat_history] == ["hi", "one", "", "TERMINATE"]
    assert stream.contents_of(TextMessage) == ["hi", "one", "TERMINATE"]


@pytest.fixture
def two_of_the_same():
    """Make two agents who reply with what a function of the messages gives."""

    def make(reply):
        pair = [
            ConversableAgent(name, human_input_mode="NEVER", silent=True, max_consecutive_auto_reply=20_000)
            for name in ("one", "other")
        ]
        for agent in pair:
            agent.register_reply(ConversableAgent, lambda agent, messages, sender, config: (True, reply(messages)))
        return pair

    return make


def test_ten_thousand_turns_need_no_more_stack_than_one(stream, two_of_the_same):
    depths = set()

    def reply(messages):
        frame, depth = sys._getframe(), 0
        while frame := frame.f_back:
            depth += 1
        depths.add(depth)
        return "and then?" if len(messages) < 20_000 else None

    one, other = two_of_the_same(reply)
    assert len(one.initiate_chat(other, message="hi").chat_history) == 20_000
    assert len(depths) == 1


def test_ten_thousand_turns_of_max_turns(stream, two_of_the_same):
    one, other = two_of_the_same(lambda messages: "and then?")
    assert len(one.initiate_chat(other, message="hi", max_turns=10_000).chat_history) == 20_000


def test_twice_the_turns_are_twice_the_work(stream, two_of_the_same):
    def calls_of(turns):
        one, other = two_of_the_same(lambda messages: "and then?")
        count = 0

        def count_calls(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count_calls)
        try:
            one.initiate_chat(other, message="hi", max_turns=turns)
        finally:
            sys.setprofile(before)
        return count

    assert 1.9 < calls_of(400) / calls_of(200) < 2.1


@pytest.mark.parametrize(("turns", "messages"), [(1, 2), (2, 4)])
def test_max_turns_counts_the_messages_of_each(stream, user, says, turns, messages):
    result = user.initiate_chat(says("one", "two", "three"), message="hi", max_turns=turns)
    assert len(result.chat_history) == messages


def test_a_chat_has_one_turn_at_least(user, says):
    with pytest.raises(ConfigError, match="max_turns=0"):
        user.initiate_chat(says(), message="hi", max_turns=0)


def test_a_silent_chat_emits_nothing(stream, user, says):
    result = user.initiate_chat(says("one", "TERMINATE"), message="hi", silent=True)
    assert stream.events == []
    assert len(result.chat_history) == 4


def test_an_agents_silent_setting_takes_precedence_over_the_chats(stream, says):
    quiet, loud = says("one", "TERMINATE", name="quiet", silent=True), says("1", "2", "3", name="loud", silent=False)
    loud.initiate_chat(quiet, message="hi")
    assert stream.contents_of(TextMessage) == ["hi", "1"]
    loud.initiate_chat(quiet, message="again", silent=True)
    assert stream.contents_of(TextMessage) == ["hi", "1", "again"]


def test_the_first_message_may_be_a_dict(stream, user, says):
    result = user.initiate_chat(says("TERMINATE"), message={"content": "hi", "name": "somebody"})
    assert said(result)[0] == ("somebody", "assistant", "hi")


def test_the_first_message_may_be_a_function(stream, user, says):
    def opening(sender, recipient, context):
        return f"{sender.name} to {recipient.name} about {context['topic']}"

    result = user.initiate_chat(says("TERMINATE"), message=opening, topic="rain")
    assert said(result)[0][2] == "user to bot about rain"


def test_without_a_first_message_the_user_is_asked(stream, user, says):
    stream.answer("hello")
    result = user.initiate_chat(says("TERMINATE"))
    assert stream.prompts == [">"]
    assert said(result)[0] == ("user", "assistant", "hello")
    assert result.human_input == ["hello"]


def test_a_list_starts_with_earlier_messages(stream, user, says):
    before = [
        {"role": "user", "content": "I am Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": "Who am I?"},
    ]
    bot = says("TERMINATE")
    result = user.initiate_chat(bot, message=before)
    assert said(result)[:3] == [
        ("user", "assistant", "I am Ann."),
        ("bot", "user", "Hello Ann."),
        ("user", "assistant", "Who am I?"),
    ]
    assert [message["role"] for message in bot.chat_messages[user]] == ["user", "assistant", "user", "assistant"]
    assert stream.contents_of(TextMessage) == ["Who am I?", "TERMINATE"]


def test_earlier_messages_of_the_sender_are_recognized_by_name_too(stream, user, says):
    before = [{"role": "assistant", "name": "user", "content": "I am Ann."}, {"role": "user", "content": "Who am I?"}]
    assert said(user.initiate_chat(says("TERMINATE"), message=before))[0] == ("user", "assistant", "I am Ann.")


def test_an_empty_list_is_an_empty_message(stream, user, says):
    with pytest.raises(ValueError, match="needs a 'content'"):
        user.initiate_chat(says(), message=[])


def test_a_new_chat_forgets_the_one_before_and_its_result_stays(stream, user, says):
    bot = says("TERMINATE", "TERMINATE", "TERMINATE")
    first = user.initiate_chat(bot, message="one")
    second = user.initiate_chat(bot, message="two")
    third = user.initiate_chat(bot, message="three", clear_history=False)
    assert [len(result.chat_history) for result in (first, second, third)] == [2, 2, 4]
    assert [result.chat_id for result in (first, second, third)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("method", "summary"),
    [
        ("last_msg", "that is all "),
        (None, ""),
        (lambda sender, recipient, args: f"{sender.name} {recipient.name} {args['x']}", "user bot 1"),
    ],
)
def test_the_summary_is_made_by_its_method(stream, user, says, method, summary):
    user.is_termination_msg = lambda message: "TERMINATE" in message["content"]
    result = user.initiate_chat(
        says("that is all TERMINATE"), message="hi", summary_method=method, summary_args={"x": 1}
    )
    assert result.summary == summary


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"summary_method": "best"}, "summary_method 'best'"),
        ({"summary_method": "reflection_with_llm"}, "needs an llm_config"),
        ({"carryover": 5}, "carryover 5"),
    ],
)
def test_invalid_arguments_are_refused_before_any_message(stream, user, says, settings, words):
    with pytest.raises(ConfigError, match=words):
        user.initiate_chat(says("TERMINATE"), message="hi", **settings)
    assert stream.events == []


def test_a_chat_without_a_model_costs_nothing(stream, user, says):
    cost = user.initiate_chat(says("TERMINATE"), message="hi").cost
    assert cost == {
        "usage_including_cached_inference": {"total_cost": 0},
        "usage_excluding_cached_inference": {"total_cost": 0},
    }


def test_a_message_sent_directly_is_replied_to_once(stream, user, says):
    bot = says("one", "two")
    user.send("hi", bot, request_reply=True)
    assert stream.contents_of(TextMessage) == ["hi", "one"]


def test_a_message_sent_directly_is_not_replied_to_unasked(stream, user, says):
    user.send("hi", says("one"))
    assert stream.contents_of(TextMessage) == ["hi"]


def test_a_direct_message_continues_a_finished_chat(stream, user, says):
    bot = says("TERMINATE", "one", "TERMINATE")
    user.initiate_chat(bot, message="hi")
    user.send("more", bot)
    assert stream.contents_of(TextMessage) == ["hi", "TERMINATE", "more", "one", "go on", "TERMINATE"]


def test_send_receive_and_generate_reply_may_be_overridden(stream, says):
    calls = []

    class Counting(ConversableAgent):
        def send(self, message, recipient, request_reply=None, silent=False):
            calls.append("send")
            super().send(message, recipient, request_reply, silent)

        def receive(self, message, sender, request_reply=None, silent=False):
            calls.append("receive")
            super().receive(message, sender, request_reply, silent)

        def generate_reply(self, messages=None, sender=None, **kwargs):
            calls.append("generate_reply")
            return super().generate_reply(messages, sender, **kwargs)

    Counting("user", human_input_mode="NEVER").initiate_chat(says("TERMINATE"), message="hi")
    assert calls == ["send", "receive", "generate_reply"]
