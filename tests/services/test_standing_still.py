"""A transaction that stands still (its process is frozen) holds up its own chat session, and nobody else's."""

import re
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from agentchat import conf, registry
from agentchat.errors import Rejected
from agentchat.models import ChatSession, Run
from agentchat.runs import claims, control
from agentchat.runs import session as sessions
from agentchat.runs.journal import Claim
from agentchat.runs.process import PROCESS
from agentchat.runs.runner import runner
from agentchat.visitors import Visitor
from tests import people

PATIENCE_S = 20.0
ADA, EVE = Visitor(guest_key="ada"), Visitor(guest_key="eve")


@contextmanager
def standing(database_url, sql, *values):
    """A transaction that has done this, and nothing more."""
    with psycopg.connect(database_url) as frozen:
        frozen.execute(sql, values)
        yield
        frozen.rollback()


CHAT = "SELECT 1 FROM agentchat_chatsession WHERE id = %s FOR UPDATE"


@pytest.fixture(autouse=True)
def guests(settings):
    settings.AGENTCHAT = {"GUESTS": True, "LEASE_S": 3}


@pytest.fixture
def probe():
    """An agent function that waits at `gate` for each chat of patient people; the others are done at once."""
    gate = threading.Event()

    def probe(iostream):
        if iostream.input() == "wait":
            iostream.step("wait", lambda: gate.wait(60))
        iostream.print("done")

    registry.on_connect("probe")(probe)
    yield gate
    gate.set()
    registry.unregister("probe")


def chat_of(visitor):
    return ChatSession.objects.create(agent="probe", **visitor.owner_fields)


def send(session, visitor, text="go"):
    control.send(session.pk, visitor, client_id=uuid.uuid4(), text=text)


def eventually(found):
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not (there := found()):
        assert time.monotonic() < deadline
        pause.wait(0.02)
    return there


def within(seconds, work):
    """What `work` returns, in a thread; it fails if that takes longer."""
    result = []

    def thread():
        try:
            result.append(work())
        finally:
            connection.close()

    each = threading.Thread(target=thread, daemon=True)
    each.start()
    each.join(seconds)
    assert result, f"it takes longer than {seconds} s"
    return result[0]


def test_other_chats_are_claimed_and_leases_renewed(agent_chat, probe, database_url):
    healthy = agent_chat("probe")
    healthy.send("wait")
    leased = eventually(lambda: Run.objects.filter(status="running").first())
    chats = [*(chat_of(ADA) for _ in range(4)), chat_of(EVE)]
    runs = [Run.objects.create(session=each, number=1, agent="probe", status="stopped") for each in chats]
    with standing(database_url, CHAT, chats[0].pk):
        Run.objects.filter(pk__in=[run.pk for run in runs]).update(status="queued")
        # None of them says anything: each runs to its first question.
        waiting = Run.objects.filter(pk__in=[run.pk for run in runs[1:]], status="waiting")
        eventually(lambda: waiting.count() == len(runs) - 1)
        eventually(lambda: Run.objects.get(pk=leased.pk).lease_until > leased.lease_until + timedelta(seconds=3))
        assert runner.is_alive
        assert Run.objects.get(pk=runs[0].pk).status == "queued"
    eventually(lambda: Run.objects.get(pk=runs[0].pk).status == "waiting")
    probe.set()
    healthy.wait_for("RUN_FINISHED")
    assert Run.objects.get(pk=leased.pk).epoch == 1


def test_a_claim_that_stands_still_holds_up_no_other_owner_and_not_for_long_its_own(transactional_db, database_url):
    mine, theirs = (Run.objects.create(session=chat_of(each), number=1, agent="probe") for each in (ADA, EVE))
    owner = claims._number_of(claims._owner(mine))
    with standing(database_url, "SELECT pg_advisory_xact_lock(%s)", owner):
        assert within(5, lambda: [claims.claim(mine.pk)]) == [None]
        assert within(5, lambda: claims.claim(theirs.pk)) is not None
    assert within(5, lambda: claims.claim(mine.pk)) is not None


@pytest.fixture
def leased(transactional_db):
    """Two claims of this process whose leases have just ended."""
    past = timezone.now() - timedelta(seconds=1)
    runs = [
        Run.objects.create(
            session=chat_of(each),
            number=1,
            agent="probe",
            status="running",
            epoch=1,
            owner_process=str(PROCESS),
            lease_until=past,
        )
        for each in (ADA, EVE)
    ]
    return [
        Claim(run_id=run.pk, session_id=run.session_id, number=run.number, epoch=run.epoch, agent=run.agent)
        for run in runs
    ]


def renewed():
    return [run.lease_until > timezone.now() for run in Run.objects.order_by("pk")]


def test_a_run_whose_row_is_locked_keeps_no_other_lease_from_being_renewed(leased, database_url):
    with standing(database_url, "UPDATE agentchat_run SET stop_requested = true WHERE id = %s", leased[0].run_id):
        assert within(5, lambda: claims.renew(leased)) == set()
        assert renewed() == [False, True]
    assert claims.renew(leased) == set()
    assert renewed() == [True, True]


def test_a_run_that_is_just_written_to_is_renewed(leased, database_url):
    # What inserting an event does to the row of its run.
    with standing(database_url, "SELECT 1 FROM agentchat_run WHERE id = %s FOR KEY SHARE", leased[0].run_id):
        assert within(5, lambda: claims.renew(leased)) == set()
        assert renewed() == [True, True]


