"""The settings: what the environment says is what the site does, and what it does not say is safe."""

import json
import os
import runpy
import shutil
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from unittest import mock

import pytest
from django.conf import global_settings
from redis.asyncio import ConnectionPool, SSLConnection

from agentchat.conf import AppSettings
from chatsite import settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    """The project without what a run of it has left behind."""
    shutil.copytree(ROOT / "chatsite", tmp_path / "chatsite", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def read(project):
    """Read settings as a process does that has this environment and nothing else. A RuntimeError is its traceback."""

    def read(*names, **environment):
        with mock.patch.dict(os.environ, {"PATH": os.environ["PATH"], **environment}, clear=True):
            try:
                found = runpy.run_path(str(project / "chatsite" / "settings.py"))
            except Exception:
                raise RuntimeError(traceback.format_exc()) from None
        return json.loads(
            json.dumps({name: found.get(name, getattr(global_settings, name, None)) for name in names}, default=str)
        )

    return read


PUBLIC = {"SECRET_KEY": "k" * 60, "ALLOWED_HOSTS": "a.example,b.example"}


def test_without_debug_and_a_secret_key_nothing_starts_and_the_sentence_says_what_to_do(read):
    with pytest.raises(RuntimeError, match=r"SECRET_KEY is not set: .* or set DEBUG=1"):
        read("SECRET_KEY")


def test_every_cookie_of_a_public_site_is_sent_over_tls_and_from_its_own_pages_only(read):
    names = [f"{kind}_COOKIE_{flag}" for kind in ("SESSION", "CSRF", "LANGUAGE") for flag in ("SECURE", "SAMESITE")]
    assert set(read(*names, **PUBLIC).values()) == {True, "Lax"}
    assert set(read(*names, **PUBLIC, AGENTCHAT_EMBED_ORIGINS="https://shop.example").values()) == {True, "None"}
    assert set(read(*names, DEBUG="1").values()) == {False, "Lax"}
    assert set(read("SESSION_COOKIE_HTTPONLY", "LANGUAGE_COOKIE_HTTPONLY", **PUBLIC).values()) == {True}


def test_with_debug_a_secret_key_is_made_once_and_only_its_owner_can_read_it(project, read):
    key = read("SECRET_KEY", DEBUG="1")["SECRET_KEY"]
    file = project / ".local" / "secret_key"
    assert len(key) >= 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert read("SECRET_KEY", DEBUG="1")["SECRET_KEY"] == key
    assert [child.name for child in file.parent.iterdir()] == ["secret_key"]


def test_a_secret_key_in_the_environment_wins(read):
    read("SECRET_KEY", DEBUG="1")
    assert read("SECRET_KEY", DEBUG="1", SECRET_KEY="mine")["SECRET_KEY"] == "mine"


def test_debug_is_off_unless_it_is_asked_for(read):
    assert read("DEBUG", **PUBLIC)["DEBUG"] is False


def test_a_public_site_sends_cookies_over_tls_only_and_says_so_for_a_year(read):
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "ALLOWED_HOSTS")
    assert read(*names, **PUBLIC) == {
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_HSTS_SECONDS": 31536000,
        "ALLOWED_HOSTS": ["a.example", "b.example"],
    }
    assert read("SESSION_COOKIE_SECURE", DEBUG="1") == {"SESSION_COOKIE_SECURE": False}


def test_sqlite_is_set_up_for_many_writers_whatever_file_it_is(read):
    for environment in ({}, {"DATABASE_URL": "sqlite:////tmp/elsewhere.sqlite3"}):
        database = read("DATABASES", **PUBLIC, **environment)["DATABASES"]["default"]
        assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert database["OPTIONS"]["timeout"] == 20
        assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert database["NAME"] == "/tmp/elsewhere.sqlite3"


def test_postgresql_has_a_pool_that_notices_a_server_that_went_away(read):
    database = read("DATABASES", **PUBLIC, DATABASE_URL="postgres://ada:pw@db.example:5433/chat")["DATABASES"][
        "default"
    ]
    assert (database["ENGINE"], database["NAME"]) == ("django.db.backends.postgresql", "chat")
    assert (database["HOST"], database["PORT"], database["USER"]) == ("db.example", 5433, "ada")
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (0, True)
    assert database["OPTIONS"]["pool"]["max_size"] == 20
    assert database["OPTIONS"]["connect_timeout"] == 3
    assert database["OPTIONS"]["keepalives"] == 1


