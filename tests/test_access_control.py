"""No visitor reaches what belongs to another one: every URL of agentchat and every frame of its websockets.

A new address or frame needs a row here. A stranger is whoever has an account, or a guest's key, or neither; nobody is
who would have to sign in first.
"""

import json
import uuid
from typing import get_args

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agentchat import files, server, urls
from agentchat.budgets import metering
from agentchat.core import registry
from agentchat.models import (
    ApiKey,
    ChatSession,
    DelegatedQuestion,
    Feedback,
    Handover,
    InboxItem,
    Run,
    Share,
    StoredFile,
    UsageBudget,
)
from agentchat.visitors import guest_digest
from agentchat.websocket import client_frames
from agentchat.websocket.chat_consumer import ChatConsumer
from agentchat.websocket.connections import CloseCode
from tests.factories import HOST, Tab, account, guest, said, signed_in, tell
from tests.files import hostile

OWNERS = ["an account", "a guest"]
STRANGERS = ["another account", "staff", "another guest", "a guest without a key", "nobody"]

LINK = 7
FILE_ID = "7f6c0e0e-8a50-4f5c-9d62-222222222222"
CLIENT_ID = "7f6c0e0e-8a50-4f5c-9d62-111111111111"

# Address, method, what is asked or sent. All are answered as if the chat were not there.
OF_A_CHAT = [
    ("chat", "GET", {}),
    ("chat", "GET", {"before": 3}),
    ("earlier", "GET", {"before": 3}),
    ("events", "GET", {}),
    ("events", "GET", {"before": 3}),
    ("event", "GET", {}),
    ("event_text", "GET", {}),
    ("event_text_in_frame", "GET", {}),
    ("embedded_chat", "GET", {}),
    ("file", "GET", {}),
    ("thumbnail", "GET", {}),
    ("file_in_frame", "GET", {}),
    ("thumbnail_in_frame", "GET", {}),
    ("options", "GET", {}),
    ("rename", "POST", {"title": "Mine"}),
    ("delete", "POST", {}),
    ("take_back", "POST", {}),
    ("export_markdown", "GET", {}),
    ("export_json", "GET", {}),
    ("share", "GET", {}),
    ("share", "POST", {}),
    ("share", "POST", {"withdraw": LINK}),
]

# And, last, what is told to the owner alone. These answer everybody, of what is their own.
OF_ONES_OWN = [
    ("index", "GET", {}, "/chat/{id}/"),
    ("chats", "GET", {}, "Umbrella"),
    ("chats", "GET", {"q": "umbrella"}, "<mark>"),
    ("older_chats", "GET", {"before": "9999-01-01T00:00:00.000000Z_" + "f" * 32}, "{id}"),
    ("chats", "GET", {"deleted": "{deleted}"}, "/chat/{deleted}/take-back/"),
    ("chats", "POST", {"agent": "oracle"}, None),
    ("chats", "POST", {"id": CLIENT_ID, "agent": "oracle", "prompt": "Let me in"}, None),
    ("embed", "GET", {}, "{id}"),
    ("embed", "POST", {}, None),
    ("usage", "GET", {}, "3 of 7 used. 4 left."),
    ("begin_upload", "POST", {"id": FILE_ID, "agent": "oracle", "name": "a.png", "size": 4}, None),
    ("my_data", "GET", {}, "my-data/download"),
    ("my_data_download", "GET", {}, "will rain"),
    ("my_data_delete", "GET", {}, "2 chats"),
    ("my_data_delete", "POST", {}, None),
]

# What a chat asks of the group "support" is found by its members alone: the owner and staff are strangers, too.
OF_COLLEAGUES = [
    ("inbox", "GET", {}),
    ("inbox", "GET", {"closed": "1"}),
    ("inbox_question", "GET", {}),
    ("inbox_question", "POST", {"id": CLIENT_ID, "decision": "approve"}),
]

