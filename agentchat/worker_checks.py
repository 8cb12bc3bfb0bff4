"""System checks for ENGINE = "celery": what web nodes and workers must share, and what Celery must be told.

Part of `checks`, which registers them.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from agentchat import conf
from agentchat.errors import ConfigError

_HINT = "docs/deploying.md, 'More than one machine', has all of it."


def of_workers() -> Iterator[CheckMessage]:
    """E006: no Celery. E007: no broker. E008: a layer in memory. E009: no JSON. E012: tasks that are not sent. W004:
    SQLite. W005: a cache in memory. W006: another pool than threads.
    """
    try:
        if conf.app.engine != "celery":
            return
    except ConfigError:
        return  # E001 says so
    yield from _shared()
    if find_spec("celery") is None:
        yield Error(
            "AGENTCHAT['ENGINE'] is 'celery', and Celery is not installed",
            hint="pip install 'agentchat[scale]', or set ENGINE to 'threads'.",
            id="agentchat.E006",
        )
        return
    from celery import current_app

    yield from _celery(current_app.conf)


def _shared() -> Iterator[CheckMessage]:
    """What is in the memory, or on the disk, of one machine."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND", "")
    if layer.endswith("InMemoryChannelLayer"):
        yield Error(
            "workers advance the runs, and the channel layer is in the memory of each process: no page hears of it",
            hint=f"Set REDIS_URL, or CHANNEL_LAYERS with a layer of channels_redis. {_HINT}",
            id="agentchat.E008",
        )
    if connections["default"].vendor == "sqlite":
        yield Warning(
            "workers advance the runs, and the database is SQLite: that works on one machine only",
            hint=f"Set DATABASE_URL to a PostgreSQL database before there is a second machine. {_HINT}",
            id="agentchat.W004",
        )
    cache = getattr(settings, "CACHES", {}).get("default", {}).get("BACKEND", "")
    if cache.endswith("LocMemCache"):
        yield Warning(
            "workers advance the runs, and the default cache is in the memory of each process",
            hint=f"Set REDIS_URL, or CACHES with a cache that all processes share. {_HINT}",
            id="agentchat.W005",
        )


def _celery(celery: Any) -> Iterator[CheckMessage]:
    """`celery` is the configuration of the project's Celery application."""
    broker = str(celery.broker_url or "")
    if not broker or broker.startswith("memory:"):
        problem = "stays in the memory of one process" if broker else "is not set"
        yield Error(
            f"AGENTCHAT['ENGINE'] is 'celery', and Celery's broker {problem}",
            hint="Set REDIS_URL or CELERY_BROKER_URL; in a project of your own, import its Celery application in "
            f"__init__.py, so that web processes have it, too. {_HINT}",
            id="agentchat.E007",
        )
    if not {"json", "application/json"} & set(celery.accept_content):
        yield Error(
            f"messages about runs are JSON, and Celery accepts only {sorted(celery.accept_content)}",
            hint="Have 'json' in accept_content.",
            id="agentchat.E009",
        )
    if celery.task_always_eager:
        yield Error(
            "AGENTCHAT['ENGINE'] is 'celery', and Celery calls tasks where they are sent: no worker hears of a run",
            hint="Leave task_always_eager out; a process without workers has the engine 'threads'.",
            id="agentchat.E012",
        )
    if celery.worker_pool != "threads":
        yield Warning(
            f"Celery's workers use the pool {celery.worker_pool!r}: one that is to advance runs will not start so",
            hint="Set worker_pool = 'threads', or start those workers with --pool threads and silence this.",
            id="agentchat.W006",
        )
