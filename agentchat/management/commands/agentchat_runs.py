"""`manage.py agentchat_runs`: list runs, and resume or stop them without a browser.

    agentchat_runs list [--status live] [--agent weather] [--limit 50] [--json]
    agentchat_runs resume <run or chat>
    agentchat_runs stop <run or chat> ...

No run is advanced here: that takes a server, whose supervisor looks for runs once a second. Exit code 0 if the command
has been carried out, or will be in a moment; 1 if it cannot be; 2 if it was not understood.
"""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentchat.actions import messages
from agentchat.infra import moments
from agentchat.infra.ids import parse_uuid
from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from agentchat.runs.engines import engine

LIVE = "live"
PICKED_UP = (
    "A running server picks it up within a second, or in its turn if MAX_RUNS or MAX_RUNS_PER_OWNER is reached; if no "
    "server is running, the next one that starts does."
)
COLUMNS = {  # heading: key of _row()
    "RUN": "run",
    "CHAT": "chat",
    "AGENT": "agent",
    "STATUS": "status",
    "OWNER": "owner",
    "QUEUED": "queuedAt",
    "TOKENS": "tokens",
    "NOTE": "note",
}


class Command(BaseCommand):
    help = "List runs, resume an orphaned run, or stop runs."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(required=True, metavar="list | resume | stop")
        which = "a run ID or a chat session ID: the first two columns of the list"

        list_ = actions.add_parser("list", help="list runs, newest first")
        list_.add_argument(
            "--status",
            action="append",
            choices=[LIVE, *Run.Status.values],
            help="only runs with this status; live means queued, running or waiting. Can be repeated",
        )
        list_.add_argument("--agent", metavar="NAME", help="only runs of this agent function")
        list_.add_argument("--limit", type=_limit, default=50, metavar="N", help="show at most N runs (default: 50)")
        list_.add_argument(
            "--json",
            dest="as_json",
            action="store_true",
            help="print a JSON array with more details; times are ISO 8601",
        )
        list_.set_defaults(act=self._list)

        resume = actions.add_parser("resume", help="wake a run that is queued, or was orphaned by a dead process")
        resume.add_argument("target", type=_target, metavar="run-or-chat", help=which)
        resume.set_defaults(act=self._resume)

        stop = actions.add_parser("stop", help="stop live runs; a chat session's next message starts a new one")
        stop.add_argument("targets", type=_target, nargs="+", metavar="run-or-chat", help=which)
        stop.set_defaults(act=self._stop)

    def handle(self, *args: Any, act: Any, **options: Any) -> None:
        act(**options)

    def _list(
        self, *, status: Sequence[str] | None, agent: str | None, limit: int, as_json: bool, **options: Any
    ) -> None:
        runs = Run.objects.select_related("session__owner").order_by("-pk")
        if status:
            runs = runs.filter(status__in=[*status, *(Run.LIVE if LIVE in status else ())])
        if agent is not None:
            runs = runs.filter(agent=agent)
        now = moments.now()
        found = [_row(run, now) for run in runs[: limit + 1]]
        self.stdout.write(_as_json(found[:limit]) if as_json else _as_table(found[:limit]))
        if len(found) > limit:
            self.stderr.write(f"Showing the newest {limit}; use --limit to show more.")

    def _resume(self, *, target: int | UUID, **options: Any) -> None:
        run, now = _run_of(target), moments.now()
        if not leases.is_ready(run, now):
            raise CommandError(f"{_name(run)} cannot be resumed: {_why_not_ready(run)}")
        engine().wake(run.pk)
        self.stdout.write(f"{_name(run)} {_why_ready(run, now)}. {PICKED_UP}")

    def _stop(self, *, targets: Sequence[int | UUID], **options: Any) -> None:
        runs = {run.pk: run for run in map(_run_of, targets)}  # all are found before the first is stopped
        for run in runs.values():
            self.stdout.write(f"{_name(run)} {_stopped(run)}")


# --- finding --------------------------------------------------------------------------------------------------------


def _limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise ArgumentTypeError(f"{text!r} is not a number of runs: use a whole number, 1 or more")
    return int(text)


def _target(text: str) -> int | UUID:
    if (session_id := parse_uuid(text)) is not None:
        return session_id
    if text.isdecimal():
        return int(text)
    raise ArgumentTypeError(f"{text!r} is neither a run ID (a whole number) nor a chat session ID (a UUID)")