# The chats of others, for those who may view or take over any: the owner is a stranger here, too.
OF_STAFF = [
    ("inbox_chat", "GET", {}),
    ("inbox_chat", "GET", {"before": 3}),
    ("inbox_chat", "POST", {"do": "take"}),
    ("inbox_earlier", "GET", {"before": 3}),
    ("inbox_event_text", "GET", {}),
    ("inbox_file", "GET", {}),
    ("inbox_thumbnail", "GET", {}),
]

# A file that is not sent yet is its owner's alone.
OF_AN_UPLOAD = [
    ("upload", "GET", {}),
    ("upload", "POST", b"part"),
    ("upload", "DELETE", {}),
    ("upload_thumbnail", "GET", {}),
]

# And these files of them, for those who may view chats and export them.
OF_EXPORTERS = [("inbox_export_markdown", "GET", {}), ("inbox_export_json", "GET", {})]

# The keys of a user's programs.
OF_KEYS = [
    ("api_keys", "GET", {}),
    ("api_keys", "POST", {"name": "Mine", "access": "write", "agent": "all", "days": "30"}),
    ("api_keys", "POST", {"revoke": LINK}),
]

# For programs, which show a key: no cookie counts, whosever it is.
OF_PROGRAMS = [
    ("v1_models", "GET", {}),
    ("v1_model", "GET", {}),
    ("v1_chat_completions", "POST", {"model": "oracle", "messages": [{"role": "user", "content": "Let me in"}]}),
]

# For pages and programs: who has no key is a visitor, from a page of this site.
HELLO = [{"id": "1", "role": "user", "content": "Let me in"}]
OF_AGUI = [
    ("agui_agent", "GET", {}),
    ("agui_agent", "POST", {"threadId": "{id}", "runId": "r", "messages": HELLO}),
    ("agui_events", "GET", {}),
]

# A shared link is for whoever has it; the others know of no chat.
FOR_EVERYBODY = {
    "shared",
    "shared_event_text",
    "shared_file",
    "shared_thumbnail",
    "set_language",
    "set_appearance",
    "healthz",
    "readyz",
}

FRAMES = {
    "hello": {"after": 0, "html": True},
    "send": {"id": CLIENT_ID, "text": "Let me in", "files": []},
    "answer": {"id": CLIENT_ID, "request": "1-1", "value": "Let me in"},
    "stop": {},
    "retry": {"id": CLIENT_ID, "message": "a1"},
    "edit": {"id": CLIENT_ID, "message": "u1", "text": "Let me in"},
    "branch": {"id": CLIENT_ID, "run": 1},
    "feedback": {"id": CLIENT_ID, "message": "a1", "value": "down"},
    "ack": {"seq": 1, "bytes": 1},
    "ping": {},
}
CHANGE_NOTHING = {"hello", "ack", "ping"}
FRAMES_OF_A_LIST = {"hello": {"after": 0}, "ack": {"seq": 1, "bytes": 1}, "seen": {"chat": CLIENT_ID}, "ping": {}}


@pytest.fixture(autouse=True)
def site(settings):
    settings.ALLOWED_HOSTS = [HOST]
    settings.AGENTCHAT = {"GUESTS": True}
    registry.on_connect("oracle", uploads=["image/*"])(lambda iostream: iostream.input())
    yield
    registry.unregister("oracle")


def owner_of(kind):
    """Their browser, and what makes a chat theirs."""
    if kind == "a guest":
        return guest("the guest's key"), {"guest_key": guest_digest("the guest's key")}
    user = account("ada")
    return signed_in(user), {"owner": user}


def stranger_of(kind, settings):
    match kind:
        case "another account":
            return signed_in(account("mallory"))
        case "staff":
            return signed_in(account("root", is_staff=True, is_superuser=True))
        case "another guest":
            return guest("another key")
        case "nobody":
            settings.AGENTCHAT = {"GUESTS": False}
    return Client()


