"""A chat that is handed over and taken over, whose processes are killed whenever staff have something to do.

What staff do is done by a command that is killed right after its commit, before it can publish or wake anything. What
else is killed is up to the caller: one process, or those of several machines.
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

PEOPLE = """
from django.contrib.auth.models import Group, Permission, User
hedy = User.objects.create_user("hedy")
hedy.groups.add(Group.objects.get_or_create(name="care")[0])
boss = User.objects.create_user("boss")
boss.user_permissions.add(Permission.objects.get(codename="take_over_chatsession"))
"""
ACT = """
import os, signal
from uuid import UUID
from django.contrib.auth.models import User
from agentchat.actions import handovers
from agentchat.visitors import Visitor
by = Visitor(user=User.objects.get(username={by!r}))
chat = UUID({chat!r})
handovers.publish_and_wake = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
{call}
"""


def outlive_handovers(
    site: Any,
    environment: dict[str, str],
    *,
    kill: Callable[[], object],
    revive: Callable[[], object],
    visit: Callable[..., Any],
    folder: Any,
    from_afar: bool = False,
) -> None:
    """Whatever staff do while everything is dead has happened once when all live again."""

    def run(code: str) -> int:
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "-c", code]
        return subprocess.run(command, env=environment, timeout=120, check=False).returncode

    def act_and_die(by: str, call: str) -> None:
        assert run(ACT.format(by=by, chat=page.session_id, call=call)) == -signal.SIGKILL

    def say(by: str, text: str) -> None:
        act_and_die(by, f"handovers.say(chat, by, client_id=UUID('{uuid.uuid4()}'), text={text!r})")

    assert run(PEOPLE) == 0
    page = visit(site).new_chat("switchboard")
    name = f"caller {uuid.uuid4().hex[:8]}"
    page.send(name)
    page.wait_for("HANDOVER_REQUESTED")
    kill()
    act_and_die("hedy", "handovers.take_over(chat, by)")
    say("hedy", "Hello, I am Hedy.")
    revive()
    page.wait_for("HANDOVER_JOINED", name="hedy")
    page.wait_for("TEXT_MESSAGE_END", content="Hello, I am Hedy.")
    mine = page.send("Hello!")
    page.wait_for("TEXT_MESSAGE_END", messageId=mine)
    kill()
    act_and_die("hedy", "handovers.give_back(chat, by)")
    revive()
    page.wait_for("PRINTED", text="heard 2\n")
    page.wait_for("INPUT_REQUESTED", prompt="And now?")
    kill()
    act_and_die("boss", "handovers.take_over(chat, by)")  # the run waits for its user, and has to be woken
    revive()
    page.wait_for("HANDOVER_JOINED", name="boss")
    kill()
    say("boss", "I decide.")
    act_and_die("boss", "handovers.give_back(chat, by)")
    revive()
    page.wait_for("INPUT_REQUESTED", count=2, prompt="And now?")
    page.send("Thank you")
    said = [name, "Hello, I am Hedy.", "Hello!", "I decide.", "Thank you"]
    page.wait_for("PRINTED", text=" | ".join(said) + "\n")
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    effects = ledger.read(folder)
    assert {line: effects[line] for line in effects if name in line} == {f"2 {name}": 1, f"end {name}": 1}
    assert_nothing_is_lost(page, site, from_afar=from_afar)
    assert site.rows("SELECT outcome FROM agentchat_handover ORDER BY id") == [("returned",)] * 2
    assert site.rows("SELECT count(*) FROM agentchat_chatsession WHERE handover_id IS NOT NULL") == [(0,)]
