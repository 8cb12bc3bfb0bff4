"""The page of a user's API keys."""

import re
from datetime import timedelta

import pytest

from agentchat.actions import api_keys
from agentchat.core import registry
from agentchat.core.secrets import MAX_RECENT, mask, note_secret
from agentchat.infra import moments
from agentchat.models import ApiKey
from tests.factories import account, signed_in
from tests.web.views.pages import body

pytestmark = pytest.mark.django_db
PAGE = "/chat/keys/"
NEW = {"name": "Report", "access": "write", "agent": ["all"], "days": "90"}


@pytest.fixture(autouse=True)
def site(settings):
    settings.AGENTCHAT = {"APIS": ["openai"]}


@pytest.fixture
def ada():
    return account("ada")


@pytest.fixture
def as_ada(ada):
    return signed_in(ada)


def made(response):
    """The new key on the page."""
    [text] = re.findall(r'value="(agentchat_[\w-]{43})"', body(response))
    return text


def test_a_new_key_is_shown_once_and_only_its_digest_is_stored(as_ada, ada):
    response = as_ada.post(PAGE, NEW)
    assert (response.status_code, response.headers["Cache-Control"].count("no-store")) == (200, 1)
    text = made(response)
    key = ApiKey.objects.get()
    assert (key.owner, key.name, key.agents, key.may_write) == (ada, "Report", None, True)
    assert timedelta(days=89) < key.expires_at - moments.now() < timedelta(days=90)
    assert text not in str(ApiKey.objects.values().get())
    assert api_keys.find(text) == key
    page = body(as_ada.get(PAGE))
    assert text not in page
    assert key.hint in page


def test_whoever_guesses_keys_makes_no_log_forget_a_secret():
    note_secret(secret := "sk-of-a-service-0123456789")
    for guess in range(MAX_RECENT + 1):
        assert api_keys.find(f"{api_keys.PREFIX}{guess:043d}") is None
    assert secret not in mask(f"Bearer {secret}")


def test_a_key_may_be_limited_to_agents_and_to_reading(as_ada):
    as_ada.post(PAGE, {**NEW, "agent": ["agent weather"], "access": "read", "days": ""})
    key = ApiKey.objects.get()
    assert (key.agents, key.may_write, key.expires_at) == (["weather"], False, None)
    assert key.allows("weather")
    assert not key.allows("team")


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "x" * 101}, {"agent": []}, {"agent": ["agent closed"]}, {"days": "7"}, {"access": ""}],
)
def test_a_form_that_is_not_filled_in_makes_no_key(as_ada, wrong):
    registry.on_connect("closed", allow=lambda user: False)(lambda iostream: None)
    try:
        assert as_ada.post(PAGE, {**NEW, **wrong}).status_code == 400
    finally:
        registry.unregister("closed")
    assert not ApiKey.objects.exists()


def test_a_revoked_key_is_gone(as_ada):
    text = made(as_ada.post(PAGE, NEW))
    key = ApiKey.objects.get()
    assert as_ada.post(PAGE, {"revoke": key.pk}).status_code == 302
    assert api_keys.find(text) is None
    assert key.hint not in body(as_ada.get(PAGE))
    assert as_ada.post(PAGE, {"revoke": key.pk}).status_code == 404
    assert as_ada.post(PAGE, {"revoke": "x"}).status_code == 404


def test_nobody_sees_or_revokes_the_keys_of_others(as_ada, client):
    made(as_ada.post(PAGE, NEW))
    key = ApiKey.objects.get()
    eve = signed_in(account("eve", is_staff=True, is_superuser=True))
    assert key.hint not in body(eve.get(PAGE))
    assert eve.post(PAGE, {"revoke": key.pk}).status_code == 404
    for answer in (client.get(PAGE), client.post(PAGE, NEW), client.post(PAGE, {"revoke": key.pk})):
        assert answer.url.startswith("/accounts/login/")
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("change", ["expired", "inactive", "altered"])
def test_a_key_that_cannot_be_used_is_not_found(as_ada, ada, change, time_passes):
    text = made(as_ada.post(PAGE, NEW))
    assert api_keys.find(text) is not None
    match change:
        case "expired":
            time_passes(timedelta(days=91))
        case "inactive":
            type(ada).objects.update(is_active=False)
        case "altered":
            text = text[:-1] + ("a" if text[-1] != "a" else "b")
    assert api_keys.find(text) is None


def test_there_are_only_so_many_keys(as_ada, monkeypatch):
    monkeypatch.setattr(api_keys, "MAX_KEYS", 1)
    made(as_ada.post(PAGE, NEW))
    refused = as_ada.post(PAGE, NEW)
    assert refused.status_code == 400
    assert "You have 1 keys already" in body(refused)


def test_the_menu_leads_to_the_page(as_ada, client):
    assert f'href="{PAGE}"' in body(as_ada.get("/chat/"))


def test_without_an_api_there_is_no_such_page(as_ada, settings):
    settings.AGENTCHAT = {}
    assert as_ada.get(PAGE).status_code == 404
