"""`manage.py agentchat_check_runs`: before a deployment, see which waiting runs could not go on with this code.

Each run that waits is called again from its journal, without effects: no model and no tool is called, nothing is
written or shown. Exit code 1 if a run would go another way than it has gone; such a run ends when its answer comes, and
its user has to start over. Run it with the new code and the site's database.
"""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentchat.errors import ConfigError
from agentchat.models import Run
from agentchat.runs.rehearsal import differences


class Command(BaseCommand):
    help = "Call waiting runs again with this code, without effects, and name those that would not go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--agent", metavar="NAME", help="only runs of this agent function")

    def handle(self, *args: Any, agent: str | None, **options: Any) -> None:
        waiting = Run.objects.filter(status=Run.Status.WAITING, session__deleted_at=None).order_by("id")
        if agent is not None:
            waiting = waiting.filter(agent=agent)
        checked, changed = 0, 0
        for run in waiting.iterator(chunk_size=100):
            checked += 1
            try:
                found = asyncio.run(differences(run))
            except ConfigError as error:
                found = [str(error)]
            if found:
                changed += 1
                self.stdout.write(f"run {run.pk} of chat {run.session_id} ({run.agent}):")
                for each in found:
                    self.stdout.write(f"  {each}")
        if changed:
            raise CommandError(f"{changed} of {checked} waiting runs would not go on as they have begun")
        self.stdout.write(f"Waiting runs that would go on: {checked}.")
