"""System checks of ENGINE = "celery": each combination that cannot work is found, and a good one is not."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from celery import Celery, current_app

from agentchat.checks import site, workers
from agentchat.checks.site import check_settings

ROOT = Path(__file__).resolve().parents[2]
REDIS_LAYER = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}
REDIS_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1"}}


class Vendor:
    vendor = "postgresql"


@pytest.fixture
def good(settings, monkeypatch):
    """A configuration that works, and its Celery application."""
    settings.AGENTCHAT = {"ENGINE": "celery"}
    settings.CHANNEL_LAYERS = REDIS_LAYER
    settings.CACHES = REDIS_CACHE
    monkeypatch.setattr(workers, "connections", {"default": Vendor()})
    before = current_app._get_current_object()
    app = Celery("tests", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.worker_pool = "threads"
    app.set_current()
    yield app
    before.set_current()


def found():
    messages = [message for message in check_settings() if message.id != "agentchat.W001"]
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_a_good_configuration_is_silent(good):
    assert found() == []


def test_celery_that_is_not_installed(good, monkeypatch):
    monkeypatch.setattr(workers, "find_spec", lambda name: None if name == "celery" else find_spec(name))
    assert found() == ["agentchat.E006"]


@pytest.mark.parametrize("url", [None, "", "memory://"])
def test_a_broker_that_workers_cannot_reach(good, url):
    good.conf.broker_url = url
    assert found() == ["agentchat.E007"]


def test_a_channel_layer_in_memory(good, settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    assert found() == ["agentchat.E008"]


def test_workers_that_refuse_json(good):
    good.conf.accept_content = ["pickle"]
    assert found() == ["agentchat.E009"]


def test_sqlite_is_one_machine(good, monkeypatch):
    monkeypatch.setattr(Vendor, "vendor", "sqlite")
    assert found() == ["agentchat.W004"]


def test_a_cache_in_memory(good, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert found() == ["agentchat.W005"]


def test_a_pool_that_workers_would_refuse(good):
    good.conf.worker_pool = "prefork"
    assert found() == ["agentchat.W006"]


def test_tasks_that_are_called_where_they_are_sent(good):
    good.conf.task_always_eager = True
    assert found() == ["agentchat.E012"]


class Database:
    """Django's connection, as far as the checks look at it."""

    def __init__(self, vendor="postgresql", **settings):
        self.vendor, self.display_name, self.settings_dict = vendor, vendor.title(), settings


@pytest.mark.parametrize(
    ("database", "ids"),
    [
        (Database(OPTIONS={"pool": {"max_size": 20}}, CONN_MAX_AGE=0, ATOMIC_REQUESTS=False), []),
        (Database(OPTIONS={}, CONN_MAX_AGE=None), []),
        (Database("mysql", OPTIONS={}), ["agentchat.E010"]),
        (Database(OPTIONS={"pool": True}, CONN_MAX_AGE=60), ["agentchat.E011"]),
        (Database(OPTIONS={"pool": True}, CONN_MAX_AGE=None), ["agentchat.E011"]),
        (Database(OPTIONS={}, ATOMIC_REQUESTS=True), ["agentchat.W007"]),
    ],
)
def test_a_database_that_cannot_be_used_so(good, monkeypatch, database, ids):
    monkeypatch.setattr(site, "connections", {"default": database})
    assert found() == ids


def test_without_celery_nothing_of_this_matters(good, settings):
    settings.AGENTCHAT = {"ENGINE": "threads"}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    good.conf.broker_url = None
    assert found() == []


def test_an_unknown_engine_is_one_error(good, settings):
    settings.AGENTCHAT = {"ENGINE": "rabbits"}
    assert found() == ["agentchat.E001"]


def test_the_documented_configuration_of_another_project_works(tmp_path):
    text = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"^```python\n# (mysite/\w+\.py)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert set(files) == {"mysite/__init__.py", "mysite/celery.py", "mysite/settings.py"}
    project = "from chatsite.settings import *\n"
    (tmp_path / "mysite").mkdir()
    for name, lines in files.items():
        (tmp_path / name).write_text((project if name.endswith("settings.py") else "") + lines)

    def run(*command):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "DEBUG": "1",
            "SECRET_KEY": "x" * 60,
        }
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert set(re.findall(r"agentchat\.[EW]\d+", run("-m", "django", "check"))) <= {"agentchat.W004", "agentchat.W005"}
    look = (
        "import django; django.setup()\n"
        "from mysite.celery import app; app.loader.import_default_modules()\n"
        "from agentchat.runs.engines.celery_task import advance_run\n"
        "print(advance_run.app.main, 'agentchat.advance_run' in app.tasks, app.conf.broker_url)"
    )
    assert run("-c", look).split() == ["mysite", "True", "redis://redis.internal:6379/0"]
