"""The start page: agents, the list of chats, and new chats."""

import re
import uuid
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from agentchat.core import registry
from agentchat.infra.keyset import cursor_of
from agentchat.models import ChatSession
from agentchat.visitors import GUEST_KEY, guest_digest
from tests.factories import account, signed_in, tell
from tests.web.views.pages import CHATS, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


def test_a_visitor_without_chats_sees_the_agents(client):
    response = client.get("/", follow=True)
    assert response.redirect_chain == [(CHATS, 302)]
    assert "The oracle" in text_of(response)
    assert "Knows it all." in text_of(response)
    assert "Will it rain?" in text_of(response)


def test_only_the_agents_that_are_open_to_the_visitor_are_shown(client, admin_client):
    assert "The vault" not in text_of(client.get(CHATS))
    assert "The vault" in text_of(admin_client.get(CHATS))


def test_the_root_redirects_to_the_chat_with_the_newest_message(as_ada, ada, told):
    older = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}))
    ChatSession.objects.filter(pk=older.pk).update(updated_at=timezone.now() - timedelta(days=1))
    ChatSession.objects.create(owner=ada, agent="oracle")  # the newest, and empty
    assert as_ada.get("/").url == told.get_absolute_url()


def test_choosing_an_agent_creates_a_chat_session_of_the_visitors(as_ada, ada):
    response = as_ada.post(CHATS, {"agent": "oracle"})
    chat = ChatSession.objects.get()
    assert (response.status_code, response.url) == (302, f"/chat/{chat.pk}/")
    assert (chat.owner, chat.guest_key, chat.agent) == (ada, "", "oracle")


def test_a_guest_owns_the_chats_that_this_browser_makes(client):
    client.post(CHATS, {"agent": "oracle"})
    client.post(CHATS, {"agent": "oracle"})
    key = client.session[GUEST_KEY]
    assert len(key) >= 32
    assert [(chat.owner, chat.guest_key) for chat in ChatSession.objects.all()] == [(None, guest_digest(key))] * 2


def test_viewing_creates_no_session(client):
    client.get("/", follow=True)
    assert "sessionid" not in client.cookies
    assert not Session.objects.exists()


@pytest.mark.parametrize("agent", ["vault", "nobody", ""])
def test_no_chat_is_created_with_an_agent_that_is_unknown_or_not_open(client, agent):
    response = client.post(CHATS, {"agent": agent})
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert not ChatSession.objects.exists()


def test_no_chat_is_created_with_a_prompt_that_is_too_long(client, settings):
    settings.AGENTCHAT = {"GUESTS": True, "MAX_MESSAGE_CHARS": 10}
    assert client.post(CHATS, {"agent": "oracle", "prompt": "x" * 11}).status_code == 400
    assert not ChatSession.objects.exists()
    assert client.post(CHATS, {"agent": "oracle", "prompt": "😀😀😀😀\r\n" * 2}).status_code == 302


def test_chats_are_listed_under_the_day_of_their_last_change(as_ada, ada, told):
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


def test_the_list_continues_where_the_newest_chats_end(as_ada, many, django_assert_num_queries):
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


def test_older_chats_come_as_a_fragment_too(as_ada, many):
    address, pages = f"/chat/older?before={cursor_of(many[0], 'updated_at')}", []
    while address:
        page = as_ada.get(address).content.decode()
        assert "<html" not in page
        pages.append(re.findall(r'data-id="([^"]+)"', page))
        link = re.search(r'data-older="([^"]*)"', page)
        address = link and unescape(link[1])
    assert [len(page) for page in pages][:2] == [100, 100]
    assert len({each for page in pages for each in page}) == sum(map(len, pages)) > 200
    for wrong in ("", "?before=x"):
        assert as_ada.get(f"/chat/older{wrong}").status_code == 400


@pytest.mark.parametrize(
    "before",
    ["x", "_", "2026-01-01T00:00:00Z_x", "2026-01-01T00:00:00_" + "0" * 32, "0001-01-01T00:00:00+14:00_" + "0" * 32],
)
def test_an_invalid_cursor_shows_the_newest_chats(as_ada, many, before):
    assert listed(as_ada.get(CHATS, {"before": before}))[0] in {chat.title for chat in many[:10]}


def test_a_cursor_of_one_user_shows_another_only_their_own_chats(many):
    cursor = cursor_of(many[0], "updated_at")
    stranger = signed_in(account("mallory"))
    assert listed(stranger.get(CHATS, {"before": str(cursor)})) == []


