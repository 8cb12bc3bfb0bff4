"""What staff may do has permissions of its own, and is in admin's log; `staff=` says of which agents."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agentchat.core import registry
from agentchat.files.store import store_file
from agentchat.models import ChatSession, Feedback, Run, Share
from tests.admin.pages import RUNS, SESSIONS, chat, member_of_staff, message, page, say

pytestmark = pytest.mark.django_db

ACTS = {  # what an act needs, besides the permission to view
    "stop": {"stop_chatsession", "change_chatsession"},
    "delete": {"purge_chatsession", "delete_chatsession"},
    "export": {"export_chatsession"},
    "take over": {"take_over_chatsession"},
}
ALL = {name for names in ACTS.values() for name in names} | {"answer_chatsession"}


def has_done(client: Client, act: str) -> bool:
    """Whether it could be done to a new chat."""
    session = chat(status="waiting")
    say(session, message(1, "Umbrella."))
    theirs = f"/inbox/chats/{session.pk}/"
    match act:
        case "stop":
            client.post(SESSIONS, {"action": "stop", "_selected_action": [session.pk], "index": 0})
            return bool(session.runs.get(number=2).status == Run.Status.STOPPED)
        case "delete":
            client.post(f"{SESSIONS}{session.pk}/delete/", {"post": "yes"})
            return not ChatSession.objects.filter(pk=session.pk).exists()
        case "export":
            return client.get(f"{theirs}export.md").status_code == 200
    client.post(theirs, {"do": "take"})
    return ChatSession.objects.get(pk=session.pk).handover is not None


@pytest.mark.parametrize("permission", sorted(ALL))
def test_each_permission_allows_its_own_act_alone(permission: str) -> None:
    client = member_of_staff("view_chatsession", permission)
    assert {act for act in ACTS if has_done(client, act)} == {act for act, names in ACTS.items() if permission in names}


def test_who_may_only_view_reads_and_does_nothing_else() -> None:
    client = member_of_staff("view_chatsession")
    session = chat(status="waiting")
    html = client.get(page(session)).content.decode()
    assert not [act for act in ACTS if has_done(client, act)]
    assert 'value="stop"' not in html
    assert "export.md" not in html
    assert "/delete/" not in html
    buttons = member_of_both(client, *ALL).get(page(session)).content.decode()
    assert 'value="stop"' in buttons
    assert "export.md" in buttons
    assert "/delete/" in buttons


def member_of_both(client: Client, *permissions: str) -> Client:
    User.objects.get(username="sam").user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return client


def test_who_may_answer_joins_what_is_handed_over_and_takes_nothing_over_unasked() -> None:
    client = member_of_staff("view_chatsession", "answer_chatsession")
    session = chat(status="waiting")
    theirs = reverse("agentchat:inbox_chat", args=[session.pk])
    assert client.post(theirs, {"do": "take"}).status_code == 400
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    boss.post(theirs, {"do": "take"})
    assert client.post(theirs, {"do": "take"}).status_code == 302
    handover = ChatSession.objects.get(pk=session.pk).handover
    assert handover is not None
    assert handover.names == ["boss", "sam"]
    assert entries() == ["boss Took the chat over.", "sam Joined the chat."]


def entries(*, reading: bool = False) -> list[str]:
    rows = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    return [f"{name} {text}" for name, text in rows if reading or not text.startswith("Read")]


# --- reading is logged ------------------------------------------------------------------------------------------------


def test_reading_the_chat_of_somebody_else_is_logged_once_an_hour(owner: User) -> None:
    client = member_of_staff(*VIEWS)
    session, run, _ = with_everything(owner)
    for address in (page(session), f"{SESSIONS}{session.pk}/replay/", f"{RUNS}{run.pk}/change/"):
        client.get(address)
        assert entries(reading=True) == ["sam Read the chat."]
    [entry] = LogEntry.objects.all()
    assert (entry.object_id, entry.get_edited_object()) == (str(session.pk), session)
    LogEntry.objects.update(action_time=timezone.now() - timedelta(minutes=61))
    client.get(page(session))
    assert LogEntry.objects.count() == 2
    client.get(page(chat(owner)))
    assert LogEntry.objects.count() == 3, "another chat is another entry"


VIEWS = ("view_chatsession", "view_run", "view_feedback", "view_share")


@pytest.mark.parametrize("where", ["chat", "replay", "run", "step", "feedback", "inbox", "earlier", "file", "export"])
def test_wherever_it_is_read_it_is_logged(owner: User, where: str) -> None:
    client = member_of_staff(*VIEWS, "export_chatsession")
    session, run, rating = with_everything(owner)
    theirs = f"/inbox/chats/{session.pk}/"
    run.steps.create(number=1, kind="llm", name="clerk", status="done", started_at=timezone.now())
    file = store_file(session, "a.txt", b"Umbrella")
    address = {
        "chat": page(session),
        "file": f"{theirs}files/{file.pk}",
        "replay": f"{SESSIONS}{session.pk}/replay/?at=1",
        "run": f"{RUNS}{run.pk}/change/",
        "step": f"{RUNS}{run.pk}/step/1/",
        "feedback": f"/admin/agentchat/feedback/{rating.pk}/change/",
        "inbox": theirs,
        "earlier": f"{theirs}earlier?before=2",
        "export": f"{theirs}export.json",
    }[where]
    assert client.get(address).status_code == 200
    expected = "Exported the chat as JSON." if where == "export" else "Read the chat."
    assert entries(reading=True) == [f"sam {expected}"]


def test_lists_and_own_chats_are_no_reading() -> None:
    client = member_of_staff(*VIEWS)
    own = chat(User.objects.get(username="sam"))
    for address in (SESSIONS, RUNS, f"{SESSIONS}statistics/", page(own)):
        assert client.get(address).status_code == 200
    assert not LogEntry.objects.exists()


def with_everything(owner: User, agent: str = "weather") -> tuple[ChatSession, Run, Feedback]:
    session = chat(owner, agent=agent, title="Umbrella")
    say(session, message(1, "Umbrella."))
    Share.objects.create(session=session, token=session.pk.hex, last_seq=2)
    return session, session.runs.get(number=2), Feedback.objects.create(session=session, message_id="m1", value="up")


# --- of which agents --------------------------------------------------------------------------------------------------


def raises(user: Any) -> bool:
    raise LookupError("the directory is down")


def denies(user: Any) -> bool:
    return False


def later(user: Any) -> Any:
    async def allows() -> bool:
        return True

    return allows()


@pytest.fixture
def guarded() -> Iterator[Callable[[Callable[[Any], Any]], None]]:
    """Register the agent function "vault" with this `staff=`."""

    def guarded(rule: Callable[[Any], Any]) -> None:
        registry.on_connect("vault", staff=rule)(lambda iostream: iostream.input())

    yield guarded
    registry.unregister("vault")


@pytest.mark.parametrize("rule", [denies, raises, later])
def test_staff_of_other_agents_find_nothing_of_this_one(
    guarded: Any, staff: Client, owner: User, rule: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    guarded(rule)
    session, run, rating = with_everything(owner, "vault")
    others, *_ = with_everything(owner, "weather")
    theirs = f"/inbox/chats/{session.pk}/"
    for kind, shown in (("chatsession", others.pk), ("run", "weather 2"), ("feedback", "up"), ("share", "Umbrella")):
        html = staff.get(f"/admin/agentchat/{kind}/").content.decode()
        assert str(session.pk) not in html
        assert "vault 2" not in html
        assert str(shown) in html
    for address in (page(session), f"{RUNS}{run.pk}/change/", f"/admin/agentchat/feedback/{rating.pk}/change/"):
        assert staff.get(address).status_code == 302, "as if it were not there"
    for address in (f"{SESSIONS}{session.pk}/replay/", f"{RUNS}{run.pk}/step/1/", theirs, f"{theirs}export.md"):
        assert staff.get(address).status_code == 404
    staff.post(f"{SESSIONS}{session.pk}/delete/", {"post": "yes"})
    staff.post(SESSIONS, {"action": "delete_selected", "_selected_action": [session.pk], "post": "yes"})
    assert ChatSession.objects.filter(pk=session.pk).exists()
    assert staff.post(theirs, {"do": "take"}).status_code == 404
    rows = re.findall(
        r'<th scope="row" dir="auto">(\w+)', staff.get(f"{SESSIONS}statistics/?by=agent").content.decode()
    )
    assert rows == ["weather"]
    assert not LogEntry.objects.exists()
    assert ("staff= of agent function 'vault' could not say" in caplog.text) == (rule is not denies)


def test_every_list_opens_for_those_who_may_not_see_an_agent(guarded: Any, staff: Client) -> None:
    guarded(denies)
    models = [model for model in admin.site._registry if model._meta.app_label == "agentchat"]
    assert len(models) > 4
    for model in models:
        assert staff.get(reverse(f"admin:agentchat_{model._meta.model_name}_changelist")).status_code == 200


def test_the_staff_of_an_agent_and_its_owner_find_it(guarded: Any, owner: User) -> None:
    guarded(lambda user: user.username == "sam")
    session, *_ = with_everything(owner, "vault")
    client = member_of_staff(*VIEWS)
    assert client.get(page(session)).status_code == 200
    assert client.get(f"/inbox/chats/{session.pk}/").status_code == 200
    mine = Client()
    mine.force_login(owner)
    assert mine.get(f"/chat/{session.pk}/").status_code == 200


def test_the_log_and_the_statistics_work_without_time_zones(staff: Client, owner: User, settings: Any) -> None:
    settings.USE_TZ = False
    session = chat(owner)
    for address in (page(session), page(session), f"{SESSIONS}{session.pk}/replay/", f"{SESSIONS}statistics/"):
        assert staff.get(address).status_code == 200
    assert LogEntry.objects.count() == 1
