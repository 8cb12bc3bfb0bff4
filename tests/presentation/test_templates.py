"""The templates of the items of a transcript."""

import json
import re

import pytest
from django.template.loader import render_to_string

from tests.presentation.events import (
    AT,
    FAILED,
    STARTED,
    answered,
    approval,
    args,
    asked,
    called,
    end,
    nested,
    printed,
    read,
    result,
    start,
)

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def html_of(*events, **context):
    return render_to_string("agentchat/transcript.html", {"items": read(*events).items, **context})


def test_an_incomplete_answer_says_so_and_can_be_continued_by_its_reader_alone():
    cut = start(), end("There are three reasons: first", finishReason="length")
    own = html_of(*cut, has_actions=True, is_open=True)
    assert "The answer was cut off." in own
    assert re.search(r"<button[^>]*data-continue>Continue</button>", own)
    for context in ({}, {"can_copy": True}, {"has_actions": True, "is_open": False}):
        assert "The answer was cut off." in html_of(*cut, **context)
        assert "data-continue" not in html_of(*cut, **context)
    filtered = html_of(start(), end("", finishReason="content_filter"), has_actions=True, is_open=True)
    assert "content filter ended this answer." in filtered
    assert "data-continue" not in filtered
    assert "cut off" not in html_of(start(), end("Whole."), has_actions=True, is_open=True)


def test_why_a_run_failed_is_shown_to_staff_alone():
    failed = "RUN_ERROR", {"code": "llm_quota", "message": "Sorry.", "id": "e7", "detail": f"HTTP 402: {HOSTILE}"}
    assert "HTTP 402" not in html_of(failed, has_actions=True)
    shown = html_of(failed, has_actions=True, shows_details=True)
    assert "HTTP 402: &lt;script&gt;" in shown
    assert HOSTILE not in shown


@pytest.mark.parametrize(
    ("code", "offered"), [("llm_timeout", True), ("error", True), ("llm_refused", False), ("llm_context", False)]
)
def test_to_try_again_is_offered_only_where_it_can_help(code, offered):
    failed = "RUN_ERROR", {"code": code, "message": "Sorry.", "id": "e7"}
    assert ("data-retry" in html_of(failed, has_actions=True)) is offered


def test_no_text_becomes_markup():
    items = read(
        start("u", "user", HOSTILE),
        end(HOSTILE, "u"),
        start("a", name=HOSTILE),
        end(HOSTILE, "a"),
        called(HOSTILE, HOSTILE),
        args(HOSTILE, HOSTILE),
        result(HOSTILE, HOSTILE),
        printed(HOSTILE),
        asked(HOSTILE, HOSTILE),
        called("c1", HOSTILE),
        args(json.dumps({HOSTILE: HOSTILE})),
        approval(HOSTILE, "c1", expiresAt=AT),
        answered(HOSTILE, {"decision": "reject", "reason": HOSTILE}),
        asked(HOSTILE, HOSTILE, kind="form", schema={"title": HOSTILE}, initial={HOSTILE: HOSTILE}),
        nested(HOSTILE),
        printed(HOSTILE),
        ("RUN_ERROR", {"code": "error", "message": HOSTILE, "id": HOSTILE}),
    ).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert html.count("&lt;script&gt;") >= 24  # it is all there, as text
    assert "<script" not in html
    assert "<img" not in html


def test_a_users_text_is_shown_as_typed():
    items = read(start(role="user"), end("*one*\n  two")).items
    assert ">*one*\n  two</div>" in render_to_string("agentchat/transcript.html", {"items": items})


def test_an_error_can_be_retried_only_on_pages_with_actions():
    items = read(STARTED, FAILED, STARTED, FAILED).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert html.count("data-retry") == 2  # of which the page shows the last: tests/browser/test_page.py
    assert "data-retry" not in render_to_string("agentchat/transcript.html", {"items": items})
