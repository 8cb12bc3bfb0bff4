"""What was used is counted as a page counts it that has the same facts as frames."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from agentchat.presentation import transcript
from agentchat.presentation.usage import TurnUsage
from agentchat.realtime.frames import frame_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def facts(*rows):
    """Rows of the event table, each so many microseconds after noon."""
    return [
        SimpleNamespace(seq=seq, type=type_, created_at=NOON + timedelta(microseconds=at), payload=payload)
        for seq, (at, type_, payload) in enumerate(rows, 1)
    ]


def run(begin, end):
    usage, outcome = {"promptTokens": 10, "completionTokens": 2}, {"outcome": {"type": "success"}}
    return facts((begin, "RUN_STARTED", {}), (begin, "USAGE", usage), (end, "RUN_FINISHED", outcome))


def spent_of(events):
    spent = TurnUsage()
    for event in events:
        spent.apply(event.type, event.created_at, event.payload)
    return spent


def on_the_wire(events):
    """What a page has of them."""
    return [json.loads(json.dumps(frame_of(event, 1))) for event in events]


@pytest.mark.parametrize(
    ("begin", "end", "ms"),
    [
        (0, 1_250_000, 1250),
        (1_999, 1_251_000, 1250),  # 1249.001 ms, and a page counts from 1 to 1251
        (1_000, 1_250_999, 1249),  # 1249.999 ms, and a page counts from 1 to 1250
    ],
)
def test_time_is_counted_from_millisecond_to_millisecond(begin, end, ms):
    assert spent_of(run(begin, end)).ms == ms


def test_the_milliseconds_of_a_moment_are_those_of_its_frame():
    for microseconds in range(0, 1_000_000, 997):
        (event,) = facts((microseconds, "RUN_STARTED", {}))
        at = datetime.fromisoformat(on_the_wire([event])[0]["at"])
        assert at.microsecond == microseconds // 1000 * 1000
        assert spent_of([event]).since == round(at.timestamp() * 1000)


@pytest.mark.parametrize(("begin", "end"), [(1_999, 1_250_000), (1_000, 1_250_999), (0, 50_000), (999, 50_001)])
def test_what_is_stored_and_what_was_sent_make_the_same_line(begin, end):
    events = run(begin, end)
    (stored,) = [item for item in transcript.of_events(events).items if item.kind == "usage"]
    (sent,) = [item for item in transcript.of_frames(on_the_wire(events)).items if item.kind == "usage"]
    assert (stored.seconds, stored.tokens_text) == (sent.seconds, sent.tokens_text)


def test_time_spent_waiting_for_the_user_is_not_counted():
    asked, answered = {"request": "1-2", "kind": "approval"}, {"request": "1-2", "value": True}
    events = facts(
        (0, "RUN_STARTED", {}),
        (1_000_000, "INPUT_REQUESTED", asked),
        (9_000_000, "INPUT_ANSWERED", answered),
        (9_500_000, "RUN_FINISHED", {"outcome": {"type": "success"}}),
    )
    assert spent_of(events).ms == 1500
