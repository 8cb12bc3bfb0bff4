"""manage.py agentchat_check_runs: which waiting runs could not go on with this code."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agentchat.models import Run


@pytest.fixture
def version():
    return ["old"]


@pytest.fixture
def waiting(version, agent_function, agent_chat):
    """Two waiting runs of a function that has changed since where `version` says so, and one of another function."""

    def changing(iostream):
        iostream.input()
        iostream.step(version[0], int)
        iostream.input("Well?")

    def steady(iostream):
        iostream.input()
        iostream.input("Well?")

    names = [agent_function(changing, "changing"), "changing", agent_function(steady, "steady")]
    chats = [agent_chat(name) for name in names]
    for chat in chats:
        chat.send("hi")
        chat.wait_for("INPUT_REQUESTED")
    return chats


def check(*args):
    out = StringIO()
    try:
        call_command("agentchat_check_runs", *args, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), None


def test_runs_that_go_on_are_counted_and_nothing_is_changed(waiting):
    before = list(Run.objects.values())
    assert check() == ("Waiting runs that would go on: 3.\n", None)
    assert list(Run.objects.values()) == before
    waiting[0].send("fine")
    waiting[0].wait_for("RUN_FINISHED")


def test_runs_that_would_not_go_on_are_named(waiting, version):
    version[0] = "new"
    output, error = check()
    assert error == "2 of 3 waiting runs would not go on as they have begun"
    assert output.count("was step 'old', and is now step 'new'") == 2
    assert f"of chat {waiting[0].session.pk} (changing):" in output
    assert check("--agent", "steady") == ("Waiting runs that would go on: 1.\n", None)
