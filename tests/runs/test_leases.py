"""Which runs are ready, of those that were read and of those that the database finds."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from agentchat.models import ChatSession, Run
from agentchat.runs import leases

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
    assert leases.is_ready(run, NOW) is Run.objects.filter(leases._is_ready(NOW)).exists()
    assert leases.is_orphaned(run, NOW) is Run.objects.filter(leases._orphaned(NOW).condition).exists()
