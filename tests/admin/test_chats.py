"""Chat sessions in admin: the list, one of them, stopping, deleting."""

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agentchat.admin import chats, keyset_lists
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.presentation import pagination
from tests.admin.pages import RUNS, SESSIONS, chat, member_of_staff, message, page, say, words_of

pytestmark = pytest.mark.django_db


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_shows_owner_agent_status_and_tokens(staff: Client, owner: User) -> None:
    chat(owner, title="Weather in Paris", status="waiting")
    row = re.search(r"<tr><td.*?</tr>", staff.get(SESSIONS).content.decode(), re.DOTALL)
    assert row is not None
    assert "Weather in Paris olivia weather waiting for the user 115" in words_of(row[0])


def test_a_guests_chat_and_one_without_a_run_are_listed(staff: Client) -> None:
    ChatSession.objects.create(agent="weather", guest_key="key")
    words = words_of(staff.get(SESSIONS).content.decode())
    assert "(no messages yet) guest weather - 0" in words


def test_a_hundred_chat_sessions_take_as_many_queries_as_one(staff: Client) -> None:
    chat(User.objects.create_user("first"), title="Chat")
    with CaptureQueriesContext(connection) as one:
        staff.get(SESSIONS)
    for number in range(99):
        chat(User.objects.create_user(f"user{number}"), title="Chat")
    with CaptureQueriesContext(connection) as hundred:
        response = staff.get(SESSIONS)
    assert response.content.decode().count(">Chat</a>") == 100
    assert len(hundred) == len(one) < 15


@pytest.mark.parametrize("query", ["paris", "olivia", "{id}", "{hex}"])
def test_a_chat_session_is_found_by_title_owner_and_id(staff: Client, owner: User, query: str) -> None:
    wanted = chat(owner, title="Weather in Paris")
    chat(None, title="Another")
    html = staff.get(SESSIONS, {"q": query.format(id=wanted.pk, hex=wanted.pk.hex)}).content.decode()
    assert str(wanted.pk) in html
    assert "Another" not in html


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "failed"}, ["failed"]),
        ({"agent": "assistant"}, ["assistant"]),
        ({"created_at__year": "2020"}, ["old"]),
        ({"deleted_at__isempty": "0"}, ["deleted"]),
        ({"owner__id__exact": "0"}, []),
    ],
)
def test_the_list_can_be_filtered(staff: Client, query: dict[str, str], expected: list[str]) -> None:
    chat(title="failed", status="failed")
    chat(title="assistant", agent="assistant")
    chat(title="deleted", deleted_at=timezone.now())
    old = chat(title="old")
    ChatSession.objects.filter(pk=old.pk).update(created_at="2020-02-02T00:00Z")
    results = staff.get(SESSIONS, query).context["cl"].result_list
    assert [session.title for session in results] == expected


@pytest.mark.parametrize("column", range(1, 7))
def test_the_list_can_be_sorted_by_every_column(staff: Client, column: int) -> None:
    chat()
    assert staff.get(SESSIONS, {"o": column}).status_code == 200


