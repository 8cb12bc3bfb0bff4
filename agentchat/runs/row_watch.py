"""When it is looked again for the rows that runs wait for: after a row was saved, and at each heartbeat.

`row_checks.py` looks. A receiver of `post_save` does it after the commit, in a thread of that process; the supervisors
look at some runs each at a time, since `update()` and other programs send no signal.
"""

import itertools
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.models import Model

from agentchat.core.log import get_logger
from agentchat.infra.database import close_connections
from agentchat.infra.thread_pool import DaemonPool
from agentchat.models import Run
from agentchat.realtime import chat_list
from agentchat.runs.engines import engine
from agentchat.runs.row_checks import AwaitedModels, check_run

logger = get_logger("agentchat.runs")

BATCH = 50  # runs that are looked at in one go

_POOL = DaemonPool("agentchat-rows", lambda: 1, at_end=connections.close_all)


class _Last:
    run = 0  # up to which this process's supervisor has looked


def after_save(sender: type[Model], **kwargs: Any) -> None:
    """A receiver of `post_save`: look for awaited rows of the model after the commit."""
    label = sender._meta.label_lower
    if label in AwaitedModels.labels:
        transaction.on_commit(partial(_POOL.submit, _check_model, label), using=kwargs.get("using"))


def check_next() -> None:
    """Look for the rows of the next runs that wait for one. For the supervisor, in a thread."""
    waiting = Run.objects.filter(waits_on__isnull=False)
    labels = waiting.order_by().values_list("waits_on", flat=True).distinct()
    AwaitedModels.labels = frozenset(label for label in labels if label is not None)
    if not AwaitedModels.labels:
        return
    keys = list(waiting.filter(pk__gt=_Last.run).order_by("pk").values_list("pk", flat=True)[:BATCH])
    _Last.run = keys[-1] if len(keys) == BATCH else 0
    for key in keys:
        _check(key)


def _check_model(label: str) -> None:
    try:
        keys = (
            Run.objects.filter(waits_on__isnull=False)
            .filter(waits_on=label)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for key in itertools.islice(keys, BATCH):
            _check(key)
    except Exception:
        logger.exception("runs that wait for a row of %s will be looked at later", label)
    finally:
        close_connections()


def _check(run_id: int) -> None:
    if (run := check_run(run_id)) is not None:
        chat_list.notify_owner_of(run.session_id)
        engine().wake(run.pk)
