"""Each event loop has its own hub, sockets and lists; a second loop begins with nothing of the first."""

import asyncio
import gc
import threading
import uuid
import weakref
from unittest.mock import AsyncMock, Mock

import pytest

from agentchat.infra import loop_scope
from agentchat.infra.loop_scope import current_scope, owned, start_scope
from agentchat.realtime.chat_list import current_notifier
from agentchat.realtime.hub import Hub, current_hub
from agentchat.runs.runner import runner
from agentchat.server import ServerRuntime
from agentchat.visitors import Visitor
from agentchat.websocket.chat_list_feed import current_feeds
from agentchat.websocket.connections import CloseCode, Connections, current_connections


@pytest.fixture(autouse=True)
def no_scope(monkeypatch):
    monkeypatch.setattr(loop_scope, "_current", None)


def everything():
    """What a server has on its loop."""
    notifier = current_notifier()
    return [current_hub(), notifier, current_connections(), current_feeds(), owned(ServerRuntime)]


def test_an_object_is_made_once_for_its_loop_and_found_from_any_thread():
    async def serve():
        start_scope()
        here = everything()
        there = await asyncio.to_thread(everything)
        assert [id(each) for each in here] == [id(each) for each in there]
        assert start_scope() is current_scope()

    asyncio.run(serve())


def test_a_second_loop_begins_with_nothing_of_the_first():
    session_id = uuid.uuid4()
    first = []

    class Socket:
        session_key, visitor = "", Visitor(guest_key="guest")
        show = AsyncMock()
        leave = AsyncMock()

        def __init__(self):
            self.session_id = session_id

    async def serve():
        start_scope()
        hub, notifier, connections, feeds, runtime = everything()
        first.extend([hub, notifier, connections, feeds, runtime])
        hub.begin(session_id, "m", 1)
        hub.receiver = hub.sender = Mock()
        notifier.subscribe("chats.someone", lambda: None)
        connections.add(Socket())
        runtime.requests.add(object())
        await asyncio.sleep(0)

    async def serve_again():
        start_scope()
        second = everything()
        assert all(one is not other for one, other in zip(first, second, strict=True))
        hub, notifier, connections, feeds, runtime = second
        assert (hub.live_message(session_id, "m"), hub.receiver, hub.sender) == (None, None, None)
        assert not notifier._listeners
        assert not feeds._feeds
        assert not runtime.requests
        socket = Socket()
        await connections.close_all(CloseCode.RESTART)
        assert socket not in connections
        socket.leave.assert_not_called()

    asyncio.run(serve())
    asyncio.run(serve_again())


def test_the_first_loop_is_let_go_when_the_second_one_starts():
    async def serve():
        start_scope()
        return weakref.ref(current_hub())

    hub = asyncio.run(serve())
    assert hub() is not None  # for what still has to end
    asyncio.run(serve())
    gc.collect()
    assert hub() is None


def test_a_process_without_a_loop_has_no_scope_and_makes_none():
    assert current_scope() is None
    with pytest.raises(RuntimeError, match="no running event loop"):
        owned(Hub)

    async def serve():
        start_scope()

    asyncio.run(serve())
    assert current_scope() is None, "its loop is closed"


def test_a_thread_that_has_a_loop_of_its_own_takes_nothing_from_the_server():
    """`async_to_sync` and commands run short loops; only `start_scope` replaces the server's."""

    async def elsewhere():
        return owned(Connections)

    async def serve():
        start_scope()
        connections = owned(Connections)
        found = []
        thread = threading.Thread(target=lambda: found.append(asyncio.run(elsewhere())))
        thread.start()
        await asyncio.to_thread(thread.join)
        assert found == [connections]
        assert owned(Connections) is connections

    asyncio.run(serve())


def test_the_runner_starts_the_scope_of_its_loop(monkeypatch):
    async def serve():
        runner.start()
        hub, loop = current_hub(), asyncio.get_running_loop()
        await runner.drain(within=0)
        return hub, current_scope().loop is loop

    monkeypatch.setattr("agentchat.runs.supervisor.Supervisor._supervise", AsyncMock())
    (first, is_own), (second, is_own_again) = asyncio.run(serve()), asyncio.run(serve())
    assert first is not second
    assert is_own
    assert is_own_again
