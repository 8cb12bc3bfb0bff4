"""What all pages have in common: the policy, no caching, tokens in forms, methods."""

import re

import pytest
from django.test import Client

from agentchat.visitors import Visitor
from tests.web.views.pages import CHATS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


def test_a_form_without_csrf_token_creates_no_chat():
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


def test_the_views_set_the_policy_without_the_middleware(as_ada, told, settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != "agentchat.csp.StrictPolicyMiddleware"]
    for path in (CHATS, told.get_absolute_url(), f"{told.get_absolute_url()}events", "/healthz"):
        assert "default-src 'none'" in as_ada.get(path).headers["Content-Security-Policy"]


def test_no_page_has_script_or_style_of_its_own(as_ada, told):
    for path in (CHATS, told.get_absolute_url(), "/accounts/password_change/", "/nowhere/"):
        body = as_ada.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", body), path
        assert not re.search(r'(?:src|href)="(?:https?:)?//', body), path


def test_chats_are_never_cached(as_ada, told):
    assert "no-store" in as_ada.get(told.get_absolute_url()).headers["Cache-Control"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(as_ada, told, method):
    assert getattr(as_ada, method)(CHATS).status_code == 405
    assert getattr(as_ada, method)(told.get_absolute_url()).status_code == 405
    assert as_ada.post(told.get_absolute_url()).status_code == 405


def test_people_are_called_by_their_full_names(as_ada, ada, told):
    assert 'dir="auto">ada</span>' in as_ada.get(CHATS).content.decode()
    ada.first_name, ada.last_name = "Ada <of>", "Lovelace"
    ada.save()
    assert 'dir="auto">Ada &lt;of&gt; Lovelace</span>' in as_ada.get(CHATS).content.decode()
    as_ada.post(CHATS, {"agent": "oracle", "prompt": "Will it snow?"})
    start = ada.chat_sessions.get(title="Will it snow?").events.get(type="TEXT_MESSAGE_START")
    assert start.payload["name"] == "Ada <of> Lovelace"
    export = as_ada.get(f"{told.get_absolute_url()}export.md")
    assert "Lovelace" in export.getvalue().decode()


@pytest.mark.parametrize("model", ["without full names", "with empty ones"])
def test_users_without_a_full_name_are_called_by_their_username(model):
    class User:
        def get_username(self):
            return "ada"

    if model == "with empty ones":
        User.get_full_name = lambda self: " "
    assert Visitor(user=User()).name == "ada"
