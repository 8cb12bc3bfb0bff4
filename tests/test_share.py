"""What a visitor does with a chat as a whole: name, delete, take along, share; and with all their data."""

import asyncio
import json
import re
import uuid
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.utils import timezone

from agentchat import export, registry, sharing, streaming
from agentchat.models import ChatSession, Event, Feedback, InboxItem, Run, Share, Step
from agentchat.runs import chats
from tests.people import account, add, said, signed_in, tell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def guests(settings):
    settings.AGENTCHAT = {"GUESTS": True}


@pytest.fixture
def ada():
    return account("ada-lovelace")


@pytest.fixture
def as_ada(ada):
    return signed_in(ada)


@pytest.fixture
def chat(ada):
    return tell(
        ChatSession.objects.create(owner=ada, agent="oracle", title="Will it rain?"),
        ("RUN_STARTED", {}),
        *said("u1", "Will it <b>rain</b>?", "user", "ada-lovelace"),
        *said("a1", "It **will**."),
        ("TOOL_CALL_START", {"toolCallId": "c1", "toolCallName": "look_up", "name": "chatbot"}),
        ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": '{"city": "Paris"}'}),
        ("TOOL_CALL_END", {"toolCallId": "c1"}),
    )


def body(response):
    return response.getvalue().decode() if response.streaming else response.content.decode()


def url(chat, part=""):
    return f"/chat/{chat.pk}/{part}"


# --- name, delete ---------------------------------------------------------------------------------------------------


def test_a_chat_is_renamed_and_stays_where_it_is_in_the_list(as_ada, chat):
    before = ChatSession.objects.get().updated_at
    assert as_ada.post(url(chat, "rename/"), {"title": "  <i>Umbrella</i>\u202e\n "}).url == chat.get_absolute_url()
    named = ChatSession.objects.get()
    assert (named.title, named.updated_at) == ("<i>Umbrella</i>", before)
    assert "&lt;i&gt;Umbrella&lt;/i&gt;" in body(as_ada.get(chat.get_absolute_url()))
    answer = as_ada.post(url(chat, "rename/"), {"title": "Coat"}, headers={"Accept": "application/json"})
    assert answer.json() == {"title": "Coat"}


@pytest.mark.parametrize("title", ["", "   ", "\u202e\u200b", "x" * 101])
def test_a_name_that_is_none_is_refused(as_ada, chat, title):
    response = as_ada.post(url(chat, "rename/"), {"title": title})
    assert response.status_code == 400
    assert 'role="alert"' in body(response)
    answer = as_ada.post(url(chat, "rename/"), {"title": title}, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert ChatSession.objects.get().title == "Will it rain?"


def test_a_deleted_chat_is_hidden_and_can_be_taken_back(as_ada, chat):
    page = as_ada.post(url(chat, "delete/"), follow=True)
    assert "Chat deleted." in body(page)
    assert f'action="{url(chat, "take-back/")}"' in body(page)
    assert chat.get_absolute_url() + '"' not in body(page)
    for part in ("", "options/", "events", "export.md", "share/"):
        assert as_ada.get(url(chat, part)).status_code == 404
    assert as_ada.post(url(chat, "delete/")).status_code == 404
    assert as_ada.post(url(chat, "take-back/")).url == chat.get_absolute_url()
    assert as_ada.get(chat.get_absolute_url()).status_code == 200


def test_deleting_a_chat_stops_what_runs_in_it_and_nothing_follows(as_ada, ada):
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}), status=Run.Status.WAITING)
    Run.objects.update(owner_process="")
    InboxItem.objects.create(session=chat, run=Run.objects.get(), client_id=uuid.uuid4(), value="taken")
    InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="one more")
    as_ada.post(url(chat, "delete/"))
    assert list(Run.objects.values_list("status", flat=True)) == ["stopped"]


def test_a_run_of_a_deleted_chat_that_goes_on_elsewhere_is_told_to_stop(as_ada, ada):
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}), status=Run.Status.RUNNING)
    Run.objects.update(owner_process="another")
    as_ada.post(url(chat, "delete/"))
    assert Run.objects.get().stop_requested


