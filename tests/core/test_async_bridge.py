"""How synchronous code waits for asynchronous work."""

import asyncio
import gc
import threading
import weakref

import pytest

from agentchat.core.async_bridge import ThreadBridge, begin_in_thread, bridge_of, from_this_loop
from agentchat.errors import Cancelled


async def here():
    return threading.get_ident()


def test_the_process_has_one_loop_in_a_thread_of_its_own():
    one, other = bridge_of(None).run(here), bridge_of(None).run(here)
    assert one == other != threading.get_ident()


def test_a_stream_s_own_bridge_comes_first():
    class Stream:
        bridge = ThreadBridge()

    assert bridge_of(Stream()) is Stream.bridge


def test_deltas_arrive_in_order_in_the_waiting_thread():
    told = []

    async def work(tell):
        for number in range(3):
            tell(number)
        return "done"

    assert bridge_of(None).stream(work, lambda delta: told.append((delta, threading.get_ident()))) == "done"
    assert told == [(number, threading.get_ident()) for number in range(3)]


async def test_threads_that_a_coroutine_begins_wait_on_its_loop():
    with from_this_loop():
        assert await asyncio.wrap_future(begin_in_thread(lambda: bridge_of(None).run(here))) == threading.get_ident()
    assert await asyncio.to_thread(bridge_of(None).run, here) != threading.get_ident()


async def test_synchronous_code_in_a_coroutine_does_not_wait_for_its_own_loop():
    with from_this_loop():
        one, other = bridge_of(None).run(here), bridge_of(None).run(here)
    assert one == other != threading.get_ident()


def test_a_cancelled_bridge_ends_pending_and_later_waits():
    bridge, begun, ended = ThreadBridge(), threading.Event(), threading.Event()

    async def wait_for_ever():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = begin_in_thread(lambda: bridge.run(wait_for_ever))
    assert begun.wait(10)
    bridge.cancel()
    with pytest.raises(Cancelled):
        waiting.result(10)
    assert ended.wait(10)
    with pytest.raises(Cancelled):
        bridge.run(here)


def test_an_unreferenced_bridge_ends_its_thread():
    bridge = ThreadBridge()
    ident = bridge.run(here)
    [thread] = [thread for thread in threading.enumerate() if thread.ident == ident]
    gone = weakref.ref(bridge)
    del bridge
    gc.collect()
    thread.join(10)
    assert gone() is None
    assert not thread.is_alive()


def test_a_function_has_its_own_thread_and_a_timeout():
    never = threading.Event()
    assert ThreadBridge().call(threading.get_ident, timeout=10) != threading.get_ident()
    with pytest.raises(TimeoutError):
        ThreadBridge().call(never.wait, timeout=0.01)
    never.set()
