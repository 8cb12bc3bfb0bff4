"""System checks of the site's settings."""

import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks

from agentchat.checks import site
from agentchat.checks.site import check_proxies, check_sessions, check_settings
from agentchat.llm.config_entries import entries_of
from agentchat.models import ChatSession, Event


@pytest.mark.django_db  # from Django 6.1 on, checks ask the database
@pytest.mark.parametrize(
    ("backend", "warned"), [("core.RedisChannelLayer", True), ("pubsub.RedisPubSubChannelLayer", False)]
)
def test_a_layer_that_drops_messages_is_warned_about(settings, backend, warned):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"channels_redis.{backend}"}}
    assert any(message.id == "agentchat.W010" for message in run_checks()) is warned


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("FALLBACK_PRICE", 1),
        ("FALLBACK_PRICE", [1]),
        ("FALLBACK_PRICE", [1, -1]),
        ("FALLBACK_PRICE", ["a", "b"]),
        ("LLM_TIMEOUT_S", 0),
        ("LLM_TIMEOUT_S", "120"),
    ],
)
def test_a_setting_that_cannot_work_is_named_with_its_value(settings, key, value):
    settings.AGENTCHAT = {key: value}
    texts = [message.msg for message in run_checks() if message.id == "agentchat.E001"]
    assert len(texts) == 1
    assert texts[0].startswith(f"AGENTCHAT[{key!r}] is {value!r}: use ")


def test_the_settings_say_how_long_a_first_word_may_take(settings, monkeypatch):
    settings.AGENTCHAT = {"LLM_TIMEOUT_S": 7}
    entry = {"model": "m", "base_url": "http://127.0.0.1:1/v1"}
    assert entries_of(entry)[0].timeout.first == 7
    settings.AGENTCHAT = {}
    assert entries_of(entry)[0].timeout.first == 120
    monkeypatch.setenv("AGENTCHAT_LLM_TIMEOUT_S", "300")
    assert entries_of(entry)[0].timeout.first == 300


class Router:
    """DATABASE_ROUTERS with one router, which knows some models by their labels."""

    def __init__(self, *, reads=None, **writes):
        self.writes, self.reads = writes, reads or writes

    def db_for_write(self, model, **hints):
        return self.writes.get(model._meta.label.replace(".", "_"), self.writes.get(model._meta.app_label))

    def db_for_read(self, model, **hints):
        return self.reads.get(model._meta.app_label)


@pytest.fixture
def databases(settings, monkeypatch):
    class Database:
        vendor, settings_dict = "postgresql", {}

    monkeypatch.setattr(site, "connections", {"default": Database, "main": Database})

    def route(router):
        settings.DATABASE_ROUTERS = [router]
        return [message for message in check_settings() if message.id != "agentchat.W001"]

    return route


@pytest.mark.parametrize(
    "router", [Router(), Router(agentchat="main", auth="main"), Router(agentchat="main", auth="main", sessions="other")]
)
def test_tables_in_one_database_are_fine_whichever_it_is(databases, router):
    assert databases(router) == []


@pytest.mark.parametrize(
    ("router", "named"),
    [
        (Router(agentchat="main"), get_user_model()),
        (Router(auth="main"), get_user_model()),
        (Router(agentchat="main", auth="main", agentchat_Event="events"), Event),
    ],
)
def test_tables_that_refer_to_one_another_from_several_databases_are_found(databases, router, named):
    error = databases(router)[0]
    assert error.id == "agentchat.E013"
    assert named._meta.label in error.msg


def test_reading_from_a_replica_is_found(databases):
    [error] = databases(Router(reads={"agentchat": "replica"}))
    assert error.id == "agentchat.E013"
    assert "replica" in error.msg


def test_the_database_that_is_checked_is_the_one_with_the_tables(databases, monkeypatch):
    class Sqlite:
        vendor, settings_dict = "sqlite", {}

    monkeypatch.setitem(site.connections, "main", Sqlite)
    databases(Router(agentchat="main", auth="main"))
    assert ChatSession.objects.db == "main"
    assert [message.id for message in check_settings()] == ["agentchat.W001"]


@pytest.mark.parametrize(
    ("use_tz", "zone", "warned"),
    [(False, "Europe/Berlin", True), (True, "Europe/Berlin", False), (False, "UTC", False)],
)
def test_clocks_that_are_put_back_matter_only_to_times_without_a_zone(settings, use_tz, zone, warned):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    assert ("agentchat.W016" in [message.id for message in check_settings()]) is warned


def test_apps_that_are_missing_are_all_that_is_said(settings):
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if "staticfiles" not in each]
    [error] = check_settings()
    assert (error.id, "staticfiles" in error.msg) == ("agentchat.E002", True)


def test_sessions_that_cannot_be_revoked_are_warned_about_before_a_site_is_public(settings):
    assert check_sessions() == []
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert [message.id for message in check_sessions()] == ["agentchat.W018"]


WITHOUT_ACCOUNTS = """
import django
from django.conf import settings
from django.core.checks import run_checks

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.sessions", "channels", "agentchat"],
    ROOT_URLCONF="agentchat.urls",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
print(*(message.msg for message in run_checks() if message.id == "agentchat.E002"))
"""


def test_a_project_without_accounts_is_told_what_is_missing():
    done = subprocess.run([sys.executable, "-c", WITHOUT_ACCOUNTS], capture_output=True, text=True, check=True)
    assert "'django.contrib.auth' is not in INSTALLED_APPS" in done.stdout


@pytest.mark.parametrize(
    ("values", "header", "warned"),
    [
        ({"GUESTS": True}, ("HTTP_X_FORWARDED_PROTO", "https"), True),
        ({"GUESTS": True, "TRUSTED_PROXIES": 1}, ("HTTP_X_FORWARDED_PROTO", "https"), False),
        ({"GUESTS": False}, ("HTTP_X_FORWARDED_PROTO", "https"), False),
        ({"GUESTS": True}, None, False),
        ({"GUESTS": "yes"}, ("HTTP_X_FORWARDED_PROTO", "https"), False),  # E001
    ],
)
def test_guests_behind_a_proxy_that_is_not_said_to_be_trusted_are_warned_about(settings, values, header, warned):
    settings.AGENTCHAT, settings.SECURE_PROXY_SSL_HEADER = values, header
    assert [message.id for message in check_proxies()] == ["agentchat.W022"] * warned
