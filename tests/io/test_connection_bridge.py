"""Waiting for one client, and how it is called off. What a client sees of it is in test_websockets."""

import asyncio
import threading

import pytest

from agentchat.errors import Disconnected
from agentchat.io.connection_bridge import ConnectionBridge

WAIT_S = 10.0


@pytest.fixture
def bridge():
    return ConnectionBridge()


async def value():
    return "value"


async def tell_two(tell):
    tell("one")
    tell("two")
    return "told"


def test_results_come_through(bridge):
    told = []
    assert bridge.run(value) == "value"
    assert bridge.stream(tell_two, told.append) == "told"
    assert told == ["one", "two"]
    assert bridge.call(lambda: "called", timeout=WAIT_S) == bridge.call(lambda: "called", timeout=None) == "called"


def test_errors_come_through(bridge):
    async def fail():
        raise KeyError("async")

    with pytest.raises(KeyError, match="async"):
        bridge.run(fail)
    with pytest.raises(ZeroDivisionError):
        bridge.call(lambda: 1 / 0, timeout=WAIT_S)


def test_a_call_that_takes_too_long_is_a_time_out(bridge):
    free = threading.Event()
    with pytest.raises(TimeoutError):
        bridge.call(lambda: free.wait(WAIT_S), timeout=0.01)
    free.set()


def test_a_cancellation_of_the_works_own_is_not_taken_for_a_call_off(bridge):
    async def cancelled():
        raise asyncio.CancelledError

    with pytest.raises(BaseException) as caught:  # noqa: PT011 — asyncio's class or that of concurrent.futures
        bridge.run(cancelled)
    assert "Cancelled" in type(caught.value).__name__


def test_work_that_waits_is_cancelled_when_it_is_called_off(bridge):
    ended = threading.Event()

    async def wait_for_ever():
        threading.Thread(target=bridge.call_off, args=(Disconnected,)).start()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(Disconnected):
        bridge.run(wait_for_ever)
    assert ended.is_set()


def test_once_called_off_nothing_begins(bridge):
    bridge.call_off(Disconnected)
    bridge.call_off(Disconnected)
    for begin in (
        lambda: bridge.run(value),
        lambda: bridge.stream(tell_two, pytest.fail),
        lambda: bridge.call(pytest.fail, timeout=None),
    ):
        with pytest.raises(Disconnected):
            begin()
