"""Celery's task: a worker advances one run.

Imported in workers, where it also adds to Celery what agents need. Web processes send the task by its name
(`engines.celery`).
"""

from typing import Any

from celery import shared_task
from celery.signals import celeryd_init

from agentchat.runs.engines import worker
from agentchat.runs.engines.celery import TASK


def _advance_run(run_id: int) -> None:
    """Advance the run to the end of this execution. Return at once if it cannot be claimed."""
    worker.advance(run_id)


# Acknowledged late: a message whose worker dies is sent again, although a supervisor will have claimed the run by then.
advance_run = shared_task(
    name=TASK,
    serializer="json",
    ignore_result=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=0,
)(_advance_run)


def _add_step(instance: Any, **_: Any) -> None:
    """A worker is being made: agents need an event loop in it."""
    instance.app.steps["worker"].add(worker.RunsStep)


celeryd_init.connect(_add_step)
