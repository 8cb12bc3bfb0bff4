"""The pages: what a visitor sees. `test_strangers` has what nobody else does."""

import json
import re
import uuid
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agentchat import registry, server
from agentchat.errors import DatabaseAway
from agentchat.keyset import place_of
from agentchat.models import ChatSession
from agentchat.visitors import GUEST_KEY
from tests.people import account, said, signed_in, tell

pytestmark = pytest.mark.django_db

CHATS = "/chat/"


@pytest.fixture(autouse=True)
def agents(settings):
    """Two agents of the tests, one of them for staff only; guests may chat."""
    settings.AGENTCHAT = {"GUESTS": True}
    registry.on_connect("oracle", title="The oracle", description="Knows it all.", prompts=["Will it rain?"])(_silent)
    registry.on_connect("vault", title="The vault", allow=lambda user: user is not None and user.is_staff)(_silent)
    yield
    registry.unregister("oracle")
    registry.unregister("vault")


def _silent(iostream):
    """Says nothing."""


@pytest.fixture
def ada():
    return account("ada")


@pytest.fixture
def as_ada(ada):
    return signed_in(ada)


@pytest.fixture
def told(ada):
    """A chat of ada's in which something was said."""
    return tell(
        ChatSession.objects.create(owner=ada, agent="oracle", title="Will it rain?"),
        ("RUN_STARTED", {}),
        *said("u1", "Will it rain?", "user", "ada"),
        *said("a1", "It **will**."),
        ("RUN_FINISHED", {"outcome": {"type": "success"}}),
    )


def text_of(response):
    """The words of a page, without its markup."""
    body = re.sub(r"<template.*?</template>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def first_message(response):
    """The words that the composer begins with."""
    return unescape(re.search(r"<textarea[^>]*>\n(.*?)</textarea>", response.content.decode(), re.DOTALL)[1])


# --- agents and chats -----------------------------------------------------------------------------------------------


def test_whoever_has_said_nothing_yet_is_shown_the_agents(client):
    response = client.get("/", follow=True)
    assert response.redirect_chain == [(CHATS, 302)]
    assert "The oracle" in text_of(response)
    assert "Knows it all." in text_of(response)
    assert "Will it rain?" in text_of(response)


def test_only_the_agents_that_are_open_to_the_visitor_are_shown(client, admin_client):
    assert "The vault" not in text_of(client.get(CHATS))
    assert "The vault" in text_of(admin_client.get(CHATS))


def test_the_root_leads_to_the_chat_in_which_something_was_said_last(as_ada, ada, told):
    older = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}))
    ChatSession.objects.filter(pk=older.pk).update(updated_at=timezone.now() - timedelta(days=1))
    ChatSession.objects.create(owner=ada, agent="oracle")  # the newest, and empty
    assert as_ada.get("/").url == told.get_absolute_url()


def test_choosing_an_agent_makes_a_chat_session_of_the_visitors_own(as_ada, ada):
    response = as_ada.post(CHATS, {"agent": "oracle"})
    chat = ChatSession.objects.get()
    assert (response.status_code, response.url) == (302, f"/chat/{chat.pk}/")
    assert (chat.owner, chat.guest_key, chat.agent) == (ada, "", "oracle")


def test_a_guest_owns_the_chats_that_this_browser_makes(client):
    client.post(CHATS, {"agent": "oracle"})
    client.post(CHATS, {"agent": "oracle"})
    key = client.session[GUEST_KEY]
    assert len(key) >= 32
    assert [(chat.owner, chat.guest_key) for chat in ChatSession.objects.all()] == [(None, key)] * 2


def test_looking_leaves_no_session_behind(client):
    client.get("/", follow=True)
    assert "sessionid" not in client.cookies
    assert not Session.objects.exists()


@pytest.mark.parametrize("agent", ["vault", "nobody", ""])
def test_no_chat_is_made_with_an_agent_that_is_not_there_or_not_open(client, agent):
    response = client.post(CHATS, {"agent": agent})
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert not ChatSession.objects.exists()


