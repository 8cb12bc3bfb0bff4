"""System checks: configurations that cannot work, or would lose data, reported before the first visitor notices."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections, router
from django.utils import timezone
from django.utils.module_loading import import_string

from agentchat import conf
from agentchat.checks.workers import check_workers
from agentchat.errors import ConfigError
from agentchat.infra.database import alias
from agentchat.llm.config import uses_demo


@register(Tags.compatibility)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001: AGENTCHAT. E002: apps that must be installed. E003: no channel layer. E010: an unsupported database.
    E011: connections that two settings would keep. E013: tables in several databases. W001: SQLite that locks.
    E017: nobody can be notified. W007: a transaction around each request. W010: a layer that loses messages.
    W016: clocks that are put back.

    Those of `checks.workers`: E006 to E009, E012, W004 to W006.
    """
    if missing := [*_apps()]:
        return missing  # the others need them
    return [*_settings(), *_layer(), *_routers(), *_database(), *_sqlite(), *_clocks(), *_notify(), *check_workers()]


def _settings() -> Iterator[CheckMessage]:
    for problem in conf.app.problems():
        yield Error(
            problem, hint="Change it, or remove it from AGENTCHAT: the default applies then.", id="agentchat.E001"
        )


def _apps() -> Iterator[CheckMessage]:
    for app in ("channels", "django.contrib.auth", "django.contrib.sessions", "django.contrib.staticfiles"):
        if not apps.is_installed(app):
            yield Error(
                f"{app!r} is not in INSTALLED_APPS", hint=f"Add {app!r} to INSTALLED_APPS.", id="agentchat.E002"
            )


def _layer() -> Iterator[CheckMessage]:
    if "default" not in getattr(settings, "CHANNEL_LAYERS", {}):
        yield Error(
            "there is no default channel layer",
            hint='CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}} is enough for one '
            "process.",
            id="agentchat.E003",
        )
        return
    if str(settings.CHANNEL_LAYERS["default"].get("BACKEND", "")).startswith("channels_redis.core."):
        yield Warning(
            "the channel layer channels_redis.core drops messages beyond its capacity, and does six times the work",
            hint='Use "channels_redis.pubsub.RedisPubSubChannelLayer", which needs nothing else to be changed.',
            id="agentchat.W010",
        )


# --- the database ---------------------------------------------------------------------------------------------------


def _routers() -> Iterator[CheckMessage]:
    """What is written is read again at once, and one transaction is for all tables, that of the users too."""
    ours = alias()
    models = [*apps.get_app_config("agentchat").get_models(), get_user_model()]
    elsewhere = {model._meta.label: written for model in models if (written := router.db_for_write(model)) != ours}
    if elsewhere:
        yield Error(
            f"DATABASE_ROUTERS put {', '.join(elsewhere)} into {', '.join(sorted({*elsewhere.values()}))}, but "
            f"agentchat's chats into {ours}: their rows refer to one another",
            hint="Route the app 'agentchat' and the app of AUTH_USER_MODEL to the same database.",
            id="agentchat.E013",
        )
    replicas = {read for model in models if (read := router.db_for_read(model)) != router.db_for_write(model)}
    if replicas:
        yield Error(
            f"DATABASE_ROUTERS read from {', '.join(sorted(replicas))} what they write to {ours}, but agentchat reads "
            "at once what it has written",
            hint="Let db_for_read return the same database as db_for_write for the app 'agentchat' and the app of "
            "AUTH_USER_MODEL.",
            id="agentchat.E013",
        )


def _database() -> Iterator[CheckMessage]:
    name, connection = f"the database {alias()!r}", connections[alias()]
    if connection.vendor not in ("sqlite", "postgresql"):
        yield Error(
            f"{name} is {connection.display_name}, but agentchat supports only SQLite and PostgreSQL",
            hint="Runs rely on SKIP LOCKED, JSON and full-text search, as these two have them. DATABASE_ROUTERS may "
            "keep the apps 'agentchat' and that of AUTH_USER_MODEL in a database of their own.",
            id="agentchat.E010",
        )
    kept_for = connection.settings_dict.get("CONN_MAX_AGE", 0)
    if connection.settings_dict.get("OPTIONS", {}).get("pool") and kept_for != 0:
        yield Error(
            f"{name} has a pool and CONN_MAX_AGE = {kept_for}, so no connection can be made",
            hint="Set CONN_MAX_AGE to 0 (the pool keeps connections open), or remove the pool.",
            id="agentchat.E011",
        )
    if connection.settings_dict.get("ATOMIC_REQUESTS"):
        yield Warning(
            f"ATOMIC_REQUESTS is on for {name}: what users do is not retried when the database loses it, and others "
            "see it before it is saved",
            hint="Set ATOMIC_REQUESTS to False, and use transaction.atomic() in the views that need it.",
            id="agentchat.W007",
        )


