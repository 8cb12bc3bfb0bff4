"""Signing in and out, and the pages of errors."""

import pytest
from django.db import OperationalError
from django.urls import reverse

from agentchat.errors import DatabaseUnavailable
from tests.web.views.pages import CHATS, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


def test_signing_in_redirects_to_the_requested_page(client, ada, told):
    url = told.get_absolute_url()
    page = client.get(reverse("login"), {"next": url})
    assert f'name="next" value="{url}"' in page.content.decode()
    response = client.post(reverse("login"), {"username": "ada", "password": "secret", "next": url})
    assert response.url == url


def test_a_wrong_password_is_announced_to_screen_readers(client, ada):
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


def test_an_unknown_url_shows_a_helpful_page(client):
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "This page doesn't exist, or you don't have access to it." in text_of(response)


def test_a_failure_shows_a_helpful_page_without_details(client, monkeypatch):
    def fail():
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("agentchat.web.page.uses_demo", fail)
    client.raise_request_exception = False
    response = client.get(CHATS)
    assert response.status_code == 500
    assert "This is a problem on our end" in text_of(response)
    assert "secret reason" not in response.content.decode()


@pytest.mark.parametrize("error", [OperationalError("the secret address"), DatabaseUnavailable("the secret address")])
def test_an_unavailable_database_is_a_503_with_retry_after(client, monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr("agentchat.web.page.uses_demo", fail)
    client.raise_request_exception = False
    response = client.get(CHATS)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Nothing has been lost." in text_of(response)
    assert "secret address" not in response.content.decode()
