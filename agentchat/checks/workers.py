"""System checks for ENGINE = "celery": what web nodes and workers must share, and how Celery must be configured.

`checks.site` registers them.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from agentchat import conf
from agentchat.errors import ConfigError
from agentchat.infra.database import alias


def check_workers() -> Iterator[CheckMessage]:
    """E006: no Celery. E007: no broker. E008: a layer in memory. E009: no JSON. E012: tasks that are not sent.
    W004: SQLite. W005: a cache in memory. W006: a pool other than threads.
    """
    try:
        if conf.app.engine != "celery":
            return
    except ConfigError:
        return  # E001 reports it
    yield from _shared()
    if find_spec("celery") is None:
        yield Error(
            "AGENTCHAT['ENGINE'] is 'celery', but Celery is not installed",
            hint="pip install 'agentchat[celery]', or set ENGINE to 'threads'.",
            id="agentchat.E006",
        )
        return
    from celery import current_app

    yield from _celery(current_app.conf)


def _shared() -> Iterator[CheckMessage]:
    """What is in the memory, or on the disk, of one machine only."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND", "")
    if layer.endswith("InMemoryChannelLayer"):
        yield Error(
            "workers advance the runs, but the channel layer is in the memory of each process: pages get no updates",
            hint='Let CHANNEL_LAYERS["default"] be a "channels_redis.pubsub.RedisPubSubChannelLayer" '
            "(pip install 'agentchat[redis]').",
            id="agentchat.E008",
        )
    if connections[alias()].vendor == "sqlite":
        yield Warning(
            "workers advance the runs, but the database is SQLite, which works on one machine only",
            hint=f"Let DATABASES[{alias()!r}] be a PostgreSQL database before there is a second machine; `manage.py "
            "agentchat_transfer` copies what is there.",
            id="agentchat.W004",
        )
    cache = getattr(settings, "CACHES", {}).get("default", {}).get("BACKEND", "")
    if cache.endswith("LocMemCache"):
        yield Warning(
            "workers advance the runs, but the default cache is in the memory of each process",
            hint='Let CACHES["default"] be a cache that all processes share, such as '
            '"django.core.cache.backends.redis.RedisCache".',
            id="agentchat.W005",
        )


def _celery(celery: Any) -> Iterator[CheckMessage]:
    """`celery` is the configuration of the project's Celery application."""
    broker = str(celery.broker_url or "")
    if not broker or broker.startswith("memory:"):
        problem = "stays in the memory of one process" if broker else "is not set"
        yield Error(
            f"AGENTCHAT['ENGINE'] is 'celery', but Celery's broker {problem}",
            hint="Set broker_url (CELERY_BROKER_URL in Django's settings, with namespace='CELERY'), and import the "
            "Celery application in the project's __init__.py, so that web processes have it, too.",
            id="agentchat.E007",
        )
    if not {"json", "application/json"} & set(celery.accept_content):
        yield Error(
            f"messages about runs are JSON, but Celery accepts only {sorted(celery.accept_content)}",
            hint="Add 'json' to accept_content.",
            id="agentchat.E009",
        )
    if celery.task_always_eager:
        yield Error(
            "AGENTCHAT['ENGINE'] is 'celery', but Celery calls tasks where they are sent: no worker gets a run",
            hint="Remove task_always_eager; without workers, set ENGINE to 'threads'.",
            id="agentchat.E012",
        )
    if celery.worker_pool != "threads":
        yield Warning(
            f"Celery's workers use the pool {celery.worker_pool!r}: a worker that advances runs will not start with it",
            hint="Set worker_pool = 'threads', or start those workers with --pool threads and silence this check.",
            id="agentchat.W006",
        )
