"""Looking for the rows that runs wait for (`iostream.wait_for_row`).

A wait is committed before the row is looked for, so none that comes meanwhile is missed. Then it is looked for again
after each commit that has saved a row of the model, in a thread of that process, and by the supervisors, some runs at
each heartbeat: `update()` and other programs send no signal. A run whose row is there is marked, and queued.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import router
from django.db.models import Model, QuerySet

from agentchat.core.log import get_logger
from agentchat.errors import ConfigError
from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, retry_transaction
from agentchat.infra.statements import select_one, update
from agentchat.models import ChatSession, Run
from agentchat.runs.session_lock import lock_session

logger = get_logger("agentchat.runs")

MAX_LOOKUPS_CHARS = 8 * 1024


class AwaitedModels:
    """The labels of the models that a run waits for a row of, as far as this process knows."""

    labels: frozenset[str] = frozenset()


def stored_lookups(model: type[Model], lookups: Mapping[str, Any]) -> dict[str, Any]:
    """The lookups as JSON values. Raise ConfigError for what cannot be stored, or finds no field."""
    name = model.__name__
    try:
        text = json.dumps(lookups, cls=DjangoJSONEncoder, allow_nan=False)
        stored: dict[str, Any] = json.loads(text)
        str(_rows(model, stored).query)
    except (TypeError, ValueError, RecursionError, FieldError, ValidationError) as error:
        raise ConfigError(f"wait_for_row({name}, …): the lookups must be JSON values for fields: {error}") from error
    if not stored or len(text) > MAX_LOOKUPS_CHARS:
        raise ConfigError(f"wait_for_row({name}, …): give lookups, of {MAX_LOOKUPS_CHARS} characters at most as JSON")
    return stored


def check_run(run_id: int) -> Run | None:
    """Look for the row that this run waits for. If it is there, mark and queue the run, and return it: to be woken."""
    run = select_one(Run, id=run_id)
    if run is None or not _waits(run):
        return None
    AwaitedModels.labels |= {run.waits_for["row"]}
    return _mark(run) if _is_there(run.waits_for) else None


def _waits(run: Run) -> bool:
    return run.status == Run.Status.WAITING and run.waits_for is not None and "row" in run.waits_for


def _is_there(waits_for: Mapping[str, Any]) -> bool:
    try:
        return _rows(apps.get_model(waits_for["row"]), waits_for["lookups"]).exists()
    except (LookupError, FieldError, ValidationError, ValueError, TypeError) as error:  # the code has changed
        logger.warning("a run waits for a row of %s, which cannot be looked for: %s", waits_for["row"], error)
        return False


def _rows(model: type[Model], lookups: Mapping[str, Any]) -> QuerySet[Model]:
    rows: QuerySet[Model] = model._default_manager.using(router.db_for_write(model)).filter(**lookups)
    return rows


def _mark(seen: Run) -> Run | None:
    """The row is there: the run may go on, unless it has already."""

    def mark(is_retry: bool) -> Run | None:
        with lock_session(seen.session_id):
            run = select_one(Run, id=seen.pk)
            if run is None or not _waits(run) or run.waits_for["step"] != seen.waits_for["step"]:
                return run if is_retry else None
            run.waits_for, run.waits_on = {**run.waits_for, "held": True}, None
            if not run.owner_process:  # otherwise a thread waits for it, and continues by itself
                run.status, run.queued_at, run.waits_until = Run.Status.QUEUED, moments.now(), None
            update(run, "status", "queued_at", "waits_until", "waits_for", "waits_on")
            return run

    try:
        return retry_transaction(mark, timeout=USER_TIMEOUT_SECONDS)
    except ChatSession.DoesNotExist:
        return None
