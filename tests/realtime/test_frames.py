"""Frames of stored events: made without rendering anything, and given their HTML on delivery."""

import uuid

import pytest

from agentchat.models import ChatSession, Event
from agentchat.realtime.frames import frame_of, has_html, with_html
from agentchat.runs import session_lock
from tests.factories import account


@pytest.fixture
def rendered(monkeypatch):
    """The texts that are rendered."""
    texts = []
    monkeypatch.setattr("agentchat.realtime.excerpt.to_html", lambda text, key: texts.append(text) or f"<p>{text}</p>")
    return texts


class End:
    type = "TEXT_MESSAGE_END"

    def __init__(self, message_id):
        self.message_id = message_id

    def payload(self):
        return {"messageId": self.message_id, "content": "*a*"}


@pytest.mark.django_db
def test_nothing_is_rendered_in_the_transaction_that_saves_an_event(rendered):
    chat = ChatSession.objects.create(owner=account("ada"), agent="parrot")
    with session_lock.lock_session(chat.pk) as session:
        frames = session_lock.append(session, None, [End("1-1-0"), End(str(uuid.uuid4()))])
    assert rendered == []
    assert [frame.get("html") for frame in frames] == [None, None]
    assert [with_html(frame).get("html") for frame in frames] == ["<p>*a*</p>", None]
    assert rendered == ["*a*"]


@pytest.mark.parametrize("message_id", ["1-1-0", "m", ""])
def test_a_message_that_no_client_has_named_is_an_agents(message_id):
    event = Event(seq=1, type="TEXT_MESSAGE_END", payload={"messageId": message_id, "content": ""})
    event.created_at = session_lock.moments.now()
    assert has_html(frame_of(event, 1))


@pytest.mark.parametrize("message_id", [None, 5])
def test_a_message_whose_id_is_no_text_is_unreadable_and_has_no_html(message_id):
    event = Event(seq=1, type="TEXT_MESSAGE_END", payload={"messageId": message_id, "content": ""})
    event.created_at = session_lock.moments.now()
    frame = frame_of(event, 1)
    assert frame["type"] == "UNREADABLE"
    assert with_html(frame) == frame
