"""An agent function that is called again with the same recorded steps does the same again."""

import contextlib

import pytest

from agentchat.agents import ConversableAgent, UserProxyAgent
from agentchat.core.steps import StepAttempt, StepSpec
from agentchat.errors import Suspended
from agentchat.events import Notice, TextMessage, ToolCallResult
from agentchat.io import IOStream

RAN = []


def pay(amount: int) -> str:
    """Pay."""
    RAN.append(amount)
    return f"paid {amount}"


CALL = {"id": "call_1", "type": "function", "function": {"name": "pay", "arguments": '{"amount": 5}'}}


class Recording(IOStream):
    """A stream with a journal, which suspends where it has no answer."""

    def __init__(self):
        self.results = []
        self.answers = []
        self.live = []

    def play(self, agent_function):
        """Call the function from the top; return what was emitted now and not before."""
        self.next, self.emitted = 0, []
        known, self.live = self.live, []
        with IOStream.set_default(self), contextlib.suppress(Suspended):
            agent_function()
        assert self.live[: len(known)] == known
        return self.emitted

    def print(self, *objects, sep=" ", end="\n", flush=False):
        raise AssertionError

    def send(self, event):
        if not isinstance(event, Notice):
            self.live.append(event)

    def input(self, prompt="", *, password=False):
        return self.record_steps([StepSpec(kind="input", name="input", request=prompt, call=self._ask)])[0]

    def _ask(self, try_):
        if not self.answers:
            raise Suspended
        return self.answers.pop(0)

    def record_steps(self, steps):
        return [self._record(step) for step in steps]

    def _record(self, step):
        number, self.next = self.next, self.next + 1
        if number < len(self.results):
            return self.results[number]
        result = step.call(StepAttempt(key=f"step-{number}"))
        self.results.append(result)
        self.emitted += step.events(result)
        return result


@pytest.fixture
def agent_function(says):
    def run():
        bot = says({"content": "", "tool_calls": [CALL]}, "done")
        user = UserProxyAgent("user", function_map={"pay": pay})
        user.initiate_chat(bot, message="hi")

    return run


def test_recorded_tools_do_not_run_again_and_the_chat_goes_on(agent_function):
    RAN.clear()
    stream = Recording()
    assert stream.play(agent_function) == []
    assert [type(event) for event in stream.live][-1].__name__ == "ToolCallEnd"

    stream.answers = [""]
    assert [type(event) for event in stream.play(agent_function)] == [ToolCallResult]

    stream.answers = ["exit"]
    assert stream.play(agent_function) == []
    assert [event.content for event in stream.live if isinstance(event, TextMessage)] == ["hi", "", "done"]
    assert RAN == [5]


def test_the_same_chat_has_the_same_result(says):
    def result():
        user = ConversableAgent("user", human_input_mode="NEVER")
        return user.initiate_chat(says("one", "TERMINATE"), message="hi", silent=True)

    assert result() == result()
