"""Pools of daemon threads: what belongs to a thread is released when it ends."""

import threading
import time

import pytest

from agentchat.infra import thread_pool
from agentchat.infra.fair_queue import lanes
from agentchat.infra.thread_pool import DaemonPool


def test_released_threads_end_at_once_with_what_belongs_to_them():
    ended = []
    pool = DaemonPool("test-pool", lambda: 3, at_end=lambda: ended.append(threading.current_thread().name))
    both = threading.Barrier(2)
    for future in [pool.submit(both.wait, 20), pool.sub_pool("sub").submit(int), pool.submit(both.wait, 20)]:
        future.result(20)
    pool.release()
    assert sorted(ended) == ["test-pool-1", "test-pool-2", "test-pool-sub-1"]


def test_a_thread_that_works_is_left_alone_and_the_pool_goes_on():
    started, go_on = threading.Event(), threading.Event()
    pool = DaemonPool("test-busy", lambda: 2)
    working = pool.submit(lambda: started.set() or go_on.wait(20))
    assert started.wait(20)
    pool.release(within=0.1)
    assert pool.busy == 1
    assert pool.submit(lambda: 7).result(20) == 7
    go_on.set()
    assert working.result(20)


def test_a_thread_that_has_just_done_its_work_is_released_too(monkeypatch):
    monkeypatch.setattr(thread_pool, "IDLE_SECONDS", 60.0)
    ended = []
    pool = DaemonPool("test-returning", lambda: 1, at_end=lambda: ended.append(None))
    started, comes_back = threading.Event(), threading.Event()
    work = pool.submit(started.wait, 20)
    work.add_done_callback(lambda _: comes_back.wait(20))  # the thread is busy with this, though its work is done
    started.set()
    assert work.result(20)
    releasing = threading.Thread(target=pool.release)
    releasing.start()
    comes_back.set()
    releasing.join(20)
    assert ended == [None]


def test_work_that_nobody_waits_for_any_more_leaves_the_line():
    started, go_on = threading.Event(), threading.Event()
    pool = DaemonPool("test-line", lambda: 1)
    working = pool.submit(lambda: started.set() or go_on.wait(20))
    assert started.wait(20)
    called = []
    given_up = [pool.submit(called.append, number) for number in range(1000)]
    assert all(future.cancel() for future in given_up)
    assert not pool._queue._waiting
    go_on.set()
    assert working.result(20)
    assert pool.submit(lambda: 7).result(20) == 7
    assert called == []


def test_one_owner_s_work_that_does_not_end_leaves_threads_for_others():
    go_on = threading.Event()
    pool = DaemonPool("test-shares", lambda: 4, shares={"owner": lambda: 2})
    with lanes(owner="a"):
        stuck = [pool.submit(go_on.wait, 20) for _ in range(12)]
    with lanes(owner="b"):
        assert pool.submit(lambda: "pong").result(20) == "pong"
    assert pool.taken("owner", "a") == 2
    go_on.set()
    assert all(future.result(20) for future in stuck)


def test_work_fails_in_words_where_the_system_has_no_thread_for_it(monkeypatch, caplog):
    pool = DaemonPool("test-limit", lambda: 4)

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        failed = pool.submit(int)
        with pytest.raises(RuntimeError, match="no thread can be started"):
            failed.result(0)
    assert "test-limit: 0 threads are at work, and no more can be started" in caplog.text
    assert pool.submit(lambda: 7).result(20) == 7
    started, go_on = threading.Event(), threading.Event()
    working = pool.submit(lambda: started.set() or go_on.wait(20))
    assert started.wait(20)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        later = pool.submit(lambda: 8)  # the thread that works comes to it
    go_on.set()
    assert working.result(20)
    assert later.result(20) == 8


def test_the_threads_of_a_busy_minute_end_though_there_is_always_a_little_to_do(monkeypatch):
    monkeypatch.setattr(thread_pool, "IDLE_SECONDS", 0.2)
    ended = []
    pool = DaemonPool("test-quiet", lambda: 8, at_end=lambda: ended.append(None))
    all_of_them = threading.Barrier(8)
    for future in [pool.submit(all_of_them.wait, 20) for _ in range(8)]:
        future.result(20)
    give_up_at = time.monotonic() + 20
    while len(ended) < 7 and time.monotonic() < give_up_at:
        assert pool.submit(int).result(20) == 0  # each would be woken every few milliseconds, if it were in turn
    assert len(ended) == 7
