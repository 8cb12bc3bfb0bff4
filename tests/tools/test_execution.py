"""Running tools, and what the model reads of it."""

import asyncio
import contextvars
import functools
import logging
import threading
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from agentchat.core.approvals import Decision
from agentchat.core.steps import StepAttempt
from agentchat.errors import Cancelled, LeaseLost, Suspended
from agentchat.events import Notice, ToolCallResult
from agentchat.tools import execution, tool_of
from agentchat.tools.execution import ToolCalls


class Journal:
    """A stream that records steps."""

    def __init__(self, outcome_unknown=False):
        self.outcome_unknown = outcome_unknown
        self.steps = []
        self.emitted = []

    def record_steps(self, steps):
        return [self._record(step) for step in steps]

    def _record(self, step):
        self.steps.append((step.kind, step.name, step.request, step.retry_safe))
        result = step.call(StepAttempt(key=f"step-{len(self.steps)}", outcome_unknown=self.outcome_unknown))
        self.emitted += step.events(result)
        return result


def call(name, arguments="{}", id_="call_1"):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def run(*functions, calls=None, stream=None, silent=False, **options):
    tools = {tool.name: tool for tool in (tool_of(f, **options) for f in functions)}
    said = []
    calls = calls or [call(name) for name in tools]
    asked = ToolCalls(calls=calls, stream=stream, send=said.append, by="executor", to="caller", silent=silent)
    return asked.run(tools), said


def test_the_result_is_emitted_and_returned():
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


def test_an_exception_is_a_result_and_one_line_of_the_log_that_says_where(caplog):
    def broken():
        raise ValueError("no way\nat all")

    with caplog.at_level(logging.INFO):
        results, said = run(broken)
    assert results == ["Error: no way\nat all"]
    assert said[-1].ok is False
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.getMessage().startswith(f"tool 'broken' failed: ValueError: no way ({__file__}:")
    assert "\n" not in caplog.text.strip()


def test_the_traceback_of_a_tool_is_in_the_log_for_those_who_look_for_it(caplog):
    def broken():
        raise ValueError("no way")

    with caplog.at_level(logging.DEBUG, logger="agentchat.tools"):
        run(broken)
    assert 'raise ValueError("no way")' in caplog.text


def test_an_exception_without_a_message_has_a_name():
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
        raise Cancelled

    async def stop_async():
        raise Cancelled

    with pytest.raises(Cancelled):
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
    assert [(event.message_id, event.content) for event in journal.emitted] == [("step-1", "paid")]


def test_only_calls_that_can_take_effect_twice_are_unsafe():
    def pay() -> str:
        return "paid"

    journal = Journal()
    run(pay, calls=[call("pay"), call("nothing")], stream=journal)
    assert [step[3] for step in journal.steps] == [False, True]


def test_a_call_that_may_have_taken_effect_is_not_made_again():
    def pay() -> str:
        raise AssertionError

    results, said = run(pay, stream=Journal(outcome_unknown=True))
    assert "not known whether it took effect" in results[0]
    assert said == []


def test_calls_can_be_refused():
    journal = Journal()
    calls = ToolCalls(calls=[call("pay")], stream=journal, send=lambda event: None, by="executor", to="caller")
    assert calls.refuse("USER INTERRUPTED", {}) == ["USER INTERRUPTED"]
    assert [(event.content, event.ok) for event in journal.emitted] == [("USER INTERRUPTED", False)]


def test_a_silent_call_emits_nothing():
    def add() -> int:
        return 3

    journal = Journal()
    results, said = run(add, stream=journal, silent=True)
    assert (results, said, journal.emitted) == (["3"], [], [])


async def double(n: int) -> int:
    """Double a number."""
    await asyncio.sleep(0)
    return 2 * n


@functools.wraps(double)
def wrapped(*args, **kwargs):
    return double(*args, **kwargs)


class Doubler:
    def __call__(self, n: int):
        return double(n)


@pytest.mark.parametrize("function", [wrapped, Doubler(), functools.partial(wrapped), functools.partial(double)])
def test_an_async_function_in_a_plain_one_is_awaited(function):
    results, said = run(function, calls=[call("double", '{"n": 4}')], name="double", description="x")
    assert results == ["8"]
    assert said[-1].ok


def test_the_time_of_a_call_includes_what_it_is_awaited_for(caplog):
    def slow():
        """Slow."""
        return asyncio.sleep(60)

    results, said = run(slow, timeout=0.05)
    assert results == ["Error: no result within 0.05 s"]
    assert not said[-1].ok


def test_what_an_awaited_call_raises_is_a_result():
    async def leave():
        raise SystemExit("bye")

    def f():
        """F."""
        return leave()

    assert "cannot exit the program" in run(f)[0][0]


class OwnInterrupt(BaseException):
    """Of a library that wants no handler to swallow it."""


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("error", [OwnInterrupt("odd"), GeneratorExit(), StopIteration(3), Unspeakable()], ids=repr)
def test_whatever_a_tool_raises_is_a_result_at_once(error, is_async):
    def f():
        """F."""
        raise error

    async def g():
        """G."""
        raise error

    results, said = run(g if is_async else f)
    assert results[0].startswith("Error: ")
    assert not said[-1].ok


@pytest.mark.parametrize("interrupt", [Cancelled, LeaseLost, Suspended])
def test_what_unwinds_a_run_is_no_result(interrupt):
    def f():
        """F."""
        raise interrupt

    with pytest.raises(interrupt):
        run(f)


@pytest.mark.parametrize("written", ["", "  ", "null", None, {}])
def test_blank_arguments_are_none(written):
    def now() -> str:
        return "noon"

    assert run(now, calls=[call("now", written)])[0] == ["noon"]


def test_arguments_that_come_as_an_object_are_read():
    def add(a: int, b: int) -> int:
        return a + b

    assert run(add, calls=[call("add", {"a": 1, "b": 2})])[0] == ["3"]


class Approver(Journal):
    """A stream whose user approves everything."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def approve(self, approval):
        self.asked.append(approval)
        return Decision(approved=True)


@pytest.mark.parametrize("written", ["", " ", "null", None, "{}", '{"now": null}'])
def test_blank_arguments_can_be_approved(written):
    def restart(now: bool = False) -> str:
        """Restart."""
        return f"restarted {now}"

    stream = Approver()
    assert run(restart, calls=[call("restart", written)], stream=stream, approval=True)[0] == ["restarted False"]
    assert [approval.arguments for approval in stream.asked] == [{}]


def test_a_user_approves_the_arguments_that_the_function_gets():
    def say(text: str, times: int = 1) -> str:
        """Say it."""
        return text * times

    stream = Approver()
    asked = [call("say", '{"text": "a\tb\n", "times": 2.0}')]
    assert run(say, calls=asked, stream=stream, approval=True)[0] == ["a\tb\na\tb\n"]
    assert stream.asked[0].arguments == {"text": "a\tb\n", "times": 2}
