"""The threads of tools: one that does not end costs no other owner, and no other tool, its thread."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from agentchat.infra.thread_pool import DaemonPool, in_thread
from agentchat.runs import async_bridge
from agentchat.runs.async_bridge import RunBridge
from agentchat.tools.execution import ToolCalls
from agentchat.tools.schema import Tool

CALLERS = DaemonPool("test-caller", lambda: 200)
TIMEOUT = 0.5  # seconds of a tool that hangs: time enough for a hundred threads to start, however busy the machine is


@pytest.fixture
def hanging(settings, monkeypatch):
    """What tools wait for that do not end, until the test does. The pool is of this test alone, for 8 runs."""
    settings.AGENTCHAT = {"MAX_RUNS": 8}
    pool = DaemonPool("test-tool", async_bridge.tool_threads, shares=async_bridge.TOOL_SHARES)
    monkeypatch.setattr(async_bridge, "TOOL_POOL", pool)
    event = threading.Event()
    yield event
    event.set()


def tool(function, *, name="", timeout=20.0):
    return Tool(function=function, name=name or function.__name__, description="For a test.", timeout=timeout)


def ping() -> str:
    return "pong"


async def call(owner, called):
    """What the model reads: as in a run's thread, which the server's loop has started."""

    def in_run():
        stream = SimpleNamespace(bridge=RunBridge(owner))
        asked = {"id": "call_1", "function": {"name": called.name, "arguments": "{}"}}
        calls = ToolCalls(calls=[asked], stream=stream, send=lambda event: None, by="user", to="bot", silent=True)
        return calls.run({called.name: called})[0]

    return await in_thread(CALLERS, in_run)()


async def hang(event, owners, name=lambda owner: "hang"):
    def wait() -> str:
        return str(event.wait(60))

    return await asyncio.gather(*(call(owner, tool(wait, name=name(owner), timeout=TIMEOUT)) for owner in owners))


async def test_thirty_four_guests_whose_tools_hang_leave_a_thread_for_another_s(hanging):
    assert set(await hang(hanging, [f"guest {n}" for n in range(34)])) == {f"Error: no result within {TIMEOUT} s"}
    assert async_bridge.TOOL_POOL.busy == 34
    assert await call("Ada", tool(ping)) == "pong"


async def test_however_many_call_a_tool_that_hangs_it_has_half_of_the_threads(hanging, caplog):
    await hang(hanging, [f"guest {n}" for n in range(100)])
    assert async_bridge.TOOL_POOL.busy == 64
    assert await call("Ada", tool(ping)) == "pong"
    [said] = await hang(hanging, ["Ada"])
    assert said == (
        f"Error: no thread was free within {TIMEOUT} s: "
        "64 tool calls have not ended, 64 of them of 'hang' and 0 of this user"
    )
    assert f"tool 'hang' was not called: {said.removeprefix('Error: ')}" in caplog.text


async def test_one_owner_has_a_quarter_of_the_threads_whatever_their_tools_are_called(hanging):
    names = iter(range(100))
    said = await hang(hanging, ["Mallory"] * 40, name=lambda owner: f"tool {next(names)}")
    assert len([each for each in said if "no thread was free" in each]) == 8
    assert async_bridge.TOOL_POOL.taken("owner", "Mallory") == 32
    assert await call("Ada", tool(ping)) == "pong"
    assert "no thread was free" in await call("Mallory", tool(ping, timeout=TIMEOUT))


async def test_coroutines_that_block_share_the_threads_like_other_tools(hanging, monkeypatch):
    monkeypatch.setattr(async_bridge, "GRACE_SECONDS", 0.01)

    async def block() -> str:
        return str(hanging.wait(60))

    blocking = tool(block, timeout=TIMEOUT)
    await asyncio.gather(*(call(f"guest {n}", blocking) for n in range(70)))
    assert async_bridge.TOOL_POOL.taken("tool", "block") == 64
    assert await call("Ada", tool(ping)) == "pong"


async def test_what_ends_after_its_time_gives_its_thread_back(hanging, caplog):
    caplog.set_level("INFO")
    await hang(hanging, ["Mallory"] * 40)
    assert "tool 'hang' goes on after its time, in its thread" in caplog.text
    hanging.set()
    assert await call("Mallory", tool(ping)) == "pong"
    assert "tool 'hang' has ended" in caplog.text


async def test_a_tool_s_own_timeout_error_is_not_taken_for_a_hung_one(hanging, caplog):
    def give_up() -> str:
        raise TimeoutError("the shop did not answer")

    assert await call("Ada", tool(give_up)) == "Error: the shop did not answer"
    assert "goes on after its time" not in caplog.text


async def test_parallel_calls_of_all_runs_wait_for_no_thread(hanging):
    """As many runs as there may be, each with as many calls at once as it may make: none waits for another run's."""
    everywhere = threading.Barrier(8 * async_bridge.MAX_PARALLEL_CALLS, timeout=20)

    def several(owner):
        bridge = RunBridge(owner)
        steps = [lambda: bridge.call(everywhere.wait, timeout=20, tool="meet")] * async_bridge.MAX_PARALLEL_CALLS
        return bridge.gather(steps)

    found = await asyncio.gather(*(in_thread(CALLERS, several)(f"owner {n // 4}") for n in range(8)))
    assert sorted(number for numbers in found for number in numbers) == list(range(64))