def test_what_was_deleted_is_gone_for_good_after_thirty_days(ada, chat, capsys):
    other = ChatSession.objects.create(owner=ada, agent="oracle")
    for each, days in ((chat, 31), (other, 29)):
        ChatSession.objects.filter(pk=each.pk).update(deleted_at=timezone.now() - timedelta(days=days))
    Share.objects.create(session=chat, token="t", last_seq=1)
    call_command("agentchat_purge", "--deleted")
    assert list(ChatSession.objects.values_list("pk", flat=True)) == [other.pk]
    assert "1 shared link" in capsys.readouterr().out


# --- take along -----------------------------------------------------------------------------------------------------


def test_a_chat_can_be_taken_along_as_markdown_and_as_json(as_ada, chat):
    markdown = as_ada.get(url(chat, "export.md"))
    assert "> It **will**." in body(markdown)
    assert markdown.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["Content-Disposition"] == 'attachment; filename="Will it rain.md"'
    exported = as_ada.get(url(chat, "export.json"))
    document = json.loads(body(exported))
    assert [event["seq"] for event in document["events"]] == list(range(1, chat.next_seq))
    assert exported.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in exported.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc passwd.md"),
        ('a"; filename="evil.exe', "a ; filename= evil.exe.md"),
        ("x\r\nSet-Cookie: a=b", "x Set-Cookie a=b.md"),
        ("\u202egnp.exe", "gnp.exe.md"),
        ("...", "chat.md"),
        ("Ärger 鳥", "Ärger 鳥.md"),
        ("x" * 200, "x" * 80 + ".md"),
    ],
)
def test_a_files_name_leads_nowhere(as_ada, chat, title, name):
    ChatSession.objects.update(title=title[:200])
    header = as_ada.get(url(chat, "export.md")).headers["Content-Disposition"]
    assert "\n" not in header
    encoded = re.fullmatch(r"attachment; filename(?:=\"(.*)\"|\*=utf-8''(.*))", header)
    assert unquote(encoded[1] or encoded[2]) == name
    assert streaming.file_name(title, "md") == name


@pytest.mark.django_db(transaction=True)
async def test_a_long_chat_is_sent_in_pieces(settings):
    from asgiref.sync import sync_to_async

    @sync_to_async
    def make():
        user = account("ada")
        chat = ChatSession.objects.create(owner=user, agent="oracle", title="long")
        Event.objects.bulk_create(
            Event(session=chat, seq=seq, type="PRINTED", payload={"text": "word " * 100}) for seq in range(1, 1001)
        )
        return user, chat

    user, chat = await make()
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get(url(chat, "export.json"))
    pieces = [piece async for piece in response.streaming_content]
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 3 * streaming.PIECE
    assert len(json.loads(b"".join(pieces))["events"]) == 1000
    await asyncio.sleep(0)


# --- share ----------------------------------------------------------------------------------------------------------


def share(client, chat):
    client.post(url(chat, "share/"))
    return f"/share/{Share.objects.order_by('-pk')[0].token}/"


def test_anybody_with_the_link_reads_what_was_said_up_to_then(as_ada, chat):
    link = share(as_ada, chat)
    add(chat, Run.objects.get(), *said("a2", "a secret said later"))
    reader = Client()
    response = reader.get(link)
    text = body(response)
    assert response.status_code == 200
    assert "<strong>will</strong>" in text
    assert "Will it &lt;b&gt;rain&lt;/b&gt;?" in text
    assert "secret said later" not in text
    assert "ada-lovelace" not in text
    assert ">Person<" in text
    assert "csrf" not in text
    assert not reader.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


def test_only_the_branch_that_the_owner_looked_at_is_shared(as_ada, chat):
    first = Run.objects.get()
    again = Run.objects.create(session=chat, number=2, parent=first, from_seq=4, agent="oracle", status="finished")
    add(chat, again, *said("a2", "It will not."))
    ChatSession.objects.update(head=again)
    new = share(as_ada, chat)
    ChatSession.objects.update(head=first)
    old = share(as_ada, chat)
    shown = [body(Client().get(link)) for link in (new, old)]
    assert ["It will not." in text for text in shown] == [True, False]
    assert ["<strong>will</strong>" in text for text in shown] == [False, True]
    ChatSession.objects.update(head=again)
    assert body(Client().get(old)) == shown[1]  # a snapshot


