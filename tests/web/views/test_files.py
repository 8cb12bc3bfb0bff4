"""Uploading files in parts, and showing them: what is taken, what is refused, and what a browser is told of it."""

import json
import uuid

import pytest
from django.urls import reverse

from agentchat.actions import messages
from agentchat.actions.uploads import PART_BYTES
from agentchat.core import registry
from agentchat.files import storage
from agentchat.models import ChatSession, Event, InboxItem, Share, StoredFile
from agentchat.visitors import Visitor
from tests.factories import account, signed_in
from tests.files import hostile

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def agent(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    takes = registry.on_connect(
        "clerk", uploads=["image/*", "application/pdf", ".csv", ".svg", ".zip"], max_upload=3_000_000
    )
    takes(lambda iostream: iostream.input())
    registry.on_connect("mute")(lambda iostream: iostream.input())
    yield
    registry.unregister("clerk")
    registry.unregister("mute")


@pytest.fixture
def ada():
    return account("ada")


@pytest.fixture
def client(ada):
    return signed_in(ada)


def begin(client, name, size, agent="clerk", upload_id=None):
    asked = {"id": str(upload_id or uuid.uuid4()), "agent": agent, "name": name, "size": size}
    return client.post(reverse("agentchat:begin_upload"), asked, content_type="application/json")


def part(client, upload_id, offset, data):
    return client.post(
        reverse("agentchat:upload", args=[upload_id]),
        data,
        content_type="application/octet-stream",
        headers={"Upload-Offset": str(offset)},
    )


def upload(client, name, content, **announced):
    """Upload a file, and return what the server says last."""
    answer = begin(client, name, len(content), **announced)
    while answer.status_code == 200 and answer.json()["state"] == "uploading":
        offset = answer.json()["offset"]
        answer = part(client, answer.json()["id"], offset, content[offset : offset + PART_BYTES])
    return answer.json()


def sent(client, ada, *files, text="Look"):
    """A chat with a message that has these uploads."""
    chat = ChatSession.objects.create(agent="clerk", owner=ada)
    ids = [uuid.UUID(each["id"]) for each in files]
    messages.send(chat.pk, Visitor(user=ada), client_id=uuid.uuid4(), text=text, files=ids)
    return chat


# --- uploading ------------------------------------------------------------------------------------------------------


def test_a_file_in_parts_becomes_a_message_and_its_reference_is_in_event_and_inbox(client, ada):
    content = b"a,b\n" + b"1,2\n" * 400_000
    found = upload(client, "../table.csv", content)
    assert (found["state"], found["name"], found["contentType"]) == ("ready", "table.csv", "text/csv")
    chat = sent(client, ada, found)
    file = StoredFile.objects.get()
    assert (file.session_id, file.size, file.parts) == (chat.pk, len(content), [])
    assert storage.storage().listdir(storage.folder_of(file.pk))[1] == ["content"]  # no part is left
    [end] = Event.objects.filter(type="TEXT_MESSAGE_END")
    [reference] = end.payload["files"]
    assert reference == {
        "id": str(file.pk),
        "name": "table.csv",
        "contentType": "text/csv",
        "size": len(content),
        "sha256": file.sha256,
    }
    assert InboxItem.objects.get().value == {"text": "Look", "files": [reference]}


def test_a_part_that_came_before_is_not_stored_twice_and_one_after_a_gap_not_at_all(client):
    upload_id = begin(client, "a.csv", 8).json()["id"]
    assert part(client, upload_id, 0, b"a,b\n").json()["offset"] == 4
    again = part(client, upload_id, 0, b"x,y\n")
    assert again.json()["offset"] == 4
    gap = part(client, upload_id, 6, b"2\n")
    assert (gap.status_code, gap.json()["offset"]) == (409, 4)
    assert part(client, upload_id, 4, b"1,2\n").json()["state"] == "ready"
    with storage.open_stored(StoredFile.objects.get().storage_name) as content:
        assert content.read() == b"a,b\n1,2\n"


def test_an_upload_is_announced_once_however_often_it_is(client):
    upload_id = uuid.uuid4()
    begin(client, "a.csv", 8, upload_id=upload_id)
    part(client, upload_id, 0, b"a,b\n")
    assert begin(client, "a.csv", 8, upload_id=upload_id).json()["offset"] == 4


def test_a_process_that_died_before_it_put_the_parts_together_is_made_up_for(client, monkeypatch):
    upload_id = begin(client, "a.csv", 4).json()["id"]
    with monkeypatch.context() as dying:
        dying.setattr("agentchat.actions.uploads._finish", lambda *args: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            part(client, upload_id, 0, b"a,b\n")
    status = client.get(reverse("agentchat:upload", args=[upload_id])).json()
    assert (status["state"], status["offset"]) == ("uploading", 4)
    assert part(client, upload_id, 4, b"").json()["state"] == "ready"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("photo.png", hostile.SVG, "can't be sent here. You can send: images, PDF, CSV, SVG, ZIP."),
        ("photo.png", hostile.HTML, "can't be sent here"),
        ("table.csv", hostile.image(), None),
        ("table.csv", b"MZ" + bytes(500), "can't be sent here"),
        ("huge.png", hostile.enormous_png(), "has too many pixels"),
        ("cut.png", hostile.image()[:50], "is damaged"),
        ("bomb.zip", hostile.zip_bomb(), "unpacks to too much"),
    ],
)
def test_what_a_file_really_is_decides_and_the_refusal_is_a_sentence(client, name, content, words):
    found = upload(client, name, content)
    if words is None:
        assert (found["state"], found["name"], found["contentType"]) == ("ready", "table.csv.png", "image/png")
        return
    assert found["state"] == "refused"
    assert words in found["error"]
    assert name in found["error"]
    file = StoredFile.objects.get()
    assert file.parts == []
    assert not storage.storage().exists(storage.folder_of(file.pk))


