"""How long chats are kept, and what the supervisors delete."""

import logging
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from agentchat.actions import retention
from agentchat.actions.retention import INTERVAL_SECONDS, Keeper, expired
from agentchat.core import registry
from agentchat.errors import ConfigError
from agentchat.infra import moments
from agentchat.models import ChatSession, Run
from tests.factories import account

pytestmark = pytest.mark.django_db


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def keeper():
    """A keeper whose process has been running for long, and its clock."""
    keeper = Keeper(clock := Clock())
    clock.now = INTERVAL_SECONDS
    return keeper, clock


def chat(title, *, days, agent="weather", status=None, deleted=None, **fields):
    session = ChatSession.objects.create(agent=agent, title=title, guest_key=uuid.uuid4().hex, **fields)
    if status:
        Run.objects.create(session=session, number=1, agent=agent, status=status)
    then = timezone.now() - timedelta(days=days)
    gone = timezone.now() - timedelta(days=deleted) if deleted else None
    ChatSession.objects.filter(pk=session.pk).update(updated_at=then, deleted_at=gone)
    return session


def titles():
    return sorted(ChatSession.objects.values_list("title", flat=True))


def to_go():
    return sorted(expired(moments.now()).values_list("title", flat=True))


def test_without_a_setting_only_what_cannot_be_restored_goes():
    chat("old", days=3000)
    chat("deleted long ago", days=31, deleted=31)
    chat("deleted lately", days=3000, deleted=29)
    assert to_go() == ["deleted long ago"]


def test_chats_go_so_many_days_after_their_last_change(settings):
    settings.AGENTCHAT = {"RETENTION_DAYS": 30}
    chat("old", days=31)
    chat("new", days=29)
    assert to_go() == ["old"]


def test_an_agent_may_have_a_retention_of_its_own(settings, agent_function):
    settings.AGENTCHAT = {"RETENTION_DAYS": 30}
    agent_function(lambda iostream: None, name="brief", retention=timedelta(days=2))
    agent_function(lambda iostream: None, name="lasting", retention=timedelta(days=400))
    for agent, days in (("brief", 3), ("brief", 1), ("lasting", 399), ("lasting", 401), ("gone", 31), ("gone", 29)):
        chat(f"{agent} {days}", days=days, agent=agent)
    assert to_go() == ["brief 3", "gone 31", "lasting 401"]


def test_a_retention_longer_than_all_time_keeps_everything(settings, agent_function):
    settings.AGENTCHAT = {"RETENTION_DAYS": 10**8}
    agent_function(lambda iostream: None, name="ever", retention=timedelta.max)
    chat("old", days=3000, agent="ever")
    chat("other", days=3000)
    assert to_go() == []


@pytest.mark.parametrize("status", list(Run.Status))
def test_a_chat_at_work_is_kept_and_one_that_waits_is_not(settings, status):
    settings.AGENTCHAT = {"RETENTION_DAYS": 30}
    chat("old", days=31, status=status)
    assert bool(to_go()) == (status not in (Run.Status.QUEUED, Run.Status.RUNNING))


@pytest.mark.parametrize("wrong", [30, "30d", timedelta(0), timedelta(days=-1), timedelta(minutes=1), True])
def test_a_retention_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ConfigError, match="retention="):
        registry.on_connect("probe", retention=wrong)(lambda iostream: None)


# --- the keeper ------------------------------------------------------------------------------------------------------


def test_a_process_looks_a_minute_after_its_start_and_then_four_times_an_hour(django_assert_num_queries):
    keeper = Keeper(clock := Clock())
    looked_at = []
    for second in range(0, 3600, 5):
        clock.now = float(second)
        before, next_at = clock.now, keeper._next_at
        keeper.delete_next()
        if keeper._next_at != next_at:
            looked_at.append(before)
    assert looked_at == [60, 960, 1860, 2760]
    with django_assert_num_queries(0):
        keeper.delete_next()


def test_more_than_a_batch_goes_batch_by_batch_and_one_s_pages_are_told(settings, keeper, monkeypatch, caplog):
    settings.AGENTCHAT = {"RETENTION_DAYS": 30}
    monkeypatch.setattr(retention, "BATCH_SIZE", 3)
    told = []
    monkeypatch.setattr(retention.chat_list, "notify_owner", lambda *owner: told.append(owner))
    caplog.set_level(logging.INFO, "agentchat.runs")
    ada = account("ada")
    for number in range(7):
        ChatSession.objects.filter(pk=chat(f"old {number}", days=100 - number).pk).update(owner=ada, guest_key="")
    chat("new", days=1)
    keeper, _ = keeper
    left = []
    for _ in range(4):
        keeper.delete_next()
        left.append(len(titles()))
    assert left == [5, 2, 1, 1]  # at once, and not after an interval
    assert titles() == ["new"]
    assert set(told) == {(ada.pk, "")}
    assert "deleted 3 chats permanently" in caplog.text


def test_a_chat_that_changes_meanwhile_is_kept(settings, keeper, monkeypatch):
    settings.AGENTCHAT = {"RETENTION_DAYS": 30}
    old = chat("old", days=31)
    delete = retention.delete_permanently

    def delete_later(chats, keys):
        ChatSession.objects.filter(pk=old.pk).update(updated_at=timezone.now())
        return delete(chats, keys)

    monkeypatch.setattr(retention, "delete_permanently", delete_later)
    keeper[0].delete_next()
    assert titles() == ["old"]


def test_supervisors_do_it():
    from agentchat.runs import supervisor

    assert any(getattr(chore, "__self__", None).__class__ is Keeper for chore in supervisor.CHORES)


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "30 days after the last change"), ("de", "30 Tage nach der letzten Änderung"), ("ar", "30 يومًا")],
)
def test_users_read_how_long_their_chats_are_kept(settings, client, language, words):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "GUESTS": True, "RETENTION_DAYS": 30}
    assert words in client.get("/chat/my-data/", headers={"accept-language": language}).content.decode()
