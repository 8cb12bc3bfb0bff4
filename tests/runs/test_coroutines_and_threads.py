"""Coroutines and threads of an agent function's own: what they may do, and what is refused."""

import asyncio
import concurrent.futures
import contextlib
import threading

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.io import IOStream
from agentchat.models import Step
from agentchat.server import serve
from agentchat.testing import RecordingStream, call, say


def agent(name="bot", **more):
    return ConversableAgent(name, "", llm_config=llm_config(max_retries=0), human_input_mode="NEVER", **more)


def desk(replies=0):
    return UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=replies)


def ask(name, question):
    return agent(name).generate_reply(messages=[{"role": "user", "content": question}])


def printed(chat):
    return [frame["text"].strip() for frame in chat.frames if frame["type"] == "PRINTED"]


def results(chat):
    return [frame["content"] for frame in chat.frames if frame["type"] == "TOOL_CALL_RESULT"]


# --- coroutines -----------------------------------------------------------------------------------------------------


def test_the_stream_can_be_used_within_asyncio_run(agent_function, agent_chat, scripted_llm):
    def awaiting(iostream):
        message = iostream.input()

        async def main():
            iostream.print("working for", iostream.user, len(iostream.history))
            number = iostream.step("number", lambda: 7)
            iostream.state["number"] = number
            answer = iostream.input("Really?")
            await desk().a_initiate_chat(agent(), message=f"{message} {answer}", max_turns=1)
            iostream.print(number, await get_user_model().objects.acount())

        asyncio.run(main())

    scripted_llm.replies(say("Fine."))
    chat = agent_chat(agent_function(awaiting))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["working for None 0", "7 0"]
    assert scripted_llm.requests[0]["messages"][-1]["content"] == "hi yes"
    assert [step.kind for step in Step.objects.order_by("number")] == ["input", "step", "input", "llm"]


def test_an_async_reply_function_and_a_hook_may_print_and_take_steps(agent_function, agent_chat):
    def replying(iostream):
        async def reply(agent, messages, sender, config):
            iostream.print("thinking")
            return True, iostream.step("reply", lambda: "a reply")

        async def shout(message):
            iostream.print("heard")
            return message.upper() if isinstance(message, str) else message

        bot = agent()
        bot.register_reply(lambda sender: True, reply)
        bot.register_hook("process_last_received_message", shout)
        desk().initiate_chat(bot, message=iostream.input(), max_turns=1)

    chat = agent_chat(agent_function(replying))
    chat.send("hi")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["heard", "thinking"]
    assert chat.said[-1] == ("bot", "a reply")


def test_an_async_tool_may_print_read_rows_and_await_agents(agent_function, agent_chat, scripted_llm):
    def asking(iostream):
        async def consult(what: str) -> str:
            """Ask another agent."""
            iostream.print("consulting", await get_user_model().objects.acount())
            return (await desk().a_initiate_chat(agent("other"), message=what, max_turns=1)).summary

        bot, user = agent(), desk(1)
        register_function(consult, caller=bot, executor=user)
        user.initiate_chat(bot, message=iostream.input(), max_turns=2)
        iostream.input("More?")

    scripted_llm.replies(call("consult", what="rain"), say("Wet."), say("It is wet."))
    chat = agent_chat(agent_function(asking))
    chat.send("rain?")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["consulting 0"]
    assert results(chat) == ["Wet."]
    assert len(scripted_llm.requests) == 3


def test_an_async_tool_that_blocks_holds_up_no_other_chat(agent_function, agent_chat, scripted_llm):
    go_on = threading.Event()

    def slow(iostream):
        async def look() -> str:
            """Look."""
            go_on.wait(20)
            return "x"

        bot, user = agent(), desk(1)
        register_function(look, caller=bot, executor=user)
        user.initiate_chat(bot, message=iostream.input(), max_turns=2)

    def echo(iostream):
        iostream.print(iostream.input())

    scripted_llm.replies(call("look"), say("ok"))
    one, two = agent_chat(agent_function(slow, "slow")), agent_chat(agent_function(echo, "echo"))
    one.send("go")
    one.wait_for("TOOL_CALL_END")
    two.send("hi")
    two.wait_for("RUN_FINISHED")
    assert not results(one)
    go_on.set()
    one.wait_for("RUN_FINISHED")
    assert results(one) == ["x"]


@pytest.mark.parametrize("blocks", [False, True])
def test_an_async_tool_ends_with_its_time(blocks, agent_function, agent_chat, scripted_llm):
    ended = threading.Event()

    def stuck(iostream):
        async def look() -> str:
            """Look."""
            if blocks:
                ended.wait(20)
            await asyncio.sleep(60)
            return "x"

        bot, user = agent(), desk(1)
        register_function(look, caller=bot, executor=user, timeout=0.1)
        user.initiate_chat(bot, message=iostream.input(), max_turns=2)

    scripted_llm.replies(call("look"), say("ok"))
    chat = agent_chat(agent_function(stuck))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    ended.set()
    assert results(chat) == ["Error: no result within 0.1 s"]


