"""The threads of the server's own database work are shared by those who want something of it."""

import asyncio
import threading

import pytest

from agentchat.infra.db_threads import DB_POOL, SHARES, in_db_thread, in_read_thread
from agentchat.infra.fair_queue import lanes

READ_POOL = DB_POOL.sub_pool("read", shares=SHARES)


@pytest.mark.parametrize(("in_thread", "pool"), [(in_read_thread, READ_POOL), (in_db_thread, DB_POOL)])
async def test_twelve_slow_pages_of_one_owner_take_nobody_else_s_threads(in_thread, pool):
    go_on, reading = threading.Event(), threading.Semaphore(0)

    def read_slowly():
        reading.release()
        return go_on.wait(20)

    try:
        with lanes(owner="Mallory"):
            slow = [asyncio.ensure_future(in_thread(read_slowly)()) for _ in range(12)]
        with lanes(owner="Ada"):
            assert await in_thread(lambda: "a page")() == "a page"
        assert reading.acquire(timeout=20)
        assert pool.taken("owner", "Mallory") <= 2
    finally:
        go_on.set()
    assert all(await asyncio.gather(*slow))


async def test_the_server_s_own_reads_are_held_up_by_nobody():
    go_on = threading.Event()
    try:
        with lanes(owner="Mallory"):
            slow = [asyncio.ensure_future(in_read_thread(go_on.wait)(20)) for _ in range(12)]
        assert await in_read_thread(lambda: "revalidated")() == "revalidated"
    finally:
        go_on.set()
    assert all(await asyncio.gather(*slow))