# --- the first message -----------------------------------------------------------------------------------------------


def events_of(chat):
    return [(event.type, event.payload) for event in chat.events.order_by("seq")]


def test_the_first_message_is_sent_as_the_chat_is_created(client):
    response = client.post(CHATS, {"agent": "oracle", "prompt": "<b>Will it\r\nrain?"}, follow=True)
    chat = ChatSession.objects.get()
    assert response.redirect_chain == [(f"/chat/{chat.pk}/", 302)]
    (started, _), (_, start), (_, end) = events_of(chat)
    assert (started, start["role"], end["content"]) == ("RUN_STARTED", "user", "<b>Will it\nrain?")
    assert chat.title == "<b>Will it rain?"
    assert chat.runs.get().status == "queued"
    assert chat.inbox.count() == 1
    assert "&lt;b&gt;Will it\nrain?" in response.content.decode()


FORM = {"id": "7f6c0e0e-8a50-4f5c-9d62-222222222222", "agent": "oracle", "prompt": "Will it rain?"}


def test_a_form_that_is_sent_twice_makes_one_chat(client, as_ada):
    for browser in (client, as_ada):
        addresses = {browser.post(CHATS, FORM).url for _ in range(3)}
        assert len(addresses) == 1
        assert browser.post(CHATS, {**FORM, "prompt": "And tomorrow?"}).url not in addresses
        assert browser.post(CHATS, {**FORM, "id": str(uuid.uuid4())}).url not in addresses
    assert [chat.inbox.count() for chat in ChatSession.objects.all()] == [1] * 6


def test_a_form_that_a_new_guest_sends_twice_at_once_makes_one_chat(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    first, second = Client(), Client()
    first.get(CHATS)
    second.cookies = first.cookies.copy()  # the same browser, before the first answer comes
    assert first.post(CHATS, FORM).url == second.post(CHATS, FORM).url
    assert second.session[GUEST_KEY] == first.session[GUEST_KEY]
    stranger = Client()
    stranger.get(CHATS)
    assert stranger.post(CHATS, FORM).url != first.post(CHATS, FORM).url  # who knows the form's id only
    assert ChatSession.objects.count() == 2


def test_a_message_that_is_refused_makes_no_chat_and_stays_in_the_field(client, settings):
    settings.AGENTCHAT = {"GUESTS": True, "MESSAGES_PER_MINUTE": 1}
    client.post(CHATS, FORM)
    response = client.post(CHATS, {**FORM, "prompt": "<And tomorrow?"})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert "too quickly" in text_of(response)
    assert "&lt;And tomorrow?</textarea>" in response.content.decode()
    assert f'name="id" value="{FORM["id"]}"' in response.content.decode()
    assert ChatSession.objects.count() == 1
    refused = client.post(CHATS, {**FORM, "prompt": "x"}, headers={"Accept": "application/json"})
    assert (refused.status_code, "too quickly" in refused.json()["error"]) == (429, True)


def test_a_script_gets_the_address_of_the_chat(client):
    reply = client.post(CHATS, FORM, headers={"Accept": "application/json"})
    assert reply.json() == {"url": f"/chat/{ChatSession.objects.get().pk}/"}


def test_a_chat_that_was_deleted_is_not_filled_again(client):
    address = client.post(CHATS, FORM).url
    client.post(f"{address}delete/")
    assert client.post(CHATS, FORM).status_code == 400
    assert ChatSession.objects.get().inbox.count() == 1


def test_the_agent_chosen_last_is_chosen_again(client):
    assert client.get(CHATS).context["chosen"].name != "oracle"
    client.post(CHATS, FORM)
    client.post(CHATS, {**FORM, "agent": "vault"})  # not open to them
    page = client.get(CHATS)
    assert page.context["chosen"].name == "oracle"
    assert '<option value="oracle" selected>' in page.content.decode()


def test_with_one_agent_there_is_nothing_to_choose(client, monkeypatch):
    monkeypatch.setattr(registry, "_agents", {"oracle": registry.find("oracle")})
    body = client.get(CHATS).content.decode()
    assert "<select" not in body.partition('id="start"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="agent" value="oracle">' in body
    assert "Chat with" not in text_of(client.get(CHATS))


def test_where_there_is_no_agent_only_developers_are_told_what_to_do(client, settings, monkeypatch):
    monkeypatch.setattr(registry, "_agents", {})
    assert "agents.py" not in text_of(client.get(CHATS))
    settings.DEBUG = True
    assert "agents.py" in text_of(client.get(CHATS))
