"""How much one client may be sent without acknowledging it."""

import pytest

from agentchat.realtime.send_window import CLOSE_IN_FLIGHT, MAX_IN_FLIGHT, SLOW_SECONDS, SendWindow, TooSlow

FRAME = 100_000


def test_a_client_that_acknowledges_nothing_is_too_slow_beyond_the_limit_and_one_frame():
    window = SendWindow()
    while not window.is_shut:
        window.add(FRAME, now=0.0)
    with pytest.raises(TooSlow):
        window.add(FRAME, now=0.0)
    assert CLOSE_IN_FLIGHT < window.in_flight <= CLOSE_IN_FLIGHT + 2 * FRAME


def test_a_client_that_stays_behind_is_too_slow_in_the_end():
    window = SendWindow()
    window.add(MAX_IN_FLIGHT + 1, now=0.0)
    window.check(now=1.0)
    window.check(now=1.0 + SLOW_SECONDS)
    with pytest.raises(TooSlow):
        window.check(now=1.1 + SLOW_SECONDS)


def test_a_client_that_catches_up_in_between_is_not():
    window = SendWindow()
    window.add(MAX_IN_FLIGHT + 1, now=0.0)
    window.check(now=1.0)
    assert window.is_slow
    assert window.on_ack(1)
    window.check(now=2.0)
    assert not window.is_slow
    window.add(1, now=3.0)
    window.check(now=2.0 + SLOW_SECONDS)


def test_nobody_has_room_for_more_by_claiming_to_have_received_more_than_was_sent():
    window = SendWindow()
    window.add(FRAME, now=0.0)
    assert window.on_ack(2**53)
    assert not window.on_ack(2**53)
    window.add(FRAME, now=0.0)
    assert window.in_flight == FRAME


def test_an_older_acknowledgement_takes_nothing_back():
    window = SendWindow()
    window.add(FRAME, now=0.0)
    assert window.on_ack(FRAME)
    assert not window.on_ack(1)
    assert window.in_flight == 0