def chat_of(own, status=Run.Status.FINISHED):
    """A chat with something of everything."""
    UsageBudget.objects.create(of="owner", what="tokens", limit=7, per="day")
    owner = own.get("owner")
    metering.record(
        metering.Spender(owner_id=owner and owner.pk, guest_key=own.get("guest_key", "")),
        {"tokens": 3},
    )
    chat = tell(
        ChatSession.objects.create(agent="oracle", title="Umbrella", **own),
        ("RUN_STARTED", {}),
        *said("u1", "An umbrella?", "user", "ada"),
        *said("a1", "It will rain."),
        ("INPUT_REQUESTED", {"request": "1-1", "kind": "text", "prompt": "And then?"}),
        status=status,
    )
    Share.objects.create(pk=LINK, session=chat, token="t" * 43, last_seq=3)
    Feedback.objects.create(session=chat, message_id="a1", value="up")
    InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="one more")
    files.store_file(chat, "umbrella.png", hostile.image(), key=uuid.UUID(FILE_ID))
    StoredFile.objects.update(origin=StoredFile.Origin.USER)
    return chat


def kept():
    """All that agentchat has in its tables."""
    models = apps.get_app_config("agentchat").get_models()
    return {(model, row[model._meta.pk.attname]): row for model in models for row in model.objects.values()}


def address(name, **known):
    [pattern] = [each for each in urls.urlpatterns if each.name == name]
    return reverse(f"agentchat:{name}", kwargs={part: known[part] for part in pattern.pattern.converters})


def ask(client, name, method, data, **known):
    known = {"agent_name": "oracle", "model_name": "oracle", "seq": 5, "question_id": 0, "thread_id": "t", **known}
    known = {"file_id": FILE_ID, **known}
    if name == "begin_upload" and method == "POST":
        return client.post(address(name), data, content_type="application/json")
    if isinstance(data, bytes):
        headers = {"Upload-Offset": "0"}
        return client.post(address(name, **known), data, content_type="application/octet-stream", headers=headers)
    return getattr(client, method.lower())(address(name, **known), data)


def told(answer):
    body = answer.getvalue() if answer.streaming else answer.content
    return answer.headers.get("Location", "") + body.decode()


def is_shut_out(answer, name):
    """Whether it is the sign-in. That is in nobody's frame: there, people are told so."""
    if name.startswith("embed"):
        return answer.status_code == 403
    return answer.status_code == 302 and answer.url.startswith("/accounts/login/?next=")


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(("name", "method", "data"), OF_A_CHAT)
def test_chats_of_other_owners_are_not_found(settings, name, method, data, owner, stranger):
    client, own = owner_of(owner)
    chat = chat_of(own)
    if name == "take_back":
        ChatSession.objects.update(deleted_at=timezone.now())
    before = kept()
    theirs = stranger_of(stranger, settings)
    answer = ask(theirs, name, method, data, chat_id=chat.pk)
    if stranger == "nobody":
        assert is_shut_out(answer, name)
    else:
        none = ask(theirs, name, method, data, chat_id=uuid.uuid4())
        assert (answer.status_code, answer.content) == (404, none.content)
    assert kept() == before
    settings.AGENTCHAT = {"GUESTS": True}
    assert ask(client, name, method, data, chat_id=chat.pk).status_code in (200, 302)
    assert (kept() != before) == (method == "POST")


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(("name", "method", "data", "words"), OF_ONES_OWN)
def test_users_export_and_delete_only_their_own_data(settings, name, method, data, words, owner, stranger):
    client, own = owner_of(owner)
    chat, deleted = chat_of(own), ChatSession.objects.create(agent="oracle", deleted_at=timezone.now(), **own)
    ids = {"id": chat.pk, "deleted": deleted.pk}
    data = {field: value.format(**ids) if isinstance(value, str) else value for field, value in data.items()}
    before = kept()
    answer = ask(stranger_of(stranger, settings), name, method, data)
    assert is_shut_out(answer, name) == (stranger == "nobody")
    assert before.items() <= kept().items()
    settings.AGENTCHAT = {"GUESTS": True}
    owners_answer = ask(client, name, method, data)
    assert owners_answer.status_code in (200, 302)
    if words is not None:
        assert words.format(**ids) in told(owners_answer)
        assert words.format(**ids) not in told(answer)
    assert (before.items() <= kept().items()) == ((name, method) != ("my_data_delete", "POST"))


