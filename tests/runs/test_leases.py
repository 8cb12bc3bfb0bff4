"""Which runs are ready, of those that were read and of those that the database finds."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from tests import factories

NOW = timezone.now()
PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(minutes=1)


@pytest.mark.django_db
@pytest.mark.parametrize("status", Run.Status.values)
@pytest.mark.parametrize("owner", ["", "another"])
@pytest.mark.parametrize("lease_until", [None, PAST, FUTURE])
@pytest.mark.parametrize("waits_until", [None, PAST, FUTURE])
def test_a_run_that_was_read_is_ready_where_the_database_says_so(status, owner, lease_until, waits_until):
    session = ChatSession.objects.create(agent="probe", guest_key=uuid.uuid4().hex)
    run = Run.objects.create(
        session=session,
        number=1,
        agent="probe",
        status=status,
        owner_process=owner,
        lease_until=lease_until,
        waits_until=waits_until,
    )
    queries = (leases._queued(), leases._orphaned(NOW), leases._unanswered(NOW))
    assert leases.is_ready(run, NOW) is any(Run.objects.filter(each.condition).exists() for each in queries)
    assert leases.is_orphaned(run, NOW) is Run.objects.filter(leases._orphaned(NOW).condition).exists()


def queued(count, *, owner=None, guest_key="", at=NOW):
    """This many queued runs of this owner, in a chat session each, a second apart. Return their keys."""
    keys = []
    for number in range(count):
        session = ChatSession.objects.create(agent="probe", owner=owner, guest_key=guest_key)
        run = Run.objects.create(session=session, number=1, agent="probe", status=Run.Status.QUEUED)
        Run.objects.filter(pk=run.pk).update(queued_at=at + timedelta(seconds=number))
        keys.append(run.pk)
    return keys


LATER = NOW + timedelta(hours=1)


@pytest.mark.django_db
def test_owners_take_turns(settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 4}
    ada, bob = factories.account("ada"), factories.account("bob")
    hers, his = queued(10, owner=ada), queued(3, owner=bob, at=LATER)
    assert leases.ready_runs(3) == [hers[0], his[0], hers[1]]
    assert leases.ready_runs(20) == [hers[0], his[0], hers[1], his[1], hers[2], his[2], hers[3]]


@pytest.mark.django_db
def test_those_that_run_already_count(settings):
    settings.AGENTCHAT = {"MAX_RUNS_PER_OWNER": 4}
    ada, bob = factories.account("ada"), factories.account("bob")
    running = Run.objects.filter(pk__in=queued(2, owner=ada))
    running.update(status=Run.Status.RUNNING, owner_process="another", lease_until=LATER)
    hers, his = queued(2, owner=ada), queued(3, owner=bob, at=LATER)
    assert leases.ready_runs(5) == [his[0], his[1], hers[0], his[2], hers[1]]


@pytest.mark.django_db
@pytest.mark.parametrize("guests", [34, 100])
def test_many_guests_take_no_more_than_every_other_turn_of_owners_with_an_account(guests):
    theirs = [queued(1, guest_key=f"guest {number}", at=NOW + timedelta(seconds=number))[0] for number in range(guests)]
    [hers], [his] = (queued(1, owner=factories.account(name), at=LATER) for name in ("ada", "bob"))
    chosen = leases.ready_runs(8)
    assert {hers, his} < set(chosen)
    assert [key for key in chosen if key in theirs] == theirs[:6]
    assert leases.ready_runs(2) == [theirs[0], hers]


@pytest.mark.django_db
def test_guests_alone_take_all_turns_in_order():
    theirs = [queued(1, guest_key=f"guest {number}", at=NOW + timedelta(seconds=number))[0] for number in range(9)]
    assert leases.ready_runs(8) == theirs[:8]
