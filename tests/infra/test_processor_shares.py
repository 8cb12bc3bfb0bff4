"""Who waits when there is not enough of the processor. The loop's lag is what a test says it is."""

import asyncio
import math
import time

import pytest

from agentchat.infra.addresses import UNKNOWN
from agentchat.infra.processor_shares import (
    LEAST_LEVEL,
    MAX_WAIT_SECONDS,
    MEMORY_SECONDS,
    TICK_SECONDS,
    Measured,
    ProcessorShares,
)

LATE = 0.1


@pytest.fixture
async def shares(monkeypatch):
    """The shares of a loop that lags, and whose ticks are the test's."""
    monkeypatch.setattr(ProcessorShares, "_next_tick", lambda self: None)
    shares = ProcessorShares()
    shares.adapt(LATE, after=TICK_SECONDS)
    return shares


def lag(shares, *, late=LATE, seconds=20.0):
    for _ in range(int(seconds / TICK_SECONDS)):
        shares.adapt(late, after=TICK_SECONDS)


async def test_while_the_loop_keeps_up_nothing_is_measured_and_nobody_waits():
    shares = ProcessorShares()
    shares.charge("busy", 1000.0)
    assert not shares.is_measuring
    assert not shares.wait_of("busy")


async def test_those_who_take_most_wait_and_those_who_take_little_do_not(shares):
    for _ in range(10):
        for who, seconds in (("greedy", 0.5), ("busy", 0.1), ("honest", 0.01)):
            shares.charge(who, seconds)
        shares.adapt(LATE, after=1.0)
    assert shares.wait_of("greedy")
    assert not shares.wait_of("honest")


async def test_in_the_end_all_who_are_above_the_level_have_the_same(shares):
    """Each asks for as much as it can get, in pieces of different sizes."""
    got = {"a": 0.0, "b": 0.0, "c": 0.0}
    pieces = {"a": 0.1, "b": 0.05, "c": 0.01}
    for tick in range(3000):
        for who, piece in pieces.items():
            while not shares.wait_of(who) and got[who] < tick * 0.03:
                shares.charge(who, piece)
                got[who] += piece
        shares.charge("honest", 0.0002)
        shares.adapt(LATE, after=TICK_SECONDS)
        assert not shares.wait_of("honest")
    assert max(got.values()) < 1.2 * min(got.values())
    assert max(got.values()) < LEAST_LEVEL * (3000 * TICK_SECONDS + MEMORY_SECONDS) * 1.2


async def test_one_who_is_alone_never_waits(shares):
    for _ in range(100):
        shares.charge("alone", 1.0)
        shares.adapt(LATE, after=TICK_SECONDS)
    assert not shares.wait_of("alone")


async def test_addresses_that_are_not_known_never_wait(shares):
    shares.charge("other", 1.0)
    shares.charge("another", 1.0)
    for _ in range(100):
        shares.charge(UNKNOWN, 1.0)
        shares.adapt(LATE, after=TICK_SECONDS)
    assert await shares.admits(UNKNOWN)
    assert not shares.wait_of(UNKNOWN)


async def test_when_the_loop_keeps_up_again_everybody_may_do_everything(shares):
    shares.charge("greedy", 10.0)
    shares.charge("honest", 0.01)
    lag(shares)
    assert shares.wait_of("greedy")
    lag(shares, late=0.0)
    assert shares.level == math.inf
    assert not shares.is_measuring
    assert not shares.wait_of("greedy")


async def test_what_was_taken_is_forgotten(shares):
    shares.charge("greedy", 1.0)
    shares.charge("honest", 0.01)
    lag(shares, seconds=10 * MEMORY_SECONDS)
    assert shares._taken == {}


async def test_work_that_waits_is_done_one_after_the_other(shares, monkeypatch):
    monkeypatch.setattr("agentchat.infra.processor_shares.MEMORY_SECONDS", 0.2)
    shares.level = 0.5
    shares.charge("greedy", 0.11)
    done = []

    async def ask(number):
        assert await shares.admits("greedy", 0.05)
        done.append((number, asyncio.get_running_loop().time()))

    async def fade():
        while True:
            await asyncio.sleep(0.01)
            shares.charge("honest", 0.001)
            shares.adapt(0.012, after=0.01)  # late, but not too late: the level stays

    fading = asyncio.create_task(fade())
    await asyncio.gather(*map(ask, range(4)))
    fading.cancel()
    assert [number for number, _ in done] == [0, 1, 2, 3]
    assert done[-1][1] - done[0][1] > 0.03
    assert shares._lines == {}


async def test_who_would_wait_too_long_is_refused_and_one_who_leaves_leaves_the_line(shares, monkeypatch):
    monkeypatch.setattr("agentchat.infra.processor_shares.MAX_WAIT_SECONDS", 0.05)
    shares.charge("greedy", 1000.0)
    shares.charge("honest", 0.01)
    lag(shares, seconds=1)
    assert MAX_WAIT_SECONDS < 10  # daphne gives up an application 10 s after its client has left
    assert await shares.admits("honest")
    waiting = [asyncio.create_task(shares.admits("greedy")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await asyncio.gather(*waiting[1:]) == [False, False]
    assert shares._lines == {}


# --- what is measured ------------------------------------------------------------------------------------------------


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_an_awaitable_is_charged_for_its_steps_and_not_for_its_waits(shares):
    async def work():
        compute(0.02)
        await asyncio.sleep(0.05)
        compute(0.02)
        return "done"

    assert await Measured(work(), shares, "who") == "done"
    assert 0.04 <= shares._taken["who"] < 0.06


async def test_what_an_awaitable_raises_and_what_is_raised_in_it_pass_through(shares):
    async def fail():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise ValueError("cleaned up") from None

    task = asyncio.create_task(_coroutine(Measured(fail(), shares, "who")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ValueError, match="cleaned up"):
        await task


async def test_each_step_of_work_above_the_level_waits(shares, monkeypatch):
    monkeypatch.setattr("agentchat.infra.processor_shares.LOOK_AGAIN_SECONDS", 0.02)
    shares.charge("greedy", 100.0)
    shares.charge("honest", 0.0001)
    shares.level = LEAST_LEVEL
    ends = {}

    async def stream(who):
        for _ in range(5):
            await asyncio.sleep(0)
        ends[who] = asyncio.get_running_loop().time()

    began = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(_coroutine(Measured(stream(who), shares, who, waits=True)) for who in ("greedy", "honest")),
    )
    assert ends["greedy"] - began >= 5 * 0.02
    assert ends["honest"] < ends["greedy"]


async def test_work_that_waits_can_be_cancelled(shares):
    shares.charge("greedy", 100.0)
    shares.level = LEAST_LEVEL
    task = asyncio.create_task(_coroutine(Measured(asyncio.sleep(0), shares, "greedy", waits=True)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _coroutine(awaitable):
    return await awaitable
