"""Runs in admin: their steps, search, and the list."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentchat.admin import runs
from agentchat.models import Run, Step
from tests.admin.pages import RUNS, chat, words_of

pytestmark = pytest.mark.django_db


def test_a_run_shows_its_steps_with_their_times_and_results(staff: Client) -> None:
    run = chat().runs.get(number=2)
    start = timezone.now()
    Step.objects.create(
        run=run,
        number=1,
        kind="tool",
        name="weather_forecast",
        status="done",
        result={"content": "sünny"},
        usage={"prompt_tokens": 3},
        started_at=start,
        done_at=start + timedelta(milliseconds=1250),
    )
    words = words_of(staff.get(f"{RUNS}{run.pk}/change/").content.decode())
    assert "1 tool weather_forecast done" in words
    assert "1.250" in words
    assert "{ &quot;content&quot;: &quot;sünny&quot; }" in words


def test_the_steps_of_a_long_run_are_paginated(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_STEPS_SHOWN", 2)
    run = chat().runs.get(number=2)
    for number in range(1, 4):
        Step.objects.create(
            run=run, number=number, kind="step", name=f"step-{number}", status="done", started_at=timezone.now()
        )
    address = f"{RUNS}{run.pk}/change/"
    html = staff.get(address).content.decode()
    assert re.findall(r"step-\d", html) == ["step-1", "step-2"]
    assert re.findall(r"step-\d", staff.get(f"{address}?after=2").content.decode()) == ["step-3"]
    assert 'href="?after=2"' in html


def test_a_run_is_found_by_its_error_id(staff: Client) -> None:
    run = chat(title="The failed one", status="failed").runs.get(number=2)
    Run.objects.filter(pk=run.pk).update(error_id="abc123", error_code="llm")
    chat(title="Another")
    html = staff.get(RUNS, {"q": "abc123"}).content.decode()
    assert "The failed one" in html
    assert "Another" not in html


def test_the_list_of_runs_takes_the_same_queries_for_one_and_many(staff: Client) -> None:
    session = chat()
    with CaptureQueriesContext(connection) as few:
        staff.get(RUNS)
    for _more in range(20):
        chat()
    with CaptureQueriesContext(connection) as many:
        staff.get(RUNS, {"session__id__exact": session.pk})
        many_runs = len(many)
        response = staff.get(RUNS)
    assert response.context["cl"].result_count == 42
    assert len(many) - many_runs == len(few)
