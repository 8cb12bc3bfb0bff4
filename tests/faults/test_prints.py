"""A run that prints line after line is killed again and again: no line is lost, shown twice, or missed by a page."""

import signal

import pytest

from tests.faults.killing import assert_nothing_is_lost


def lines(page):
    return [event["text"].strip() for event in page.events if event["type"] == "PRINTED"]


@pytest.mark.timeout(200)
def test_what_was_shown_of_a_long_output_outlives_every_kill(make_site, guest):
    site = make_site()
    site.start()
    page = guest(site).new_chat("printer")
    page.send("2500")
    for shown in (100, 650, 1200, 1800):
        page.wait_until(lambda shown=shown: len(lines(page)) >= shown, f"{shown} lines")
        site.stop(signal.SIGKILL)
        site.start()
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert lines(page) == [str(number) for number in range(2500)]
    assert_nothing_is_lost(page, site)
