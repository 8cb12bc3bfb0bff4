"""Guests: what is stored of their keys."""

import importlib
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from agentchat.core import registry
from agentchat.models import ChatSession
from agentchat.visitors import GUEST_KEY, guest_digest, visitor_of_request, visitors_of
from tests.factories import account, guest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]

migration = importlib.import_module("agentchat.migrations.0009_guest_digests")


@pytest.fixture
def agents(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    registry.on_connect("oracle")(lambda iostream: None)
    yield
    registry.unregister("oracle")


def digest():
    migration.digest(apps, SimpleNamespace(connection=connection))


def everything_stored():
    return repr(list(ChatSession.objects.values()))


def test_the_key_of_a_guest_is_stored_as_a_digest(client):
    client.post("/chat/", {"agent": "oracle"})
    key, chat = client.session[GUEST_KEY], ChatSession.objects.get()
    assert key not in everything_stored()
    assert chat.guest_key == guest_digest(key)
    assert client.get(chat.get_absolute_url()).status_code == 200


def test_a_digest_is_not_a_key():
    chat = ChatSession.objects.create(agent="oracle", guest_key=guest_digest("secret"))
    assert guest("secret").get(chat.get_absolute_url()).status_code == 200
    assert guest(chat.guest_key).get(chat.get_absolute_url()).status_code == 404


def test_a_guest_of_before_keeps_their_chats():
    theirs = ChatSession.objects.create(agent="oracle", guest_key="k" * 64)
    others = ChatSession.objects.create(agent="oracle", guest_key="o" * 64)
    account_s = ChatSession.objects.create(agent="oracle", owner=account("ada"))
    digest()
    digest()  # once more, as after an interruption
    assert "k" * 64 not in everything_stored()
    as_guest = guest("k" * 64)
    statuses = [as_guest.get(chat.get_absolute_url()).status_code for chat in (theirs, others, account_s)]
    assert statuses == [200, 404, 404]
    account_s.refresh_from_db()
    assert account_s.guest_key == ""


def test_a_page_and_a_socket_know_the_same_guest(client, rf):
    client.post("/chat/", {"agent": "oracle"})
    session_key = client.cookies["sessionid"].value
    request = rf.get("/")
    request.session, request.user = client.session, SimpleNamespace(is_authenticated=False)
    assert visitors_of([session_key])[session_key] == visitor_of_request(request)


def test_the_chats_of_a_guest_move_to_the_account_that_signs_in():
    chat = ChatSession.objects.create(agent="oracle", guest_key=guest_digest("secret"))
    ada, browser = account("ada"), guest("secret")
    browser.login(username="ada", password="secret")
    chat.refresh_from_db()
    assert (chat.owner, chat.guest_key) == (ada, "")


def test_without_a_key_there_is_no_digest():
    assert guest_digest("") == ""
    assert Client().get("/chat/").status_code == 200
