"""Runs that wait hold nothing of the process: no thread, no stream, no journal. `make bench` has the figures."""

import gc
import threading
import uuid

import pytest

from agentchat.actions import messages
from agentchat.core import registry
from agentchat.models import ChatSession, Run
from agentchat.realtime.hub import ChatChannel
from agentchat.runs.journal import Journal
from agentchat.runs.runner import runner
from agentchat.runs.stream import RunIOStream
from agentchat.visitors import Visitor

MAX_RUNS = 4
DB_THREADS = 4  # at most; they come and go with the work


@pytest.fixture
def waits():
    @registry.on_connect("waits")
    def waits(iostream):
        iostream.input()
        iostream.input("Well?")

    yield "waits"
    registry.unregister("waits")


def in_memory():
    """What a run has, and is there still."""
    gc.collect()
    # By type(): isinstance() asks each object for its class, which a proxy of something that is gone cannot tell.
    return sum(type(each) in (RunIOStream, Journal, ChatChannel) for each in gc.get_objects())


def test_two_hundred_waiting_runs_without_subscribers_hold_no_thread_and_no_memory(
    waits, agent_chat, settings, eventually
):
    settings.AGENTCHAT = {"MAX_RUNS": MAX_RUNS, "MAX_RUNS_PER_OWNER": 1000, "MESSAGES_PER_MINUTE": 10_000}
    visitor = Visitor(guest_key="somebody")

    def let_wait(number):
        before = Run.objects.filter(status=Run.Status.WAITING).count()
        for _ in range(number):
            session = ChatSession.objects.create(agent=waits, **visitor.owner_fields)
            messages.send(session.pk, visitor, client_id=uuid.uuid4(), text="hello")
        eventually(lambda: Run.objects.filter(status=Run.Status.WAITING).count() == before + number)
        eventually(lambda: runner.advancing == 0)

    let_wait(4 * MAX_RUNS)
    threads, things = threading.active_count(), in_memory()
    let_wait(200)
    assert threading.active_count() <= threads + DB_THREADS + MAX_RUNS  # what the pools may have, and none for each run
    assert in_memory() <= things
