"""Several chats, one after another."""

import threading

import pytest

from agentchat.agents import ConversableAgent, a_initiate_chats, initiate_chats
from agentchat.errors import ConfigError
from agentchat.events import Notice


@pytest.fixture
def user():
    return ConversableAgent("user", human_input_mode="NEVER")


def answering(name, reply):
    """An agent that says the same to everything, and then nothing."""
    agent = ConversableAgent(name, human_input_mode="NEVER")
    agent.register_reply([ConversableAgent], lambda *args, **more: (True, reply))
    return agent


def chat(recipient, message="hi", **more):
    return {"recipient": recipient, "message": message, "max_turns": 1, **more}


def first_messages(results):
    return [result.chat_history[0]["content"] for result in results]


def test_what_came_of_the_earlier_chats_is_carried_over(stream, user):
    results = user.initiate_chats(
        [
            chat(answering("one", "1 TERMINATE")),
            chat(answering("two", "2"), carryover="besides"),
            chat(answering("three", "3"), finished_chat_indexes_to_exclude_from_carryover=[0]),
        ]
    )
    assert first_messages(results) == ["hi", "hi\nContext: \nbesides\n1 ", "hi\nContext: \n2"]
    assert [result.summary for result in results] == ["1 ", "2", "3"]
    assert user.get_chat_results() == results
    assert user.get_chat_results(1) is results[1]


def test_the_queue_stays_as_it_is_and_can_be_had_again(stream, user):
    queue = [chat(answering("one", "1")), chat(answering("two", "2"), carryover=["besides"])]
    before = [dict(one) for one in queue]
    first = user.initiate_chats(queue)
    assert queue == before
    assert first_messages(user.initiate_chats(queue)) == first_messages(first)


def test_the_chats_of_a_queue_may_start_with_different_agents(stream, user):
    other = ConversableAgent("other", human_input_mode="NEVER")
    results = initiate_chats(
        [chat(answering("one", "1"), sender=user), chat(answering("two", "2"), sender=other, message="hello")]
    )
    assert [result.chat_history[0]["name"] for result in results] == ["user", "other"]


def test_each_chat_announces_its_start_unless_it_is_silent(stream, user):
    one, two = answering("one", "1"), answering("two", "2")
    user.initiate_chats([chat(one, verbose=True, carryover="c"), chat(two, silent=True)])
    [banner] = [event.text for event in stream.events_of(Notice) if "Starting" in event.text]
    stars = "*" * 80
    assert banner == f"{stars}\nStarting a new chat....\n\nMessage:\nhi\nCarryover:\nc\n\n{stars}"


def test_what_cannot_be_had_is_refused_before_the_first_chat(stream, user):
    one = answering("one", "1")
    for broken, words in [
        ({"sender": user}, "chat 1 in the queue has no 'recipient'"),
        ({"recipient": one}, "chat 1 in the queue has no 'sender'"),
        (chat(one, sender=user, summary_method="best"), "summary_method 'best'"),
    ]:
        with pytest.raises(ConfigError, match=words):
            initiate_chats([chat(one, sender=user), broken])
    assert stream.events == []


# --- awaited ----------------------------------------------------------------------------------------------------------


async def test_a_chat_waits_for_its_prerequisites_and_knows_what_came_of_them(stream, user):
    results = await user.a_initiate_chats(
        [
            chat(answering("three", "3"), chat_id=3, prerequisites=[1, 2]),
            chat(answering("one", "1"), chat_id=1),
            chat(answering("two", "2"), chat_id=2, prerequisites=[1]),
        ]
    )
    assert {number: result.chat_history[0]["content"] for number, result in results.items()} == {
        1: "hi",
        2: "hi\nContext: \n1",
        3: "hi\nContext: \n1\n2",
    }
    assert {number: result.chat_id for number, result in results.items()} == {1: 1, 2: 2, 3: 3}
    assert user.get_chat_results(2) is results[2]


async def test_chats_that_wait_for_nothing_take_place_at_the_same_time(stream, user):
    meeting = threading.Barrier(2, timeout=10)

    def meet(agent, messages, sender, config):
        meeting.wait()  # breaks unless the other chat is there too
        return True, agent.name

    agents = [ConversableAgent(name, human_input_mode="NEVER") for name in ("one", "two")]
    for agent in agents:
        agent.register_reply([ConversableAgent], meet)
    results = await user.a_initiate_chats([chat(agent, chat_id=number) for number, agent in enumerate(agents)])
    assert [results[number].summary for number in (0, 1)] == ["one", "two"]


async def test_when_one_fails_the_others_are_cancelled(stream, user):
    def fail(agent, messages, sender, config):
        raise RuntimeError("no")

    broken = ConversableAgent("broken", human_input_mode="NEVER")
    broken.register_reply([ConversableAgent], fail)
    later = answering("later", "never said")
    with pytest.raises(RuntimeError, match="no"):
        await user.a_initiate_chats([chat(broken, chat_id=1), chat(later, chat_id=2, prerequisites=[1])])
    assert later.chat_messages == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([{}, {}], r"a unique 'chat_id', not \[None, None\]"),
        ([{"chat_id": 1}, {"chat_id": 1}], "a unique 'chat_id'"),
        ([{"chat_id": 1, "prerequisites": [7]}], r"chat 1 waits for \[7\]"),
        ([{"chat_id": 1, "prerequisites": [2]}, {"chat_id": 2, "prerequisites": [1]}], "wait for each other"),
    ],
)
async def test_prerequisites_that_can_never_be_met_are_refused(stream, user, given, words):
    one = answering("one", "1")
    with pytest.raises(ConfigError, match=words):
        await a_initiate_chats([{**chat(one, sender=user), **each} for each in given])
