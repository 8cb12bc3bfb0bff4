"""Chats within other pages: the widget's tag, and the pages in its frame."""

import pytest
from django.contrib.auth import get_user_model
from django.template import Context, Template
from django.test import Client

from agentchat import conf
from agentchat.checks.site import check_embedding
from agentchat.core import registry
from agentchat.errors import ConfigError
from agentchat.models import ChatSession

pytestmark = pytest.mark.django_db

START = "/embed/oracle/"


@pytest.fixture(autouse=True)
def agents(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    registry.on_connect("oracle", title="The <b>oracle</b>", prompts=["Will it rain?"])(_silent)
    registry.on_connect("vault", allow=lambda user: user is not None and user.is_staff)(_silent)
    yield
    registry.unregister("oracle")
    registry.unregister("vault")


def _silent(iostream):
    """Says nothing."""


def widget(arguments):
    return Template("{% load agentchat %}{% agentchat_widget " + arguments + " %}").render(Context())


def policy_of(response):
    return dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))


# --- the tag --------------------------------------------------------------------------------------------------------


def test_the_widget_is_a_frame_that_loads_when_it_is_opened():
    html = widget('"oracle"')
    assert '<details class="agentchat-widget">' in html
    assert f'src="{START}"' in html
    assert 'loading="lazy"' in html


def test_the_widget_can_be_inline():
    assert "<details" not in widget('"oracle" inline=True')


def test_a_title_is_text():
    assert "<b>" not in widget('"oracle"')
    template = Template('{% load agentchat %}{% agentchat_widget "oracle" title=title %}')
    html = template.render(Context({"title": 'Ask "us" <now>'}))
    assert html.count("Ask &quot;us&quot; &lt;now&gt;") == 2


def test_an_agent_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"'orcale'.*oracle, .*vault"):
        widget('"orcale"')


# --- the pages in the frame -----------------------------------------------------------------------------------------


def test_showing_the_frame_makes_nothing(client):
    response = client.get(START)
    assert response.status_code == 200
    assert "Will it rain?" in response.text
    assert not ChatSession.objects.exists()


def test_a_chat_begins_and_stays_in_the_frame(client):
    response = client.post(START, {"prompt": "Will it rain?"}, follow=True)
    chat = ChatSession.objects.get()
    assert response.redirect_chain[-1][0] == f"/embed/chat/{chat.id}/"
    assert 'id="composer"' in response.text
    assert 'id="sidebar"' not in response.text
    assert "Will it rain?" in response.text


def test_the_frame_comes_back_to_the_last_chat_with_its_agent(client):
    client.post(START)
    other = ChatSession.objects.create(agent="vault", guest_key=ChatSession.objects.get().guest_key)
    assert client.get(START).headers["Location"] == f"/embed/chat/{ChatSession.objects.exclude(pk=other.pk).get().id}/"
    assert client.get(START + "?new=1").status_code == 200


def test_visitors_who_may_not_chat_are_told_so_in_the_frame(client, settings):
    settings.AGENTCHAT = {"GUESTS": False}
    response = client.get(START)
    assert response.status_code == 403
    assert "/accounts/login/" in response.text
    assert client.post(START).status_code == 403
    assert not ChatSession.objects.exists()


def test_an_agent_for_others_is_none(client):
    assert client.get("/embed/vault/").status_code == 404
    assert client.post("/embed/vault/").status_code == 404
    assert client.get("/embed/vault/").content == client.get("/embed/nobody/").content.replace(b"nobody", b"vault")


def test_a_first_message_that_is_too_long_is_refused(client):
    response = client.post(START, {"prompt": "x" * (conf.app.max_message_chars + 1)})
    assert response.status_code == 400
    assert "too long" in response.text


def test_a_stranger_sees_no_chat_in_a_frame(client):
    client.post(START)
    chat = ChatSession.objects.get()
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user("mallory"))
    assert stranger.get(f"/embed/chat/{chat.id}/").status_code == 404
    assert Client().get(f"/embed/chat/{chat.id}/").status_code == 404
    assert client.get(f"/embed/chat/{chat.id}/").status_code == 200


def test_a_frame_needs_the_csrf_token():
    assert Client(enforce_csrf_checks=True).post(START).status_code == 403
    assert not ChatSession.objects.exists()


def test_a_browser_that_keeps_cookies_back_is_shown_the_way_out_in_the_frame():
    response = Client(enforce_csrf_checks=True).post(START)
    assert policy_of(response)["frame-ancestors"] == "'self'"
    assert "X-Frame-Options" not in response.headers
    assert 'href="/chat/" target="_blank"' in response.text
    elsewhere = Client(enforce_csrf_checks=True).post("/chat/")
    assert elsewhere.headers["X-Frame-Options"] == "DENY"
    assert "/embed/" not in elsewhere.text


def test_a_frame_whose_chat_was_deleted_says_so(client, settings):
    client.post(START)
    path = f"/embed/chat/{ChatSession.objects.get().id}/"
    ChatSession.objects.all().delete()
    gone = client.get(path)
    assert (gone.status_code, policy_of(gone)["frame-ancestors"]) == (404, "'self'")
    assert "no longer exists" in gone.text
    settings.AGENTCHAT = {"GUESTS": False}
    signed_out = client.get(path)
    assert (signed_out.status_code, policy_of(signed_out)["frame-ancestors"]) == (403, "'self'")
    assert "/accounts/login/" in signed_out.text


# --- whose frame ----------------------------------------------------------------------------------------------------


def test_only_the_site_itself_frames_chats_unless_others_are_named(client, settings):
    response = client.get(START)
    assert policy_of(response)["frame-ancestors"] == "'self'"
    assert "X-Frame-Options" not in response.headers
    settings.AGENTCHAT = {"GUESTS": True, "EMBED_ORIGINS": ["https://shop.example", "http://localhost:8001"]}
    assert policy_of(client.get(START))["frame-ancestors"] == "'self' https://shop.example http://localhost:8001"


def test_the_other_pages_cannot_be_framed(client, settings):
    settings.AGENTCHAT = {"GUESTS": True, "EMBED_ORIGINS": ["https://shop.example"]}
    client.post(START)
    for path in ("/chat/", f"/chat/{ChatSession.objects.get().id}/", "/accounts/login/"):
        assert policy_of(client.get(path))["frame-ancestors"] == "'none'", path


@pytest.mark.parametrize(
    "origins",
    [
        "https://shop.example",
        None,
        7,
        ["shop.example"],
        ["https://shop.example/"],
        ["https://shop.example; script-src *"],
        ["*"],
        [7],
        ["https://shop.example\nX: y"],
    ],
)
def test_what_is_no_origin_is_refused(settings, origins):
    settings.AGENTCHAT = {"EMBED_ORIGINS": origins}
    with pytest.raises(ConfigError, match="EMBED_ORIGINS"):
        _ = conf.app.embed_origins


def test_a_check_names_the_cookies_that_would_stay_behind(settings):
    settings.AGENTCHAT = {"EMBED_ORIGINS": ["https://shop.example"]}
    assert [each.id for each in check_embedding()] == ["agentchat.W020"]
    settings.SESSION_COOKIE_SAMESITE = settings.CSRF_COOKIE_SAMESITE = "None"
    assert check_embedding() == []
    settings.AGENTCHAT = {}
    settings.SESSION_COOKIE_SAMESITE = "Lax"
    assert check_embedding() == []
