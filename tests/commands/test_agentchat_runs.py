"""`manage.py agentchat_runs`: runs are listed, resumed and stopped."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from agentchat.core import registry
from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from agentchat.runs.runner import runner

pytestmark = pytest.mark.django_db

NOWHERE = uuid.UUID(int=7)


def run(status: str, *, agent: str = "weather", owner: User | None = None, **fields: Any) -> Run:
    session = ChatSession.objects.create(agent=agent, owner=owner)
    return Run.objects.create(session=session, number=1, agent=agent, status=status, **fields)


def left_behind() -> Run:
    return run("running", owner_process="host-1-dead", lease_until=timezone.now() - timedelta(seconds=20))


def running() -> Run:
    return run("running", owner_process="host-2-alive", lease_until=timezone.now() + timedelta(seconds=15))


def runs(*arguments: object) -> str:
    out = StringIO()
    call_command("agentchat_runs", *map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def listed(*arguments: object) -> list[dict[str, Any]]:
    return json.loads(runs("list", "--json", *arguments))


# --- list -----------------------------------------------------------------------------------------------------------


def test_the_list_is_a_table_with_the_newest_first() -> None:
    first = run("finished", prompt_tokens=100, completion_tokens=15)
    olivia = User.objects.create_user("olivia")
    second = run("failed", agent="a_much_longer_name", owner=olivia, error_code="llm", error_id="e7c1")
    heading, *lines = runs("list").splitlines()
    assert heading.split() == ["RUN", "CHAT", "AGENT", "STATUS", "OWNER", "QUEUED", "TOKENS", "NOTE"]
    assert [line.split()[:2] for line in lines] == [[str(each.pk), str(each.session_id)] for each in (second, first)]
    assert "olivia" in lines[0]
    assert lines[0].endswith("llm e7c1")
    assert lines[1].split()[-1] == "115"
    for name in ("AGENT", "STATUS", "OWNER", "QUEUED"):
        column = heading.index(name)
        assert all(line[column - 1] == " " and line[column] != " " for line in lines)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--status", "live"], ["waiting", "running", "queued"]),
        (["--status", "waiting", "--status", "finished"], ["finished", "waiting"]),
        (["--agent", "assistant"], ["finished"]),
        (["--limit", "2"], ["finished", "waiting"]),
        ([], ["finished", "waiting", "running", "queued"]),
    ],
)
def test_the_list_can_be_narrowed(arguments: list[str], expected: list[str]) -> None:
    for status in ("queued", "running", "waiting"):
        run(status)
    run("finished", agent="assistant")
    out = StringIO()
    call_command("agentchat_runs", "list", "--json", *arguments, stdout=out, stderr=StringIO())
    assert [row["status"] for row in json.loads(out.getvalue())] == expected


def test_the_list_says_that_there_are_more() -> None:
    run("finished")
    assert "--limit" not in runs("list", "--limit", 1)
    run("finished")
    assert "Showing the newest 1; use --limit to show more." in runs("list", "--limit", 1)


def test_json_has_more_about_a_run() -> None:
    each = left_behind()
    [row] = listed()
    assert row["run"] == each.pk
    assert row["chat"] == str(each.session_id)
    assert (row["owner"], row["process"], row["note"]) == (None, "host-1-dead", "orphaned")
    assert row["leaseUntil"] == each.lease_until.isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("crashes", "note"), [(1, "1 process died while running it"), (2, "2 processes died while running it")]
)
def test_the_list_says_how_many_processes_died_with_a_run(crashes: int, note: str) -> None:
    run("queued", crashes=crashes)
    assert [row["note"] for row in listed()] == [note]


def test_no_run_is_an_empty_list() -> None:
    assert listed() == []
    assert len(runs("list").splitlines()) == 1


def test_names_cannot_move_the_cursor() -> None:
    run("finished", owner=User.objects.create(username="\x1b[2J\nolivia"))
    assert "?[2J?olivia" in runs("list")


def test_a_list_of_a_hundred_takes_one_query(django_assert_num_queries: Any) -> None:
    for number in range(100):
        run("finished", owner=User.objects.create(username=f"user{number}"))
    with django_assert_num_queries(1):
        assert len(listed("--limit", 100)) == 100


# --- resume ---------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_resumed_by_a_server() -> None:
    each = run("queued")
    said = runs("resume", each.pk)
    assert said.startswith(f"run {each.pk} (weather, chat session {each.session_id}) is queued. A running server")
    assert "picks it up within a second" in said


def test_a_run_is_found_by_its_chat_session() -> None:
    each = left_behind()
    assert "was orphaned by process host-1-dead" in runs("resume", each.session_id)


def test_a_run_whose_question_has_expired_is_resumed() -> None:
    each = run("waiting", waits_until=timezone.now() - timedelta(seconds=1))
    assert "is waiting for an answer that is overdue" in runs("resume", each.pk)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "waiting"}, "it is waiting for the user, and continues when they answer"),
        ({"status": "finished"}, "its status is finished; the next message in its chat session starts a new one"),
        (
            {"status": "failed", "error_code": "diverged", "error_id": "e7"},
            r"its status is failed \(diverged, error ID e7\); ",
        ),
        ({"status": "stopped"}, "its status is stopped; "),
    ],
)
def test_a_run_that_cannot_be_resumed_says_why(fields: dict[str, Any], reason: str) -> None:
    each = run(**fields)
    with pytest.raises(CommandError, match=f"cannot be resumed: {reason}") as failed:
        runs("resume", each.pk)
    assert failed.value.returncode == 1


def test_a_run_that_is_running_says_where() -> None:
    with pytest.raises(CommandError, match="process host-2-alive is running it; if that one dies"):
        runs("resume", running().pk)


def test_what_is_resumed_is_what_a_supervisor_would_claim() -> None:
    later = timezone.now() + timedelta(hours=1)
    everything = [left_behind(), running(), *(run(status) for status in Run.Status.values if status != "running")]
    everything += [run("waiting", waits_until=later), run("waiting", waits_until=timezone.now() - timedelta(seconds=1))]
    claimable = set(leases.ready_runs(100))

    def resumes(each: Run) -> bool:
        try:
            return bool(runs("resume", each.pk))
        except CommandError:
            return False

    assert claimable
    assert {each.pk for each in everything if resumes(each)} == claimable


# --- stop -----------------------------------------------------------------------------------------------------------


def test_runs_that_no_process_advances_are_stopped_at_once() -> None:
    first, second = run("waiting"), run("queued")
    said = runs("stop", first.session_id, second.pk)
    assert said.count(" has been stopped.") == 2
    assert set(Run.objects.values_list("status", flat=True)) == {"stopped"}


def test_a_run_that_is_running_is_told_to_stop() -> None:
    each = running()
    assert "has been told to stop: its process checks once a second" in runs("stop", each.session_id)
    each.refresh_from_db()
    assert each.stop_requested
    assert "stop requested" in runs("list")


def test_a_run_that_has_ended_is_left_as_it_is() -> None:
    ended = run("finished")
    Run.objects.create(session=ended.session, number=2, agent="weather", status="waiting")
    assert "is already finished." in runs("stop", ended.pk)
    assert Run.objects.get(number=2).status == "waiting"
    assert "has been stopped." in runs("stop", ended.session_id)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["resume", "stop"])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (12345, "there is no run 12345"),
        (9**40, f"there is no run {9**40}"),
        (NOWHERE, f"there is no chat session {NOWHERE}"),
        ("paris", "'paris' is neither a run ID .* nor a chat session ID"),
    ],
)
def test_an_unknown_run_or_chat_is_reported(action: str, target: object, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        runs(action, target)


def test_a_chat_session_without_a_run_is_reported() -> None:
    session = ChatSession.objects.create(agent="weather")
    with pytest.raises(CommandError, match="has no runs: the first message starts one"):
        runs("resume", session.pk)


def test_one_wrong_id_stops_nothing() -> None:
    each = run("waiting")
    with pytest.raises(CommandError, match="there is no chat session"):
        runs("stop", each.pk, NOWHERE)
    each.refresh_from_db()
    assert each.status == "waiting"


@pytest.mark.parametrize("arguments", [[], ["list", "--limit", "0"], ["list", "--status", "gone"], ["stop"]])
def test_what_is_not_understood_is_said(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        runs(*arguments)


# --- with a server --------------------------------------------------------------------------------------------------


@pytest.fixture
def asker() -> Iterator[str]:
    @registry.on_connect("asker")
    def asker(iostream: Any) -> None:
        iostream.input()
        iostream.print("Thank you,", iostream.input("Who are you?"))

    yield "asker"
    registry.unregister("asker")


@pytest.mark.django_db(transaction=True)
def test_a_stop_is_shown_on_the_users_page(asker: str, agent_chat: Any) -> None:
    chat = agent_chat(asker)
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED")
    runs("stop", chat.session.pk)
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})


@pytest.mark.django_db(transaction=True)
def test_a_run_that_a_dead_process_orphaned_is_resumed(asker: str, agent_chat: Any) -> None:
    chat = agent_chat(asker)
    chat.send("hello")
    request = chat.wait_for("INPUT_REQUESTED")["request"]
    runner.stop_claiming()  # this server takes nothing more
    chat.answer(request, "Ada")
    each = Run.objects.get()
    past = timezone.now() - timedelta(seconds=1)
    Run.objects.filter(pk=each.pk).update(status="running", owner_process="host-1-dead", lease_until=past)
    assert "was orphaned by process host-1-dead" in runs("resume", each.pk)
    runner.active.is_draining = False
    chat.wait_for("PRINTED", text="Thank you, Ada\n")