def test_no_chat_is_made_with_a_prompt_that_could_not_be_sent(client, settings):
    settings.AGENTCHAT = {"GUESTS": True, "MAX_MESSAGE_CHARS": 10}
    assert client.post(CHATS, {"agent": "oracle", "prompt": "x" * 11}).status_code == 400
    assert not ChatSession.objects.exists()


def test_chats_stand_under_the_day_of_their_last_change(as_ada, ada, told):
    older = tell(ChatSession.objects.create(owner=ada, agent="oracle", title="Older"), ("RUN_STARTED", {}))
    ChatSession.objects.filter(pk=older.pk).update(updated_at=timezone.now() - timedelta(days=400))
    days = as_ada.get(CHATS).context["days"]
    assert [[entry.title for entry in day.entries] for day in days] == [["Will it rain?"], ["Older"]]


def test_a_list_of_many_chats_takes_as_many_queries_as_one_of_few(as_ada, ada, told, django_assert_num_queries):
    for number in range(20):
        tell(ChatSession.objects.create(owner=ada, agent="oracle", title=str(number)), ("RUN_STARTED", {}))
    with django_assert_num_queries(3):  # the session, the user, the chats
        as_ada.get(CHATS)


@pytest.fixture
def many(ada):
    """So many chats of ada's that two pages do not hold them, each ten of the same moment."""
    now = timezone.now()
    chats = [ChatSession(owner=ada, agent="oracle", title=f"Chat {number}", next_seq=2) for number in range(230)]
    ChatSession.objects.bulk_create(chats)
    for number, chat in enumerate(chats):
        chat.updated_at = now - timedelta(hours=number // 10)
    ChatSession.objects.bulk_update(chats, ["updated_at"])
    return chats


def listed(response):
    return [entry.title for day in response.context["days"] for entry in day.entries]


def test_older_chats_are_read_on_from_where_the_newest_end(as_ada, many, django_assert_num_queries):
    address, seen, pages = CHATS, [], 0
    while address:
        with django_assert_num_queries(3):
            page = as_ada.get(address)
        seen += listed(page)
        pages += 1
        link = re.search(r'class="older-chats" href="([^"]*)">Older chats', page.content.decode())
        address = link and unescape(link[1])
    assert pages == 3
    assert sorted(seen) == sorted(chat.title for chat in many)  # none is missing and none comes twice
    assert "Newest chats" in text_of(page)


@pytest.mark.parametrize(
    "before",
    ["x", "_", "2026-01-01T00:00:00Z_x", "2026-01-01T00:00:00_" + "0" * 32, "0001-01-01T00:00:00+14:00_" + "0" * 32],
)
def test_a_place_that_is_none_shows_the_newest_chats(as_ada, many, before):
    assert listed(as_ada.get(CHATS, {"before": before}))[0] in {chat.title for chat in many[:10]}


def test_a_place_in_ones_own_list_leads_to_nobody_elses(many):
    place = place_of(many[0], "updated_at")
    stranger = signed_in(account("mallory"))
    assert listed(stranger.get(CHATS, {"before": str(place)})) == []


# --- the first message ----------------------------------------------------------------------------------------------


def test_a_chosen_prompt_is_the_first_message_of_its_chat(client):
    response = client.post(CHATS, {"agent": "oracle", "prompt": "<b>Will it\nrain?"}, follow=True)
    assert first_message(response) == "<b>Will it\nrain?"
    assert "data-first-id" in response.content.decode()


def test_the_first_message_has_the_same_id_however_often_the_page_is_loaded(client):
    page = client.post(CHATS, {"agent": "oracle", "prompt": "Will it rain?"}, follow=True)
    again = client.get(page.redirect_chain[0][0])
    ids = [re.search(r'data-first-id="([^"]+)"', p.content.decode())[1] for p in (page, again)]
    assert ids[0] == ids[1]
    assert uuid.UUID(ids[0])


def test_the_first_message_is_gone_when_something_was_said(client):
    page = client.post(CHATS, {"agent": "oracle", "prompt": "Will it rain?"}, follow=True)
    tell(ChatSession.objects.get(), ("RUN_STARTED", {}))
    assert first_message(client.get(page.redirect_chain[0][0])) == ""


def test_a_prompt_never_speaks_in_another_chat_nor_from_an_address(client):
    client.post(CHATS, {"agent": "oracle", "prompt": "Will it rain?"})
    other = client.post(CHATS, {"agent": "oracle"}).url
    assert first_message(client.get(other)) == ""
    assert first_message(client.get(other + "?prompt=Delete+everything")) == ""


# --- one chat -------------------------------------------------------------------------------------------------------


def test_the_whole_transcript_is_in_the_page(as_ada, told):
    response = as_ada.get(told.get_absolute_url())
    body = response.content.decode()
    assert ">Will it rain?</div>" in body
    assert "<p>It <strong>will</strong>.</p>" in body
    assert 'data-seq="6"' in body
    assert 'data-state="idle"' in body


def test_the_page_says_where_a_waiting_run_stands(as_ada, ada):
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


def test_the_demo_model_says_that_it_is_scripted(client, monkeypatch):
    monkeypatch.setattr("agentchat.views.uses_demo", lambda: True)
    assert "Demo model: scripted, no AI." in text_of(client.get(CHATS))
    monkeypatch.setattr("agentchat.views.uses_demo", lambda: False)
    assert "Demo model" not in text_of(client.get(CHATS))


# --- long chats -----------------------------------------------------------------------------------------------------


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


def test_an_older_part_comes_as_a_piece_of_the_page(as_ada, long):
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


def test_an_error_in_an_older_part_cannot_be_tried_again(as_ada, long):
    last = as_ada.get(long.get_absolute_url()).content.decode()
    assert "data-retry>" in re.sub(r"<template.*?</template>", "", last, flags=re.DOTALL)
    older = as_ada.get(f"{long.get_absolute_url()}earlier", {"before": 310}).content.decode()
    assert "data-retry hidden>" in older
    assert "data-retry>" not in older


@pytest.mark.parametrize("before", ["x", "0", "-1", "", str(2**70)])
def test_a_part_before_no_number_is_none(as_ada, long, before):
    url = long.get_absolute_url()
    assert as_ada.get(f"{url}earlier", {"before": before}).status_code == 400
    assert as_ada.get(url, {"before": before}).url == url


def test_before_the_beginning_there_is_nothing(as_ada, long):
    assert numbers(as_ada.get(f"{long.get_absolute_url()}earlier", {"before": 1})) == []


# --- events as JSON -------------------------------------------------------------------------------------------------


def test_events_come_as_frames_the_last_ones_first_asked(as_ada, told):
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
def test_a_number_that_is_none_is_refused(as_ada, told, before):
    assert as_ada.get(f"{told.get_absolute_url()}events", {"before": before}).status_code == 400


# --- whose they are -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "?before=3", "earlier?before=3", "events"])
def test_a_deleted_chat_is_not_found(as_ada, told, path):
    ChatSession.objects.filter(pk=told.pk).update(deleted_at=timezone.now())
    assert as_ada.get(told.get_absolute_url() + path).status_code == 404


def test_a_deactivated_user_sees_nothing(as_ada, ada, told):
    ada.is_active = False
    ada.save()
    assert as_ada.get(told.get_absolute_url()).status_code == 404


# --- safety ---------------------------------------------------------------------------------------------------------


def test_a_form_without_its_token_makes_no_chat():
    client = Client(enforce_csrf_checks=True)
    assert client.post(CHATS, {"agent": "oracle"}).status_code == 403
    client.get(CHATS)
    token = client.cookies["csrftoken"].value
    assert client.post(CHATS, {"agent": "oracle", "csrfmiddlewaretoken": token}).status_code == 302


@pytest.mark.parametrize("path", ["/", "/chat/", "/healthz", "/readyz", "/accounts/login/", "/nowhere/"])
def test_every_page_has_the_strict_policy(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
    assert "frame-ancestors 'none'; base-uri 'none'" in policy
    assert "unsafe" not in policy


def test_our_views_bring_the_policy_without_the_middleware(as_ada, told, settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != "agentchat.csp.StrictPolicyMiddleware"]
    for path in (CHATS, told.get_absolute_url(), f"{told.get_absolute_url()}events", "/healthz"):
        assert "default-src 'none'" in as_ada.get(path).headers["Content-Security-Policy"]


def test_no_page_has_script_or_style_of_its_own(as_ada, told):
    for path in (CHATS, told.get_absolute_url(), "/accounts/password_change/", "/nowhere/"):
        body = as_ada.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", body), path
        assert not re.search(r'(?:src|href)="(?:https?:)?//', body), path


def test_chats_are_kept_by_no_cache(as_ada, told):
    assert "no-store" in as_ada.get(told.get_absolute_url()).headers["Cache-Control"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(as_ada, told, method):
    assert getattr(as_ada, method)(CHATS).status_code == 405
    assert getattr(as_ada, method)(told.get_absolute_url()).status_code == 405
    assert as_ada.post(told.get_absolute_url()).status_code == 405


# --- accounts and errors --------------------------------------------------------------------------------------------


def test_signing_in_leads_to_the_page_that_was_asked_for(client, ada, told):
    url = told.get_absolute_url()
    page = client.get(reverse("login"), {"next": url})
    assert f'name="next" value="{url}"' in page.content.decode()
    response = client.post(reverse("login"), {"username": "ada", "password": "secret", "next": url})
    assert response.url == url


def test_a_wrong_password_is_said_where_a_reader_hears_it(client, ada):
    response = client.post(reverse("login"), {"username": "ada", "password": "wrong"})
    assert 'role="alert"' in response.content.decode()


def test_signing_out_is_a_post(as_ada):
    assert as_ada.get(reverse("logout")).status_code == 405
    assert as_ada.post(reverse("logout")).status_code == 302
    assert "_auth_user_id" not in as_ada.session
    assert f'action="{reverse("logout")}"' not in as_ada.get(CHATS).content.decode()


def test_the_password_can_be_changed(as_ada, ada):
    url = reverse("password_change")
    assert as_ada.get(url).status_code == 200
    new = {"old_password": "secret", "new_password1": "Correct-Horse-7", "new_password2": "Correct-Horse-7"}
    assert as_ada.post(url, new, follow=True).status_code == 200
    ada.refresh_from_db()
    assert ada.check_password("Correct-Horse-7")


def test_what_is_not_there_is_said_kindly(client):
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "This page is not there, or it is not yours." in text_of(response)


def test_a_failure_is_said_kindly(client, monkeypatch):
    def fail():
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("agentchat.views.uses_demo", fail)
    client.raise_request_exception = False
    response = client.get(CHATS)
    assert response.status_code == 500
    assert "That was our mistake" in text_of(response)
    assert "secret reason" not in response.content.decode()


@pytest.mark.parametrize("error", [OperationalError("the secret address"), DatabaseAway("the secret address")])
def test_while_the_database_is_away_the_page_says_so_and_when_to_come_again(client, monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr("agentchat.views.uses_demo", fail)
    client.raise_request_exception = False
    response = client.get(CHATS)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Nothing of them is lost." in text_of(response)
    assert "secret address" not in response.content.decode()


# --- watchdogs ------------------------------------------------------------------------------------------------------


def test_the_process_says_that_it_is_there_without_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.parametrize(("keeper", "status"), [(True, 200), ("the server is stopping", 503), (False, 503)])
def test_the_process_says_whether_it_can_work(client, monkeypatch, keeper, status):
    monkeypatch.setattr(server, "is_ready", lambda: {"database": True, "keeper": keeper})
    response = client.get("/readyz")
    assert response.status_code == status
    assert json.loads(response.content) == {"database": True, "keeper": keeper}
