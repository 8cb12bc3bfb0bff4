"""`manage.py agentchat_purge`: old chats are deleted, live ones are kept."""

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from agentchat import ConversableAgent, llm_config
from agentchat.core import registry
from agentchat.management.commands import agentchat_purge
from agentchat.models import ChatSession, Event, InboxItem, Run, Step
from agentchat.testing import say

pytestmark = pytest.mark.django_db


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def chat(title: str, *, days: float, status: str = "finished", **fields: Any) -> ChatSession:
    """A chat session with a run that has one of everything; its last change is so many days ago."""
    session = ChatSession.objects.create(agent="weather", title=title, **fields)
    run = Run.objects.create(session=session, number=1, agent="weather", status=status)
    Step.objects.create(run=run, number=1, kind="llm", name="chatbot", status="done", started_at=timezone.now())
    InboxItem.objects.create(session=session, run=run, client_id=uuid.uuid4(), value="hello")
    Event.objects.create(session=session, seq=1, run=run, type="RUN_STARTED", payload={})
    Event.objects.create(session=session, seq=2, type="PRINTED", payload={"text": "hello"})
    ChatSession.objects.filter(pk=session.pk).update(updated_at=ago(days))
    return session


def titles() -> list[str]:
    return sorted(ChatSession.objects.values_list("title", flat=True))


def purge(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("agentchat_purge", *arguments, stdout=out, **options)
    return out.getvalue()


# --- what goes ------------------------------------------------------------------------------------------------------


def test_older_chats_are_deleted_with_everything_in_them() -> None:
    chat("old", days=31)
    new = chat("new", days=29)
    said = purge("--older-than", "30d")
    assert titles() == ["new"]
    for model in (Run, InboxItem, Event):
        assert set(model._default_manager.values_list("session", flat=True)) == {new.pk}
    assert Step.objects.count() == 1
    assert "Deleted 1 chat session with 2 events, 1 inbox item, 1 run, 1 step (last changed before " in said


def test_a_dry_run_reports_the_same_and_deletes_nothing() -> None:
    chat("old", days=31)
    chat("older", days=40)
    chat("waits", days=40, status="waiting")
    would = purge("--older-than", "30d", "--dry-run")
    assert titles() == ["old", "older", "waits"]
    did = purge("--older-than", "30d")
    counts = "2 chat sessions with 4 events, 2 inbox items, 2 runs, 2 steps"
    assert f"Would delete {counts} (" in would
    assert f"Deleted {counts} (" in did
    assert "Would keep 1 chat session with a live run" in would
    assert "Kept 1 chat session with a live run" in did


def test_a_dry_run_can_name_each_chat_session() -> None:
    old, _ = chat("old", days=31), chat("new", days=1)
    lines = purge("--older-than", "30d", "--dry-run", verbosity=2).splitlines()
    assert lines[0] == str(old.pk)
    assert lines[1].startswith("Would delete 1 chat session")


def test_nothing_to_delete_is_not_an_error() -> None:
    chat("new", days=1)
    assert purge("--older-than", "30d").startswith("Deleted 0 chat sessions (last changed before ")


def test_it_can_be_quiet() -> None:
    chat("old", days=31)
    assert purge("--older-than", "30d", verbosity=0) == ""
    assert titles() == []


def test_guests_only_keeps_the_chats_of_accounts() -> None:
    chat("of an account", days=31, owner=User.objects.create_user("olivia"))
    chat("of a guest", days=31, guest_key="key")
    assert ", of guests)" in purge("--older-than", "30d", "--guests-only")
    assert titles() == ["of an account"]


def test_deleted_selects_only_chats_deleted_that_long_ago() -> None:
    chat("deleted long ago", days=0, deleted_at=ago(31))
    chat("deleted lately", days=60, deleted_at=ago(29))
    chat("old", days=60)
    assert "(deleted before " in purge("--older-than", "30d", "--deleted")
    assert titles() == ["deleted lately", "old"]


@pytest.mark.parametrize("status", ["queued", "running", "waiting"])
def test_a_live_run_keeps_its_chat_session_unless_forced(status: str) -> None:
    chat("alive", days=31, status=status)
    assert "use --force to delete those too" in purge("--older-than", "30d")
    assert titles() == ["alive"]
    purge("--older-than", "30d", "--force")
    assert titles() == []


@pytest.mark.parametrize(
    ("age", "left"),
    [("90s", []), ("119m", []), ("3h", ["hours"]), ("2d", ["hours"]), ("1w", ["days", "hours"])],
)
def test_an_age_has_a_unit(age: str, left: list[str]) -> None:
    chat("hours", days=2 / 24)
    chat("days", days=3)
    purge("--older-than", age)
    assert titles() == left


def test_many_chat_sessions_are_deleted_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agentchat_purge, "BATCH_SIZE", 2)
    batches: list[int] = []
    delete: Callable[..., Any] = agentchat_purge._delete
    monkeypatch.setattr(
        agentchat_purge, "_delete", lambda chats, keys: batches.append(len(keys)) or delete(chats, keys)
    )
    for number in range(5):
        chat(f"old {number}", days=31)
    assert "Deleted 5 chat sessions" in purge("--older-than", "30d")
    assert batches == [2, 2, 1]


