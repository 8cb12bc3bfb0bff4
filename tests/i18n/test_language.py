"""The language of a websocket, and what it refuses in it."""

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import global_settings
from django.middleware.locale import LocaleMiddleware

from agentchat.i18n.language import choices, language_of
from agentchat.models import ChatSession
from agentchat.visitors import GUEST_KEY
from chatsite.asgi import application


@pytest.fixture(autouse=True)
def _guests_may_chat(settings):
    settings.AGENTCHAT = {"GUESTS": True}


def scope(cookie: bytes = b"", accept: bytes = b"") -> dict:
    return {"headers": [(b"cookie", cookie), (b"accept-language", accept)]}


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [
        (b"", b"", "en"),
        (b"", b"de-AT, en;q=0.3", "de"),
        (b"a=b; django_language=ar", b"de", "ar"),
        (b"django_language=../../etc", b"de", "de"),
        (b"django_language=xx", b"xx", "en"),
    ],
)
def test_a_socket_has_the_language_of_its_page(cookie, accept, language):
    assert language_of(scope(cookie, accept)) == language


class OwnMiddleware(LocaleMiddleware):
    """A project's own choice of language."""


def test_middleware_of_ones_own_chooses_for_sockets_too(settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "locale" not in each]
    assert language_of(scope(accept=b"de")) == "en"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.i18n.test_language.OwnMiddleware"]
    assert language_of(scope(accept=b"de")) == "de"


@pytest.mark.parametrize(
    ("languages", "codes"),
    [
        ([("en-us", "English"), ("de", "German")], ["en-us", "de"]),
        ([("de-at", "Austrian"), ("ar-dz", "x"), ("fr", "x"), ("fr-ca", "x")], ["de-at", "ar-dz"]),
        ([("en", "English"), ("tlh", "tlhIngan Hol"), ("de-x-y", "Own")], ["en", "de-x-y"]),
    ],
)
def test_a_language_is_offered_if_it_is_translated_for_any_region(settings, languages, codes):
    settings.LANGUAGES = languages
    assert list(dict(choices())) == codes


def test_a_language_that_django_does_not_know_has_the_name_that_the_project_gives_it(settings, tmp_path):
    (tmp_path / "tlh" / "LC_MESSAGES").mkdir(parents=True)
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGES = [("en", "English"), ("tlh", "tlhIngan Hol")]
    assert dict(choices()) == {"en": "English", "tlh": "tlhIngan Hol"}


def test_of_all_the_languages_of_django_each_is_offered_once(settings):
    settings.LANGUAGES = global_settings.LANGUAGES
    assert list(dict(choices())) == ["ar", "de", "en"]


@pytest.mark.django_db(transaction=True)
async def test_a_socket_refuses_in_the_language_of_its_handshake(async_client):
    from asgiref.sync import sync_to_async

    def begin() -> tuple[str, str]:
        from django.test import Client

        client = Client()
        client.post("/chat/", {"agent": "weather"})
        assert client.session[GUEST_KEY]
        return str(ChatSession.objects.get().pk), client.cookies["sessionid"].value

    chat_id, session = await sync_to_async(begin)()
    headers = [
        (b"host", b"testserver"),
        (b"origin", b"http://testserver"),
        (b"cookie", f"sessionid={session}".encode()),
        (b"accept-language", b"de"),
    ]
    socket = WebsocketCommunicator(application, f"/ws/chat/{chat_id}/", headers=headers)
    assert (await socket.connect())[0]
    empty = {"type": "send", "id": "6f1d8c1e-5b0e-4d3a-8a52-0a4c6f0f7b11", "text": " "}
    await socket.send_json_to(empty)
    answer = await socket.receive_json_from(timeout=10)
    assert answer["type"] == "rejected"
    assert answer["message"] == "Diese Nachricht ist leer."
    await socket.disconnect()
