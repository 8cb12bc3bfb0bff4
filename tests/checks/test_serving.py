"""System checks of what leads users to the chats: what cannot work is found, and what works is not."""

import pytest
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.asgi import get_asgi_application
from django.urls import include, path

from agentchat import server
from agentchat.checks import serving
from agentchat.checks.serving import check_addresses, check_bodies, check_pages, check_static_files, check_websockets
from agentchat.routing import ExactOriginValidator, websocket_urlpatterns
from chatsite import asgi

pages = get_asgi_application()
URLS = "tests.checks.test_serving"
urlpatterns = []


class Middleware:
    """One that hides what is in it."""

    def __init__(self, inside):
        self._inside = inside


class Other(AsyncWebsocketConsumer):
    """A consumer of the project's own."""


class OwnStorage(ManifestStaticFilesStorage):
    """A storage of the project's own."""


def router(*routes):
    return ProtocolTypeRouter({"http": pages, "websocket": ExactOriginValidator(URLRouter([*routes]))})


def ids(messages):
    assert all(message.hint for message in messages)
    assert not [message for message in messages if ".md" in message.hint or "README" in message.hint]
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("application", "found"),
    [
        (asgi.application, []),
        (server.serve(router(path("here/", URLRouter(websocket_urlpatterns)))), []),
        (server.serve(router(path("own/", Other.as_asgi()), *websocket_urlpatterns)), []),
        (server.serve(ProtocolTypeRouter({"websocket": ExactOriginValidator(Middleware(None))})), []),
        (
            server.serve(
                ProtocolTypeRouter(
                    {"websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))}
                )
            ),
            [],
        ),
        (router(*websocket_urlpatterns), ["agentchat.W002"]),
        (server.serve(ProtocolTypeRouter({"websocket": URLRouter(websocket_urlpatterns)})), ["agentchat.E005"]),
        (server.serve(ProtocolTypeRouter({"http": pages})), ["agentchat.E014"]),
        (server.serve(router(path("own/", Other.as_asgi()))), ["agentchat.E014"]),
        (server.serve(router(path("here/", URLRouter([path("own/", Other.as_asgi())])))), ["agentchat.E014"]),
        (server.serve(pages), ["agentchat.E014"]),
        (pages, ["agentchat.W002", "agentchat.E014"]),
    ],
)
def test_an_asgi_file_that_serves_no_chats_is_found(monkeypatch, application, found):
    monkeypatch.setattr(serving, "get_default_application", lambda: application)
    assert ids(check_websockets()) == found


@pytest.mark.parametrize("name", [None, "nowhere.asgi.application", "chatsite.asgi.no_application"])
def test_an_asgi_file_that_is_not_there_is_found(settings, name):
    settings.ASGI_APPLICATION = name
    assert ids(check_websockets()) == ["agentchat.E004"]


def test_a_runserver_without_websockets_is_found_where_it_is_used(settings, monkeypatch):
    settings.DEBUG = True
    assert ids(check_websockets()) == []
    monkeypatch.setattr(serving, "get_commands", lambda: {"runserver": "django.contrib.staticfiles"})
    assert ids(check_websockets()) == ["agentchat.W008"]
    settings.DEBUG = False
    assert ids(check_websockets()) == []


def test_pages_without_addresses_are_found(settings):
    settings.ROOT_URLCONF = URLS
    assert ids(check_addresses()) == ["agentchat.W017"]


@pytest.mark.parametrize(
    ("login_url", "found"),
    [
        ("login", []),
        ("/accounts/login/", []),
        ("/accounts/login/?by=password", []),
        ("https://sso.example/", []),
        ("/nowhere/", ["agentchat.W009"]),
        ("account_login", ["agentchat.W009"]),
    ],
)
def test_a_sign_in_that_leads_nowhere_is_found(settings, login_url, found):
    settings.LOGIN_URL = login_url
    assert ids(check_addresses()) == found


def test_where_everybody_is_a_guest_nobody_has_to_sign_in(settings):
    settings.LOGIN_URL = "/nowhere/"
    settings.AGENTCHAT = {"GUESTS": False}
    assert ids(check_addresses()) == ["agentchat.W009"]
    settings.AGENTCHAT = {"GUESTS": True}
    assert ids(check_addresses()) == []
    settings.AGENTCHAT = None  # E001
    assert ids(check_addresses()) == []


@pytest.mark.parametrize(
    ("mount", "changed", "found"),
    [
        ("", {"SESSION_COOKIE_PATH": "/"}, 0),
        ("chats/", {"SESSION_COOKIE_PATH": "/chats/", "CSRF_COOKIE_PATH": "/chats"}, 0),
        ("", {"SESSION_COOKIE_PATH": "/chats/"}, 1),
        ("chats/", {"CSRF_COOKIE_PATH": "/shop/"}, 1),
        ("chats/", {"SESSION_COOKIE_PATH": "/chats/", "AGENTCHAT": {"WEBSOCKET_PATH": "/"}}, 1),
        ("chats/", {"SESSION_COOKIE_PATH": "/chat"}, 1),
    ],
)
def test_cookies_that_do_not_reach_pages_or_sockets_are_found(settings, monkeypatch, mount, changed, found):
    monkeypatch.setattr(
        f"{URLS}.urlpatterns",
        [path(mount, include("agentchat.urls")), path("accounts/", include("django.contrib.auth.urls"))],
        raising=True,
    )
    settings.ROOT_URLCONF = URLS
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ids(check_addresses()) == ["agentchat.W014"] * found


@pytest.mark.parametrize("name", ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"])
def test_middleware_that_is_missing_is_found(settings, name):
    assert ids(check_pages()) == []
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != f"django.contrib.{name}"]
    assert ids(check_pages()) == ["agentchat.E015"]
    assert name in check_pages()[0].msg


def test_templates_that_are_not_found_are_found_out(settings):
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": False}]
    assert ids(check_pages()) == ["agentchat.E016"]
    settings.TEMPLATES = []
    assert ids(check_pages()) == ["agentchat.E016"]


@pytest.mark.parametrize(
    ("storage", "named"),
    [
        ("django.contrib.staticfiles.storage.StaticFilesStorage", None),
        ("agentchat.storage.ManifestStaticFilesStorage", None),
        ("agentchat.storage.CompressedManifestStaticFilesStorage", None),
        ("chatsite.static.HashedStaticFilesStorage", None),
        ("nowhere.Storage", None),  # Django says so
        ("django.contrib.staticfiles.storage.ManifestStaticFilesStorage", "agentchat.storage.ManifestStatic"),
        ("whitenoise.storage.CompressedManifestStaticFilesStorage", "agentchat.storage.CompressedManifest"),
        ("tests.checks.test_serving.OwnStorage", "support_js_module_import_aggregation"),
    ],
)
def test_a_storage_that_leaves_imports_without_a_hash_is_found(settings, storage, named):
    settings.STORAGES = {"staticfiles": {"BACKEND": storage}}
    found = check_static_files()
    assert ids(found) == (["agentchat.W015"] if named else [])
    assert not named or named in found[0].hint


@pytest.mark.parametrize(("limit", "warned"), [(None, True), (1000, False)])
def test_bodies_without_a_bound_are_warned_about(settings, limit, warned):
    settings.AGENTCHAT = {"MAX_BODY_BYTES": limit}
    assert [message.id for message in check_bodies()] == ["agentchat.W023"] * warned


def test_bodies_of_an_application_that_is_not_wrapped_are_warned_about(settings):
    settings.ASGI_APPLICATION = "chatsite.asgi.pages"
    assert [message.id for message in check_bodies()] == ["agentchat.W023"]