def test_the_address_has_the_last_word_on_options_and_the_pool(read):
    url = "postgres://db/chat?sslmode=require&connect_timeout=10&pool_max_size=3&pool_timeout=0.5"
    options = read("DATABASES", **PUBLIC, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert (options["sslmode"], options["connect_timeout"]) == ("require", 10)
    assert (options["pool"]["max_size"], options["pool"]["timeout"]) == (3, 0.5)
    assert not [key for key in options if key.startswith("pool_")]
    options = read("DATABASES", **PUBLIC, DATABASE_URL="postgres://db/chat?pool=0&conn_max_age=60")["DATABASES"]
    assert "pool" not in options["default"]["OPTIONS"]
    assert options["default"]["CONN_MAX_AGE"] == 60


@pytest.mark.parametrize(
    ("query", "words"),
    [("pool_max_size=many", "is not a number"), ("pool_colour=1", "unknown pool option pool_colour")],
)
def test_a_pool_option_that_cannot_be_meant_is_named(read, query, words):
    with pytest.raises(RuntimeError, match=words):
        read("DATABASES", **PUBLIC, DATABASE_URL=f"postgres://db/chat?{query}")


@pytest.mark.parametrize("age", ["60", "None"])
def test_connections_that_a_pool_and_a_thread_were_to_keep_are_refused_with_the_way_out(read, age):
    url = f"postgres://db/chat?conn_max_age={age}"
    with pytest.raises(RuntimeError, match=rf"ImproperlyConfigured: .*conn_max_age={age}.* add pool=0"):
        read("DATABASES", **PUBLIC, DATABASE_URL=url)
    assert read("DATABASES", **PUBLIC, DATABASE_URL="postgres://db/chat?conn_max_age=0")["DATABASES"]


def test_each_key_of_agentchat_can_be_set_in_the_environment():
    assert set(settings._AGENTCHAT) == set(AppSettings.KEYS)


def test_values_of_agentchat_come_with_their_types(read):
    values = read(
        "AGENTCHAT",
        **PUBLIC,
        AGENTCHAT_MAX_RUNS="8",
        AGENTCHAT_LEASE_S="2.5",
        AGENTCHAT_GUESTS="yes",
        AGENTCHAT_LLM='[{"model": "m"}]',
        AGENTCHAT_DRAIN_S="",
    )["AGENTCHAT"]
    assert values == {"MAX_RUNS": 8, "LEASE_S": 2.5, "GUESTS": True, "LLM": [{"model": "m"}]}


def test_a_value_that_cannot_be_read_is_named(read):
    with pytest.raises(RuntimeError, match="AGENTCHAT_MAX_RUNS='many' cannot be read"):
        read("AGENTCHAT", **PUBLIC, AGENTCHAT_MAX_RUNS="many")


def test_a_public_environment_that_forgets_tls_does_not_pass():
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "sk-test", **PUBLIC}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "security.W008" in done.stderr


def test_redis_is_the_channel_layer_and_the_shared_cache_under_its_prefix_and_with_tls_if_wanted(read):
    url = "rediss://:secret@redis.example:6380/2"
    found = read("CHANNEL_LAYERS", "CACHES", **PUBLIC, REDIS_URL=url, REDIS_PREFIX="shop")
    layer, cache = found["CHANNEL_LAYERS"]["default"], found["CACHES"]["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert layer["CONFIG"]["prefix"].startswith("shop:")
    assert cache["KEY_PREFIX"].startswith("shop:")
    assert cache["OPTIONS"]["serializer"] == "agentchat.json_cache.JSONSerializer"
    for address, options in ((layer["CONFIG"]["hosts"][0].pop("address"), layer["CONFIG"]["hosts"][0]), (url, {})):
        pool = ConnectionPool.from_url(address, **options)
        assert pool.connection_class is SSLConnection
        assert pool.connection_kwargs["db"] == 2


def test_without_redis_all_stays_in_the_process(read):
    found = read("CHANNEL_LAYERS", "CACHES", **PUBLIC)
    assert found["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    assert "redis" not in json.dumps(found["CACHES"])


CANARY = "CANARY-0123456789"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENTCHAT_LLM", f'[{{"model": "m", "api_key": "{CANARY}"'),
        ("AGENTCHAT_LLM", CANARY),
        ("DATABASE_URL", f"postgres://u:{CANARY}/x@h/db"),
        ("DATABASE_URL", f"postgres://u:pass{CANARY}#@h/db"),
        ("DATABASE_URL", CANARY),
        ("REDIS_URL", f"redis://:{CANARY}/x@h:6379/0"),
        ("REDIS_URL", f"redis://:{CANARY}@h:port/0"),
        ("REDIS_URL", f"redis://:{CANARY}@h/0\n"),
        ("CELERY_BROKER_URL", f"amqp://u:{CANARY}@[h/"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_and_not_repeated(read, name, value):
    with pytest.raises(RuntimeError) as raised:
        read("DEBUG", **PUBLIC, **{name: value})
    assert f"ImproperlyConfigured: {name}" in str(raised.value)
    assert CANARY not in str(raised.value)


def test_a_secret_key_may_have_any_characters(read):
    key = "$dollar{#%" + "k" * 50
    assert read("SECRET_KEY", **{**PUBLIC, "SECRET_KEY": key}) == {"SECRET_KEY": key}


def test_secrets_of_the_settings_are_masked_in_the_log(project):
    script = (
        "import django, logging; django.setup()\n"
        f"logging.getLogger('any').error('{CANARY}-key, {CANARY}-db, {CANARY}-redis, {CANARY}-model')"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{project}{os.pathsep}{ROOT}",
        "DJANGO_SETTINGS_MODULE": "chatsite.settings",
        "ALLOWED_HOSTS": "a.example",
        "SECRET_KEY": f"{CANARY}-key",
        "DATABASE_URL": f"postgres://u:{CANARY}-db@h/db",
        "REDIS_URL": f"redis://:{CANARY}-redis@h/0",
        "AGENTCHAT_LLM": json.dumps([{"model": "m", "api_key": f"{CANARY}-model"}]),
    }
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.rstrip("\n").endswith("ERROR any: …, …, …, …")