def test_a_later_name_is_not_for_readers(as_ada, chat):
    link = share(as_ada, chat)
    chats.rename(chat.pk, _visitor(chat), "My divorce")
    assert "divorce" not in body(Client().get(link))


def _visitor(chat):
    from agentchat.visitors import Visitor

    return Visitor(user=chat.owner)


def test_a_shared_page_is_kept_by_nobody_and_tells_nobody(as_ada, chat):
    headers = Client().get(share(as_ada, chat)).headers
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in headers["Cache-Control"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_nothing_on_a_shared_page_can_be_answered(as_ada, chat):
    run = Run.objects.get()
    asked = {"request": "1-1", "kind": "approval", "prompt": "May it?", "toolCallId": "c1", "schema": {}}
    add(chat, run, ("INPUT_REQUESTED", asked))
    add(chat, run, said("a9", "half")[0])
    text = body(Client().get(share(as_ada, chat)))
    assert not re.search(r"<(?!button[^>]* data-copy)(button|textarea|input|form)\b", text)
    assert "May it?" not in text
    assert 'data-state="cut"' in text  # the tool call
    assert "data-writing" not in text


def test_who_answered_is_not_said(as_ada, chat):
    run = Run.objects.get()
    asked = {"request": "1-1", "kind": "approval", "prompt": "May it?", "toolCallId": "c1", "schema": {}}
    add(chat, run, ("INPUT_REQUESTED", asked))
    add(chat, run, ("INPUT_ANSWERED", {"request": "1-1", "value": {"decision": "approve"}, "by": "ada-lovelace"}))
    text = body(Client().get(share(as_ada, chat)))
    assert "May it?" in text
    assert "ada-lovelace" not in text


def test_a_withdrawn_link_is_not_there_any_more(as_ada, chat):
    link, other = share(as_ada, chat), share(as_ada, chat)
    assert body(as_ada.get(url(chat, "share/"))).count('name="withdraw"') == 2
    as_ada.post(url(chat, "share/"), {"withdraw": Share.objects.get(token=link.split("/")[2]).pk})
    assert Client().get(link).status_code == 404
    assert Client().get(other).status_code == 200


def test_a_link_to_a_deleted_chat_is_not_there_until_it_is_taken_back(as_ada, chat):
    link = share(as_ada, chat)
    as_ada.post(url(chat, "delete/"))
    assert Client().get(link).status_code == 404
    as_ada.post(url(chat, "take-back/"))
    assert Client().get(link).status_code == 200


def test_there_are_so_many_links_and_no_more(as_ada, chat, monkeypatch):
    monkeypatch.setattr(sharing, "MAX_LINKS", 2)
    for _ in range(2):
        assert as_ada.post(url(chat, "share/")).status_code == 302
    response = as_ada.post(url(chat, "share/"))
    assert response.status_code == 400
    assert 'role="alert"' in body(response)
    assert Share.objects.count() == 2


def test_nothing_is_shared_of_a_chat_in_which_nothing_was_said(as_ada, ada):
    assert as_ada.post(url(ChatSession.objects.create(owner=ada, agent="oracle"), "share/")).status_code == 400


def test_tokens_cannot_be_guessed(as_ada, chat):
    tokens = {share(as_ada, chat).split("/")[2] for _ in range(3)}
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 43
    for guess in ("x", "x" * 43, "x" * 10_000, "%00", next(iter(tokens))[:-1]):
        assert Client().get(f"/share/{guess}/").status_code == 404


def test_staff_withdraw_a_link(admin_client, as_ada, chat):
    link = share(as_ada, chat)
    shared = Share.objects.get()
    listed = body(admin_client.get("/admin/agentchat/share/"))
    assert "Will it rain?" in listed
    assert shared.token not in listed + body(admin_client.get(f"/admin/agentchat/share/{shared.pk}/change/"))
    admin_client.post(f"/admin/agentchat/share/{shared.pk}/delete/", {"post": "yes"})
    assert Client().get(link).status_code == 404


# --- whose they are -------------------------------------------------------------------------------------------------


def test_a_link_is_withdrawn_only_through_its_own_chat(as_ada, ada, chat):
    share(as_ada, chat)
    other = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}))
    for withdraw in (Share.objects.get().pk, "x", "-1", "9" * 40):
        assert as_ada.post(url(other, "share/"), {"withdraw": withdraw}).status_code == 404
    assert Share.objects.count() == 1