def many(number: int) -> None:
    """So many chat sessions, each three of the same moment."""
    sessions = [ChatSession(agent="weather", title=f"Chat {index}.") for index in range(number)]
    ChatSession.objects.bulk_create(sessions)
    for index, session in enumerate(sessions):
        session.created_at = timezone.now() - timedelta(hours=index // 3)
    ChatSession.objects.bulk_update(sessions, ["created_at"])


def test_a_list_longer_than_is_counted_continues_with_a_cursor(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset_lists, "MAX_COUNTED", 20)
    monkeypatch.setattr(chats.ChatSessionAdmin, "list_per_page", 10)
    many(50)
    seen, address = [], SESSIONS
    while address:
        for number in (1, 2):
            response = staff.get(f"{address}{'&' if '?' in address else '?'}p={number}")
            results = [session.title for session in response.context["cl"].result_list]
            seen += results if number == 1 or response.context["cl"].multi_page else []
        link = re.search(r'href="(\?[^"]*before=[^"]*)">Show the next ones', response.content.decode())
        address = f"{SESSIONS}{unescape(link[1])}" if link else ""
    assert len(seen) == len(set(seen)) == 50


def test_a_list_takes_the_same_queries_for_few_and_many_rows_and_counts_none(staff: Client) -> None:
    many(3)
    with CaptureQueriesContext(connection) as few:
        staff.get(SESSIONS)
    many(150)
    with CaptureQueriesContext(connection) as more:
        staff.get(SESSIONS)
    assert len(few) == len(more)
    assert not [query["sql"] for query in more if "COUNT(" in query["sql"] or "DISTINCT" in query["sql"]]


@pytest.mark.parametrize("before", ["x", "2026-01-01T00:00:00Z_x", "_"])
def test_an_invalid_cursor_is_not_an_error(staff: Client, before: str) -> None:
    assert staff.get(SESSIONS, {"before": before}, follow=True).status_code == 200


def test_no_action_applies_to_more_rows_than_were_counted(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset_lists, "MAX_COUNTED", 2)
    sessions = [chat(status="waiting") for _ in range(3)]
    chosen = {"action": "stop", "_selected_action": [sessions[0].pk], "index": 0, "select_across": "1"}
    response = staff.post(SESSIONS, chosen, follow=True)
    assert "Filter the list first" in response.content.decode()
    assert Run.objects.filter(status="waiting").count() == 3
    monkeypatch.setattr(keyset_lists, "MAX_COUNTED", 3)
    staff.post(SESSIONS, chosen)
    assert not Run.objects.filter(status="waiting").exists()


@pytest.mark.parametrize("query", ["weather paris", "oliv", "{hex}"])
def test_a_search_matches_all_words(staff: Client, owner: User, query: str) -> None:
    wanted = chat(owner, title="Paris and its weather")
    chat(None, title="Paris")
    results = staff.get(SESSIONS, {"q": query.format(hex=wanted.pk.hex)}).context["cl"].result_list
    assert list(results) == [wanted]


def test_a_search_treats_wildcards_as_text(staff: Client) -> None:
    chat(None, title="Paris")
    assert not staff.get(SESSIONS, {"q": "%"}).context["cl"].result_list
    assert not staff.get(SESSIONS, {"q": "P_ris"}).context["cl"].result_list


# --- one chat session ------------------------------------------------------------------------------------------------


def test_the_transcript_is_rendered_as_the_page_renders_it(staff: Client, owner: User) -> None:
    session = chat(owner)
    say(session, [*message(1, "Weather in *Paris*?", role="user"), *message(2, "It is **sunny** <script>.")])
    html = staff.get(page(session)).content.decode()
    assert "It is <strong>sunny</strong> &lt;script&gt;." in html
    assert "Weather in *Paris*?" in html


def test_staff_read_why_a_run_failed(staff: Client, owner: User) -> None:
    session = chat(owner, status="failed")
    failed = {"code": "llm_quota", "message": "Sorry.", "id": "e7", "params": {}, "detail": "HTTP 402: Pay <me>"}
    say(session, [("RUN_ERROR", failed)])
    assert "HTTP 402: Pay &lt;me&gt;" in staff.get(page(session)).content.decode()


def test_the_pages_comply_with_the_policy(staff: Client) -> None:
    session = chat(status="waiting", title="<script>title</script>")
    hostile = "</pre><script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1))"
    call = {"toolCallId": "c", "toolCallName": hostile, "name": hostile}
    result = {"toolCallId": "c", "messageId": "r", "content": hostile, "ok": True, "durationMs": 5}
    facts = [*message(1, hostile, role="user"), *message(2, hostile), ("TOOL_CALL_START", call)]
    say(session, [*facts, ("TOOL_CALL_RESULT", result), ("PRINTED", {"text": hostile})])
    run = session.runs.get(number=2)
    Step.objects.create(
        run=run, number=1, kind="llm", name=hostile, status="done", result={"a": hostile}, started_at=timezone.now()
    )
    for address in (SESSIONS, page(session), RUNS, f"{RUNS}{run.pk}/change/"):
        response = staff.get(address)
        html = response.content.decode()
        assert "style-src 'self'" in response["Content-Security-Policy"]
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|<style|<[^>]*\s(?:style|on\w+)=|<img[^>]*src=x|href=.javascript", html
        )
    assert "&lt;/pre&gt;&lt;script&gt;" in html


def test_a_long_transcript_is_paginated_without_losing_messages(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "WEIGHT", 2)
    session = chat()
    say(session, [fact for number in range(6) for fact in message(number, f"message {number}.")])
    address, seen = page(session), []
    for _part in range(3):
        html = staff.get(address).content.decode()
        seen.append(re.findall(r"message (\d)\.", html))
        earlier = re.search(r'href="(\?before=\d+)"', html)
        address = page(session, earlier[1] if earlier else "")
    assert seen == [["4", "5"], ["2", "3"], ["0", "1"]]
    assert earlier is None


@pytest.mark.parametrize("query", ["?before=x", "?before=-1", "?before=²", "?before=0"])
def test_an_invalid_page_is_not_an_error(staff: Client, query: str) -> None:
    assert staff.get(page(chat(), query)).status_code == 200


