"""How the pages look to somebody: the cookies that keep it, and what is sent for them."""

import re

import pytest
from django.template import Context, Template
from django.test import Client, RequestFactory

from agentchat.web.appearance import APPEARANCE_COOKIE, SIDEBAR_COOKIE, appearance_of

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


def test_without_a_choice_the_appearance_is_the_devices(client):
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


def test_the_buttons_show_the_current_choice(client):
    def chosen():
        return re.findall(r'name="appearance" value="(\w*)" aria-pressed="true"', client.get("/chat/").content.decode())

    assert chosen() == [""]
    client.post(APPEARANCE, {"appearance": "light"})
    assert chosen() == ["light"]


def test_a_collapsed_sidebar_is_rendered_collapsed(client):
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


def test_every_cookie_that_the_app_sets_itself_is_for_tls_and_for_its_own_pages(client, settings, agents):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.LANGUAGE_COOKIE_SECURE = True
    client.post("/appearance/", {"appearance": "dark"}, secure=True)
    client.post("/language/", {"language": "de"}, secure=True)
    client.post("/chat/", {"agent": "oracle"}, secure=True)
    client.get("/chat/", secure=True)
    cookies = {name: (bool(cookie["secure"]), cookie["samesite"]) for name, cookie in client.cookies.items()}
    assert set(cookies) >= {APPEARANCE_COOKIE, "django_language", "sessionid", "csrftoken"}
    assert set(cookies.values()) == {(True, "Lax")}
    response = client.post("/appearance/", {"appearance": ""}, secure=True)
    assert response.cookies[APPEARANCE_COOKIE]["samesite"] == "Lax"
