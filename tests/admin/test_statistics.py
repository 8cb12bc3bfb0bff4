"""The statistics in admin: what is counted, for whom, and as a file."""

import csv
import io
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentchat.admin import statistics
from agentchat.admin.dashboard import safe_cell
from agentchat.models import ChatSession, Feedback, Run, Step
from tests.admin.pages import SESSIONS, member_of_staff, words_of

pytestmark = pytest.mark.django_db

ADDRESS = f"{SESSIONS}statistics/"


def run(owner: User | None = None, agent: str = "weather", *, days_ago: int = 0, **fields: Any) -> Run:
    """A run with a call of a model, whose answer begins after 400 ms, and one of a tool, of two seconds."""
    session = ChatSession.objects.create(owner=owner, agent=agent)
    made = Run.objects.create(
        session=session, number=1, agent=agent, **{"status": "finished", "prompt_tokens": 100, "cost": "0.25", **fields}
    )
    moment = timezone.now() - timedelta(days=days_ago)
    Run.objects.filter(pk=made.pk).update(queued_at=moment)
    common = {"run": made, "name": "x", "status": "done", "started_at": moment, "done_at": moment}
    Step.objects.create(number=1, kind="llm", duration_ms=1_500, first_token_ms=400, **common)
    Step.objects.create(number=2, kind="tool", duration_ms=2_000, **common)
    Step.objects.create(number=3, kind="input", **common)
    return made


def table(staff: Client, **query: Any) -> dict[str, list[str]]:
    """The rows of the file by their names, without those of days on which there was nothing."""
    text = staff.get(ADDRESS, {"format": "csv", **query}).content.decode()
    rows = list(csv.reader(io.StringIO(text)))[1:]
    return {name: numbers for name, *numbers in rows if any(each not in ("", "0", "0.000000") for each in numbers)}


def test_what_is_counted_by_agent(staff: Client) -> None:
    run()
    failed = run(status="failed", error_code="llm", cost=None)
    run(status="failed", error_code="llm")
    run(status="failed", error_code="database")
    run(status="waiting")
    run(status="waiting", waits_for={"signal": "paid"})
    run(agent="library")
    run(days_ago=40)
    Feedback.objects.create(session=failed.session, message_id="a", value="down")
    Feedback.objects.create(session=failed.session, message_id="b", value="up")
    rows = table(staff, by="agent")
    assert list(rows) == ["weather", "library"]
    times = ["0.4045", "0.4045", "2.0495", "2.0495"]
    assert rows["weather"] == ["6", "3", "llm: 2; database: 1", "1", "600", "1.250000", *times, "1", "1"]
    assert rows["library"] == ["1", "0", "", "0", "100", "0.250000", *times, "0", "0"]
    words = words_of(staff.get(ADDRESS, {"by": "agent"}).content.decode())
    assert "weather 6 3 (llm: 2, database: 1) 1 600 1.2500 0.40 0.40 2.05 2.05 1 1" in words
    assert "All 7 3 (llm: 2, database: 1) 1 700 1.5000" in words


