"""Logs as JSON: one object a line, with the ids of the chat, the run and the step that it belongs to.

For `LOGGING`: `"formatters": {"json": {"()": "agentchat.telemetry.json_logs.JSONFormatter"}}`. Django reads that before
its apps are there, so nothing of ours that needs them is imported here.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from agentchat.core.log import MAX_TRACEBACK_CHARS
from agentchat.core.secrets import mask
from agentchat.io.base import IOStream


class JSONFormatter(logging.Formatter):
    """`time`, `level`, `logger` and `message`; `chat`, `run` and `step` within a run; `trace_id` and `span_id` within a
    span of OpenTelemetry; `exception` with its traceback. Secrets are masked, and no value can begin another line.

    The ids are those of the thread or task that logs: a handler that formats elsewhere has none.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask(record.getMessage()),
            **_of_run(),
            **_of_span(),
        }
        if record.exc_text or (record.exc_info and record.exc_info[0] is not None):
            text = record.exc_text or self.formatException(record.exc_info or sys.exc_info())
            line["exception"] = mask(text[-MAX_TRACEBACK_CHARS:])
        if record.stack_info:
            line["stack"] = mask(record.stack_info[-MAX_TRACEBACK_CHARS:])
        return json.dumps(line, default=str)  # ASCII: whatever reads it, nothing in it is a line break or a control


def _of_run() -> dict[str, Any]:
    stream = IOStream._of_context.get()
    if stream is None or stream.session is None:
        return {}
    found: dict[str, Any] = {"chat": str(stream.session.pk)}
    if (number := getattr(stream, "run_number", None)) is not None:
        found["run"] = number
    steps = sys.modules.get("agentchat.runs.step_maker")
    if steps is not None and (origins := steps.current_step()) is not None:
        found["step"] = origins.step
    return found


def _of_span() -> dict[str, str]:
    """Of the current span, where the process has OpenTelemetry at all."""
    trace = sys.modules.get("opentelemetry.trace")
    context = trace.get_current_span().get_span_context() if trace is not None else None
    if context is None or not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
