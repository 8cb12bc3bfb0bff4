"""A chat as a whole: rename, delete, restore, export."""

import asyncio
import json
import re
import uuid
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.utils import timezone

from agentchat.models import ChatSession, Event, InboxItem, Run, Share
from agentchat.web import downloads
from tests.factories import account, tell
from tests.web.views.pages import body, url

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("guests")]


@pytest.fixture
def ada():
    return account("ada-lovelace")


# --- rename and delete -----------------------------------------------------------------------------------------------


def test_a_chat_is_renamed_and_stays_where_it_is_in_the_list(as_ada, chat):
    before = ChatSession.objects.get().updated_at
    assert as_ada.post(url(chat, "rename/"), {"title": "  <i>Umbrella</i>\u202e\n "}).url == chat.get_absolute_url()
    named = ChatSession.objects.get()
    assert (named.title, named.updated_at) == ("<i>Umbrella</i>", before)
    assert "&lt;i&gt;Umbrella&lt;/i&gt;" in body(as_ada.get(chat.get_absolute_url()))
    answer = as_ada.post(url(chat, "rename/"), {"title": "Coat"}, headers={"Accept": "application/json"})
    assert answer.json() == {"title": "Coat"}


@pytest.mark.parametrize("title", ["", "   ", "\u202e\u200b", "x" * 101])
def test_an_invalid_title_is_rejected(as_ada, chat, title):
    response = as_ada.post(url(chat, "rename/"), {"title": title})
    assert response.status_code == 400
    assert 'role="alert"' in body(response)
    answer = as_ada.post(url(chat, "rename/"), {"title": title}, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert ChatSession.objects.get().title == "Will it rain?"


def test_a_deleted_chat_is_hidden_and_can_be_restored(as_ada, chat):
    page = as_ada.post(url(chat, "delete/"), follow=True)
    assert "Chat deleted." in body(page)
    assert f'action="{url(chat, "take-back/")}"' in body(page)
    assert chat.get_absolute_url() + '"' not in body(page)
    for part in ("", "options/", "events", "export.md", "share/"):
        assert as_ada.get(url(chat, part)).status_code == 404
    assert as_ada.post(url(chat, "delete/")).status_code == 404
    assert as_ada.post(url(chat, "take-back/")).url == chat.get_absolute_url()
    assert as_ada.get(chat.get_absolute_url()).status_code == 200


def test_deleting_a_chat_stops_its_run_and_no_other_follows(as_ada, ada):
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}), status=Run.Status.WAITING)
    Run.objects.update(owner_process="")
    InboxItem.objects.create(session=chat, run=Run.objects.get(), client_id=uuid.uuid4(), value="taken")
    InboxItem.objects.create(session=chat, client_id=uuid.uuid4(), value="one more")
    as_ada.post(url(chat, "delete/"))
    assert list(Run.objects.values_list("status", flat=True)) == ["stopped"]


def test_the_run_of_a_deleted_chat_in_another_process_is_asked_to_stop(as_ada, ada):
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}), status=Run.Status.RUNNING)
    Run.objects.update(owner_process="another")
    as_ada.post(url(chat, "delete/"))
    assert Run.objects.get().stop_requested


def test_deleted_chats_are_purged_after_thirty_days(ada, chat, capsys):
    other = ChatSession.objects.create(owner=ada, agent="oracle")
    for each, days in ((chat, 31), (other, 29)):
        ChatSession.objects.filter(pk=each.pk).update(deleted_at=timezone.now() - timedelta(days=days))
    Share.objects.create(session=chat, token="t", last_seq=1)
    call_command("agentchat_purge", "--deleted")
    assert list(ChatSession.objects.values_list("pk", flat=True)) == [other.pk]
    assert "1 shared link" in capsys.readouterr().out


# --- export ----------------------------------------------------------------------------------------------------------


def test_a_chat_is_exported_as_markdown_and_as_json(as_ada, chat):
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
def test_a_file_name_contains_no_path(as_ada, chat, title, name):
    ChatSession.objects.update(title=title[:200])
    header = as_ada.get(url(chat, "export.md")).headers["Content-Disposition"]
    assert "\n" not in header
    encoded = re.fullmatch(r"attachment; filename(?:=\"(.*)\"|\*=utf-8''(.*))", header)
    assert unquote(encoded[1] or encoded[2]) == name
    assert downloads.file_name(title, "md") == name


@pytest.mark.django_db(transaction=True)
async def test_a_long_chat_is_sent_in_chunks(settings):
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
    assert max(map(len, pieces)) < 3 * downloads.MIN_CHUNK_CHARS
    assert len(json.loads(b"".join(pieces))["events"]) == 1000
    await asyncio.sleep(0)


# --- methods and tokens ----------------------------------------------------------------------------------------------


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