@pytest.mark.parametrize("part", ["rename/", "delete/", "take-back/", "export.md", "export.json"])
def test_other_methods_are_refused(as_ada, chat, part):
    method = as_ada.post if part.startswith("export") else as_ada.get
    assert method(url(chat, part)).status_code == 405


@pytest.mark.parametrize("part", ["rename/", "delete/", "take-back/", "share/"])
def test_a_form_without_its_token_changes_nothing(ada, chat, part):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post(url(chat, part), {"title": "Mine"}).status_code == 403
    assert client.post("/chat/my-data/delete/").status_code == 403
    assert ChatSession.objects.get().title == "Will it rain?"


# --- all of one's own -----------------------------------------------------------------------------------------------


def everything(owner_fields):
    chat = ChatSession.objects.create(agent="oracle", title="Mine", **owner_fields)
    tell(chat, ("RUN_STARTED", {}), *said("a1", "words of mine"), status=Run.Status.WAITING)
    run = Run.objects.get(session=chat)
    Step.objects.create(run=run, number=1, kind="llm", name="x", status="done", started_at=timezone.now())
    InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="inbox of mine")
    Share.objects.create(session=chat, token=str(uuid.uuid4()), last_seq=3)
    Feedback.objects.create(session=chat, message_id="a1", value="down", comment="what I thought")
    return chat


def test_all_data_can_be_taken_along_with_deleted_chats_and_feedback(as_ada, ada):
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
    assert "attachment" in response.headers["Content-Disposition"]


def test_only_messages_that_no_run_has_taken_wait(as_ada, ada):
    chat = everything({"owner": ada})
    run = Run.objects.get()
    for fields in ({"run": run, "step": 1}, {"run": run}, {"request_id": "1-1"}):
        InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="another", **fields)
    data = json.loads(body(as_ada.get("/chat/my-data/download")))
    assert [each["text"] for each in data["chats"][0]["waiting"]] == ["inbox of mine"]


def test_however_many_chats_there_are_each_is_taken_along_once(as_ada, ada, monkeypatch):
    monkeypatch.setattr(export, "CHATS", 2)
    made = [ChatSession.objects.create(owner=ada, agent="oracle") for _ in range(7)]
    ChatSession.objects.filter(pk__in=[chat.pk for chat in made[2:]]).update(created_at=made[2].created_at)
    in_order = [*made[:2], *sorted(made[2:], key=lambda chat: chat.pk)]
    data = json.loads(body(as_ada.get("/chat/my-data/download")))
    assert [chat["id"] for chat in data["chats"]] == [str(chat.pk) for chat in in_order]


@pytest.mark.parametrize("is_guest", [False, True])
def test_all_data_is_deleted_for_good_and_nobody_elses(as_ada, ada, is_guest):
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
    assert "Delete all of it" in body(client.get("/chat/my-data/delete/"))
    assert ChatSession.objects.filter(**own).exists()  # asking deletes nothing
    page = client.post("/chat/my-data/delete/", follow=True)
    assert "All your chats are deleted." in body(page)
    for model in (Run, InboxItem, Event, Share, Feedback):
        assert set(model.objects.values_list("session", flat=True)) == {others.pk}
    assert list(ChatSession.objects.all()) == [others]
    assert Step.objects.count() == 1
    assert get_user_model().objects.filter(username="ada-lovelace").exists()
    assert client.get("/chat/").status_code == 200


def _registered():
    registry.on_connect("oracle")(lambda iostream: None)
    return "oracle"


def test_what_runs_is_stopped_before_it_is_deleted(as_ada, ada, monkeypatch):
    everything({"owner": ada})
    stopped = []
    stop = chats.control.stop
    monkeypatch.setattr(chats.control, "stop", lambda pk, **how: stopped.append(pk) or stop(pk, **how))
    as_ada.post("/chat/my-data/delete/")
    assert len(stopped) == 1
