"""System checks of what leads users to the chats: addresses, templates, middleware, cookies, static files, sockets."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from channels.routing import ProtocolTypeRouter, URLRouter, get_default_application
from channels.security.websocket import OriginValidator
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.management import get_commands
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from agentchat import conf
from agentchat.errors import ConfigError
from agentchat.routing import ExactOriginValidator, socket_path
from agentchat.server import Served
from agentchat.web import accounts
from agentchat.websocket.base import VisitorConsumer

MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
ASGI_HINT = """The whole asgi.py, for a project "mysite":
    import os
    from django.core.asgi import get_asgi_application
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    pages = get_asgi_application()
    from channels.routing import ProtocolTypeRouter, URLRouter
    from agentchat import server
    from agentchat.routing import ExactOriginValidator, websocket_urlpatterns
    chats = ExactOriginValidator(URLRouter(websocket_urlpatterns))
    application = server.serve(ProtocolTypeRouter({"http": pages, "websocket": chats}))
and, in the settings, ASGI_APPLICATION = "mysite.asgi.application"."""


# --- sockets --------------------------------------------------------------------------------------------------------


@register(Tags.security)
def check_websockets(**kwargs: Any) -> list[CheckMessage]:
    """E004: no asgi.py. E005: websockets that any site may open. E014: no websockets. W002: nothing starts and stops
    the runs. W008: `runserver` serves no websockets.
    """
    if not getattr(settings, "ASGI_APPLICATION", None):
        return [Error("ASGI_APPLICATION is not set", hint=ASGI_HINT, id="agentchat.E004")]
    try:
        application: Any = get_default_application()
    except (ImportError, ImproperlyConfigured) as error:
        return [Error(f"ASGI_APPLICATION cannot be imported: {error}", hint=ASGI_HINT, id="agentchat.E004")]
    return [*_sockets(application), *_runserver()]


def _sockets(application: Any) -> Iterator[CheckMessage]:
    layers = list(_layers_of(application))
    if not isinstance(application, Served):
        yield Warning("runs do not start and stop with the server", hint=ASGI_HINT, id="agentchat.W002")
    if any(isinstance(layer, URLRouter) for layer in layers) and not any(
        isinstance(layer, ExactOriginValidator | OriginValidator) for layer in layers
    ):
        yield Error("any website can open your websockets", hint=ASGI_HINT, id="agentchat.E005")
    if _has_no_sockets(layers[-1]):
        yield Error(
            f"{settings.ASGI_APPLICATION} serves no websockets of chats: pages stay at 'Connecting…'",
            hint=ASGI_HINT,
            id="agentchat.E014",
        )


def _layers_of(application: Any) -> Iterator[Any]:
    """The applications that a websocket's handshake passes through, from the outside in."""
    while application is not None:
        yield application
        if isinstance(application, ProtocolTypeRouter):
            application = application.application_mapping.get("websocket")
        else:
            application = getattr(application, "application", None) or getattr(application, "inner", None)


def _has_no_sockets(innermost: Any) -> bool:
    """Whether this application surely has none of ours. What a middleware of the project's own does is not known."""
    if isinstance(innermost, URLRouter):
        return not any(_leads_to_chats(route.callback) for route in innermost.routes)
    return isinstance(innermost, ProtocolTypeRouter | ASGIHandler)


def _leads_to_chats(callback: Any) -> bool:
    consumer = getattr(callback, "consumer_class", None)
    if isinstance(consumer, type):
        return issubclass(consumer, VisitorConsumer)
    return not _has_no_sockets(list(_layers_of(callback))[-1])


def _runserver() -> Iterator[CheckMessage]:
    if settings.DEBUG and get_commands()["runserver"] in ("django.core", "django.contrib.staticfiles"):
        yield Warning(
            "`manage.py runserver` is Django's own: it serves no websockets, so no chat goes on",
            hint="Put 'daphne' first in INSTALLED_APPS; or silence this, and develop with another ASGI server, such as "
            f"`uvicorn --reload {settings.ASGI_APPLICATION.rpartition('.')[0]}:application`.",
            id="agentchat.W008",
        )


@register(Tags.security, deploy=True)
def check_bodies(**kwargs: Any) -> list[CheckMessage]:
    """W023: bodies of requests without a bound."""
    try:
        is_bounded = conf.app.max_body_bytes is not None and isinstance(get_default_application(), Served)
    except (ConfigError, ImportError, ImproperlyConfigured):
        return []  # E001 and E004 report it
    if is_bounded:
        return []
    return [
        Warning(
            "requests may have bodies of any size, and daphne reads each of them whole before the application starts",
            hint="Set AGENTCHAT['MAX_BODY_BYTES'] and wrap the application in agentchat.server.serve(); or let your "
            "proxy refuse large bodies (docs/deploying.md), and silence this.",
            id="agentchat.W023",
        )
    ]