@pytest.mark.parametrize(
    ("asked", "name", "size", "status", "words"),
    [
        ("clerk", "empty.csv", 0, 400, "is empty"),
        ("clerk", "large.csv", 2 * 1024**3, 413, "at most 2.9\xa0MB"),
        ("clerk", "negative.csv", -1, 400, "is empty"),
        ("mute", "a.csv", 4, 400, "only send text"),
        ("nobody", "a.csv", 4, 400, "only send text"),
        ("clerk", 7, 4, 400, "isn't valid"),
        ("clerk", "a.csv", "4", 400, "isn't valid"),
    ],
)
def test_what_cannot_be_taken_is_refused_when_it_is_announced(client, asked, name, size, status, words):
    answer = begin(client, name, size, agent=asked)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert not StoredFile.objects.exists()


def test_a_first_part_that_says_enough_ends_the_upload_at_once(client, settings):
    registry.unregister("clerk")
    registry.on_connect("clerk", uploads=[".csv"])(lambda iostream: iostream.input())
    upload_id = begin(client, "a.csv", 2_000_000).json()["id"]
    assert part(client, upload_id, 0, hostile.PDF_WITH_SCRIPT).json()["state"] == "refused"


def test_an_owner_uploads_so_much_a_day(client, settings):
    settings.AGENTCHAT = {"GUESTS": True, "UPLOAD_MB_PER_DAY": 3}
    assert begin(client, "a.csv", 2_000_000).status_code == 200
    answer = begin(client, "b.csv", 2_000_000)
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers
    assert signed_in(account("grace")).get("/chat/").status_code == 200
    assert begin(signed_in(account("linus")), "b.csv", 2_000_000).status_code == 200


def test_a_guest_gets_a_key_with_the_first_upload_and_takes_the_files_along_at_sign_in(client, ada):
    from django.test import Client

    browser = Client()
    found = upload(browser, "a.csv", b"a,b\n")
    assert found["state"] == "ready"
    file = StoredFile.objects.get()
    assert file.guest_key
    assert client.get(reverse("agentchat:upload", args=[file.pk])).status_code == 404
    browser.post("/accounts/login/", {"username": "ada", "password": "secret"})
    file.refresh_from_db()
    assert (file.owner, file.guest_key) == (ada, "")


def test_a_cancelled_upload_is_gone_from_table_and_storage(client):
    upload_id = begin(client, "a.csv", 8).json()["id"]
    part(client, upload_id, 0, b"a,b\n")
    assert client.delete(reverse("agentchat:upload", args=[upload_id])).status_code == 200
    assert not StoredFile.objects.exists()
    assert not storage.storage().exists(storage.folder_of(uuid.UUID(upload_id)))


def test_when_the_storage_is_away_the_part_is_not_acknowledged(client, monkeypatch):
    upload_id = begin(client, "a.csv", 4).json()["id"]

    def away(name, content):
        raise OSError("no space left on device")

    with monkeypatch.context() as full:
        full.setattr(storage, "save", away)
        answer = part(client, upload_id, 0, b"a,b\n")
    assert answer.status_code == 503
    assert "try again" in answer.json()["error"]
    assert StoredFile.objects.get().received == 0
    assert part(client, upload_id, 0, b"a,b\n").json()["state"] == "ready"


def test_the_form_for_a_new_chat_takes_uploads_along(client):
    found = upload(client, "photo.jpg", hostile.photo())
    answer = client.post(reverse("agentchat:chats"), {"agent": "clerk", "prompt": "", "uploads": found["id"]})
    chat = ChatSession.objects.get()
    assert answer.url == chat.get_absolute_url()
    assert chat.title == "photo.jpg"
    page = client.get(answer.url).content.decode()
    assert f'href="files/{found["id"]}"' in page
    assert f'src="files/{found["id"]}/thumbnail"' in page


