"""Transactions on SQLite: they wait for one another in order, and for other processes again and again."""

import sqlite3
import threading
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from agentchat.errors import DatabaseUnavailable
from agentchat.infra import database
from agentchat.infra.database import atomic, is_lock_timeout, is_transient, lock_timeout, retry_transaction
from agentchat.models import ChatSession

WAIT_S = 20.0


@pytest.fixture(autouse=True)
def sqlite(transactional_db):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has many writers at once")


@contextmanager
def other_process():
    """Another writer, outside of this process's queue, that has begun a transaction."""
    writer = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    yield writer
    writer.close()


def busy_timeout():
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA busy_timeout").fetchone()[0]


def test_what_others_hold_for_longer_than_a_try_is_tried_again(monkeypatch):
    monkeypatch.setattr(database, "TRY_SECONDS", 0.01)
    tries = []
    with other_process() as writer:

        def write(is_retry):
            tries.append(is_retry)
            if len(tries) >= 3 and writer.in_transaction:
                writer.execute("ROLLBACK")
            with atomic():
                ChatSession.objects.create(agent="probe")

        retry_transaction(write, timeout=WAIT_S)
    assert tries[:3] == [False, True, True]
    assert ChatSession.objects.count() == 1


def test_a_database_that_stays_locked_is_unavailable_in_the_end(monkeypatch):
    monkeypatch.setattr(database, "TRY_SECONDS", 0.01)
    monkeypatch.setattr(database, "time", Clock())
    tries = []

    def write(is_retry):
        tries.append(is_retry)
        with atomic():
            raise AssertionError("it was locked")

    with other_process(), pytest.raises(DatabaseUnavailable):
        retry_transaction(write, timeout=0.3)
    assert len(tries) > 1


def test_a_lock_that_is_not_there_in_time_is_a_transient_error():
    with other_process(), pytest.raises(OperationalError) as raised, lock_timeout(0.01):
        raise AssertionError("it was locked")
    assert is_lock_timeout(raised.value)
    assert is_transient(raised.value)


def test_a_connection_keeps_its_own_time_out_for_all_else():
    usual = busy_timeout()
    with lock_timeout(0.25):
        assert busy_timeout() == 250
    assert busy_timeout() == usual
    with pytest.raises(ZeroDivisionError), lock_timeout(0.25):
        raise ZeroDivisionError
    assert busy_timeout() == usual


class Clock:
    """Stands still, but for those who sleep and for the test."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@contextmanager
def queue_held():
    """Another thread of this process writes meanwhile."""
    held, go_on = threading.Event(), threading.Event()

    def hold():
        with atomic():
            held.set()
            go_on.wait(WAIT_S)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(WAIT_S)
    yield go_on
    go_on.set()
    thread.join(WAIT_S)


def test_waiting_for_the_other_writers_of_this_process_does_not_count(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(database, "time", clock)
    tries = []

    def write(is_retry):
        with atomic():
            tries.append(is_retry)
            if not is_retry:
                raise OperationalError("database is locked")

    def let_it_write(go_on):
        while not database._writers.waiting:
            pass
        clock.now += 1000.0
        go_on.set()

    with queue_held() as go_on:
        helper = threading.Thread(target=let_it_write, args=[go_on])
        helper.start()
        retry_transaction(write, timeout=3.0)
        helper.join(WAIT_S)
    assert clock.now > 1000
    assert tries == [False, True]


def test_who_does_not_retry_waits_in_the_queue_as_long_as_for_a_lock():
    with queue_held(), pytest.raises(OperationalError) as raised, lock_timeout(0.01):
        raise AssertionError("it was locked")
    assert is_lock_timeout(raised.value)
