"""System checks: configurations that cannot work, or would lose something, found before the first visitor does."""

from collections.abc import Iterator
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter, get_default_application
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from agentchat import conf
from agentchat.errors import ConfigError
from agentchat.llm.config import uses_demo
from agentchat.routing import ExactOriginValidator
from agentchat.server import Served
from agentchat.worker_checks import of_workers


@register(Tags.compatibility)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001: AGENTCHAT. E002: what must be installed. E003: no channel layer. E010: a database that agentchat does not
    know. E011: connections that are to be kept twice. W001: SQLite that locks. W007: a transaction around each request.
    W010: a layer that loses much.

    Those of `worker_checks`: E006 to E009, E012, W004 to W006.
    """
    return [*_settings(), *_apps(), *_layer(), *_database(), *_sqlite(), *of_workers()]


def _settings() -> Iterator[CheckMessage]:
    for problem in conf.app.problems():
        yield Error(problem, hint="docs/deploying.md lists every key with its unit and default.", id="agentchat.E001")


def _apps() -> Iterator[CheckMessage]:
    for app in ("channels", "django.contrib.auth", "django.contrib.sessions", "django.contrib.staticfiles"):
        if not any(entry == app or entry.startswith(f"{app}.apps.") for entry in settings.INSTALLED_APPS):
            yield Error(f"{app!r} is not in INSTALLED_APPS", hint=f"Add {app!r}.", id="agentchat.E002")


def _layer() -> Iterator[CheckMessage]:
    if "default" not in getattr(settings, "CHANNEL_LAYERS", {}):
        yield Error(
            "there is no default channel layer",
            hint='CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}} is enough for one '
            "process.",
            id="agentchat.E003",
        )
        return
    if settings.CHANNEL_LAYERS["default"].get("BACKEND", "").startswith("channels_redis.core."):
        yield Warning(
            "the channel layer of channels_redis.core drops messages beyond its capacity, and costs six times the work",
            hint='Use "channels_redis.pubsub.RedisPubSubChannelLayer": docs/architecture.md, "Decisions", says why.',
            id="agentchat.W010",
        )


def _database() -> Iterator[CheckMessage]:
    connection = connections["default"]
    if connection.vendor not in ("sqlite", "postgresql"):
        yield Error(
            f"the database is {connection.display_name}, and agentchat knows SQLite and PostgreSQL only",
            hint="Runs rely on row locks that are passed over, on JSON and on a search index, as these two have them.",
            id="agentchat.E010",
        )
    kept_for = connection.settings_dict.get("CONN_MAX_AGE", 0)
    if connection.settings_dict.get("OPTIONS", {}).get("pool") and kept_for != 0:
        yield Error(
            f"the database has a pool and CONN_MAX_AGE = {kept_for}: no connection can be made",
            hint="Set CONN_MAX_AGE to 0, the pool keeps connections open; or leave the pool out.",
            id="agentchat.E011",
        )
    if connection.settings_dict.get("ATOMIC_REQUESTS"):
        yield Warning(
            "ATOMIC_REQUESTS: what people do on a page is not made again when the database loses it, and whoever looks "
            "is told of it before it is saved",
            hint="Set ATOMIC_REQUESTS to False, and use transaction.atomic() in those of your views that need it.",
            id="agentchat.W007",
        )


def _sqlite() -> Iterator[CheckMessage]:
    connection = connections["default"]
    if connection.vendor != "sqlite":
        return
    options = connection.settings_dict.get("OPTIONS", {})
    if options.get("transaction_mode") != "IMMEDIATE" or "wal" not in options.get("init_command", "").lower():
        yield Warning(
            "SQLite would answer 'database is locked' when several people chat at once",
            hint='Give the database OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
            '"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.',
            id="agentchat.W001",
        )


@register(Tags.security)
def check_websockets(**kwargs: Any) -> list[CheckMessage]:
    """E004: no asgi.py. E005: websockets that any page may open. W002: nothing starts and stops the runs."""
    hint = "README.md, 'Add it to your project', shows the asgi.py that serves chats."
    if not getattr(settings, "ASGI_APPLICATION", None):
        return [Error("ASGI_APPLICATION is not set", hint=hint, id="agentchat.E004")]
    try:
        application: Any = get_default_application()
    except (ImportError, ImproperlyConfigured) as error:
        return [Error(f"ASGI_APPLICATION cannot be imported: {error}", hint=hint, id="agentchat.E004")]
    messages: list[CheckMessage] = []
    if not isinstance(application, Served):
        messages.append(Warning("runs do not start and stop with the server", hint=hint, id="agentchat.W002"))
    layers = list(_layers_of(application))
    if any(isinstance(layer, URLRouter) for layer in layers) and not any(
        isinstance(layer, ExactOriginValidator | OriginValidator) for layer in layers
    ):
        messages.append(Error("any page on the web may open your websockets", hint=hint, id="agentchat.E005"))
    return messages


def _layers_of(application: Any) -> Iterator[Any]:
    """What a websocket's handshake passes through, from the outside in."""
    while application is not None:
        yield application
        if isinstance(application, ProtocolTypeRouter):
            application = application.application_mapping.get("websocket")
        else:
            application = getattr(application, "application", None) or getattr(application, "inner", None)


@register(Tags.compatibility, deploy=True)
def check_model(**kwargs: Any) -> list[CheckMessage]:
    """W003: people would talk to the demo model in production."""
    if not uses_demo():
        return []
    return [
        Warning(
            "no model is set: the scripted demo model answers",
            hint="Set OPENAI_API_KEY, OAI_CONFIG_LIST, or AGENTCHAT['LLM'].",
            id="agentchat.W003",
        )
    ]


@register(Tags.security, deploy=True)
def check_embedding(**kwargs: Any) -> list[CheckMessage]:
    """W020: in the pages of EMBED_ORIGINS, browsers would leave the visitor's cookies out."""
    try:
        origins = conf.app.embed_origins
    except ConfigError:
        return []  # E001 says what is wrong with them
    stays = [
        name for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE") if getattr(settings, name, "Lax") != "None"
    ]
    if not origins or not stays:
        return []
    return [
        Warning(
            f"chats in the pages of {', '.join(origins)} do not know their visitors: {' and '.join(stays)} keep the "
            f"cookies back there",
            hint=f'Set {" = ".join(stays)} = "None"; it wants HTTPS. Sites of the same domain need nothing.',
            id="agentchat.W020",
        )
    ]
