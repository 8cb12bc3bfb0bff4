"""The page of one chat, older pages of it, and its events as JSON."""

import re
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from agentchat.actions import messages
from agentchat.errors import Rejected
from agentchat.models import ChatSession
from agentchat.visitors import Visitor
from tests.factories import said, tell
from tests.web.views.pages import CHATS, body, text_of

TOLD_TO_STAFF = {"", "events", "export.json", "/chat/my-data/download"}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


def test_the_page_has_the_full_transcript(as_ada, told):
    response = as_ada.get(told.get_absolute_url())
    body = response.content.decode()
    assert ">Will it rain?</div>" in body
    assert "<p>It <strong>will</strong>.</p>" in body
    assert 'data-seq="6"' in body
    assert 'data-state="idle"' in body


def test_the_page_has_the_state_of_a_waiting_run(as_ada, ada):
    chat = tell(
        ChatSession.objects.create(owner=ada, agent="oracle"),
        ("RUN_STARTED", {}),
        ("INPUT_REQUESTED", {"request": "r1", "kind": "text", "prompt": "And then?"}),
    )
    body = as_ada.get(chat.get_absolute_url()).content.decode()
    assert 'data-state="waiting"' in body
    assert 'data-request="r1"' in body
    assert "And then?" in body


def test_a_chat_of_any_length_takes_the_same_queries(as_ada, ada, django_assert_num_queries):
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), *[("PRINTED", {"text": "x"})] * 300)
    with django_assert_num_queries(6):  # the session, the user, the chat, its runs, its events, the list of chats
        as_ada.get(chat.get_absolute_url())


@pytest.mark.parametrize("agent", ["vault", "gone"])
def test_a_chat_with_an_agent_that_is_no_longer_open_can_be_read_and_not_written(as_ada, told, agent):
    ChatSession.objects.filter(pk=told.pk).update(agent=agent)
    body = as_ada.get(told.get_absolute_url()).content.decode()
    assert "<strong>will</strong>" in body
    assert '<form class="composer" id="composer" hidden>' in body


def test_the_demo_model_is_labelled_as_scripted(client, monkeypatch):
    monkeypatch.setattr("agentchat.web.page.uses_demo", lambda: True)
    assert "Demo model: scripted, no AI." in text_of(client.get(CHATS))
    monkeypatch.setattr("agentchat.web.page.uses_demo", lambda: False)
    assert "Demo model" not in text_of(client.get(CHATS))


# --- long chats ------------------------------------------------------------------------------------------------------


@pytest.fixture
def long(ada):
    """A chat of ada's with 200 messages: number n is the event 2n + 2."""
    messages = [fact for number in range(200) for fact in said(f"m{number}", f"Number {number}.")]
    failed = "RUN_ERROR", {"code": "llm_auth", "message": "The model refused our key.", "id": "e7c1a2"}
    chat = ChatSession.objects.create(owner=ada, agent="oracle", title="Much was said")
    return tell(chat, ("RUN_STARTED", {}), *messages[:300], failed, ("RUN_STARTED", {}), *messages[300:], failed)


def numbers(response):
    return [int(number) for number in re.findall(r"<p>Number (\d+)\.", response.content.decode())]


def test_a_long_chat_opens_with_its_last_messages(as_ada, long):
    response = as_ada.get(long.get_absolute_url())
    assert numbers(response) == list(range(142, 200))
    assert f'data-seq="{long.next_seq - 1}"' in response.content.decode()


def test_without_javascript_a_long_chat_is_read_page_by_page(as_ada, long):
    address, seen = long.get_absolute_url(), []
    while address:
        page = as_ada.get(address)
        assert "script-src 'self'" in page["Content-Security-Policy"]
        seen = numbers(page) + seen
        link = re.search(r'href="([^"]*)"[^>]*>Earlier messages', page.content.decode())
        address = link and link[1]
    assert seen == list(range(200))
    assert "This is the beginning of the chat." in text_of(page)
    assert f'href="{long.get_absolute_url()}"' in page.content.decode()  # back to the end


def test_an_older_page_is_served_as_a_fragment(as_ada, long):
    body = as_ada.get(long.get_absolute_url()).content.decode()
    seen, address = [], re.search(r'data-earlier="([^"]*)"', body)
    while address:
        piece = as_ada.get(address[1])
        assert "<html" not in piece.content.decode()
        assert "script-src 'self'" in piece["Content-Security-Policy"]
        assert "no-store" in piece["Cache-Control"]
        seen = numbers(piece) + seen
        address = re.search(r'data-earlier="([^"]*)"', piece.content.decode())
    assert seen == list(range(142))
    assert "This is the beginning of the chat." in text_of(piece)