# --- pages ----------------------------------------------------------------------------------------------------------


@register(Tags.urls)
def check_addresses(**kwargs: Any) -> list[CheckMessage]:
    """W009: a sign-in that leads nowhere. W014: cookies that do not come along. W017: no pages."""
    if not _has_accounts():
        return []
    try:
        index = reverse("agentchat:index")
    except NoReverseMatch:
        hint = 'Add path("", include("agentchat.urls")), or another path, to the urlpatterns of ROOT_URLCONF.'
        return [Warning("agentchat's pages have no addresses", hint=hint, id="agentchat.W017")]
    try:
        return [*_sign_in(), *_cookies(index)]
    except ConfigError:
        return []  # E001 reports it


def _sign_in() -> Iterator[CheckMessage]:
    if conf.app.values.get("GUESTS") is True:
        return  # nobody has to
    if not (url := accounts.login_url()) or not accounts.has_page(url):
        yield Warning(
            f"LOGIN_URL is {str(settings.LOGIN_URL)!r}, which leads nowhere: visitors who have to sign in get a 404",
            hint='Add path("accounts/", include("django.contrib.auth.urls")) to the urlpatterns of ROOT_URLCONF '
            'and set LOGIN_URL = "login"; or set LOGIN_URL to the name or URL of your own page.',
            id="agentchat.W009",
        )


def _cookies(index: str) -> Iterator[CheckMessage]:
    socket = socket_path(UUID(int=0))
    for name in ("SESSION_COOKIE_PATH", "CSRF_COOKIE_PATH"):
        path = getattr(settings, name)
        missed = [each for each in (f"{index}chat/", socket) if not each.startswith(f"{path.rstrip('/')}/")]
        if missed and (name == "SESSION_COOKIE_PATH" or missed[0] != socket):  # a socket has no form
            yield Warning(
                f"{name} is {path!r}, so browsers do not send the cookie to {missed[0]}",
                hint=f"Set {name} to a path that the addresses of agentchat's pages and websockets begin with, such as "
                f"{index!r}.",
                id="agentchat.W014",
            )


def _has_accounts() -> bool:
    """Without them no page can be imported. E002 reports it."""
    return apps.is_installed("django.contrib.auth")


@register(Tags.compatibility)
def check_pages(**kwargs: Any) -> list[CheckMessage]:
    """E015: middleware that pages need. E016: templates that are not found."""
    return [*_middleware(), *_templates()] if _has_accounts() else []


def _middleware() -> Iterator[CheckMessage]:
    installed = [each for each in map(import_string, settings.MIDDLEWARE) if isinstance(each, type)]
    for name in MIDDLEWARE:
        needed = import_string(name)  # late: it cannot be imported where its app is not installed
        if not any(issubclass(each, needed) for each in installed):
            yield Error(f"MIDDLEWARE has no {name!r}", hint=f"Add {name!r} to MIDDLEWARE.", id="agentchat.E015")


def _templates() -> Iterator[CheckMessage]:
    try:
        get_template("agentchat/chats.html")
    except (TemplateDoesNotExist, ImproperlyConfigured) as error:
        yield Error(
            f"agentchat's templates are not found: {error}",
            hint="TEMPLATES needs the backend 'django.template.backends.django.DjangoTemplates', with 'APP_DIRS': True "
            "or the loader 'django.template.loaders.app_directories.Loader'.",
            id="agentchat.E016",
        )


# --- static files ---------------------------------------------------------------------------------------------------


@register(Tags.staticfiles)
def check_static_files(**kwargs: Any) -> list[CheckMessage]:
    """W015: names with a hash, but not where scripts import one another."""
    name = settings.STORAGES.get("staticfiles", {}).get("BACKEND", "")
    try:
        storage = import_string(name)
    except ImportError:
        return []  # Django says so
    if not issubclass(storage, ManifestFilesMixin) or storage.support_js_module_import_aggregation:
        return []
    if name.startswith("whitenoise."):
        hint = '"agentchat.storage.CompressedManifestStaticFilesStorage", which is WhiteNoise\'s with that'
    elif name.startswith("django."):
        hint = '"agentchat.storage.ManifestStaticFilesStorage", which is Django\'s with that'
    else:
        hint = f"a subclass of {name} with support_js_module_import_aggregation = True"
    return [
        Warning(
            f"{name} gives static files names with a hash, but not where module scripts import one another: after an "
            "update, browsers mix old and new ones",
            hint=f'Let the BACKEND of STORAGES["staticfiles"] be {hint}, and run collectstatic.',
            id="agentchat.W015",
        )
    ]
