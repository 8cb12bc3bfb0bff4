"""A garbage collection is not the work of the text that is being rendered while it happens."""

import gc
import time

import pytest

from agentchat.markup import budget
from agentchat.markup.budget import MIN_SECONDS, Budget
from agentchat.markup.cpu_clock import cpu_seconds

ITEMS = 100_000


@pytest.fixture
def much_to_look_at():
    """Objects that the collector goes through, each in a cycle of its own."""
    objects = [[] for _ in range(ITEMS)]
    for each in objects:
        each.append(each)
    yield objects
    for each in objects:
        each.clear()


def test_a_full_collection_does_not_count(much_to_look_at, untraced):
    begun, began = cpu_seconds(), time.thread_time()
    for _ in range(5):
        gc.collect()
    counted, spent = cpu_seconds() - begun, time.thread_time() - began
    assert counted < spent / 10


def test_work_counts(untraced):
    begun, began = cpu_seconds(), time.thread_time()
    sum(range(1_000_000))
    counted, spent = cpu_seconds() - begun, time.thread_time() - began
    assert counted == pytest.approx(spent, rel=0.2)


def test_a_text_is_within_its_budget_however_long_the_collector_takes(much_to_look_at, untraced, monkeypatch):
    monkeypatch.setattr(budget, "MIN_SECONDS", MIN_SECONDS)
    mine = Budget(1_000)
    with mine.used():
        begun = time.thread_time()
        while time.thread_time() - begun < 2 * (MIN_SECONDS + 0.01):
            gc.collect()
        mine.spend(11_000)
        mine.spend(2_001)
