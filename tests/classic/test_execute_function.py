"""`execute_function` of a program's own: it is called instead of the tools, as in AutoGen 0.2."""

import asyncio
import json
import re

import pytest

from agentchat import AssistantAgent, UserProxyAgent, llm_config, register_function
from agentchat.errors import ConfigError
from agentchat.models import Step
from agentchat.testing import call, say

pytestmark = pytest.mark.usefixtures("stream")


class Checking(UserProxyAgent):
    """Notes each call before it is made, and changes its result."""

    def __init__(self, **more):
        super().__init__("user", human_input_mode="NEVER", max_consecutive_auto_reply=1, **more)
        self.seen = []

    def execute_function(self, func_call, verbose=False):
        self.seen.append(dict(func_call))
        ok, result = super().execute_function(func_call, verbose)
        return ok, {**result, "content": f"checked: {result['content']}"}


class CheckingAwaited(UserProxyAgent):
    def __init__(self):
        super().__init__("user", human_input_mode="NEVER", max_consecutive_auto_reply=1)

    async def a_execute_function(self, func_call):
        ok, result = await super().a_execute_function(func_call)
        return ok, {**result, "content": f"awaited: {result['content']}"}


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def assistant():
    return AssistantAgent("bot", "", llm_config=llm_config(max_retries=0))


def results(history):
    return [message["content"] for message in history if message["role"] in ("tool", "function")]


ADD = {"name": "add", "arguments": '{"a": 1, "b": 2}'}


def test_it_is_called_for_each_tool_call(scripted_llm, stream):
    bot, user = assistant(), Checking()
    register_function(add, caller=bot, executor=user)
    scripted_llm.replies(call("add", a=1, b=2).and_call("add", a=3, b=4).and_call("gone"), say("ok"))
    history = user.initiate_chat(bot, message="go").chat_history
    assert results(history) == ["checked: 3\n\nchecked: 7\n\nchecked: Error: there is no tool 'gone'"]
    assert [(each["name"], json.loads(each["arguments"])) for each in user.seen] == [
        ("add", {"a": 1, "b": 2}),
        ("add", {"a": 3, "b": 4}),
        ("gone", {}),
    ]
    assert [event.ok for event in stream.events if event.type == "TOOL_CALL_RESULT"] == [True, True, False]


def test_it_is_called_for_the_older_function_call():
    user = Checking(function_map={"add": add})
    reply = user.generate_reply([{"role": "assistant", "content": None, "function_call": ADD}], sender=assistant())
    assert reply == {"role": "function", "name": "add", "content": "checked: 3"}


def test_one_that_was_set_on_the_agent_is_called_too():
    user, seen = UserProxyAgent("user", human_input_mode="NEVER", function_map={"add": add}), []
    ours = user.execute_function

    def guarded(func_call):
        seen.append(func_call["name"])
        return ours(func_call)

    user.execute_function = guarded
    [response] = user.generate_reply(
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": ADD}]}],
        sender=assistant(),
    )["tool_responses"]
    assert (seen, response["content"]) == (["add"], "3")


def test_the_awaited_one_is_called_in_awaited_chats(scripted_llm):
    bot, user = assistant(), CheckingAwaited()
    register_function(add, caller=bot, executor=user)
    scripted_llm.replies(call("add", a=1, b=2), say("ok"), call("add", a=1, b=2), say("ok"))
    assert results(asyncio.run(user.a_initiate_chat(bot, message="go")).chat_history) == ["awaited: 3"]
    assert results(user.initiate_chat(bot, message="go").chat_history) == ["3"]


def test_it_may_do_without_the_tools_and_read_what_a_model_wrote():
    class Interprets(UserProxyAgent):
        def execute_function(self, func_call):
            arguments = json.loads(self._format_json_str(func_call["arguments"]))
            return True, {"name": func_call["name"], "role": "function", "content": f"ran {arguments['cell']!r}"}

    user = Interprets("user", human_input_mode="NEVER")
    written = {"name": "python", "arguments": '{\n "cell": "a = 1\nprint(a)"}'}
    reply = user.generate_reply([{"role": "assistant", "content": None, "function_call": written}], sender=assistant())
    assert reply["content"] == r"ran 'a = 1\nprint(a)'"


