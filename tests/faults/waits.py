"""A chat that waits for everything that a run can wait for, and whose processes are killed at each wait.

What the project's own code does is done by a command that kills itself right after its commit, before it can deliver
anything. What is killed is up to the caller: one process, or those of several machines.
"""

import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

from tests.faults.app import ledger
from tests.faults.killing import assert_nothing_is_lost
from tests.sites import ROOT

BEFORE = """
import os, signal
from uuid import UUID
from django.contrib.auth.models import Group, User
from django.db import transaction
from agentchat import chats
from agentchat.actions import colleagues, outbox
from agentchat.models import DelegatedQuestion
from agentchat.visitors import Visitor
outbox._POOL.submit = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
"""
PEOPLE = """
grace = User.objects.create_user("grace")
grace.groups.add(Group.objects.create(name="support"))
User.objects.create_user("ada")
"""
ANSWER = """
asked = DelegatedQuestion.objects.get(session="{chat}", closed_at=None)
visitor = Visitor(user=User.objects.get(username="grace"))
colleagues.answer(asked.session_id, visitor, client_id="{id}", request=asked.request, value="Yes")
"""


class Project:
    """The project's own code, in commands of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, code: str) -> None:
        assert self._run(code) == 0

    def run_and_die(self, *calls: str) -> None:
        """All of it in one transaction; the process is dead before any of it is delivered."""
        lines = ["with transaction.atomic():", *(f"    {each}" for each in calls)]
        assert self._run("\n".join(lines)) == -signal.SIGKILL

    def _run(self, code: str) -> int:
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "-c", BEFORE + code]
        return subprocess.run(command, env=self._environment, timeout=120, check=False).returncode


def outlive_waits(
    site: Any,
    environment: dict[str, str],
    *,
    kill: Callable[[], object],
    revive: Callable[[], object],
    visit: Callable[..., Any],
    folder: Any,
    eventually: Callable[..., Any],
    from_afar: bool = False,
) -> None:
    """Each thing comes while everything is dead, and has come once when all live again."""
    project = Project(environment)
    project.run(PEOPLE)
    page = visit(site).new_chat("patient")
    chat, ids = page.session_id, iter(uuid.uuid4() for _ in range(20))

    def call(verb: str, *arguments: object) -> str:
        *_, key = arguments
        values = ", ".join(repr(each) for each in arguments[:-1])
        return f"chats.{verb}({values}, id=UUID({str(key)!r}))"

    name = f"user-{uuid.uuid4().hex[:8]}"
    page.send(name)
    page.wait_for("RUN_WAITING")
    kill()
    first, second, started = next(ids), next(ids), next(ids)
    signals = [call("signal", chat, "paid", "first", first), call("signal", chat, "paid", "second", second)]
    # The second is early, and kept; each is sent twice, with its id.
    project.run_and_die(*signals, *signals)
    ada = "User.objects.get(username='ada')"
    start = f"chats.start('patient', {ada}, 'nobody', id=UUID({str(started)!r}))"
    project.run_and_die(start, start)
    revive()
    page.wait_for("PRINTED", text="paid first\n")
    eventually(lambda: site.rows("SELECT 1 FROM agentchat_run WHERE waits_on = 'auth.user'"))
    kill()
    project.run(f"User.objects.bulk_create([User(username={name!r})])")  # no signal of Django's tells of it
    revive()
    page.wait_for("PRINTED", text="the row is there\n")
    page.wait_for("PRINTED", text="paid second\n")
    page.wait_for("INPUT_REQUESTED", colleague=True)
    kill()
    project.run(ANSWER.format(chat=chat, id=next(ids)))
    revive()
    page.wait_for("PRINTED", text="a colleague says Yes\n")
    asked = page.wait_for("INPUT_REQUESTED", prompt="And you?")
    assert asked["kind"] == "text"
    kill()
    posted = next(ids)
    post = call("post", chat, "by post", posted)
    project.run_and_die(post, post)
    revive()
    page.wait_for("PRINTED", text="you say by post\n")
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    effects = ledger.read(folder)
    assert {line: effects[line] for line in effects if name in line} == {
        f"{what} {name}": 1 for what in ("first", "row", "second", "Yes", "by post")
    }
    assert_nothing_is_lost(page, site, from_afar=from_afar)
    eventually(lambda: not site.rows("SELECT kind, error FROM agentchat_outboxitem"))
    of_ada = "SELECT count(*) FROM agentchat_run WHERE session_id = ?"
    key = str(started) if from_afar else started.hex
    assert eventually(lambda: site.rows(of_ada, key)) == [(1,)]
    signals_kept = site.rows("SELECT value FROM agentchat_chatsignal ORDER BY id")
    assert len(signals_kept) == 2