def question_of(chat, **fields):
    """An open question to the group "support", with an argument that is for its members alone."""
    asked = {
        "request": "1-6",
        "kind": "approval",
        "prompt": "",
        "toolCallId": "c1",
        "colleague": True,
        "visible": "name",
        "schema": {"type": "object", "properties": {"to": {"type": "string"}}},
        "initial": {"to": "Umbrella Corp"},
    }
    now = timezone.now()
    common = {"session": chat, "run": chat.runs.get(), "tool": "pay", "question": asked, "asked_at": now}
    return DelegatedQuestion.objects.create(request="1-6", to_kind="group", to_value="support", **common, **fields)


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", ["the owner", *STRANGERS])
@pytest.mark.parametrize(("name", "method", "data"), OF_COLLEAGUES)
def test_questions_are_found_by_those_alone_whom_they_are_for(settings, name, method, data, stranger):
    client, own = owner_of("an account")
    chat = chat_of(own, Run.Status.WAITING)
    closed = {"closed_at": timezone.now(), "outcome": "expired"} if "closed" in data else {}
    question = question_of(chat, **closed)
    before = kept()
    theirs = client if stranger == "the owner" else stranger_of(stranger, settings)
    answer = ask(theirs, name, method, data, question_id=question.pk)
    none = ask(theirs, name, method, data, question_id=question.pk + 1)
    if stranger in ("another guest", "a guest without a key", "nobody"):
        assert answer.status_code == 302
        assert answer.url.startswith("/accounts/login/?next=")
    elif name == "inbox":
        assert answer.status_code == 200
        assert "pay" not in told(answer).split("<main")[1]
    else:
        assert (answer.status_code, answer.content) == (404, none.content)
    assert kept() == before
    settings.AGENTCHAT = {"GUESTS": True}
    colleague = account("grace")
    colleague.groups.add(Group.objects.create(name="support"))
    of_colleague = ask(signed_in(colleague), name, method, data, question_id=question.pk)
    assert of_colleague.status_code in (200, 302)
    assert ("pay" in told(of_colleague)) == (method == "GET")
    assert (kept() != before) == (method == "POST")


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(("name", "method", "data"), OF_AN_UPLOAD)
def test_uploads_of_others_are_not_found(settings, name, method, data, owner, stranger):
    client, own = owner_of(owner)
    chat_of(own)
    StoredFile.objects.update(session=None, sent_at=None)
    if data:
        StoredFile.objects.update(state=StoredFile.State.UPLOADING, size=100, received=0)
    before = kept()
    theirs = stranger_of(stranger, settings)
    answer = ask(theirs, name, method, data)
    if stranger == "nobody":
        assert is_shut_out(answer, name)
    else:
        none = ask(theirs, name, method, data, file_id=uuid.uuid4())
        assert (answer.status_code, answer.content) == (404, none.content)
    assert kept() == before
    settings.AGENTCHAT = {"GUESTS": True}
    assert ask(client, name, method, data).status_code == 200
    assert (kept() != before) == (method != "GET")


