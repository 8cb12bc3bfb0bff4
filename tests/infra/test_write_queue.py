"""Writers take turns on SQLite: users first, everybody at last, and nobody behind a thread that stands still."""

import threading
from contextlib import contextmanager

import pytest

from agentchat.infra import write_queue
from agentchat.infra.write_queue import QueueTimeout, WriteQueue

WAIT_S = 20.0


@pytest.fixture
def queue():
    return WriteQueue()


@contextmanager
def holding(queue):
    """A thread has its turn meanwhile."""
    held, go_on = threading.Event(), threading.Event()

    def hold():
        with queue.turn():
            held.set()
            go_on.wait(WAIT_S)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(WAIT_S)

    def release():
        go_on.set()
        thread.join(WAIT_S)

    yield release
    release()


def joins(queue, done, name, **options):
    """A thread that waits for its turn, and notes it."""

    def write():
        with queue.turn(**options):
            done.append(name)

    before = queue.waiting
    thread = threading.Thread(target=write)
    thread.start()
    while queue.waiting == before and thread.is_alive():
        pass
    return thread


def test_writers_come_in_the_order_in_which_they_asked(queue):
    done = []
    with holding(queue):
        threads = [joins(queue, done, number) for number in range(20)]
    for thread in threads:
        thread.join(WAIT_S)
    assert done == list(range(20))


def test_a_user_comes_before_runs_that_asked_earlier(queue):
    done = []
    with holding(queue):
        threads = [joins(queue, done, number, in_background=True) for number in range(3)]
        threads.append(joins(queue, done, "user"))
    for thread in threads:
        thread.join(WAIT_S)
    assert done == ["user", 0, 1, 2]


def test_users_do_not_hold_up_a_run_for_ever(queue, monkeypatch):
    done = []
    monkeypatch.setattr(write_queue, "BACKGROUND_SECONDS", 0.0)  # it has waited for so long already
    with holding(queue):
        threads = [joins(queue, done, "run", in_background=True), joins(queue, done, "user")]
    for thread in threads:
        thread.join(WAIT_S)
    assert done == ["run", "user"]


def test_the_turn_is_taken_from_a_thread_that_stands_still(queue, monkeypatch):
    done = []
    with holding(queue) as release:
        monkeypatch.setattr(write_queue, "MAX_TURN_SECONDS", 0.05)
        for number in range(3):
            joins(queue, done, number).join(WAIT_S)
        monkeypatch.undo()
        assert done == [0, 1, 2]
        with queue.turn():  # of the fourth; the first one leaves meanwhile, and takes it from nobody
            release()
            waits = joins(queue, done, "last")
            assert waits.is_alive()
            assert done == [0, 1, 2]
        waits.join(WAIT_S)


def test_a_writer_that_fails_passes_its_turn_on(queue):
    with pytest.raises(ZeroDivisionError), queue.turn():
        raise ZeroDivisionError
    with queue.turn(timeout=WAIT_S):
        pass


def test_a_writer_that_cannot_wait_leaves_the_queue(queue):
    with holding(queue):
        with pytest.raises(QueueTimeout), queue.turn(timeout=0.01):
            raise AssertionError("it had a turn")
        assert queue.waiting == 0
    with queue.turn(timeout=WAIT_S):
        pass


def test_two_writers_never_have_their_turns_at_once(queue):
    inside, most = [], []

    def write():
        for _ in range(200):
            with queue.turn():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(most) == 1600
    assert set(most) == {1}