def test_an_ended_lease_is_renewed_until_somebody_has_taken_the_run(leased):
    Run.objects.filter(pk=leased[0].run_id).update(epoch=2, owner_process="another")
    assert claims.renew(leased) == {leased[0].run_id}
    assert renewed() == [False, True]


def test_a_person_hears_in_seconds_that_nothing_could_be_saved_and_others_are_served(
    transactional_db, probe, database_url
):
    held, other = chat_of(ADA), chat_of(EVE)
    with standing(database_url, CHAT, held.pk):

        def refused():
            with pytest.raises(Rejected) as rejected:
                send(held, ADA)
            return rejected.value.reason

        assert within(6, refused) == "unavailable"
        send(other, EVE)
    send(held, ADA)
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("path", "is_deleted"),
    [
        ("{chat}rename/", False),
        ("{chat}delete/", False),
        ("{chat}take-back/", True),
        ("{chat}share/", False),
        ("/chat/my-data/delete/", False),
        ("/chat/my-data/delete/", True),
    ],
)
def test_who_changes_a_chat_as_a_whole_is_told_in_seconds_to_come_again(
    transactional_db, database_url, path, is_deleted
):
    held, other = (people.tell(chat_of(each), ("RUN_STARTED", {})) for each in (ADA, EVE))
    ChatSession.objects.update(deleted_at=timezone.now() if is_deleted else None)

    def post(chat):
        client = people.guest(chat.guest_key)
        client.raise_request_exception = False
        return client.post(path.format(chat=chat.get_absolute_url()), {"title": "Umbrella"})

    with standing(database_url, CHAT, held.pk):
        answer = within(6, lambda: post(held))
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert "Nothing of them is lost." in answer.text
        assert post(other).status_code == 302
    assert post(held).status_code == 302


def test_who_looks_at_a_chat_does_not_wait_for_it(transactional_db, database_url):
    chat = people.tell(chat_of(ADA), ("RUN_ERROR", {"message": "It failed.", "code": "error", "id": "x"}))
    chat.runs.update(status=Run.Status.FAILED)

    def look():
        return people.guest(chat.guest_key).get(chat.get_absolute_url()).text

    with standing(database_url, CHAT, chat.pk):
        assert "It failed." in within(2, look)
    chat.refresh_from_db()
    assert chat.seen_run == 0
    look()
    chat.refresh_from_db()
    assert chat.seen_run == 1


def test_a_purge_keeps_what_it_cannot_have_and_deletes_the_others(transactional_db, database_url):
    held, _, _ = (people.tell(chat_of(ADA), ("RUN_STARTED", {})) for _ in range(3))
    Run.objects.update(status=Run.Status.FINISHED)
    ChatSession.objects.update(updated_at=timezone.now() - timedelta(days=2))
    out = StringIO()
    with standing(database_url, CHAT, held.pk):
        within(15, lambda: call_command("agentchat_purge", "--older-than", "1d", stdout=out))
    assert [chat.pk for chat in ChatSession.objects.all()] == [held.pk]
    assert "Deleted 2 chat sessions" in out.getvalue()
    assert "Kept 1 chat session on which a transaction stands still: try again." in out.getvalue()
    call_command("agentchat_purge", "--older-than", "1d", stdout=out)
    assert not ChatSession.objects.exists()


def test_staff_who_delete_a_chat_that_cannot_be_had_are_told_so(transactional_db, database_url):
    chat = people.tell(chat_of(ADA), ("RUN_STARTED", {}))
    client = people.signed_in(people.account("staff", is_staff=True, is_superuser=True))
    client.raise_request_exception = False
    path = f"/admin/agentchat/chatsession/{chat.pk}/delete/"
    with standing(database_url, CHAT, chat.pk):
        assert within(8, lambda: client.post(path, {"post": "yes"})).status_code == 503
    assert client.post(path, {"post": "yes"}).status_code == 302
    assert not ChatSession.objects.exists()


@pytest.mark.parametrize("next_page", ["/chat/", "/embed/probe/"])
def test_a_guest_whose_chats_cannot_be_had_at_sign_in_has_them_on_the_next_page(
    transactional_db, database_url, probe, next_page
):
    chat = people.tell(chat_of(ADA), ("RUN_STARTED", {}))
    account = people.account("ada")
    client = people.guest(chat.guest_key)

    def sign_in():
        return client.post("/accounts/login/", {"username": "ada", "password": people.PASSWORD})

    with standing(database_url, CHAT, chat.pk):
        assert within(6, sign_in).status_code == 302
    client.get(next_page)
    chat.refresh_from_db()
    assert chat.owner == account


def test_a_run_waits_for_its_chat_and_goes_on(agent_chat, probe, database_url, monkeypatch, caplog):
    monkeypatch.setattr(sessions, "LOCK_S", 0.1)
    chat = agent_chat("probe")
    chat.send("wait")
    eventually(lambda: Run.objects.filter(status="running"))
    with standing(database_url, CHAT, chat.session.pk):
        probe.set()
        eventually(lambda: caplog.text.count("a transaction is made again") >= 2)
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().epoch == 1


def test_where_it_is_deployed_the_server_ends_it_before_half_a_lease_is_over(settings):
    settings.AGENTCHAT = {}
    compose = (Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    [seconds] = re.findall(r"idle_in_transaction_session_timeout=(\d+)s", compose)
    assert 0 < int(seconds) < conf.app.lease_s / 2


def test_the_hosts_own_transactions_wait_as_long_as_ever(transactional_db, probe):
    send(chat_of(ADA), ADA)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
