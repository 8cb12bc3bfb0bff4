"""A chat as it was at one of its events, in admin."""

import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agentchat.models import ChatSession, Event, Run
from agentchat.presentation import pagination
from tests.admin.pages import SESSIONS, chat, member_of_staff, message, say

pytestmark = pytest.mark.django_db


def address(session: ChatSession, query: str = "") -> str:
    return f"{SESSIONS}{session.pk}/replay/{query}"


def shown(client: Client, session: ChatSession, query: str = "") -> list[str]:
    return re.findall(r"message (\d+)\.", client.get(address(session, query)).content.decode())


def test_each_event_shows_the_chat_up_to_it(staff: Client) -> None:
    session = chat()
    say(session, [fact for number in range(3) for fact in message(number, f"message {number}.")])
    assert shown(staff, session) == ["0", "1", "2"]
    assert shown(staff, session, "?at=4") == ["0", "1"]
    assert shown(staff, session, "?at=3") == ["0"], "the second message has only begun"
    assert shown(staff, session, "?at=1") == []


def test_the_event_is_named_with_its_time(staff: Client) -> None:
    session = chat()
    say(session, message(1, "message 1."))
    Event.objects.filter(session=session, seq=2).update(created_at="2026-03-04T05:06:07Z")
    html = staff.get(address(session, "?at=2")).content.decode()
    assert "After event 2" in html
    assert "<code>TEXT_MESSAGE_END</code>" in html
    assert "05:06:07</time>" in html


def test_links_lead_from_event_to_event_and_message_to_message(staff: Client) -> None:
    session = chat()
    say(session, [fact for number in range(4) for fact in message(number, f"message {number}.")])
    html = staff.get(address(session, "?at=5")).content.decode()
    links = dict((name, at) for at, name in re.findall(r'<a href="\?at=(\d+)"[^>]*>([A-Z][a-z ]+)</a>', html))
    expected = {
        "First event": 1,
        "Message before": 4,
        "Event before": 4,
        "Next event": 6,
        "Next message": 6,
        "Last event": 8,
    }
    assert links == {name: str(at) for name, at in expected.items()}
    assert re.search(r'<input[^>]*type="number" name="at" min="1" max="8" value="5"', html)
    assert re.search(r'<input[^>]*type="range" name="at" min="1" max="8" value="5"', html)
    assert re.search(r'<a href="\?at=5" aria-current="true">5</a>', html)
    assert "Next event" not in staff.get(address(session, "?at=8")).content.decode()
    assert "Event before" not in staff.get(address(session, "?at=1")).content.decode()


def test_a_branch_that_was_left_is_shown_as_it_was(staff: Client) -> None:
    session = chat()
    first, second = session.runs.order_by("number")
    say(session, [fact for number in range(4) for fact in message(number, f"message {number}.")])
    Event.objects.filter(session=session, seq__lte=6).update(run=first)
    Event.objects.filter(session=session, seq__gt=6).update(run=second)
    Run.objects.filter(pk=second.pk).update(parent=first, from_seq=3)
    assert shown(staff, session) == ["0", "3"], "the second run has replaced what came after the first message"
    assert shown(staff, session, "?at=6") == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("query", "count"),
    [("?at=x", 3), ("?at=0", 0), ("?at=-5", 3), ("?at=99999999999", 3), ("?at=²", 3), ("?at=6&before=x", 3)],
)
def test_what_is_no_event_is_no_error(staff: Client, query: str, count: int) -> None:
    session = chat()
    say(session, [fact for number in range(3) for fact in message(number, f"message {number}.")])
    assert len(shown(staff, session, query)) == count


def test_an_empty_chat_and_an_unknown_one(staff: Client) -> None:
    assert "No messages yet." in staff.get(address(chat())).content.decode()
    assert staff.get(f"{SESSIONS}{uuid.uuid4()}/replay/").status_code == 404
    assert member_of_staff("stop_chatsession").get(address(chat())).status_code == 403


def test_a_long_chat_takes_no_more_queries_and_has_older_parts(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "WEIGHT", 2)
    session = chat()
    say(session, [fact for number in range(200) for fact in message(number, f"message {number}.")])
    staff.get(address(session))
    counts = []
    for at in (330, 390):
        with CaptureQueriesContext(connection) as queries:
            html = staff.get(address(session, f"?at={at}")).content.decode()
        counts.append(len(queries))
    assert counts[0] == counts[1] < 18
    earlier = re.search(r'href="(\?at=390&amp;before=\d+)"', html)
    assert earlier is not None
    assert shown(staff, session, earlier[1].replace("&amp;", "&")) == ["191", "192"]


def test_stored_attacks_stay_text(staff: Client) -> None:
    hostile = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    session = chat(title=hostile)
    say(session, [*message(1, hostile, role="user"), (hostile[:40], {"odd": hostile}), ("PRINTED", {"text": hostile})])
    for at in (1, 2, 3, 4):
        html = staff.get(address(session, f"?at={at}")).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|<[^>]*\s(?:style|on\w+)=|<img[^>]*src=x", html)
