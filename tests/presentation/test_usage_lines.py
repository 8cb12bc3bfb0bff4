"""Usage lines in a transcript, and the totals."""

import pytest
from django.template.loader import render_to_string

from agentchat.presentation.items import UsageLine
from tests.presentation.events import (
    FAILED,
    FINISHED,
    STARTED,
    answered,
    approval,
    asked,
    at,
    kinds,
    read,
)


def used(prompt=1000, completion=234, **more):
    return "USAGE", {"model": "m", "promptTokens": prompt, "completionTokens": completion, **more}


def lines(*facts):
    return [item for item in read(*facts).items if isinstance(item, UsageLine)]


def test_the_usage_line_is_last_and_does_not_count_waiting():
    (line,) = lines(
        at(0, STARTED),
        at(1, used(cost=0.0021)),
        at(2, approval()),
        at(30, answered(value={"decision": "approve"})),
        at(32, used(cost=0.5)),
        at(33, FINISHED),
    )
    assert (line.tokens_text, line.cost_text, line.seconds) == ("2,468", "0.5021", 5.0)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (0.5, "0.50"),
        (1234.5, "1,234.50"),
        (0.00015, "0.0002"),  # as a browser rounds it; the nearest double is less
        (0.03125, "0.0313"),
        (0.00004, "0.00"),
        (0.0, ""),
    ],
)
def test_a_cost_is_written_as_the_page_writes_it_live(cost, text):
    (line,) = lines(STARTED, used(cost=cost), FINISHED)
    assert line.cost_text == text


def test_each_answer_has_its_line_where_the_run_goes_on():
    first, second = lines(at(0, STARTED), used(), at(3, asked()), at(20, answered()), used(1, 1), at(21, asked("r2")))
    assert (first.usage.tokens, first.seconds, second.usage.tokens, second.seconds) == (1234, 3.0, 2, 1.0)


def test_a_sum_with_an_unknown_cost_is_unknown():
    (line,) = lines(STARTED, used(cost=0.5), used(), FINISHED)
    assert line.cost_text == ""


def test_usage_is_hidden_from_users_who_may_not_see_it():
    items = read(STARTED, used(cost=0.5), FINISHED).items
    assert "1,234" in render_to_string("agentchat/transcript.html", {"items": items, "shows_usage": True})
    assert "1,234" not in render_to_string("agentchat/transcript.html", {"items": items})


def test_the_usage_line_of_a_failed_run_is_before_the_error_which_can_be_retried_while_it_is_the_last_item():
    assert kinds(read(STARTED, used(), FAILED)) == ["usage", "error"]