def _sqlite() -> Iterator[CheckMessage]:
    connection = connections[alias()]
    if connection.vendor != "sqlite":
        return
    options = connection.settings_dict.get("OPTIONS", {})
    if options.get("transaction_mode") != "IMMEDIATE" or "wal" not in options.get("init_command", "").lower():
        yield Warning(
            "SQLite will fail with 'database is locked' when several users chat at once",
            hint=f'Give DATABASES[{alias()!r}] the OPTIONS = {{"transaction_mode": "IMMEDIATE", "timeout": 20, '
            '"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.',
            id="agentchat.W001",
        )


def _clocks() -> Iterator[CheckMessage]:
    zone, year = timezone.get_default_timezone(), datetime.now().year
    offsets = {datetime(year, month, 1, tzinfo=zone).utcoffset() for month in range(1, 13)}
    if not settings.USE_TZ and len(offsets) > 1:
        yield Warning(
            f"USE_TZ is False, so times are stored without a zone; in the hour when clocks in {settings.TIME_ZONE} are "
            "put back, leases of runs seem to be valid for an hour longer, or to have expired",
            hint='Set USE_TZ = True, or TIME_ZONE = "UTC".',
            id="agentchat.W016",
        )


def _notify() -> Iterator[CheckMessage]:
    try:
        path, site_url = conf.app.notify, conf.app.site_url
    except ConfigError:
        return  # E001 reports it
    if path is None:
        return
    try:
        problem = "" if callable(import_string(path)) else "it is no function"
    except ImportError as error:
        problem = str(error)
    if problem:
        yield Error(
            f"AGENTCHAT['NOTIFY'] is {path!r}, but nobody can be notified by that: {problem}",
            hint="Let it be the path of a function that takes a Notification, such as 'agentchat.actions.email.send'.",
            id="agentchat.E017",
        )
    if site_url is None:
        yield Error(
            "AGENTCHAT['NOTIFY'] is set, but not SITE_URL: a notification has a link, and needs its origin",
            hint="Let AGENTCHAT['SITE_URL'] be the origin of the site, such as 'https://chat.example'.",
            id="agentchat.E017",
        )


# --- before a site is public ----------------------------------------------------------------------------------------


@register(Tags.compatibility, deploy=True)
def check_model(**kwargs: Any) -> list[CheckMessage]:
    """W003: in production, users would chat with the demo model."""
    if not uses_demo():
        return []
    return [
        Warning(
            "no model is configured: the scripted demo model answers",
            hint="Set OPENAI_API_KEY, OAI_CONFIG_LIST, or AGENTCHAT['LLM'].",
            id="agentchat.W003",
        )
    ]


@register(Tags.security, deploy=True)
def check_embedding(**kwargs: Any) -> list[CheckMessage]:
    """W020: on the pages of EMBED_ORIGINS, browsers would not send the visitor's cookies."""
    try:
        origins = conf.app.embed_origins
    except ConfigError:
        return []  # E001 reports what is wrong with them
    withheld = [
        name for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE") if getattr(settings, name, "Lax") != "None"
    ]
    if not origins or not withheld:
        return []
    return [
        Warning(
            f"chats embedded in {', '.join(origins)} do not know their visitors: {' and '.join(withheld)} keep the "
            f"cookies from being sent there",
            hint=f'Set {" = ".join(withheld)} = "None"; this requires HTTPS. Sites of the same domain need no change.',
            id="agentchat.W020",
        )
    ]


@register(Tags.security, deploy=True)
def check_proxies(**kwargs: Any) -> list[CheckMessage]:
    """W022: limits by address, for addresses that nobody knows."""
    try:
        is_unknown = conf.app.guests and conf.app.trusted_proxies is None
    except ConfigError:
        return []  # E001 reports it
    if not is_unknown or not settings.SECURE_PROXY_SSL_HEADER:
        return []
    return [
        Warning(
            "guests may chat, and the site is behind a proxy, but TRUSTED_PROXIES is not set: the addresses of guests "
            "are not known, so one of them can use what is meant for all",
            hint="Let AGENTCHAT['TRUSTED_PROXIES'] be the number of your own proxies, each of which adds the address "
            "that it sees to X-Forwarded-For: mostly 1.",
            id="agentchat.W022",
        )
    ]


@register(Tags.security, deploy=True)
def check_sessions(**kwargs: Any) -> list[CheckMessage]:
    """W018: sessions that cannot be revoked."""
    if not settings.SESSION_ENGINE.endswith(".signed_cookies"):
        return []
    return [
        Warning(
            "sessions are signed cookies, which cannot be revoked: websockets stay open when their users sign out",
            hint='Let SESSION_ENGINE be "django.contrib.sessions.backends.cached_db", or silence this.',
            id="agentchat.W018",
        )
    ]
