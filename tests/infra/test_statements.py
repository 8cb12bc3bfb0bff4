"""Statements that are made once read and write what querysets do."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from agentchat.infra import moments
from agentchat.infra.statements import BATCH, insert, select, select_one, select_values, update
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
