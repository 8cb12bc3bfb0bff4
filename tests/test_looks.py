"""How the pages look to somebody: the cookies that keep it, and what is sent for them."""

import re

import pytest
from django.template import Context, Template
from django.test import Client, RequestFactory

from agentchat.looks import APPEARANCE_COOKIE, SIDEBAR_COOKIE, appearance_of

pytestmark = pytest.mark.django_db

APPEARANCE = "/appearance/"


@pytest.fixture(autouse=True)
def _guests_may_chat(settings):
    settings.AGENTCHAT = {"GUESTS": True}


def root(client, path="/chat/"):
    return re.search(r"<html[^>]*>", client.get(path).content.decode())[0]


def body(client, path="/chat/"):
    return re.search(r"<body[^>]*>", client.get(path).content.decode())[0]


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_what_was_chosen_is_kept_and_every_page_has_it(client, appearance):
    assert client.post(APPEARANCE, {"appearance": appearance, "next": "/chat/?q=x"}).url == "/chat/?q=x"
    for path in ("/chat/", "/accounts/login/", "/nowhere/", "/share/nothing/"):
        assert f'data-appearance="{appearance}"' in root(client, path), path
    page = client.get("/chat/").content.decode()
    assert f'<meta name="color-scheme" content="{appearance}">' in page
    assert page.count('<meta name="theme-color"') == 1


def test_the_cookie_is_for_the_server_alone_and_outlives_the_session(client):
    client.post(APPEARANCE, {"appearance": "dark"})
    cookie = client.cookies[APPEARANCE_COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie["max-age"] > 300 * 24 * 60 * 60


def test_without_a_choice_it_looks_as_the_device_has_it(client):
    assert "data-appearance" not in root(client)
    client.post(APPEARANCE, {"appearance": "dark"})
    client.post(APPEARANCE, {"appearance": ""})
    page = client.get("/chat/").content.decode()
    assert "data-appearance" not in root(client)
    assert '<meta name="color-scheme" content="light dark">' in page
    assert page.count('<meta name="theme-color"') == 2


@pytest.mark.parametrize("junk", ["purple", '"><script>', "dark ", "x" * 5000])
def test_what_is_no_choice_is_the_devices(client, junk):
    client.post(APPEARANCE, {"appearance": junk})
    assert "data-appearance" not in root(client)
    client.cookies[APPEARANCE_COOKIE] = junk
    assert "data-appearance" not in root(client)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "", "http:///x", "\\\\evil.example"]
)
def test_it_leads_nowhere_else(client, wanted):
    assert client.post(APPEARANCE, {"appearance": "dark", "next": wanted}).url == "/"


@pytest.mark.parametrize("wanted", ["foo", "logout", "agentchat:index"])
def test_it_leads_to_addresses_and_not_to_views(client, wanted):
    assert client.post(APPEARANCE, {"appearance": "dark", "next": wanted}).status_code == 302


def test_a_link_changes_nothing(client):
    assert client.get(APPEARANCE, {"appearance": "dark"}).status_code == 405
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.post(APPEARANCE, {"appearance": "dark"}).status_code == 403
    assert not client.cookies


def test_the_buttons_say_which_is_chosen(client):
    def chosen():
        return re.findall(r'name="appearance" value="(\w*)" aria-pressed="true"', client.get("/chat/").content.decode())

    assert chosen() == [""]
    client.post(APPEARANCE, {"appearance": "light"})
    assert chosen() == ["light"]


def test_the_folded_list_is_sent_folded(client):
    assert "without-list" not in body(client)
    client.cookies[SIDEBAR_COOKIE] = "folded"
    assert 'class="with-sidebar without-list"' in body(client)
    client.cookies[SIDEBAR_COOKIE] = '"><script>'
    assert 'class="with-sidebar"' in body(client)


def test_a_page_needs_no_request():
    page = Template('{% extends "agentchat/base.html" %}').render(Context())
    assert "data-appearance" not in page
    assert appearance_of(None) == ""
    assert appearance_of(RequestFactory(HTTP_COOKIE=f"{APPEARANCE_COOKIE}=dark").get("/")) == "dark"
