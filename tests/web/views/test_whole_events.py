"""Facts that are too long for a page: their heads, with links, on every page that shows them; and the whole."""

import json
import re

import pytest

from agentchat.models import ChatSession, Event, Share
from agentchat.realtime.excerpt import HEAD_CHARS
from tests.factories import account, said, signed_in, tell
from tests.web.views.pages import body

pytestmark = pytest.mark.django_db

ANSWER = "A long answer. " * 35_333 + "Its last word."
RESULT = "line of a result\n" * 120_000 + "the last line"
ARGS = json.dumps({"query": "q" * 250_000})
PRINTED = "printed " * 30_000 + "the last print"
LINK = re.compile(r'href="(events/\d+\.txt)"[^>]*data-whole')


def call(args, result):
    return [
        ("TOOL_CALL_START", {"toolCallId": "c1", "toolCallName": "search", "name": "chatbot"}),
        ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": args}),
        ("TOOL_CALL_END", {"toolCallId": "c1"}),
        ("TOOL_CALL_RESULT", {"toolCallId": "c1", "messageId": "t", "content": result, "ok": True, "durationMs": 1}),
    ]


@pytest.fixture
def ada():
    return account("ada")


@pytest.fixture
def client(ada):
    return signed_in(ada)


@pytest.fixture
def chat(ada):
    """Its long texts are in the events 5, 7, 9 and 10."""
    return tell(
        ChatSession.objects.create(agent="oracle", owner=ada),
        ("RUN_STARTED", {}),
        *said("u1", "Tell me all.", "user", "ada"),
        *call(ARGS, RESULT),
        *said("1-1", ANSWER),
        ("PRINTED", {"text": PRINTED}),
        ("PRINTED", {"text": "short"}),
        ("RUN_FINISHED", {"outcome": {"type": "success"}}),
    )


WHOLE = {5: ARGS, 7: RESULT, 9: ANSWER, 10: PRINTED}


def text_of(answer):
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("page", ["/chat/{chat}/", "/chat/{chat}/?before=12", "/embed/chat/{chat}/", "/share/{token}/"])
def test_every_page_shows_heads_with_links_that_lead_to_the_whole(client, chat, page):
    share = Share.objects.create(session=chat, token="t" * 43, last_seq=12)
    address = page.format(chat=chat.pk, token=share.token)
    html = body(client.get(address))
    assert len(html) < 8 * HEAD_CHARS
    links = LINK.findall(html)
    assert links == [f"events/{seq}.txt" for seq in WHOLE]
    base = address.partition("?")[0]
    for link, text in zip(links, WHOLE.values(), strict=True):
        answer = client.get(base + link)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert text_of(answer) == text


def test_a_client_gets_a_whole_event_as_json(client, chat):
    frame = json.loads(text_of(client.get(f"/chat/{chat.pk}/events/9")))
    assert frame == {
        "type": "TEXT_MESSAGE_END",
        "seq": 9,
        "at": frame["at"],
        "run": 1,
        "messageId": "1-1",
        "content": ANSWER,
    }


def test_a_whole_event_shows_no_more_than_the_user_may_see(client, chat):
    failed = {"code": "llm", "message": "Sorry.", "id": "e", "params": {}, "detail": "HTTP 402"}
    Event.objects.create(session=chat, seq=13, run=chat.runs.get(), type="RUN_ERROR", payload=failed)
    assert "detail" not in json.loads(text_of(client.get(f"/chat/{chat.pk}/events/13")))


@pytest.mark.parametrize("address", ["events/99", "events/99.txt", "events/1.txt", "events/12.txt", f"events/{10**30}"])
def test_what_is_no_event_or_has_no_text_is_not_found(client, chat, address):
    assert client.get(f"/chat/{chat.pk}/{address}").status_code == 404


def test_a_shared_link_leads_to_nothing_that_came_after_it_nor_to_what_it_does_not_show(client, chat):
    Share.objects.create(session=chat, token="t" * 43, last_seq=8)
    assert client.get(f"/share/{'t' * 43}/events/7.txt").status_code == 200
    for path in (f"{'t' * 43}/events/9.txt", f"{'t' * 43}/events/1.txt", f"{'u' * 43}/events/7.txt"):
        assert client.get(f"/share/{path}").status_code == 404


def test_events_as_json_are_bounded_and_continue(client, chat):
    payload = {"text": "x" * 100_000}
    rows = [Event(session=chat, seq=seq, run=chat.runs.get(), type="PRINTED", payload=payload) for seq in range(13, 50)]
    Event.objects.bulk_create(rows)
    chat.next_seq = 50
    chat.save()
    answer = client.get(f"/chat/{chat.pk}/events")
    assert len(answer.content) < 1_500_000
    first = answer.json()["events"][0]["seq"]
    assert answer.json()["more"]
    earlier = client.get(f"/chat/{chat.pk}/events", {"before": first}).json()["events"]
    assert earlier[-1]["seq"] == first - 1


def test_staff_see_the_heads_without_links(chat):
    html = signed_in(account("root", is_staff=True, is_superuser=True)).get(
        f"/admin/agentchat/chatsession/{chat.pk}/change/"
    )
    assert not LINK.findall(html.content.decode())
    assert "The beginning of 530,009 characters." in html.content.decode()
