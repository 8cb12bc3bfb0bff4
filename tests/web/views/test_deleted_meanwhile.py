"""A chat that is deleted permanently while something is done to it: between the look-up and the lock of its row."""

import threading
import uuid
from contextlib import contextmanager

import pytest
from django.urls import reverse

from agentchat.actions import branches, chats, feedback, messages, sharing, transactions
from agentchat.errors import Rejected
from agentchat.infra.database import close_connections
from agentchat.models import ChatSession
from agentchat.runs import session_lock
from agentchat.visitors import Visitor
from tests.web.views.pages import url

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


@pytest.fixture
def vanishing(monkeypatch):
    """The chat vanishes just before its row is locked, or is changed without a lock."""

    def install():
        for module in (session_lock, chats, transactions):
            monkeypatch.setattr(module, "lock_timeout", vanish)

    @contextmanager
    def vanish(seconds):
        ChatSession.objects.all().delete()
        yield

    return install


@pytest.mark.parametrize("wants", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("action", "form"), [("share/", {}), ("delete/", {}), ("rename/", {"title": "Rain"}), ("restore/", {})]
)
def test_a_page_is_not_found(as_ada, told, vanishing, action, form, wants):
    vanishing()
    assert as_ada.post(url(told, action), form, headers={"accept": wants}).status_code == 404


def test_your_data_is_deleted_twice_at_once(as_ada, told, vanishing):
    vanishing()
    assert as_ada.post(reverse("agentchat:my_data_delete")).status_code == 302
    assert not ChatSession.objects.exists()


@pytest.mark.parametrize(
    "act",
    [
        lambda chat, ada: messages.send(chat.pk, ada, client_id=uuid.uuid4(), text="Hello"),
        lambda chat, ada: messages.answer(chat.pk, ada, client_id=uuid.uuid4(), request="1-1", value="yes"),
        lambda chat, ada: messages.stop(chat.pk, by="ada", visitor=ada),
        lambda chat, ada: branches.retry(chat.pk, ada, client_id=uuid.uuid4(), message_id="a1"),
        lambda chat, ada: branches.edit(chat.pk, ada, client_id=uuid.uuid4(), message_id="u1", text="Hello"),
        lambda chat, ada: branches.select_branch(chat.pk, ada, client_id=uuid.uuid4(), number=1),
        lambda chat, ada: feedback.rate(chat.pk, ada, message_id="a1", value="up"),
    ],
)
def test_a_frame_is_rejected_as_for_a_chat_that_is_gone(told, ada, vanishing, act):
    vanishing()
    with pytest.raises(Rejected) as rejected:
        act(told, Visitor(user=ada))
    assert rejected.value.reason == "not_found"


@pytest.mark.django_db(transaction=True)
def test_links_that_are_made_at_once_are_counted_together(told, monkeypatch):
    monkeypatch.setattr(sharing, "MAX_LINKS", 3)
    together = threading.Barrier(8)
    made = []

    def make():
        together.wait()
        made.append(sharing.create_link(told))
        close_connections()

    threads = [threading.Thread(target=make) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(made) == 8
    assert told.shares.count() == 3 == len([each for each in made if each is not None])
