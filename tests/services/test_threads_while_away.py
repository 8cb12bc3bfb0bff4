"""While the database is down, a user is told so in seconds, however much else waits for it."""

import asyncio
import time
import uuid

import pytest
from django.db import Error as DatabaseError
from django.db import OperationalError

from agentchat.actions import messages
from agentchat.errors import Rejected
from agentchat.infra.database import is_transient
from agentchat.infra.db_threads import database_status, in_db_thread, in_read_thread
from agentchat.models import ChatSession
from agentchat.runs.runner import runner
from agentchat.visitors import Visitor
from tests.services.django_database import using

MANY = 24
POOL_S = 3.0  # so long a thread waits for a connection


@pytest.fixture
def transactional_db(own_database_url, monkeypatch, django_db_blocker):
    with django_db_blocker.unblock(), using(own_database_url, monkeypatch):
        yield


@pytest.fixture
def away(agent_chat, own_postgres):
    """The server's loop, after its supervisor has found the database down."""
    agent_chat("nobody")
    own_postgres.stop("immediate")

    async def until_it_is_known():
        while not database_status.is_down:
            await asyncio.sleep(0.02)

    on_loop(until_it_is_known())
    return runner.loop


def on_loop(work, within=40):
    return asyncio.run_coroutine_threadsafe(work, runner.loop).result(within)


async def look():
    try:
        return await in_read_thread(ChatSession.objects.count)()
    except OperationalError as error:
        return error


async def send():
    """How long a user waits for the answer, in seconds, and what it is."""
    began = time.monotonic()
    try:
        await in_db_thread(messages.send)(
            uuid.uuid4(), Visitor(guest_key="ada"), client_id=uuid.uuid4(), text="Is anybody there?"
        )
    except (Rejected, DatabaseError) as error:
        return time.monotonic() - began, error
    raise AssertionError("it was taken")


def test_a_frame_does_not_wait_behind_reads(away):
    async def all_at_once():
        looks = [asyncio.ensure_future(look()) for _ in range(MANY)]
        await asyncio.sleep(0)
        answer = await send()
        for each in looks:
            each.cancel()
        return answer

    took, error = on_loop(all_at_once())
    assert took < 2 * POOL_S
    assert error.reason == "unavailable"


def test_many_frames_at_once_are_rejected_soon_and_as_an_outage(away):
    async def all_at_once():
        return await asyncio.gather(*(send() for _ in range(MANY)))

    answers = on_loop(all_at_once())
    assert max(took for took, _ in answers) < 3 * POOL_S < MANY / 4 * POOL_S
    assert all(is_transient(error) or error.reason == "unavailable" for _, error in answers)


def test_the_supervisor_does_not_wait_behind_users(away, own_postgres):
    async def all_at_once():
        waiting = [asyncio.ensure_future(each()) for each in MANY * [look, send]]
        beat, began = runner.supervisor._last_iteration_at, time.monotonic()
        while runner.supervisor._last_iteration_at == beat:
            await asyncio.sleep(0.02)
        took = time.monotonic() - began
        for each in waiting:
            each.cancel()
        return took

    assert on_loop(all_at_once()) < 2 * POOL_S


def test_when_it_is_back_no_user_is_rejected_for_having_waited(away, own_postgres):
    own_postgres.start()

    async def all_at_once():
        while database_status.is_down:
            await asyncio.sleep(0.02)
        return await asyncio.gather(*(look() for _ in range(MANY)))

    assert on_loop(all_at_once()) == MANY * [1]