def _run_of(target: int | UUID) -> Run:
    """The run with this id, or the newest one of this chat session: if one of its runs is live, it is that."""
    runs = Run.objects.select_related("session")
    if isinstance(target, int):
        run = runs.filter(pk=target).first()
        if run is None:
            raise CommandError(f"there is no run {target}")
        return run
    run = runs.filter(session=target).order_by("-number").first()
    if run is not None:
        return run
    if ChatSession.objects.filter(pk=target).exists():
        raise CommandError(f"chat session {target} has no runs: the first message starts one")
    raise CommandError(f"there is no chat session {target}")


def _name(run: Run) -> str:
    return _printable(f"run {run.pk} ({run.agent}, chat session {run.session_id})")


# --- the state of a run ---------------------------------------------------------------------------------------------


def _why_ready(run: Run, now: datetime) -> str:
    if leases.is_orphaned(run, now):
        by = f"process {run.owner_process}" if run.owner_process else "a process that has ended"
        return f"was orphaned by {by}"
    return "is queued" if run.status == Run.Status.QUEUED else "is waiting for an answer that is overdue"


def _why_not_ready(run: Run) -> str:
    if run.status == Run.Status.RUNNING:
        return (
            f"process {run.owner_process} is running it; if that one dies, a server takes it over when the lease "
            f"expires, at {_iso(run.lease_until)} unless it is renewed"
        )
    if run.status == Run.Status.WAITING and run.waits_for is not None:
        if "handover" in run.waits_for:
            until = f", or at {_iso(run.waits_until)} if nobody has come" if run.waits_until else ""
            return f"its chat is handed over to staff, and it continues when they give it back{until}"
        until = f", or at {_iso(run.waits_until)} without it" if run.waits_until else ""
        what = run.waits_for.get("signal") or f"a row of {run.waits_for.get('row')}"
        return f"it is waiting for {what}, and continues when that comes{until}"
    if run.status == Run.Status.WAITING:
        until = f", or at {_iso(run.waits_until)} without an answer" if run.waits_until else ""
        return f"it is waiting for the user, and continues when they answer{until}"
    error = f" ({run.error_code}, error ID {run.error_id})" if run.error_code else ""
    return f"its status is {run.get_status_display()}{error}; the next message in its chat session starts a new one"


def _stopped(run: Run) -> str:
    """Stop it, and return the outcome."""
    if run.status in Run.LIVE:
        messages.stop(run.session_id, by="manage.py agentchat_runs")
        run.refresh_from_db(fields=["status"])
        if run.status in Run.LIVE:
            return "has been told to stop: its process checks once a second, and one that takes it over checks at once."
        return "has been stopped."
    return f"is already {run.get_status_display()}."


# --- showing --------------------------------------------------------------------------------------------------------


def _row(run: Run, now: datetime) -> dict[str, Any]:
    return {
        "run": run.pk,
        "chat": str(run.session_id),
        "number": run.number,
        "agent": run.agent,
        "status": run.status,
        "owner": run.session.owner.get_username() if run.session.owner else None,
        "queuedAt": _iso(run.queued_at),
        "startedAt": _iso(run.started_at),
        "finishedAt": _iso(run.finished_at),
        "process": run.owner_process or None,
        "leaseUntil": _iso(run.lease_until),
        "tokens": run.prompt_tokens + run.completion_tokens,
        "error": run.error_code or None,
        "errorId": run.error_id or None,
        "note": ", ".join(_notes(run, now)),
    }


def _notes(run: Run, now: datetime) -> Iterator[str]:
    if leases.is_orphaned(run, now):
        yield "orphaned"
    if run.crashes and run.status in Run.LIVE:
        yield f"{run.crashes} {'process' if run.crashes == 1 else 'processes'} died while running it"
    if run.stop_requested and run.status in Run.LIVE:
        yield "stop requested"
    if run.error_code:
        yield f"{run.error_code} {run.error_id}".rstrip()


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _as_json(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=2, ensure_ascii=False)


def _as_table(rows: Sequence[dict[str, Any]]) -> str:
    cells = [list(COLUMNS), *([_cell(row[key]) for key in COLUMNS.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    return "-" if value is None else _printable(str(value))


def _printable(text: str) -> str:
    """The text without control characters, which a terminal would obey: names come from users, too."""
    return "".join(char if char.isprintable() else "?" for char in text)