STAFF_STRANGERS = [each for each in STRANGERS if each != "staff"]


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", ["the owner", "staff without a permission", *STAFF_STRANGERS])
@pytest.mark.parametrize(("name", "method", "data"), OF_STAFF)
def test_chats_of_others_are_found_by_those_alone_who_may_view_or_take_them_over(
    settings, name, method, data, stranger
):
    client, own = owner_of("an account")
    chat = chat_of(own)
    match stranger:
        case "the owner":
            theirs = client
        case "staff without a permission":
            theirs = signed_in(account("desk", is_staff=True))
        case _:
            theirs = stranger_of(stranger, settings)
    before = kept()
    answer = ask(theirs, name, method, data, chat_id=chat.pk)
    none = ask(theirs, name, method, data, chat_id=uuid.uuid4())
    if stranger in ("another guest", "a guest without a key", "nobody"):
        assert answer.status_code == 302
        assert answer.url.startswith("/accounts/login/?next=")
    else:
        assert (answer.status_code, answer.content) == (404, none.content)
    assert kept() == before
    settings.AGENTCHAT = {"GUESTS": True}
    viewer, boss = (may(name, right) for name, right in VIEWER_AND_BOSS)
    assert ask(viewer, name, method, data, chat_id=chat.pk).status_code == (400 if method == "POST" else 200)
    assert kept().items() >= {key: row for key, row in before.items() if key[0] is not ChatSession}.items()
    assert not Handover.objects.exists()
    assert ask(boss, name, method, data, chat_id=chat.pk).status_code == (302 if method == "POST" else 200)
    assert Handover.objects.exists() == (method == "POST")


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", ["the owner", *STAFF_STRANGERS])
@pytest.mark.parametrize(("name", "method", "data"), OF_EXPORTERS)
def test_chats_of_others_are_exported_by_those_alone_who_may_view_and_export_them(
    settings, name, method, data, stranger
):
    client, own = owner_of("an account")
    chat = chat_of(own)
    theirs = client if stranger == "the owner" else stranger_of(stranger, settings)
    before = kept()
    for each in (theirs, may("viewer", "view_chatsession"), may("exporter", "export_chatsession")):
        answer = ask(each, name, method, data, chat_id=chat.pk)
        assert answer.status_code in (302, 404)
        assert "umbrella" not in told(answer).lower()
    assert kept() == before
    settings.AGENTCHAT = {"GUESTS": True}
    both = account("both")
    both.user_permissions.set(Permission.objects.filter(codename__in=["view_chatsession", "export_chatsession"]))
    assert "umbrella" in told(ask(signed_in(both), name, method, data, chat_id=chat.pk)).lower()


VIEWER_AND_BOSS = [("viewer", "view_chatsession"), ("boss", "take_over_chatsession")]


def may(name, right):
    """The browser of an account that has this permission alone."""
    user = account(name)
    user.user_permissions.add(Permission.objects.get(codename=right))
    return signed_in(user)


@pytest.mark.django_db
@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("name", "method", "data"), OF_KEYS)
def test_keys_are_seen_and_revoked_by_their_owner_alone(settings, name, method, data, stranger):
    settings.AGENTCHAT = {"GUESTS": True, "APIS": ["openai"]}
    client, own = owner_of("an account")
    key = ApiKey.objects.create(pk=LINK, name="Umbrella", hint="agentchat_abc", digest="d" * 64, **own)
    answer = ask(stranger_of(stranger, settings), name, method, data)
    has_account = stranger in ("another account", "staff")
    assert answer.status_code == (404 if "revoke" in data else 200) if has_account else is_shut_out(answer, name)
    assert "Umbrella" not in told(answer)
    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.filter(owner=key.owner).count() == 1
    settings.AGENTCHAT = {"GUESTS": True, "APIS": ["openai"]}
    assert ask(client, name, method, data).status_code == (302 if "revoke" in data else 200)
    assert (ApiKey.objects.get(pk=LINK).revoked_at is not None) == ("revoke" in data)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stranger", ["the owner", *STRANGERS])
