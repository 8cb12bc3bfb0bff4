"""The verdict of `make soak`: what it must not pass, and what it must not blame the server for."""

from collections import Counter

import pytest

from benchmarks.soak.measurements import Latencies, Mark, percentile
from benchmarks.soak.report import HOSTILE, KINDS, QUIET, Report


@pytest.fixture
def report():
    """Of a server that was as fast under attack as before, and used as much memory."""
    report = Report(Latencies())
    for phase in (QUIET, HOSTILE):
        report.memory[phase] += [100.0, 101.0, 100.0]
        report.slowness[phase] += [1.0, 1.2]
        report.processors[phase] = 0.5
        for kind in KINDS:
            add(report, phase, kind, *[0.2] * 20)
    return report


def add(report, phase, kind, *seconds):
    for each in seconds:
        report.latencies.add(kind, Mark(phase=phase, at=0.0), each)


def problems(report):
    return list(report.problems(HOSTILE))


def test_a_server_that_is_as_fast_as_before_passes(report):
    assert problems(report) == []


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_twice_the_quiet_time_is_a_problem(report, kind):
    add(report, HOSTILE, kind, *[0.39] * 30)
    assert problems(report) == []
    add(report, HOSTILE, kind, *[0.45] * 90)
    assert any(each.startswith(f"{kind}, 50 %") for each in problems(report))


def test_the_slowest_of_twenty_count_too(report):
    add(report, HOSTILE, "ping", *[0.5] * 3)
    assert problems(report) == ["ping, 95 %: 500 ms, more than 400"]


def test_a_short_time_may_become_longer_by_the_floor(report):
    add(report, QUIET, "ping", *[0.002] * 100)
    add(report, HOSTILE, "ping", *[0.14] * 1000)
    assert problems(report) == []


def test_a_machine_that_is_slower_itself_is_not_blamed_on_the_server(report):
    add(report, HOSTILE, "ping", *[0.7] * 90)
    assert problems(report)
    report.slowness[HOSTILE] += [2.8] * 50
    assert problems(report) == []


def test_a_machine_that_is_far_too_slow_proves_nothing(report):
    report.slowness[HOSTILE] += [50.0] * 50
    add(report, HOSTILE, "ping", *[2.0] * 90)
    assert problems(report)


def test_what_nobody_measured_is_a_problem(report):
    report.latencies = Latencies()
    assert len(problems(report)) == len(KINDS)


def test_one_failure_of_an_honest_guest_is_a_problem(report):
    report.latencies.phase = HOSTILE
    report.latencies.failed("assistant: closed with 4012")
    assert problems(report) == ["1x failed: assistant: closed with 4012"]


def test_memory_that_grows_is_a_problem(report):
    report.memory[HOSTILE][:] = [115.0] * 3
    assert problems(report) == []
    report.memory[HOSTILE][:] = [117.0] * 3
    assert problems(report) == ["memory: 117 MB, more than 116"]


def test_an_attack_that_was_never_made_is_no_attack_survived(report, capsys):
    assert report.show() == 0
    report.outcomes["ping_flood"] = Counter()
    assert report.show() == 1
    assert "ping_flood: this attack has never ended" in capsys.readouterr().out


def test_what_begins_under_attack_counts_there_however_late_it_ends():
    latencies = Latencies()
    latencies.phase = HOSTILE
    began = latencies.mark()
    latencies.phase = "afterwards"
    latencies.add("ping", began, began.at + 40)
    assert latencies.of(HOSTILE, "ping") == [40]


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile([5, 1, 4, 2, 3], 50) == 3
    assert percentile([5, 1, 4, 2, 3], 95) == 5
