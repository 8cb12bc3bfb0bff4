"""Statements that are made once read and write what querysets do."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from agentchat.infra import moments
from agentchat.infra.statements import (
    BATCH,
    count,
    insert,
    select,
    select_one,
    select_values,
    select_with,
    update,
    update_if_unchanged,
)
from agentchat.models import ChatSession, Event, InboxItem, Run, Step

pytestmark = pytest.mark.django_db

NOW = moments.now()
VALUES = [{"a": [1, None, "ä\u2028"]}, "text", "", 0, False, [], None]


@pytest.fixture
def session():
    return ChatSession.objects.create(agent="probe", guest_key="ada", title="Ä")


@pytest.fixture
def run(session):
    return Run.objects.create(
        session=session,
        number=1,
        agent="probe",
        status=Run.Status.RUNNING,
        lease_until=NOW,
        cost=Decimal("0.00000001"),
        running_s=1.5,
        stop_requested=True,
        prompt_tokens=2**62,
        state={"is": "kept"},
    )


def values_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_row_is_read_as_a_queryset_reads_it(session, run):
    for model, key in ((ChatSession, session.pk), (Run, run.pk)):
        [read] = select(model, id=key)
        assert values_of(read) == values_of(model.objects.get(pk=key))
        assert type(read) is model
        assert not read._state.adding
    assert select_values(Run, ("session_id", "cost"), number=1) == [(session.pk, run.cost)]


def test_a_row_is_read_together_with_the_one_that_it_refers_to(session, run, django_assert_num_queries):
    with django_assert_num_queries(1):
        read = select_with(Run, "session", id=run.pk)
        assert values_of(read.session) == values_of(session)
    assert values_of(read) == values_of(run)
    assert select_with(Run, "session", id=run.pk + 1) is None


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ([("status", "=", "running")], 1),
        ([("status", "<>", "running")], 0),
        ([("status", "NOT IN", ("queued", "running"))], 0),
        ([("status", "IN", ("queued", "running")), ("session__guest_key", "=", "ada")], 1),
        ([("session__owner_id", "=", None), ("session__guest_key", "=", "eve")], 0),
        ([("session__owner_id", "=", 1)], 0),
        ([("lease_until", ">=", NOW), ("session__updated_at", ">", NOW - timedelta(minutes=1))], 1),
        ([("lease_until", ">", NOW)], 0),
        ([("finished_at", "=", None)], 1),
        ([("finished_at", "<>", NOW)], 0),  # as in SQL: NULL is neither
    ],
)
def test_rows_are_counted(run, conditions, found):
    assert count(Run, *conditions) == found


@pytest.mark.parametrize("changed", [{}, {"lease_until": None}, {"waits_until": NOW}, {"status": "queued"}])
def test_a_row_is_updated_only_if_it_is_as_it_was_read(run, changed):
    read = select_one(Run, id=run.pk)
    Run.objects.filter(pk=run.pk).update(**changed)
    saved = update_if_unchanged(read, {"epoch": 7, "waits_until": None}, "status", "lease_until", "waits_until")
    assert saved is (not changed)
    assert read.epoch == (0 if changed else 7)
    run.refresh_from_db()
    assert run.epoch == read.epoch


def test_rows_are_written_as_a_queryset_writes_them(session, run):
    for number, value in enumerate(VALUES):
        row = {"run": run, "number": number, "kind": "llm", "name": "ä", "status": "done", "started_at": NOW}
        insert([Step(**row, result=value)])
        Step.objects.create(**{**row, "number": number + 100}, result=value)
    for number in range(len(VALUES)):
        ours, theirs = Step.objects.get(number=number), Step.objects.get(number=number + 100)
        assert {**values_of(ours), "id": 0, "number": 0} == {**values_of(theirs), "id": 0, "number": 0}
        is_null = Step.objects.filter(number__in=[number, number + 100], result=None).count()
        assert is_null in (0, 2)
    insert([InboxItem(session=session, client_id=uuid.uuid4(), value="x")])
    item = InboxItem.objects.get()
    assert item.value == "x"
    assert item.created_at >= NOW


def test_any_number_of_rows_is_inserted(session):
    many = range(1, 3 * BATCH + 2)
    insert([Event(session=session, seq=seq, type="X", payload={"n": seq}) for seq in many])
    assert list(Event.objects.order_by("seq").values_list("seq", "payload__n")) == [(seq, seq) for seq in many]
    insert([])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert([Event(session=session, seq=1, type="X", payload={})])


def test_a_row_with_the_same_unique_key_is_updated_and_keeps_what_has_a_default(run):
    row = {"run": run, "number": 1, "kind": "tool", "name": "pay"}
    begun = Step.objects.create(**row, status="started", started_at=NOW, tries=3)
    insert([Step(**row, status="done", result=1, started_at=NOW, done_at=NOW)], or_update=("run", "number"))
    step = Step.objects.get()
    assert (step.pk, step.status, step.result, step.tries) == (begun.pk, "done", 1, 3)


def test_only_the_named_fields_of_one_row_are_updated(session, run):
    other = Run.objects.create(session=session, number=2, agent="probe", status=Run.Status.FINISHED)
    run.status, run.crashes, run.state = Run.Status.FAILED, 2, {"not": "saved"}
    update(run, "status", "crashes")
    run.refresh_from_db()
    assert (run.status, run.crashes, run.state) == ("failed", 2, {"is": "kept"})
    other.refresh_from_db()
    assert (other.status, other.crashes) == ("finished", 0)
    ChatSession.objects.update(updated_at=NOW - timedelta(days=1))
    session.head = run
    update(session, "head_id", "updated_at")
    session.refresh_from_db()
    assert session.head == run
    assert session.updated_at >= NOW


def test_conditions_know_null_several_values_and_an_order(session, run):
    for number, status in ((2, "finished"), (3, "failed"), (4, "finished")):
        Run.objects.create(session=session, number=number, agent="probe", status=status)

    def numbers(**asked):
        return [run.number for run in select(Run, **asked)]

    assert numbers(session_id=session.pk, order=("-number",)) == [4, 3, 2, 1]
    assert numbers(status=("finished", "failed"), order=("number",)) == [2, 3, 4]
    assert numbers(lease_until=None, order=("number",)) == [2, 3, 4]
    assert numbers(session_id=uuid.uuid4()) == []
    newest = select_one(Run, status="finished", order=("-number",))
    assert newest is not None
    assert newest.number == 4
    assert select_one(Run, number=5) is None
