"""What is stored of a step besides its result: its times, and what a model was asked."""

from datetime import datetime, timedelta
from typing import Any

from agentchat import conf
from agentchat.core.kept_requests import SealedTexts, kept_request
from agentchat.core.steps import StepNotes
from agentchat.infra import moments
from agentchat.infra.sanitize import clean_json
from agentchat.infra.statements import insert
from agentchat.models import Step, StepRequest

TIMED = ("llm", "tool")  # kinds of steps whose durations statistics are made of
MAX_MS = 2**31 - 1  # what the columns hold


def times_of(kind: str, started_at: datetime, notes: StepNotes) -> dict[str, Any]:
    """The columns of a step that is made now."""
    done_at = moments.now()
    first = notes.first_token_ms
    duration = (done_at - started_at) // timedelta(milliseconds=1)
    return {
        "started_at": started_at,
        "done_at": done_at,
        "first_token_ms": None if first is None else min(first, MAX_MS),
        "duration_ms": min(max(duration, 0), MAX_MS) if kind in TIMED else None,  # a clock may be set back
    }


def keep_request(step: Step, request: Any, sealed: SealedTexts) -> None:
    """Store what a model was asked in this step, if the site keeps that. In the transaction of its result."""
    if step.kind != "llm" or not conf.app.keep_requests:
        return
    content = kept_request(request, sealed)
    if content is not None:
        row = StepRequest(run=step.run, number=step.number, content=clean_json(content))
        insert([row], or_update=("run", "number"))
