"""The visitor's data: an overview, a download, and its deletion."""

import json
import uuid

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from agentchat.actions import chats
from agentchat.core import registry
from agentchat.models import (
    ChatSession,
    ChatSignal,
    DelegatedQuestion,
    Event,
    Feedback,
    InboxItem,
    OutboxItem,
    Run,
    Share,
    Step,
)
from agentchat.presentation import export
from agentchat.visitors import Visitor
from tests.factories import account, said, tell
from tests.web.views.pages import body

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("guests")]


@pytest.fixture
def ada():
    return account("ada-lovelace")


def everything(owner_fields):
    chat = ChatSession.objects.create(agent="oracle", title="Mine", **owner_fields)
    tell(chat, ("RUN_STARTED", {}), *said("a1", "words of mine"), status=Run.Status.WAITING)
    run = Run.objects.get(session=chat)
    Step.objects.create(run=run, number=1, kind="llm", name="x", status="done", started_at=timezone.now())
    InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="inbox of mine")
    Share.objects.create(session=chat, token=str(uuid.uuid4()), last_seq=3)
    ChatSignal.objects.create(session=chat, key=uuid.uuid4(), name="paid", value={"euros": 40})
    for kind, name, value in (
        ("message", "Warehouse", "It has left."),
        ("signal", "sent", 7),
        ("notice", "", "to whom"),
    ):
        OutboxItem.objects.create(session=chat, key=uuid.uuid4(), kind=kind, name=name, value=value)
    DelegatedQuestion.objects.create(
        session=chat, run=run, request="1-2", question={"kind": "text"}, to_kind="staff", asked_at=timezone.now()
    )
    Feedback.objects.create(session=chat, message_id="a1", value="down", comment="what I thought")
    return chat


def test_all_data_is_exported_with_deleted_chats_and_feedback(as_ada, ada):
    chat, deleted = everything({"owner": ada}), everything({"owner": ada})
    ChatSession.objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())
    response = as_ada.get("/chat/my-data/download")
    data = json.loads(body(response))
    assert data["account"] == "ada-lovelace"
    assert [each["id"] for each in data["chats"]] == [str(chat.pk), str(deleted.pk)]
    assert [bool(each["deletedAt"]) for each in data["chats"]] == [False, True]
    assert data["chats"][0]["events"][2]["content"] == "words of mine"
    assert data["chats"][0]["feedback"][0]["comment"] == "what I thought"
    assert [each["text"] for each in data["chats"][0]["waiting"]] == ["inbox of mine"]
    [signal] = data["chats"][0]["signals"]
    assert (signal["name"], signal["value"]) == ("paid", {"euros": 40})
    outbox = [(each["kind"], each.get("name"), each.get("value")) for each in data["chats"][0]["outbox"]]
    assert outbox == [("message", "Warehouse", "It has left."), ("signal", "sent", 7), ("notice", None, None)]
    assert "attachment" in response.headers["Content-Disposition"]


def rows():
    """How many rows each table of agentchat has, of those that have any."""
    models = apps.get_app_config("agentchat").get_models()
    return {model.__name__: count for model in models if (count := model.objects.count())}


@pytest.mark.parametrize("how", ["their data", "the account", "the chat", "the guest's data"])
def test_no_row_remains_of_what_is_deleted(ada, how):
    visitor = Visitor(guest_key="g" * 30) if how == "the guest's data" else Visitor(user=ada)
    kept = everything({"owner": account("grace")})
    of_the_other = rows()
    assert of_the_other.keys() >= {"ChatSignal", "OutboxItem", "DelegatedQuestion", "InboxItem", "Share", "Step"}
    chat = everything(visitor.owner_fields)
    match how:
        case "the account":
            get_user_model().objects.get(pk=ada.pk).delete()
        case "the chat":
            chats.delete_permanently(ChatSession.objects.all(), [chat.pk])
        case _:
            chats.delete_all_permanently(visitor)
    assert rows() == of_the_other
    chats.delete_permanently(ChatSession.objects.all(), [kept.pk])
    assert rows() == {}


def test_only_messages_that_no_run_has_taken_are_listed_as_waiting(as_ada, ada):
    chat = everything({"owner": ada})
    run = Run.objects.get()
    for fields in ({"run": run, "step": 1}, {"run": run}, {"request_id": "1-1"}):
        InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="another", **fields)
    data = json.loads(body(as_ada.get("/chat/my-data/download")))
    assert [each["text"] for each in data["chats"][0]["waiting"]] == ["inbox of mine"]


def test_every_chat_is_exported_once_across_batches(as_ada, ada, monkeypatch):
    monkeypatch.setattr(export, "CHAT_BATCH_SIZE", 2)
    made = [ChatSession.objects.create(owner=ada, agent="oracle") for _ in range(7)]
    ChatSession.objects.filter(pk__in=[chat.pk for chat in made[2:]]).update(created_at=made[2].created_at)
    in_order = [*made[:2], *sorted(made[2:], key=lambda chat: chat.pk)]
    data = json.loads(body(as_ada.get("/chat/my-data/download")))
    assert [chat["id"] for chat in data["chats"]] == [str(chat.pk) for chat in in_order]


@pytest.mark.parametrize("is_guest", [False, True])
def test_all_data_of_the_visitor_is_deleted_permanently_and_no_one_elses(as_ada, ada, is_guest):
    if is_guest:
        client = Client()
        client.post("/chat/", {"agent": _registered()})
        chat = ChatSession.objects.get()
        own = {"guest_key": chat.guest_key}
        registry.unregister("oracle")
    else:
        client, own = as_ada, {"owner": ada}
    everything(own)
    everything(own)
    ChatSession.objects.filter(**own).first().delete()
    others = everything({"guest_key": "somebody else"})
    assert "Delete everything" in body(client.get("/chat/my-data/delete/"))
    assert ChatSession.objects.filter(**own).exists()  # asking deletes nothing
    page = client.post("/chat/my-data/delete/", follow=True)
    assert "All your chats have been deleted." in body(page)
    for model in (Run, InboxItem, Event, Share, Feedback):
        assert set(model.objects.values_list("session", flat=True)) == {others.pk}
    assert list(ChatSession.objects.all()) == [others]
    assert Step.objects.count() == 1
    assert get_user_model().objects.filter(username="ada-lovelace").exists()
    assert client.get("/chat/").status_code == 200


def _registered():
    registry.on_connect("oracle")(lambda iostream: None)
    return "oracle"


def test_live_runs_are_stopped_before_their_chats_are_deleted(as_ada, ada, monkeypatch):
    everything({"owner": ada})
    stopped = []
    stop = chats.messages.stop
    monkeypatch.setattr(chats.messages, "stop", lambda pk, **how: stopped.append(pk) or stop(pk, **how))
    as_ada.post("/chat/my-data/delete/")
    assert len(stopped) == 1
