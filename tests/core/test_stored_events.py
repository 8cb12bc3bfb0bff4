"""Stored events, which may be anything: what can be relied upon is what `events.py` says."""

import pytest

from agentchat.core import stored_events
from agentchat.core.stored_events import MAX_NESTING, readable

END = {"messageId": "m1", "content": "Hello"}


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("TEXT_MESSAGE_END", END),
        ("TEXT_MESSAGE_END", {**END, "finishReason": "of a later version", "more": [1]}),
        ("INPUT_REQUESTED", {"request": "1-1", "kind": "form", "prompt": "?", "schema": {}, "initial": deep(200)}),
        ("INPUT_ANSWERED", {"request": "1-1", "value": {"any": ["thing"]}, "by": "ada"}),
        ("USAGE", {"model": "m", "promptTokens": 1, "completionTokens": 2, "cost": 0}),
        ("FROM_A_LATER_VERSION", {"any": "thing"}),
        ("UNREADABLE", {"original": "PRINTED"}),
    ],
)
def test_an_event_that_fits_is_what_it_is(type_, payload):
    assert readable(type_, payload) == (type_, payload)


def test_what_older_versions_did_not_store_has_its_default():
    assert readable("INPUT_REQUESTED", {"request": "1-1"})[1] == {"request": "1-1", "kind": "text", "prompt": ""}
    assert readable("USAGE", {"promptTokens": 1})[1] == {"promptTokens": 1, "completionTokens": 0, "model": ""}


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("TEXT_MESSAGE_END", None),
        ("TEXT_MESSAGE_END", [END]),
        ("TEXT_MESSAGE_END", {"messageId": "m1"}),
        ("TEXT_MESSAGE_END", {**END, "content": 5}),
        ("TEXT_MESSAGE_END", {**END, "messageId": ["m1"]}),
        ("TEXT_MESSAGE_END", {**END, "stopped": "yes"}),
        ("USAGE", {"model": "m", "promptTokens": True}),
        ("USAGE", {"model": "m", "promptTokens": 10**400}),
        ("USAGE", {"model": "m", "cost": float("inf")}),
        ("RUN_FINISHED", {"outcome": "success"}),
        ("INPUT_ANSWERED", {"request": "1-1", "value": deep(MAX_NESTING + 1)}),
        ("INPUT_ANSWERED", {"request": "1-1", "value": [float("nan")]}),
        ("FROM_A_LATER_VERSION", "any thing"),
    ],
)
def test_an_event_that_does_not_fit_keeps_its_place_alone(type_, payload):
    assert readable(type_, payload) == ("UNREADABLE", {"original": type_})


def test_the_log_says_once_what_is_wrong_and_not_what_was_said(caplog):
    for _ in range(2):
        stored_events.log_unreadable("event 7", "TEXT_MESSAGE_END", {"messageId": 5, "content": ["secret"]})
    [record] = caplog.records
    assert record.message == "event 7 cannot be shown: missing, or of another type: messageId, content"