def test_a_very_long_chat_session_takes_as_many_queries_as_a_long_one(staff: Client) -> None:
    short, long = chat(), chat()
    say(short, [fact for number in range(200) for fact in message(number, "x")])
    for number in range(3, 40):
        Run.objects.create(session=long, number=number, agent="weather", status="finished")
    say(long, [fact for number in range(2_000) for fact in message(number, "x")])
    for session in (short, long):
        staff.get(page(session))  # which is logged once
    counts = []
    for session in (short, long):
        with CaptureQueriesContext(connection) as queries:
            staff.get(page(session))
        counts.append(len(queries))
    assert counts[0] == counts[1] < 15


def test_nothing_can_be_added_or_edited(staff: Client) -> None:
    session = chat(title="As it was")
    run = session.runs.get(number=2)
    for address in (f"{SESSIONS}add/", f"{RUNS}add/"):
        assert staff.get(address).status_code == 403
    for address in (page(session), f"{RUNS}{run.pk}/change/"):
        html = staff.get(address).content.decode()
        assert 'name="_save"' not in html
        assert staff.post(address, {"title": "New", "status": "failed"}).status_code == 403
    session.refresh_from_db()
    assert session.title == "As it was"


def test_staff_without_permission_see_nothing() -> None:
    session = chat()
    client = member_of_staff()
    for address in (SESSIONS, page(session), RUNS, f"{RUNS}{session.runs.get(number=2).pk}/change/"):
        assert client.get(address).status_code == 403


def test_an_unknown_chat_session_is_not_an_error(staff: Client) -> None:
    assert staff.get(f"{SESSIONS}{uuid.uuid4()}/change/").status_code == 302
    assert staff.get(f"{SESSIONS}nonsense/change/").status_code == 302


# --- stopping --------------------------------------------------------------------------------------------------------


def stop(client: Client, *sessions: ChatSession) -> Any:
    return client.post(
        SESSIONS, {"action": "stop", "_selected_action": [session.pk for session in sessions], "index": 0}, follow=True
    )


def test_staff_stop_what_is_running(staff: Client) -> None:
    waiting, finished = chat(status="waiting"), chat()
    response = stop(staff, waiting, finished)
    assert "1 chat session was stopped." in response.content.decode()
    assert waiting.runs.get(number=2).status == Run.Status.STOPPED
    assert finished.runs.get(number=2).status == Run.Status.FINISHED
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(waiting.pk)]


def test_the_page_of_a_live_chat_session_has_a_stop_button(staff: Client) -> None:
    button = 'name="action" value="stop"'
    assert button in staff.get(page(chat(status="running"))).content.decode()
    assert button not in staff.get(page(chat())).content.decode()


def test_stopping_needs_the_permission_to_change() -> None:
    session = chat(status="waiting")
    reader = member_of_staff("view_chatsession")
    assert 'value="stop"' not in reader.get(page(session)).content.decode()
    stop(reader, session)
    assert session.runs.get(number=2).status == Run.Status.WAITING
    User.objects.get(username="sam").delete()
    stop(member_of_staff("view_chatsession", "change_chatsession"), session)
    assert session.runs.get(number=2).status == Run.Status.STOPPED


# --- deleting --------------------------------------------------------------------------------------------------------


def test_staff_delete_a_chat_session_with_its_messages(staff: Client) -> None:
    session = chat(status="waiting")
    say(session, message(1, "x"))
    confirmation = staff.get(f"{SESSIONS}{session.pk}/delete/").content.decode()
    assert "Events: 2" in words_of(confirmation)
    staff.post(f"{SESSIONS}{session.pk}/delete/", {"post": "yes"})
    assert not ChatSession.objects.exists()
    assert not Event.objects.exists()


def test_deleting_needs_its_permission() -> None:
    session = chat()
    client = member_of_staff("view_chatsession", "change_chatsession")
    assert client.post(f"{SESSIONS}{session.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ChatSession.objects.exists()


def test_an_owner_can_be_deleted_with_their_chats(staff: Client, owner: User) -> None:
    chat(owner)
    staff.post(reverse("admin:auth_user_delete", args=[owner.pk]), {"post": "yes"})
    assert not ChatSession.objects.exists()


def test_a_run_alone_cannot_be_deleted(staff: Client) -> None:
    run = chat().runs.get(number=2)
    assert staff.post(f"{RUNS}{run.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "/delete/" not in staff.get(f"{RUNS}{run.pk}/change/").content.decode()
