import hashlib
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import InMemoryStorage, storages

from agentchat import files
from agentchat.actions.chats import delete_permanently
from agentchat.files import removal, storage
from agentchat.infra import moments
from agentchat.models import ChatSession, StoredFile
from tests.files import hostile

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def memory(settings):
    """A storage that is not the file system: as those of django-storages, by settings alone."""
    settings.STORAGES = {
        **settings.STORAGES,
        "agentchat": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    found = storages["agentchat"]
    assert isinstance(found, InMemoryStorage)
    return found


@pytest.fixture
def chat():
    return ChatSession.objects.create(agent="weather")


def test_what_is_stored_can_be_opened_and_is_what_its_reference_says(chat):
    file = files.store_file(chat, "../table.csv", b"a,b\n1,2\n", content_type="text/csv")
    reference = files.reference_of(StoredFile.objects.get(pk=file.pk))
    assert reference == {
        "id": str(file.pk),
        "name": "table.csv",
        "contentType": "text/csv",
        "size": 8,
        "sha256": hashlib.sha256(b"a,b\n1,2\n").hexdigest(),
    }
    assert files.read_file(file) == b"a,b\n1,2\n"
    assert files.read_file(file, 3) == b"a,b"
    assert files.find_file(chat.pk, file.pk) == file
    assert files.find_file(uuid4(), file.pk) is None


def test_a_picture_is_stored_without_its_metadata_and_has_a_thumbnail(chat):
    file = files.store_file(chat, "photo", io.BytesIO(hostile.photo()))
    assert file.name == "photo.jpg"
    assert (file.width, file.height) == (40, 80)
    content = files.read_file(file)
    assert b"Camera" not in content
    assert hashlib.sha256(content).hexdigest() == file.sha256
    assert storage.open_stored(file.thumbnail_name).read(4) == b"RIFF"


def test_with_the_same_key_a_file_is_stored_once(chat, memory):
    key = uuid4()
    first = files.store_file(chat, "a.txt", b"one", key=key)
    assert files.store_file(chat, "a.txt", b"two", key=key) == first
    assert files.read_file(first) == b"one"
    assert memory.listdir(storage.folder_of(key))[1] == ["content"]


def test_what_is_too_large_is_not_stored(chat, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "MAX_UPLOAD_MB": 1}
    with pytest.raises(ValueError, match="MAX_UPLOAD_MB"):
        files.store_file(chat, "a.bin", bytes(10**6 + 1))
    assert not StoredFile.objects.exists()


def test_files_go_with_their_chat_and_so_does_what_a_killed_process_left(chat, memory):
    file = files.store_file(chat, "a.txt", b"one")
    folder = storage.folder_of(file.pk)
    storage.save(f"{folder}/0-part", io.BytesIO(b"left behind"))
    delete_permanently(ChatSession.objects.all(), [chat.pk])
    removal.remove(removal.removable())
    assert not StoredFile.objects.exists()
    assert not memory.exists(f"{folder}/content")
    assert not memory.exists(f"{folder}/0-part")


def test_what_cannot_be_deleted_now_stays_for_another_time(chat, memory, monkeypatch):
    file = files.store_file(chat, "a.txt", b"one")
    chat.delete()
    with monkeypatch.context() as broken:
        broken.setattr(InMemoryStorage, "delete", lambda self, name: (_ for _ in ()).throw(OSError("away")))
        assert removal.remove(removal.removable()) == 0
    assert StoredFile.objects.filter(pk=file.pk).exists()
    assert removal.remove(removal.removable()) == 1
    assert not memory.exists(file.storage_name)


def test_an_upload_that_was_not_sent_is_kept_for_two_days():
    fresh = StoredFile.objects.create(guest_key="g", name="a", size=1)
    old = StoredFile.objects.create(guest_key="g", name="b", size=1)
    StoredFile.objects.filter(pk=old.pk).update(created_at=moments.now() - timedelta(days=2, minutes=1))
    assert list(removal.removable()) == [old]
    assert removal.remove(removal.removable()) == 1
    assert StoredFile.objects.get() == fresh
