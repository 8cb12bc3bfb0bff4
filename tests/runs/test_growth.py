"""Frequent queries are answered by an index: they scan neither what is stored nor what only waits."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from agentchat.actions import transactions
from agentchat.models import ChatSession, Run
from agentchat.presentation.chat_list import chats_of
from agentchat.runs import leases
from agentchat.runs.queue_positions import queue_positions
from agentchat.visitors import Visitor

pytestmark = pytest.mark.django_db


def plans(question: Callable[[], Any]) -> list[str]:
    """How SQLite answers the queries about runs and chat sessions."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL scans small tables: benchmarks/growth.py measures large ones")
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        question()
    with connection.cursor() as cursor:
        found = []
        for sql, params in asked:
            found += cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
    return [row[-1] for row in found]


def run(status: str, *, session: ChatSession | None = None, **fields: Any) -> Run:
    session = session or ChatSession.objects.create(agent="oracle", guest_key=uuid.uuid4().hex)
    return Run.objects.create(session=session, number=1, agent="oracle", status=status, **fields)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(user=get_user_model().objects.create_user("ada"))


def test_a_query_plan_without_an_index_would_be_noticed() -> None:
    assert any(plan.startswith("SCAN") for plan in plans(lambda: list(Run.objects.filter(error_code="x"))))


@pytest.mark.parametrize(
    "question",
    [
        lambda visitor, session: leases.ready_runs(64),
        lambda visitor, session: queue_positions([session.pk]),
        lambda visitor, session: chats_of(visitor),
        lambda visitor, session: chats_of(Visitor(guest_key="key")),
        lambda visitor, session: transactions.check_rate(session),
    ],
    ids=["what is ready", "places in line", "an account's chats", "a guest's chats", "how much was said lately"],
)
def test_no_query_scans_a_table(question: Any, visitor: Visitor) -> None:
    session = ChatSession.objects.create(agent="oracle", owner=visitor.user)
    run("waiting", session=session)
    found = plans(lambda: question(visitor, session))
    assert found
    assert not [plan for plan in found if plan.startswith("SCAN")]
    assert not [plan for plan in found if "(status=?)" in plan and "agentchat_in_line" not in plan]


def test_runs_that_are_ready_in_any_way_are_found_oldest_first() -> None:
    now = timezone.now()
    past, future = now - timedelta(seconds=1), now + timedelta(seconds=60)
    ready = [
        run("queued"),
        run("running", owner_process="there", lease_until=past),
        run("waiting", owner_process="there", lease_until=past),
        run("waiting", waits_until=past),
    ]
    for minutes, each in enumerate(ready):
        Run.objects.filter(pk=each.pk).update(queued_at=now - timedelta(minutes=minutes))
    run("running", owner_process="there", lease_until=future)
    run("waiting")
    run("waiting", waits_until=future)
    run("waiting", owner_process="there", lease_until=future, waits_until=past)
    run("finished", waits_until=past)
    assert leases.ready_runs(64) == [each.pk for each in reversed(ready)]