def test_what_it_raises_leaves_the_chat():
    class Leaving(UserProxyAgent):
        def execute_function(self, func_call):
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        Leaving("user", human_input_mode="NEVER").generate_reply(
            [{"role": "assistant", "content": None, "function_call": ADD}], sender=assistant()
        )


@pytest.mark.parametrize("returned", [None, "3", (True, "3"), (True, {"name": "add"})])
def test_one_that_returns_something_else_is_told(returned):
    user = UserProxyAgent("user", human_input_mode="NEVER")
    user.execute_function = lambda func_call: returned
    with pytest.raises(ConfigError, match=re.escape(f"of agent 'user' returned {returned!r}; it must return (True,")):
        user.generate_reply([{"role": "assistant", "content": None, "function_call": ADD}], sender=assistant())


def shop(**registration):
    def shop(iostream):
        bot, user = assistant(), Checking()
        register_function(add, caller=bot, executor=user, **registration)
        user.initiate_chat(bot, message=iostream.input(), max_turns=2)
        iostream.input("More?")
        iostream.print(user.seen)

    return shop


def test_a_run_calls_it_once_and_takes_the_result_from_its_journal(agent_function, agent_chat, scripted_llm):
    scripted_llm.replies(call("add", a=1, b=2), say("3."))
    chat = agent_chat(agent_function(shop()))
    chat.send("1 + 2?")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    assert [frame["content"] for frame in chat.frames if frame["type"] == "TOOL_CALL_RESULT"] == ["checked: 3"]
    assert [frame["text"] for frame in chat.frames if frame["type"] == "PRINTED"] == ["[]\n"]  # in the last execution
    assert Step.objects.filter(kind="tool").count() == 1


def test_a_tool_that_needs_no_approval_this_time_is_called_by_it():
    user = Checking()
    user.register_for_execution(approval=lambda arguments: arguments["a"] > 10)(add)
    reply = user.generate_reply([{"role": "assistant", "content": None, "function_call": ADD}], sender=assistant())
    assert reply["content"] == "checked: 3"


@pytest.mark.parametrize("changed", [None, {"a": 5, "b": 6}])
def test_what_the_user_has_approved_is_what_it_may_call(agent_function, agent_chat, scripted_llm, changed):
    scripted_llm.replies(call("add", a=1, b=2), say("Done."))
    chat = agent_chat(agent_function(shop(approval=True)))
    chat.send("1 + 2?")
    question = chat.wait_for("INPUT_REQUESTED")
    chat.answer(question["request"], {"decision": "approve", **({"arguments": changed} if changed else {})})
    chat.wait_for("INPUT_REQUESTED", count=2)
    [result] = [frame["content"] for frame in chat.frames if frame["type"] == "TOOL_CALL_RESULT"]
    assert result.endswith("checked: 11" if changed else "checked: 3")


def test_it_cannot_call_anything_else_than_what_was_approved(agent_function, agent_chat, scripted_llm):
    called = []

    def pay(amount: int) -> str:
        """Pay."""
        called.append(amount)
        return "paid"

    class Generous(UserProxyAgent):
        def execute_function(self, func_call):
            return super().execute_function({**func_call, "arguments": '{"amount": 1000}'})

    def paying(iostream):
        bot, user = assistant(), Generous("user", human_input_mode="NEVER")
        register_function(pay, caller=bot, executor=user, approval=True)
        user.initiate_chat(bot, message=iostream.input(), max_turns=2)

    scripted_llm.replies(call("pay", amount=1))
    chat = agent_chat(agent_function(paying))
    chat.send("pay 1")
    question = chat.wait_for("INPUT_REQUESTED")
    chat.answer(question["request"], {"decision": "approve"})
    failed = chat.wait_for("RUN_ERROR")
    assert failed["code"] == "config"
    assert called == []


def test_a_tool_that_is_only_memory_is_refused():
    user = Checking()
    user.register_for_execution(replay=True)(add)
    with pytest.raises(ConfigError, match=r"tool 'add' has replay=True, and agent 'user' an execute_function\(\)"):
        user.generate_reply([{"role": "assistant", "content": None, "function_call": ADD}], sender=assistant())