def test_an_error_on_an_older_page_cannot_be_retried(as_ada, long):
    last = as_ada.get(long.get_absolute_url()).content.decode()
    assert "data-retry>" in re.sub(r"<template.*?</template>", "", last, flags=re.DOTALL)
    older = as_ada.get(f"{long.get_absolute_url()}earlier", {"before": 310}).content.decode()
    assert 'class="error"' in older
    assert "data-retry" not in older


@pytest.mark.parametrize("path", ["", "events", "export.json", "export.md", "/chat/my-data/download"])
def test_why_a_run_failed_is_told_to_staff_alone(as_ada, ada, path):
    failed = {"code": "llm_quota", "message": "Sorry.", "id": "e7", "params": {}, "detail": "HTTP 402: Pay, Acme"}
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}), ("RUN_ERROR", failed))
    address = path if path.startswith("/") else f"{chat.get_absolute_url()}{path}"
    answer = body(as_ada.get(address))
    assert "e7" in answer
    assert "Acme" not in answer
    ada.is_staff = True
    ada.save()
    assert ("Acme" in body(as_ada.get(address))) == (path in TOLD_TO_STAFF)


@pytest.mark.parametrize("before", ["x", "0", "-1", "", str(2**70)])
def test_a_page_before_an_invalid_number_is_rejected(as_ada, long, before):
    url = long.get_absolute_url()
    assert as_ada.get(f"{url}earlier", {"before": before}).status_code == 400
    assert as_ada.get(url, {"before": before}).url == url


def test_there_is_nothing_before_the_first_page(as_ada, long):
    assert numbers(as_ada.get(f"{long.get_absolute_url()}earlier", {"before": 1})) == []


# --- events as JSON --------------------------------------------------------------------------------------------------


def test_the_last_events_are_served_as_frames(as_ada, told):
    answer = as_ada.get(f"{told.get_absolute_url()}events").json()
    assert [frame["seq"] for frame in answer["events"]] == [1, 2, 3, 4, 5, 6]
    assert answer["events"][4]["html"] == "<p>It <strong>will</strong>.</p>\n"
    assert answer["more"] is False


def test_older_events_come_in_pages_of_two_hundred(as_ada, ada):
    chat = tell(ChatSession.objects.create(owner=ada, agent="oracle"), *[("PRINTED", {"text": "x"})] * 450)
    url = reverse("agentchat:events", args=[chat.pk])
    last = as_ada.get(url).json()
    middle = as_ada.get(url, {"before": last["events"][0]["seq"]}).json()
    first = as_ada.get(url, {"before": middle["events"][0]["seq"]}).json()
    seqs = [[frame["seq"] for frame in page["events"]] for page in (first, middle, last)]
    assert seqs == [list(range(1, 51)), list(range(51, 251)), list(range(251, 451))]
    assert [page["more"] for page in (first, middle, last)] == [False, True, True]


@pytest.mark.parametrize("before", ["x", "0", "-1", "1e3", str(2**70)])
def test_an_invalid_number_is_rejected(as_ada, told, before):
    assert as_ada.get(f"{told.get_absolute_url()}events", {"before": before}).status_code == 400


@pytest.mark.parametrize("path", ["", "?before=3", "earlier?before=3", "events"])
def test_a_deleted_chat_is_not_found(as_ada, told, path):
    ChatSession.objects.filter(pk=told.pk).update(deleted_at=timezone.now())
    assert as_ada.get(told.get_absolute_url() + path).status_code == 404


def test_a_deactivated_user_sees_nothing(as_ada, ada, told):
    ada.is_active = False
    ada.save()
    assert as_ada.get(told.get_absolute_url()).status_code == 404


def test_a_page_says_truly_why_its_agent_cannot_be_used(as_ada, ada):
    forbidden = "This agent isn't available to you."
    for agent, sentence, other in (
        ("vault", forbidden, "no longer exists. You"),
        ("gone", "This agent no longer exists.", forbidden),
    ):
        page = text_of(as_ada.get(ChatSession.objects.create(owner=ada, agent=agent).get_absolute_url()))
        assert f"{sentence} You can still read the conversation." in page
        assert other not in page
    assert "You can still read" not in text_of(
        as_ada.get(ChatSession.objects.create(owner=ada, agent="oracle").get_absolute_url())
    )


@pytest.mark.django_db(transaction=True)
def test_a_message_is_refused_with_the_true_reason(ada):
    for agent, sentence in (("vault", "This agent isn't available to you."), ("gone", "This agent no longer exists.")):
        chat = ChatSession.objects.create(owner=ada, agent=agent)
        with pytest.raises(Rejected, match=sentence) as rejected:
            messages.send(chat.pk, Visitor(user=ada), client_id=uuid.uuid4(), text="Hello")
        assert rejected.value.reason == "agent_not_available"
