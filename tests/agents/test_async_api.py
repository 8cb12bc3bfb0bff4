"""The same agents, awaited."""

import asyncio
import inspect

import pytest

from agentchat.agents import AssistantAgent, ConversableAgent, UserProxyAgent, register_function
from agentchat.events import TextMessage
from agentchat.testing import call, say


@pytest.fixture
def user():
    return UserProxyAgent(
        "user", human_input_mode="NEVER", is_termination_msg=lambda message: "TERMINATE" in (message["content"] or "")
    )


def said(result):
    return [message["content"] for message in result.chat_history]


async def test_an_awaited_chat_is_the_same_chat(stream, user, says):
    result = await user.a_initiate_chat(says("one", "TERMINATE"), message="hi")
    assert said(result) == ["hi", "one", "", "TERMINATE"]
    assert stream.contents_of(TextMessage) == ["hi", "one", "TERMINATE"]


async def test_send_receive_and_replies_can_be_awaited(stream, user, says):
    bot = says("one", "two", "three")
    await user.a_send("hi", bot, request_reply=True)
    await bot.a_receive("again", user, request_reply=True)
    assert await bot.a_generate_reply(sender=user) == "three"
    assert stream.contents_of(TextMessage) == ["hi", "one", "two"]


async def test_the_user_can_be_awaited(stream, user):
    stream.answer("hello")
    assert await user.a_get_human_input("?") == "hello"
    assert stream.prompts == ["?"]


def test_an_a_method_has_the_signature_of_its_method():
    names = [name for name in dir(ConversableAgent) if name.startswith("a_") and name != "a_initiate_chats"]
    assert len(names) == 12
    for name in names:
        twin, method = getattr(ConversableAgent, name), getattr(ConversableAgent, name[2:])
        assert inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin) == inspect.signature(method)


async def test_the_loop_keeps_running_during_a_chat(stream, user):
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def reply(agent, messages, sender, config):
        reached.set()
        await go_on.wait()  # only this loop can set it
        return True, "TERMINATE"

    bot = ConversableAgent("bot", human_input_mode="NEVER")
    bot.register_reply([ConversableAgent], reply)
    chat = asyncio.create_task(user.a_initiate_chat(bot, message="hi"))
    await reached.wait()
    go_on.set()
    assert said(await chat) == ["hi", "TERMINATE"]


async def test_async_tools_run_on_the_loop_that_awaits_the_chat(stream, user, scripted_llm):
    loops = []

    async def look(city: str) -> str:
        """Look out of the window."""
        loops.append(asyncio.get_running_loop())
        return f"sunny in {city}"

    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config())
    register_function(look, caller=bot, executor=user)
    scripted_llm.replies(call("look", city="Paris"), say("Sunny. TERMINATE"))
    result = await user.a_initiate_chat(bot, message="Paris?")
    assert result.summary == "Sunny. "
    assert loops == [asyncio.get_running_loop()]


async def test_an_overridden_a_method_is_called(stream, says):
    class Remote(UserProxyAgent):
        async def a_get_human_input(self, prompt):
            await asyncio.sleep(0)
            return "from afar"

    class Polite(ConversableAgent):
        async def a_generate_reply(self, messages=None, sender=None, **kwargs):
            return f"please: {await super().a_generate_reply(messages, sender, **kwargs)}"

        async def a_receive(self, message, sender, request_reply=None, silent=False):
            await super().a_receive(f"(heard) {message}", sender, request_reply, silent)

    polite = Polite("polite", human_input_mode="NEVER", default_auto_reply="yes")
    result = await Remote("remote").a_initiate_chat(polite, message="hi", max_turns=2)
    assert said(result) == ["hi", "please: yes", "from afar", "please: yes"]
    assert polite.chat_messages[next(iter(polite.chat_messages))][0]["content"] == "(heard) hi"


async def test_a_chat_whose_task_is_cancelled_ends(stream, user, scripted_llm):
    answer = say("never to its end").paused(after=1)
    scripted_llm.replies(answer)
    bot = AssistantAgent("bot", llm_config=scripted_llm.llm_config())
    chat = asyncio.create_task(user.a_initiate_chat(bot, message="hi"))
    await asyncio.to_thread(answer.wait_until_paused)
    chat.cancel()
    with pytest.raises(asyncio.CancelledError):
        await chat
    await asyncio.to_thread(scripted_llm.wait_for_disconnect)


async def test_a_synchronous_chat_within_a_coroutine_does_not_wait_for_the_loop_it_blocks(stream, user, says):
    async def reply(agent, messages, sender, config):
        inner = ConversableAgent("inner", human_input_mode="NEVER")

        async def think(agent, messages, sender, config):
            await asyncio.sleep(0)
            return True, "from within"

        inner.register_reply([ConversableAgent], think)
        return True, agent.initiate_chat(inner, message="psst", max_turns=1).summary

    bot = ConversableAgent("bot", human_input_mode="NEVER")
    bot.register_reply([UserProxyAgent], reply)
    assert (await user.a_initiate_chat(bot, message="hi", max_turns=1)).summary == "from within"


def test_an_async_reply_function_in_a_plain_chat_may_await_agents(stream, user, says):
    async def reply(agent, messages, sender, config):
        result = await agent.a_initiate_chat(says("from within", name="inner"), message="psst", max_turns=1)
        return True, result.summary

    bot = ConversableAgent("bot", human_input_mode="NEVER")
    bot.register_reply([UserProxyAgent], reply)
    assert user.initiate_chat(bot, message="hi", max_turns=1).summary == "from within"


async def test_simultaneous_chats_of_one_agent_are_each_emitted_once(stream, user, scripted_llm):
    first, second = (say(f"{word} TERMINATE").paused(after=1) for word in ("one", "two"))
    scripted_llm.replies(first, second)
    bots = [AssistantAgent(name, llm_config=scripted_llm.llm_config()) for name in ("first", "second")]
    chats = [asyncio.create_task(user.a_initiate_chat(bot, message="hi")) for bot in bots]
    for answer in (first, second):
        await asyncio.to_thread(answer.wait_until_paused)
        answer.release()
    results = await asyncio.gather(*chats)
    assert sorted(result.summary for result in results) == ["one ", "two "]
    assert sorted(text for _, text in stream.messages) == ["hi", "hi", "one TERMINATE", "two TERMINATE"]
