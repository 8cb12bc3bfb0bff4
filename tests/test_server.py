"""A server with lifespan: its signals close the sockets before it waits for them, and it starts warm."""

import asyncio
import gc
import signal
import subprocess
import sys

import pytest

from agentchat import server
from agentchat.runs.runner import runner
from agentchat.visitors import Visitor
from agentchat.websocket.connections import CloseCode, current_connections

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


THRESHOLDS = gc.get_threshold()


def forget_server():
    """Collect garbage as before: this process is none."""
    gc.unfreeze()
    gc.set_threshold(*THRESHOLDS)


class Lifespan:
    """What a server does with an application's lifespan."""

    def __init__(self):
        self.incoming, self.sent = asyncio.Queue(), asyncio.Queue()
        application = server.serve(None)
        self.task = asyncio.create_task(application({"type": "lifespan"}, self.incoming.get, self.sent.put))

    async def reach(self, name):
        await self.incoming.put({"type": f"lifespan.{name}"})
        assert await asyncio.wait_for(self.sent.get(), 10) == {"type": f"lifespan.{name}.complete"}


class Socket:
    session_key, session_id = "", None

    def __init__(self, visitor):
        self.visitor, self.codes = visitor, []

    async def leave(self, code):
        self.codes.append(code)


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def handled(request):
    """The signals that the server's own handler has seen; the one to send is its `number`."""
    numbers = []

    def handler(number, frame):
        numbers.append(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    handler.number, handler.numbers = request.param, numbers
    yield handler
    for number, earlier in before.items():
        assert signal.getsignal(number) is handler
        signal.signal(number, earlier)
    forget_server()


async def test_a_signal_closes_sockets_before_the_server_ends_lifespan(handled):
    lifespan = Lifespan()
    await lifespan.reach("startup")
    socket = Socket(Visitor(guest_key="g"))
    assert current_connections().add(socket)
    signal.raise_signal(handled.number)
    async with asyncio.timeout(5):
        while not socket.codes:
            await asyncio.sleep(0)
    assert socket.codes == [CloseCode.RESTART]
    assert handled.numbers == [handled.number]
    assert runner.is_draining
    current_connections().discard(socket)
    await lifespan.reach("shutdown")
    await lifespan.task


async def test_signals_that_the_server_does_not_handle_keep_their_meaning():
    before = signal.getsignal(signal.SIGTERM)
    assert before is signal.SIG_DFL
    lifespan = Lifespan()
    await lifespan.reach("startup")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    await lifespan.reach("shutdown")
    await lifespan.task
    forget_server()


FROZEN = """
import gc, sys, threading
from agentchat.infra.warm_up import warm_up

warm_up("{module}", is_server={is_server})
for thread in threading.enumerate():
    if thread.name == "agentchat-warm-up":
        thread.join()
print("{module}" in sys.modules, gc.get_freeze_count() > 1_000, gc.get_threshold() == (5_000, 10, 20))
"""


@pytest.mark.parametrize("is_server", [True, False])
async def test_a_server_freezes_what_it_has_loaded_and_collects_the_rest_less_often(is_server):
    program = FROZEN.format(module="email.mime.text", is_server=is_server)
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["True", str(is_server), str(is_server)]
