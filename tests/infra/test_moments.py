"""Moments have a zone, whatever USE_TZ says, and columns are as Django has them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection

from agentchat.infra import moments
from agentchat.infra.keyset import after, cursor_of, in_order, parse_cursor
from agentchat.models import ChatSession, Event, Run

BOGOTA = timezone(timedelta(hours=-5))
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=[True, False], ids=["with zones", "without zones"])
def use_tz(request, settings):
    settings.USE_TZ, settings.TIME_ZONE = request.param, "America/Bogota"
    connection.close()  # it keeps the zone that it was opened with
    return request.param


@pytest.mark.django_db(transaction=True)
def test_what_is_written_is_read_as_the_same_moment(use_tz):
    run = Run.objects.create(session=ChatSession.objects.create(agent="a"), number=1, agent="a", lease_until=NOON)
    for found in (Run.objects.get(), Run.objects.get(lease_until=NOON), Run.objects.get(lease_until__lte=NOON)):
        assert found.lease_until == NOON
    Run.objects.update(lease_until=NOON.astimezone(BOGOTA) + timedelta(hours=1))
    assert Run.objects.values_list("lease_until", flat=True).get() == NOON + timedelta(hours=1)
    assert abs(Run.objects.get().queued_at - moments.now()) < timedelta(minutes=1)
    assert run.queued_at == Run.objects.get().queued_at


@pytest.mark.django_db(transaction=True)
def test_columns_are_as_the_project_s_others_are(use_tz):
    chat = ChatSession.objects.create(agent="a")
    Event.objects.bulk_create([Event(session=chat, seq=1, type="T", payload={})])
    ChatSession.objects.update(updated_at=NOON)
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(updated_at AS text) FROM agentchat_chatsession")
        [text] = cursor.fetchone()
    if connection.vendor == "sqlite":
        assert text[:16] == ("2026-03-01 12:00" if use_tz else "2026-03-01 07:00")


@pytest.mark.django_db(transaction=True)
def test_a_list_continues_from_a_cursor(use_tz):
    chats = [ChatSession.objects.create(agent="a") for _ in range(3)]
    for hours, chat in enumerate(chats):
        ChatSession.objects.filter(pk=chat.pk).update(updated_at=NOON - timedelta(hours=hours))
    cursor = parse_cursor(str(cursor_of(ChatSession.objects.get(pk=chats[0].pk), "updated_at")), ChatSession)
    assert list(in_order(after(ChatSession.objects.all(), "updated_at", cursor), "updated_at")) == chats[1:]


def test_a_naive_time_is_one_of_the_site(settings):
    settings.TIME_ZONE = "America/Bogota"
    assert moments.with_zone(datetime(2026, 3, 1, 7)) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moments.with_zone(NOON) is NOON
