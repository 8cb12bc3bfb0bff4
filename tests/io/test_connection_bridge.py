"""How the agent of one client waits, and what is left of it when the client has gone."""

import asyncio
import contextlib
import gc
import threading
import weakref

import pytest

from agentchat.errors import Disconnected
from agentchat.io.connection_bridge import MAX_CALLS, ConnectionBridge


def test_a_client_that_leaves_while_a_model_writes_leaves_no_error_in_the_log(caplog):
    bridge, gone = ConnectionBridge(), threading.Event()

    async def write(emit):
        weakref.finalize(asyncio.current_task(), gone.set)
        emit("Once")
        await asyncio.sleep(60)

    def show(delta):
        bridge.cancel(Disconnected)
        raise Disconnected

    def leave():
        with pytest.raises(Disconnected):
            bridge.stream(write, show)

    leave()
    for _ in range(200):
        gc.collect()
        if gone.wait(0.1):
            break
    assert gone.is_set()
    assert "never retrieved" not in caplog.text
    with pytest.raises(Disconnected):
        bridge.check()


def test_tools_of_one_client_that_do_not_end_take_so_many_threads_and_no_more():
    one, other, end = ConnectionBridge(), ConnectionBridge(), threading.Event()
    for _ in range(MAX_CALLS):
        with pytest.raises(TimeoutError):
            one.call(end.wait, timeout=0)
    with pytest.raises(TimeoutError, match=f"no thread was free: {MAX_CALLS} tool calls of this client have not ended"):
        one.call(lambda: "pong", timeout=20)
    assert other.call(lambda: "pong", timeout=20) == "pong"
    end.set()
    for _ in range(200):
        with contextlib.suppress(TimeoutError):
            assert one.call(lambda: "pong", timeout=20) == "pong"
            break
        threading.Event().wait(0.1)
    else:
        raise AssertionError("the threads were not given back")
