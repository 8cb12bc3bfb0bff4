"""Running tools, and what the model reads of it."""

import asyncio
import contextvars
import logging
import threading
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from agentchat.errors import Stopped
from agentchat.events import Notice, ToolCallResult
from agentchat.steps import Try
from agentchat.tools import execution, tool_of
from agentchat.tools.execution import ToolCalls


class Journal:
    """A stream that records steps."""

    def __init__(self, unsure=False):
        self.unsure = unsure
        self.steps = []
        self.told = []

    def record_steps(self, steps):
        return [self._record(step) for step in steps]

    def _record(self, step):
        self.steps.append((step.kind, step.name, step.request, step.retry_safe))
        result = step.call(Try(key=f"step-{len(self.steps)}", unsure=self.unsure))
        self.told += step.tell(result)
        return result


def call(name, arguments="{}", id_="call_1"):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def run(*functions, calls=None, stream=None, silent=False, **options):
    tools = {tool.name: tool for tool in (tool_of(f, **options) for f in functions)}
    said = []
    calls = calls or [call(name) for name in tools]
    asked = ToolCalls(calls=calls, stream=stream, send=said.append, by="executor", to="caller", silent=silent)
    return asked.run(tools), said


def test_the_result_is_told_and_returned():
    def add(a: int, b: int) -> int:
        return a + b

    results, said = run(add, calls=[call("add", '{"a": 1, "b": 2}')])
    assert results == ["3"]
    notice, result = said
    assert notice == Notice(text=">>>>>>>> EXECUTING FUNCTION add...")
    assert isinstance(result, ToolCallResult)
    assert (result.tool_call_id, result.content, result.ok, result.name) == ("call_1", "3", True, "executor")


def test_an_async_tool_is_awaited():
    async def slow(n: int) -> str:
        await asyncio.sleep(0)
        return "x" * n

    assert run(slow, calls=[call("slow", '{"n": 3}')])[0] == ["xxx"]


def test_several_calls_are_answered_in_their_order():
    def one() -> int:
        return 1

    def two() -> int:
        return 2

    journal = Journal()
    assert run(one, two, stream=journal)[0] == ["1", "2"]
    assert [step[1] for step in journal.steps] == ["one", "two"]


def test_an_exception_is_a_result_and_its_traceback_is_logged(caplog):
    def broken():
        raise ValueError("no way")

    with caplog.at_level(logging.ERROR):
        results, said = run(broken)
    assert results == ["Error: no way"]
    assert said[-1].ok is False
    assert "ValueError: no way" in caplog.text


def test_an_exception_without_words_has_a_name():
    def broken():
        raise KeyError

    assert run(broken)[0] == ["Error: KeyError()"]


def test_an_unknown_tool_is_a_result():
    results, said = run(calls=[call("nothing")])
    assert results == ["Error: there is no tool 'nothing'"]
    assert [type(event) for event in said] == [ToolCallResult]


def test_arguments_that_do_not_fit_never_reach_the_function():
    def add(a: int) -> int:
        raise AssertionError

    results, said = run(add, calls=[call("add", '{"a": "1"}')])
    assert results == ["Error: the arguments do not fit: a: Input should be a valid integer"]
    assert said[-1].ok is False


def test_a_tool_that_takes_too_long_is_left_alone():
    leave = threading.Event()

    def stuck():
        leave.wait()

    try:
        assert run(stuck, timeout=0.01)[0] == ["Error: no result within 0.01 s"]
    finally:
        leave.set()


def test_an_async_tool_that_takes_too_long_is_cancelled():
    cancelled = threading.Event()

    async def stuck():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    assert run(stuck, timeout=0.01)[0] == ["Error: no result within 0.01 s"]
    assert cancelled.wait(5)


def test_the_default_timeout_can_be_set(monkeypatch):
    assert execution.default_timeout() == 60
    monkeypatch.setattr(execution, "default_timeout", lambda: 0.01)

    async def stuck():
        await asyncio.Event().wait()

    assert run(stuck)[0] == ["Error: no result within 0.01 s"]


@pytest.mark.parametrize("is_async", [False, True])
def test_what_unwinds_the_agent_passes_through(is_async):
    def stop():
        raise Stopped

    async def stop_async():
        raise Stopped

    with pytest.raises(Stopped):
        run(stop_async if is_async else stop)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_tool_sees_the_context_of_its_agent(is_async):
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("the agent's")

    def look() -> str:
        return variable.get()

    async def look_async() -> str:
        return variable.get()

    assert run(look_async if is_async else look)[0] == ["the agent's"]


def test_results_are_json_where_they_can_be():
    class Place(BaseModel):
        city: str

    @dataclass
    class Point:
        x: int

    class Opaque:
        def __str__(self):
            return "opaque"

    def words_of(value):
        return run(lambda: value, calls=[call("f")], name="f")[0][0]

    assert words_of("plain text") == "plain text"
    assert words_of(None) == "null"
    assert words_of({"a": [1, 2.5, True]}) == '{"a":[1,2.5,true]}'
    assert words_of(Place(city="Zürich")) == '{"city":"Zürich"}'
    assert words_of(Point(x=1)) == '{"x":1}'
    assert words_of(Opaque()) == "opaque"


def test_a_call_is_a_step_with_a_json_result():
    def pay(amount: int) -> str:
        return "paid"

    journal = Journal()
    run(pay, calls=[call("pay", '{"amount": 5}')], stream=journal, retry_safe=True)
    assert journal.steps == [("tool", "pay", {"arguments": '{"amount": 5}', "tool_call_id": "call_1"}, True)]
    assert [(event.message_id, event.content) for event in journal.told] == [("step-1", "paid")]


def test_only_calls_that_can_take_effect_twice_are_unsafe():
    def pay() -> str:
        return "paid"

    journal = Journal()
    run(pay, calls=[call("pay"), call("nothing")], stream=journal)
    assert [step[3] for step in journal.steps] == [False, True]


def test_a_call_that_may_have_taken_effect_is_not_made_again():
    def pay() -> str:
        raise AssertionError

    results, said = run(pay, stream=Journal(unsure=True))
    assert "not known whether it took effect" in results[0]
    assert said == []


def test_calls_can_be_refused():
    journal = Journal()
    calls = ToolCalls(calls=[call("pay")], stream=journal, send=lambda event: None, by="executor", to="caller")
    assert calls.refuse("USER INTERRUPTED") == ["USER INTERRUPTED"]
    assert [(event.content, event.ok) for event in journal.told] == [("USER INTERRUPTED", False)]


def test_a_silent_call_tells_nothing():
    def add() -> int:
        return 3

    journal = Journal()
    results, said = run(add, stream=journal, silent=True)
    assert (results, said, journal.told) == (["3"], [], [])