@pytest.mark.parametrize(("name", "method", "data"), OF_PROGRAMS)
def test_no_cookie_counts_where_programs_show_a_key(settings, name, method, data, stranger):
    theirs = owner_of("an account")[0] if stranger == "the owner" else stranger_of(stranger, settings)
    before = kept()
    for key in (None, "Bearer agentchat_none", "Basic YTpi"):
        headers = {"Authorization": key} if key else {}
        answer = theirs.generic(method, address(name, model_name="oracle"), json.dumps(data), headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert kept() == before


ROWS = {
    (name, method)
    for name, method, *_ in (
        *OF_A_CHAT,
        *OF_ONES_OWN,
        *OF_COLLEAGUES,
        *OF_STAFF,
        *OF_AN_UPLOAD,
        *OF_EXPORTERS,
        *OF_KEYS,
        *OF_PROGRAMS,
        *OF_AGUI,
    )
}


@pytest.mark.parametrize("name", [each.name for each in urls.urlpatterns if each.name not in FOR_EVERYBODY])
def test_every_address_has_a_row_for_every_method(client, name):
    refused = ask(client, name, "PUT", {}, chat_id=uuid.uuid4())
    assert refused.status_code == 405
    taken = {method.strip() for method in refused.headers["Allow"].split(",")}
    assert {(name, method) for method in taken - {"HEAD"}} == {row for row in ROWS if row[0] == name}


# --- frames ---------------------------------------------------------------------------------------------------------

in_thread = sync_to_async


def types_of(frames):
    return {get_args(frame.model_fields["type"].annotation)[0] for frame in get_args(frames)}


def test_every_frame_has_a_row():
    assert set(FRAMES) == types_of(client_frames.Frame)
    assert set(FRAMES_OF_A_LIST) == types_of(client_frames.ListFrame)


@pytest.fixture
async def server_loop(transactional_db, monkeypatch):
    monkeypatch.setattr(
        server, "REVALIDATE_INTERVAL_SECONDS", 60.0
    )  # else it closes sockets whose chats are not theirs any more
    server.start()
    yield
    await server.stop()


@pytest.fixture
def taken(monkeypatch):
    """The types of the frames that sockets of chats have taken."""
    taken, receive_frame = [], ChatConsumer.receive_frame

    async def taking(consumer, frame):
        taken.append(frame.type)
        await receive_frame(consumer, frame)

    monkeypatch.setattr(ChatConsumer, "receive_frame", taking)
    return taken


async def sending_all(client, path, frames):
    """A tab that has sent one frame of each type, as soon as its socket was open."""
    tab = Tab(client, path)
    assert await tab.open()
    for type_, fields in frames.items():
        await tab.send(type=type_, **fields)
    return tab


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("owner", OWNERS)
async def test_no_frame_of_a_stranger_is_accepted(server_loop, settings, taken, owner, stranger):
    client, own = await in_thread(owner_of)(owner)
    chat = await in_thread(chat_of)(own)
    before = await in_thread(kept)()
    theirs = await in_thread(stranger_of)(stranger, settings)
    for session_id in (chat.pk, uuid.uuid4()):
        tab = await sending_all(theirs, f"/ws/chat/{session_id}/", FRAMES)
        assert await tab.closed() == (CloseCode.SIGN_IN if stranger == "nobody" else CloseCode.NOT_FOUND)
    assert taken == []
    assert await in_thread(kept)() == before
    settings.AGENTCHAT = {"GUESTS": True}
    tab = await sending_all(client, f"/ws/chat/{chat.pk}/", FRAMES)
    await tab.until("pong")
    assert taken == [*FRAMES]
    assert await in_thread(kept)() != before
    await tab.close()


@pytest.mark.parametrize("stranger", ["the owner", "staff without a permission", *STAFF_STRANGERS])
async def test_no_frame_is_accepted_on_the_socket_of_staff_but_of_those_who_may(server_loop, settings, taken, stranger):
    client, own = await in_thread(owner_of)("an account")
    chat = await in_thread(chat_of)(own)
    before = await in_thread(kept)()
    match stranger:
        case "the owner":
            theirs = client
        case "staff without a permission":
            theirs = await in_thread(lambda: signed_in(account("desk", is_staff=True)))()
        case _:
            theirs = await in_thread(stranger_of)(stranger, settings)
    for session_id in (chat.pk, uuid.uuid4()):
        tab = await sending_all(theirs, f"/ws/inbox/chats/{session_id}/", FRAMES)
        assert await tab.closed() == (CloseCode.SIGN_IN if stranger == "nobody" else CloseCode.NOT_FOUND)
    assert taken == []
    settings.AGENTCHAT = {"GUESTS": True}
    viewer = await in_thread(may)(*VIEWER_AND_BOSS[0])
    tab = await sending_all(viewer, f"/ws/inbox/chats/{chat.pk}/", FRAMES)
    rejected = [each["code"] for each in await tab.until("pong") if each["type"] == "rejected"]
    assert rejected == ["not_handed_over"] + ["not_allowed"] * (len(set(FRAMES) - CHANGE_NOTHING) - 1)
    assert before.items() <= (await in_thread(kept)()).items()
    await tab.close()


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("type_", [type_ for type_ in FRAMES if type_ not in CHANGE_NOTHING])
async def test_a_former_owner_changes_nothing_through_an_open_socket(server_loop, owner, type_):
    client, own = await in_thread(owner_of)(owner)
    chat = await in_thread(chat_of)(own, Run.Status.WAITING)
    tab = Tab(client, f"/ws/chat/{chat.pk}/")
    assert await tab.open()
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}  # it was let in
    await ChatSession.objects.aupdate(owner=await in_thread(account)("eve"), guest_key="")
    before = await in_thread(kept)()
    await tab.send(type=type_, **FRAMES[type_])
    assert (await tab.next())["code"] == "not_found"
    assert await in_thread(kept)() == before
    await tab.close()


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("owner", OWNERS)
async def test_a_list_is_sent_to_and_changed_by_its_owner_alone(server_loop, settings, owner, stranger):
    client, own = await in_thread(owner_of)(owner)
    chat = await in_thread(chat_of)(own, Run.Status.FAILED)
    before = await in_thread(kept)()
    frames = {**FRAMES_OF_A_LIST, "seen": {"chat": str(chat.pk)}}
    tab = await sending_all(await in_thread(stranger_of)(stranger, settings), "/ws/chats/", frames)
    if stranger == "nobody":
        assert await tab.closed() == CloseCode.SIGN_IN
    else:
        assert await chats_in(tab) == []
    assert await in_thread(kept)() == before
    settings.AGENTCHAT = {"GUESTS": True}
    tab = await sending_all(client, "/ws/chats/", frames)
    assert await chats_in(tab) == [str(chat.pk)]
    assert await in_thread(kept)() != before


