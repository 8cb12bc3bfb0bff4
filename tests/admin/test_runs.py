"""Runs in admin: their steps, search, and the list."""

import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentchat.admin import runs
from agentchat.models import Event, Run, Step, StepRequest
from tests.admin.pages import RUNS, chat, member_of_staff, words_of

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
    listed = r'<td dir="auto">(step-\d)'
    assert re.findall(listed, html) == ["step-1", "step-2"]
    assert re.findall(listed, staff.get(f"{address}?after=2").content.decode()) == ["step-3"]
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


def drawing(html: str) -> ElementTree.Element:
    found = re.search(r'<svg class="agentchat-timeline.*?</svg>', html, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0])


SVG = "{http://www.w3.org/2000/svg}"


def test_the_timeline_draws_what_took_time_and_shortens_what_waited(staff: Client) -> None:
    run = chat(status="waiting").runs.get(number=2)
    start = timezone.now() - timedelta(days=2)
    Run.objects.filter(pk=run.pk).update(
        queued_at=start - timedelta(seconds=1), started_at=start, finished_at=start + timedelta(days=1, seconds=6)
    )
    usage = {"model": "m", "promptTokens": 30, "completionTokens": 12, "cost": 0.0015}

    def step(number: int, kind: str, name: str, since: float, until: float, **more: Any) -> None:
        begin, end = start + timedelta(seconds=since), start + timedelta(seconds=until)
        Step.objects.create(
            run=run, number=number, kind=kind, name=name, status="done", started_at=begin, done_at=end, **more
        )

    day = 24 * 3600
    step(1, "llm", "clerk", 0, 2, first_token_ms=500, usage=usage)
    step(2, "input", "input", day, day)
    step(3, "tool", "</title><script>alert(1)</script>" + "x" * 100, day, day + 4)
    asked = Event.objects.create(
        session=run.session, seq=1, run=run, step_number=2, type="INPUT_REQUESTED", payload={"request": "q"}
    )
    Event.objects.filter(pk=asked.pk).update(created_at=start + timedelta(seconds=2))

    html = staff.get(f"{RUNS}{run.pk}/change/").content.decode()
    svg = drawing(html)
    assert svg.get("role") == "img"
    named = [svg.find(f"{SVG}{tag}") for tag in ("title", "desc")]
    assert svg.get("aria-labelledby") == " ".join(each.get("id", "") for each in named if each is not None)
    bars = {(each.get("class") or "").split()[1]: each for each in svg.iter(f"{SVG}g")}
    assert set(bars) == {"queued", "llm", "waiting", "tool"}
    widths = {kind: float(bars[kind].find(f"{SVG}rect").get("width")) for kind in bars}  # type: ignore[union-attr,arg-type]
    assert widths["tool"] == pytest.approx(2 * widths["llm"], rel=0.05)
    assert widths["waiting"] < widths["llm"], "a day of waiting is drawn shorter than two seconds of work"
    labels = {kind: "".join(bars[kind].find(f"{SVG}text[@class='label']").itertext()) for kind in bars}  # type: ignore[union-attr]
    assert labels["llm"] == "2.00 s · 42 tokens · $0.0015"
    assert labels["waiting"] == "23 h 59 min"
    line, rect = bars["llm"].find(f"{SVG}line"), bars["llm"].find(f"{SVG}rect")
    assert line is not None
    assert rect is not None
    share = (float(line.get("x1", 0)) - float(rect.get("x", 0))) / widths["llm"]
    assert share == pytest.approx(0.25, abs=0.01)
    assert "Calls of models: 1, 2.00 s." in "".join(svg.itertext())
    assert "0.500 2.000 42 0.001500" in words_of(html), "the same is in the table"
    assert "<script>alert" not in html


def test_a_step_shows_its_request_and_its_reply_as_text(staff: Client) -> None:
    session = chat(title="Theirs")
    run = session.runs.get(number=2)
    hostile = "</pre><script>alert(1)</script>"
    for number in (1, 2):
        Step.objects.create(
            run=run,
            number=number,
            kind="llm",
            name="clerk",
            status="done",
            result={"content": f"{hostile} said"},
            started_at=timezone.now(),
        )
    Step.objects.create(
        run=run,
        number=3,
        kind="input",
        name="password",
        status="done",
        result={"sealed": "gAAAAx"},
        started_at=timezone.now(),
    )
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": hostile}}]}
    content = {
        "messages": [{"role": "user", "content": hostile}, call, "odd"],
        "tools": [hostile],
        "messages_left_out": 7,
    }
    StepRequest.objects.create(run=run, number=1, content=content)
    html = staff.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert re.findall(r"/step/(\d)/", html) == ["1"]
    assert "gAAAAx" not in html
    html = staff.get(f"{RUNS}{run.pk}/step/1/").content.decode()
    assert html.count("&lt;/pre&gt;&lt;script&gt;") == 4
    assert "<script>alert" not in html
    assert "7 messages are left out" in html
    assert "It was not kept." in staff.get(f"{RUNS}{run.pk}/step/2/").content.decode()
    assert "gAAAAx" not in staff.get(f"{RUNS}{run.pk}/step/3/").content.decode()
    assert staff.get(f"{RUNS}{run.pk}/step/9/").status_code == 404
    assert member_of_staff().get(f"{RUNS}{run.pk}/step/1/").status_code == 403
    assert Client().get(f"{RUNS}{run.pk}/step/1/").status_code == 302


def test_an_open_and_an_empty_run_have_a_page(staff: Client) -> None:
    run = chat(status="waiting").runs.get(number=2)
    Run.objects.filter(pk=run.pk).update(started_at=None, finished_at=None)
    assert "agentchat-timeline" not in staff.get(f"{RUNS}{run.pk}/change/").content.decode()
    Event.objects.create(
        session=run.session, seq=1, run=run, step_number=1, type="INPUT_REQUESTED", payload={"request": "q"}
    )
    svg = drawing(staff.get(f"{RUNS}{run.pk}/change/").content.decode())
    assert [each.get("class") for each in svg.iter(f"{SVG}g")] == ["bar waiting"]