def test_days_are_those_of_the_sites_time_zone(staff: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    timezone.activate("Asia/Tokyo")
    try:
        made = run()
        late = datetime(2026, 3, 2, 15, 30, tzinfo=timezone.get_fixed_timezone(0))  # half past midnight on the third
        Run.objects.filter(pk=made.pk).update(queued_at=late)
        Step.objects.update(started_at=late)
        rows = table(staff, since="2026-03-01", until="2026-03-03")
        assert list(rows) == ["03/03/2026"]
        assert rows["03/03/2026"][0] == "1"
        assert table(staff, since="2026-03-01", until="2026-03-02") == {}
    finally:
        timezone.deactivate()


def test_long_periods_have_rows_of_weeks(staff: Client) -> None:
    made = run()
    Run.objects.filter(pk=made.pk).update(queued_at=datetime(2026, 1, 9, 12, tzinfo=timezone.get_fixed_timezone(0)))
    html = staff.get(ADDRESS, {"since": "2026-01-01", "until": "2026-03-01"}).content.decode()
    assert html.count('<th scope="row" dir="auto">') == 9
    assert list(table(staff, since="2026-01-01", until="2026-03-01")) == ["01/08/2026"]


def test_owners_are_listed_with_the_busiest_first_and_guests_as_one(
    staff: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = User.objects.create_user("otto")
    for who in (owner, owner, owner, None, None, other):
        run(who)
    rows = table(staff, by="owner")
    assert {name: row[0] for name, row in rows.items()} == {"olivia": "3", "Guests": "2", "otto": "1"}
    assert rows["Guests"][6] == "0.4045"
    monkeypatch.setattr(statistics, "MAX_OWNERS", 1)
    words = words_of(staff.get(ADDRESS, {"by": "owner"}).content.decode())
    assert "otto" not in words
    assert "All 6 0" in words
    assert "Only the owners with the most runs are listed." in words


def test_one_agent_one_owner_and_guests_can_be_chosen(staff: Client, owner: User) -> None:
    run(owner), run(owner, "library"), run(None)
    assert list(table(staff, by="agent", owner="olivia")) == ["library", "weather"]
    assert list(table(staff, by="agent", owner="-")) == ["weather"]
    assert [row[0] for row in table(staff, by="agent", agent="weather").values()] == ["2"]


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "2026-02-02", "until": "2026-02-01"},
        {"since": "2020-01-01", "until": "2026-01-01"},
        {"owner": "nobody at all"},
        {"by": "moon"},
        {"agent": "x" * 200},
        {"until": "0001-01-01"},
        {"since": "9999-12-31", "until": "9999-12-31"},
    ],
)
def test_what_is_not_valid_is_no_error(staff: Client, query: dict[str, str]) -> None:
    run()
    for more in ({}, {"format": "csv"}):
        assert staff.get(ADDRESS, {**query, **more}).status_code == 200


def test_the_statistics_take_the_same_queries_for_few_and_many(staff: Client) -> None:
    run()
    for by in ("day", "agent", "owner"):
        staff.get(ADDRESS, {"by": by})
        with CaptureQueriesContext(connection) as few:
            staff.get(ADDRESS, {"by": by})
        for number in range(10):
            run(User.objects.create_user(f"{by}{number}"), f"agent{number}")
        with CaptureQueriesContext(connection) as many:
            staff.get(ADDRESS, {"by": by})
        assert len(few) == len(many) < 16


def test_percentiles_are_within_five_percent() -> None:
    for ms in (7, 99, 104, 995, 1_040, 9_949, 33_333, 250_000):
        width = statistics._width(ms)
        found = statistics.percentile(Counter({ms // width * width: 3}), 0.95)
        assert found == pytest.approx(ms / 1000, rel=0.05)
    assert statistics.percentile(Counter({1: 95, 9: 5}), 0.95) == 0.001
    assert statistics.percentile(Counter({1: 94, 9: 6}), 0.95) == 0.009
    assert statistics.percentile(Counter(), 0.5) is None


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ['=HYPERLINK("http://e.example")', "+1", "-1", "@x", "\t=1", "  =1", "\n=1"])
def test_no_cell_of_the_file_is_computed(staff: Client, name: str) -> None:
    run(agent=name)
    [cell] = table(staff, by="agent")
    assert cell == f"'{name}"


def test_numbers_stay_numbers() -> None:
    assert [safe_cell(each) for each in (-1, None, "llm", "a-b")] == [-1, "", "llm", "a-b"]


def test_the_file_needs_the_permission_to_export_and_is_logged(owner: User) -> None:
    run(owner)
    client = member_of_staff("view_chatsession")
    assert "format=csv" not in client.get(ADDRESS).content.decode()
    assert client.get(ADDRESS, {"format": "csv"}).status_code == 403
    assert not LogEntry.objects.exists()
    user = User.objects.get(username="sam")
    user.user_permissions.add(*_permissions("export_chatsession"))
    assert "format=csv" in client.get(ADDRESS).content.decode()
    response = client.get(ADDRESS, {"format": "csv"})
    assert response["Content-Disposition"] == 'attachment; filename="statistics.csv"'
    assert [each.change_message for each in LogEntry.objects.all()] == ["Exported statistics."]


def test_who_may_not_view_chats_sees_no_statistics() -> None:
    assert member_of_staff("export_chatsession", "stop_chatsession").get(ADDRESS).status_code == 403
    assert Client().get(ADDRESS).status_code == 302


def _permissions(*names: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=names)
