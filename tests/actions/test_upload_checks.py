"""UPLOAD_CHECK: a message waits for its files without a thread, and is sent or refused when they are checked."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse

from agentchat.actions import messages, upload_checks
from agentchat.actions.uploads import begin, receive
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.files import storage
from agentchat.infra import moments
from agentchat.models import ChatSession, Event, OutboxItem, Pause, StoredFile, UsageRecord
from agentchat.visitors import Visitor
from tests.factories import account, signed_in

pytestmark = pytest.mark.django_db

verdict = None


def scanner(file):
    return verdict() if callable(verdict) else verdict


@pytest.fixture(autouse=True)
def checked(settings):
    settings.AGENTCHAT = {"UPLOAD_CHECK": f"{__name__}.scanner"}
    registry.on_connect("clerk", uploads=[".csv"])(lambda iostream: iostream.input())
    yield
    registry.unregister("clerk")


@pytest.fixture
def ada():
    return Visitor(user=account("ada"))


@pytest.fixture
def chat(ada):
    return ChatSession.objects.create(agent="clerk", owner=ada.user)


def says(value):
    global verdict
    verdict = value


def upload(visitor, name="a.csv"):
    content = b"a,b\n"
    file = begin("clerk", visitor, name=name, size=len(content), upload_id=uuid.uuid4())
    return receive(file.pk, visitor, offset=0, data=content)


def send(chat, visitor, *files, client_id):
    messages.send(chat.pk, visitor, client_id=client_id, text="Look", files=[file.pk for file in files])


def shown(chat):
    return [event.payload.get("content") for event in Event.objects.filter(session=chat, type="TEXT_MESSAGE_END")]


def test_a_message_waits_without_a_thread_until_its_file_is_checked(chat, ada):
    file, client_id = upload(ada), uuid.uuid4()
    assert file.state == StoredFile.State.CHECKING
    threads = threading.active_count()
    send(chat, ada, file, client_id=client_id)
    send(chat, ada, file, client_id=client_id)  # a client that has come back sends it again
    assert threading.active_count() == threads
    assert shown(chat) == []
    page = signed_in(ada.user).get(chat.get_absolute_url()).content.decode()
    assert "This message is sent when its files have been checked." in page
    assert f'data-id="{client_id}"' in page
    says(timedelta(minutes=5))
    upload_checks.check(file)
    file.refresh_from_db()
    assert file.check_at > moments.now() + timedelta(minutes=4)
    assert shown(chat) == []
    says(None)
    upload_checks.check(file)
    assert shown(chat) == ["Look"]
    assert not OutboxItem.objects.filter(kind=OutboxItem.Kind.UPLOAD).exists()
    send(chat, ada, file, client_id=client_id)
    assert shown(chat) == ["Look"]


def test_a_message_is_sent_when_the_last_of_its_files_is_checked(chat, ada):
    first, second = upload(ada), upload(ada, "b.csv")
    send(chat, ada, first, second, client_id=uuid.uuid4())
    says(None)
    upload_checks.check(first)
    assert shown(chat) == []
    upload_checks.check(second)
    assert shown(chat) == ["Look"]


def test_a_refused_file_refuses_its_message_with_the_scanners_sentence(chat, ada):
    bad, good, client_id = upload(ada), upload(ada, "b.csv"), uuid.uuid4()
    send(chat, ada, bad, good, client_id=client_id)
    says("This file is known to be harmful.")
    upload_checks.check(bad)
    says(None)
    upload_checks.check(good)
    assert shown(chat) == []
    assert not storage.storage().exists(f"{storage.folder_of(bad.pk)}/content")
    page = signed_in(ada.user).get(chat.get_absolute_url()).content.decode()
    assert "This file is known to be harmful." in page
    assert ">Look</div>" in page
    with pytest.raises(Rejected, match="known to be harmful"):  # which gives the text back to the page
        send(chat, ada, bad, good, client_id=client_id)
    send(chat, ada, good, client_id=uuid.uuid4())
    assert shown(chat) == ["Look"]
    assert "known to be harmful" not in signed_in(ada.user).get(chat.get_absolute_url()).content.decode()


def test_a_scanner_that_fails_is_asked_again_and_one_whose_process_died_is_too(chat, ada):
    file = upload(ada)

    def broken():
        raise ConnectionError("no scanner")

    says(broken)
    with pytest.raises(ConnectionError):
        upload_checks.check(file)
    taken = upload_checks._take()
    assert taken == file
    assert upload_checks._take() is None  # another process has it
    StoredFile.objects.update(check_at=moments.now() - timedelta(seconds=1))  # and died over it
    assert upload_checks._take() == file


def test_an_answer_that_means_nothing_is_an_error(chat, ada):
    file = upload(ada)
    says(False)
    with pytest.raises(TypeError, match="UPLOAD_CHECK returned False"):
        upload_checks.check(file)
    file.refresh_from_db()
    assert file.state == StoredFile.State.CHECKING


def test_a_file_that_is_being_checked_is_shown_to_nobody(chat, ada):
    file = upload(ada)
    send(chat, ada, file, client_id=uuid.uuid4())
    client = signed_in(ada.user)
    assert client.get(reverse("agentchat:file", args=[chat.pk, file.pk])).status_code == 404


def test_a_message_that_is_held_is_counted_and_let_in_once(settings, chat, ada):
    settings.AGENTCHAT |= {"BUDGETS": [{"of": "owner", "what": "messages", "limit": 1, "per": "day"}]}
    file = upload(ada)
    send(chat, ada, file, client_id=uuid.uuid4())
    assert UsageRecord.objects.get().messages == 1
    with pytest.raises(Rejected, match="budget"):
        send(chat, ada, upload(ada), client_id=uuid.uuid4())
    Pause.objects.create()  # what was let in before is sent all the same
    says(None)
    upload_checks.check(file)
    assert Event.objects.filter(session=chat, type="TEXT_MESSAGE_END").count() == 1
    assert UsageRecord.objects.get().messages == 1