def test_a_chat_session_that_gets_a_message_meanwhile_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    session = chat("old", days=31)
    delete: Callable[..., Any] = agentchat_purge._delete

    def after_a_message(chats: Any, keys: Any) -> Any:
        ChatSession.objects.get(pk=session.pk).save()
        return delete(chats, keys)

    monkeypatch.setattr(agentchat_purge, "_delete", after_a_message)
    assert "Deleted 0 chat sessions" in purge("--older-than", "30d")
    assert titles() == ["old"]


def test_the_timer_purges_guests_and_deleted_chats_and_keeps_the_rest() -> None:
    olivia = User.objects.create_user("olivia")
    chat("of a guest who was asked", days=31, guest_key="key", status="waiting")
    chat("of a guest of today", days=0, guest_key="key")
    chat("of an account", days=31, owner=olivia)
    chat("of an account, deleted", days=31, owner=olivia, deleted_at=ago(31))
    unit = (settings.BASE_DIR / "deploy" / "systemd" / "agentchat-purge.service").read_text(encoding="utf-8")
    commands = re.findall(r"^ExecStart=.* manage\.py (agentchat_purge .*)$", unit, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        call_command(*command.split(), verbosity=0)
    assert titles() == ["of a guest of today", "of an account"]


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", ["30", "d", "0d", "-1d", "1.5d", "30 d", "30x", ""])
def test_an_invalid_age_is_reported(age: str) -> None:
    with pytest.raises(CommandError, match="is not an age: use a whole number, 1 or more, and s, m, h, d or w"):
        purge(f"--older-than={age}")


@pytest.mark.parametrize("age", ["99999999999999w", "999999d"])
def test_an_age_beyond_the_calendar_is_reported(age: str) -> None:
    with pytest.raises(CommandError, match=r"is too long ago"):
        purge("--older-than", age)


def test_the_age_must_be_given() -> None:
    chat("old", days=31)
    with pytest.raises(CommandError, match="--older-than"):
        purge()
    assert titles() == ["old"]


# --- a run that is running ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_forced_purge_cancels_the_run_in_progress(scripted_llm: Any, agent_chat: Any) -> None:
    @registry.on_connect("teller")
    def teller(iostream: Any) -> None:
        agent = ConversableAgent("teller", llm_config=llm_config())
        agent.generate_reply([{"role": "user", "content": iostream.input()}])

    try:
        scripted_llm.replies(answer := say("A long story, and nobody is there to hear it.").paused(after=2))
        talk = agent_chat("teller")
        talk.send("tell me")
        answer.wait_until_paused()
        ChatSession.objects.update(updated_at=ago(31))
        purge("--older-than", "30d", "--force")
        assert titles() == []
        scripted_llm.wait_for_disconnect()
    finally:
        registry.unregister("teller")
