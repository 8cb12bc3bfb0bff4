"""Frames of stored events: made without rendering anything, and given their HTML on delivery."""

import uuid

import pytest

from agentchat.models import ChatSession, Event
from agentchat.realtime.excerpt import MAX_PAYLOAD
from agentchat.realtime.frames import MIN_PAGE, PAGE, PAGE_BYTES, frame_of, frames_after, has_html, text_of, with_html
from agentchat.runs import session_lock
from tests.factories import account, tell


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


@pytest.fixture
def chat(db):
    return ChatSession.objects.create(owner=account("ada"), agent="parrot")


@pytest.mark.parametrize("size", [MAX_PAYLOAD - 100, MAX_PAYLOAD // 3, 3 * MAX_PAYLOAD])
def test_a_page_of_frames_is_bounded_in_bytes_and_leaves_nothing_out(chat, size):
    count = 3 * MIN_PAGE
    tell(chat, *[("PRINTED", {"text": "x" * size})] * count)
    seqs = []
    while page := frames_after(chat.pk, seqs[-1] if seqs else 0):
        assert sum(len(text_of(frame)) for frame in page) <= MIN_PAGE * MAX_PAYLOAD + PAGE_BYTES
        assert len(page) >= MIN_PAGE or page[-1]["seq"] == count
        seqs += [frame["seq"] for frame in page]
    assert seqs == list(range(1, count + 1))


@pytest.mark.parametrize(("count", "limit"), [(MIN_PAGE, 3), (MIN_PAGE + 5, MIN_PAGE), (2 * PAGE, PAGE), (5, PAGE)])
def test_small_events_come_as_many_at_once_as_are_asked_for(chat, count, limit, django_assert_max_num_queries):
    tell(chat, *[("PRINTED", {"text": "short"})] * count)
    with django_assert_max_num_queries(2 if min(count, limit) <= MIN_PAGE else 4):
        assert [frame["seq"] for frame in frames_after(chat.pk, 0, limit=limit)] == list(
            range(1, min(count, limit) + 1)
        )