def test_a_page_loads_no_script_of_uploads_where_the_agent_takes_none(client, ada, monkeypatch):
    for name, expected in (("clerk", True), ("mute", False)):
        chat = ChatSession.objects.create(agent=name, owner=ada)
        assert ("js/uploads/" in client.get(chat.get_absolute_url()).content.decode()) is expected
    start = reverse("agentchat:chats")
    assert "js/uploads/" in client.get(start).content.decode()
    assert "js/uploads/" not in client.get(start, {"q": "photo"}).content.decode(), "where nothing is written"
    takes_none = [agent for agent in registry.open_to(ada) if not agent.uploads]
    monkeypatch.setattr(registry, "open_to", lambda user: takes_none)
    assert "js/uploads/" not in client.get(start).content.decode()


# --- showing --------------------------------------------------------------------------------------------------------


def shown(client, chat, found, query="", **headers):
    return client.get(reverse("agentchat:file", args=[chat.pk, found["id"]]) + query, headers=headers)


@pytest.mark.parametrize(
    ("name", "content", "content_type", "disposition"),
    [
        ("photo.png", hostile.image(), "image/png", "inline"),
        ("paper.pdf", hostile.PDF_WITH_SCRIPT, "application/pdf", "inline"),
        ("a.csv", b"a,b\n", "text/plain; charset=utf-8", "inline"),
        ("drawing.svg", hostile.SVG, "text/plain; charset=utf-8", "inline"),
        ("letter.zip", hostile.document(), None, "attachment"),
    ],
)
def test_a_file_is_served_as_what_it_is_and_nothing_in_it_runs(client, ada, name, content, content_type, disposition):
    registry.unregister("clerk")
    registry.on_connect("clerk", uploads=["*/*"])(lambda iostream: iostream.input())
    found = upload(client, name, content)
    answer = shown(client, sent(client, ada, found), found)
    assert answer.status_code == 200
    headers = answer.headers
    assert content_type in (None, headers["Content-Type"])
    assert headers["Content-Disposition"].startswith(disposition)
    assert headers["X-Content-Type-Options"] == "nosniff"
    rules = headers["Content-Security-Policy"].split("; ")
    assert "sandbox" in rules
    assert "default-src 'none'" in rules
    assert not any(rule.startswith("script-src") for rule in rules)
    assert "private" in headers["Cache-Control"]
    saved = shown(client, ChatSession.objects.get(), found, "?save")
    assert saved.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"a,b\n", "bytes 0-3/8"),
        ("bytes=4-", 206, b"1,2\n", "bytes 4-7/8"),
        ("bytes=-2", 206, b"2\n", "bytes 6-7/8"),
        ("bytes=2-400", 206, b"b\n1,2\n", "bytes 2-7/8"),
        ("bytes=8-", 416, b"", "bytes */8"),
        ("bytes=0-1,3-4", 200, b"a,b\n1,2\n", None),
        ("lines=1", 200, b"a,b\n1,2\n", None),
    ],
)
def test_a_range_of_a_file_can_be_asked_for(client, ada, asked, status, content, content_range):
    found = upload(client, "a.csv", b"a,b\n1,2\n")
    answer = shown(client, sent(client, ada, found), found, range=asked)
    assert answer.status_code == status
    assert (b"".join(answer.streaming_content) if answer.streaming else answer.content) == content
    assert answer.headers.get("Content-Range") == content_range


def test_a_link_shows_the_files_of_its_messages_and_no_later_ones(client, ada):
    first, second = upload(client, "one.csv", b"a,b\n"), upload(client, "two.csv", b"c,d\n")
    chat = sent(client, ada, first)
    chat.refresh_from_db()
    Share.objects.create(session=chat, token="t" * 43, head=chat.head, last_seq=chat.next_seq - 1)
    messages.send(chat.pk, Visitor(user=ada), client_id=uuid.uuid4(), text="", files=[uuid.UUID(second["id"])])
    page = client.get(reverse("agentchat:shared", args=["t" * 43]))
    assert f"files/{first['id']}".encode() in b"".join(page.streaming_content)
    statuses = [
        client.get(reverse("agentchat:shared_file", args=["t" * 43, found["id"]])).status_code
        for found in (first, second)
    ]
    assert statuses == [200, 404]


def test_exports_name_the_files(client, ada):
    found = upload(client, "a_table.csv", b"a,b\n")
    chat = sent(client, ada, found)
    unsent = upload(client, "later.csv", b"c,d\n")
    markdown = b"".join(client.get(reverse("agentchat:export_markdown", args=[chat.pk])).streaming_content).decode()
    assert f"- a\\_table.csv (4 bytes, SHA-256 {StoredFile.objects.get(pk=found['id']).sha256})" in markdown
    data = json.loads(b"".join(client.get(reverse("agentchat:my_data_download")).streaming_content))
    assert [each["id"] for each in data["unsentFiles"]] == [unsent["id"]]
    assert found["id"] in json.dumps(data["chats"])


def test_deleting_ones_data_deletes_the_files_too(client, ada):
    found, unsent = upload(client, "a.csv", b"a,b\n"), upload(client, "b.csv", b"a,b\n")
    sent(client, ada, found)
    client.post(reverse("agentchat:my_data_delete"))
    assert not StoredFile.objects.exists()
    for each in (found, unsent):
        assert not storage.storage().exists(storage.folder_of(uuid.UUID(each["id"])))