# --- at the same time -----------------------------------------------------------------------------------------------


def test_gathered_functions_run_at_the_same_time_and_once(agent_function, agent_chat, scripted_llm):
    both = threading.Barrier(2)

    def gathering(iostream):
        message = iostream.input()

        def left():
            both.wait(20)
            return ask("left", message)

        def right():
            both.wait(20)
            iostream.print("right")
            return ask("right", message)

        iostream.print(iostream.gather([left, right]))
        iostream.input("More?")

    scripted_llm.always(lambda request: say("from a model"))
    chat = agent_chat(agent_function(gathering))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["right", "['from a model', 'from a model']"]
    assert len(scripted_llm.requests) == 2
    assert [step.name for step in Step.objects.order_by("number")] == ["input", "gather left", "gather right", "input"]


def test_what_one_gathered_function_raises_is_raised_when_all_have_ended(agent_function, agent_chat):
    ended = []

    def gathering(iostream):
        iostream.input()

        def fails():
            raise ValueError("odd")

        iostream.gather([fails, lambda: ended.append(1)])

    chat = agent_chat(agent_function(gathering))
    chat.send("hi")
    assert chat.wait_for("RUN_ERROR")["code"] == "step_failed"
    assert ended == [1]


def test_elsewhere_gathered_functions_run_one_after_the_other():
    assert RecordingStream().gather([lambda: 1, lambda: 2]) == [1, 2]


# --- threads --------------------------------------------------------------------------------------------------------


def test_models_in_threads_of_the_function_are_refused_and_never_asked(
    agent_function, agent_chat, scripted_llm, caplog
):
    def pooled(iostream):
        message = iostream.input()
        with concurrent.futures.ThreadPoolExecutor(thread_name_prefix="mine") as pool:
            iostream.print(list(pool.map(lambda name: ask(name, message), ["a", "b"])))

    chat = agent_chat(agent_function(pooled))
    chat.send("hi")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert scripted_llm.requests == []
    assert "thread 'mine_0' has no stream" in caplog.text


@pytest.mark.parametrize("use", ["print", "step", "input"])
def test_the_stream_in_a_thread_of_the_function_ends_the_run(use, agent_function, agent_chat, caplog):
    def threaded(iostream):
        iostream.input()

        def work():
            with contextlib.suppress(BaseException):
                {"print": iostream.print, "step": lambda _: iostream.step("s", int), "input": iostream.input}[use]("x")

        thread = threading.Thread(target=work, name="mine")
        thread.start()
        thread.join()
        iostream.print("after it")

    chat = agent_chat(agent_function(threaded))
    chat.send("hi")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "thread 'mine' has no stream" in caplog.text
    assert printed(chat) == []


def test_steps_at_the_same_time_are_refused(agent_function, agent_chat, caplog):
    inside, go_on = threading.Event(), threading.Event()

    def racing(iostream):
        iostream.input()

        async def main():
            def first():
                inside.set()
                go_on.wait(20)

            one = asyncio.create_task(asyncio.to_thread(iostream.step, "one", first))
            await asyncio.to_thread(inside.wait, 20)
            try:
                await asyncio.to_thread(iostream.step, "two", int)
            finally:
                go_on.set()
                await one

        asyncio.run(main())

    chat = agent_chat(agent_function(racing))
    chat.send("hi")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "iostream.gather([f, g])" in caplog.text


def default_stream_of_a_thread():
    """The name of its class, or what is wrong."""
    found = []

    def work():
        try:
            found.append(type(IOStream.get_default()).__name__)
        except Exception as error:
            found.append(str(error))

    thread = threading.Thread(target=work, name="mine")
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_has_no_console_while_a_run_advances():
    with IOStream.in_run(RecordingStream()):
        assert "thread 'mine' has no stream" in default_stream_of_a_thread()
    assert default_stream_of_a_thread() == "IOConsole"


@pytest.mark.django_db(transaction=True)
def test_a_thread_of_a_server_has_no_console_for_as_long_as_the_server_lives():
    async def unused(scope, receive, send):
        raise AssertionError

    async def live():
        server = ApplicationCommunicator(serve(unused), {"type": "lifespan"})
        await server.send_input({"type": "lifespan.startup"})
        await server.receive_output(20)
        assert "thread 'mine' has no stream" in default_stream_of_a_thread()
        await server.send_input({"type": "lifespan.shutdown"})
        await server.receive_output(20)

    async_to_sync(live)()
    assert default_stream_of_a_thread() == "IOConsole"