async def chats_in(tab):
    """What it tells of chats; by then all has been taken that was sent."""
    frames = await tab.until("pong")
    while not (told := [frame for frame in frames if frame["type"] == "chats"]):
        frames.append(await tab.next())
    await tab.close()
    return [row["id"] for row in told[0]["chats"]]


@pytest.mark.parametrize("stranger", [*STRANGERS, "the owner", "a colleague"])
async def test_how_much_waits_in_the_inbox_is_said_to_those_alone_whom_it_is_for(server_loop, settings, stranger):
    client, own = await in_thread(owner_of)("an account")
    await in_thread(lambda: question_of(chat_of(own, Run.Status.WAITING)))()
    colleague = await in_thread(account)("grace")
    await in_thread(lambda: colleague.groups.add(Group.objects.create(name="support")))()
    match stranger:
        case "the owner":
            theirs = client
        case "a colleague":
            theirs = await in_thread(signed_in)(colleague)
        case _:
            theirs = await in_thread(stranger_of)(stranger, settings)
    tab = await sending_all(theirs, "/ws/chats/", {"hello": {"after": 0}, "ping": {}})
    if stranger == "nobody":
        assert await tab.closed() == CloseCode.SIGN_IN
        return
    frames = await tab.until("pong")
    has_account = stranger in ("another account", "staff", "the owner", "a colleague")
    while {frame["type"] for frame in frames} < {"chats", "pong", *(["inbox"] if has_account else [])}:
        frames.append(await tab.next())
    await tab.close()
    counts = [frame["count"] for frame in frames if frame["type"] == "inbox"]
    assert counts == ([1] if stranger == "a colleague" else [0] if has_account else [])


def test_no_middleware_decides_before_the_views_do():
    """They decide themselves: with Django's LoginRequiredMiddleware, too, a shared link is for everybody."""
    assert [each.name for each in urls.urlpatterns if each.callback.login_required] == []
