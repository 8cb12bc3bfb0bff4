"""A stuck transaction (its process is frozen) blocks its own chat session, and no other."""

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

from agentchat import conf
from agentchat.actions import messages
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.infra.process import PROCESS
from agentchat.models import ChatSession, Run
from agentchat.runs import leases
from agentchat.runs import session_lock as sessions
from agentchat.runs.leases import Claim
from agentchat.runs.owners_in_turn import owner_of
from agentchat.runs.runner import runner
from agentchat.visitors import Visitor, guest_digest
from tests import factories

PATIENCE_S = 20.0
ADA, EVE = Visitor(guest_key=guest_digest("ada")), Visitor(guest_key=guest_digest("eve"))


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
    """An agent function that waits at `gate` for each chat of patient users; the others are done at once."""
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
    messages.send(session.pk, visitor, client_id=uuid.uuid4(), text=text)


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


def test_runs_of_other_chats_are_claimed_and_leases_renewed(agent_chat, probe, database_url):
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


def test_a_stuck_claim_blocks_no_other_owner_and_its_own_only_briefly(transactional_db, database_url):
    mine, theirs = (Run.objects.create(session=chat_of(each), number=1, agent="probe") for each in (ADA, EVE))
    owner = leases._lock_number(owner_of(mine))
    with standing(database_url, "SELECT pg_advisory_xact_lock(%s)", owner):
        assert within(5, lambda: [leases.claim(mine.pk)]) == [None]
        assert within(5, lambda: leases.claim(theirs.pk)) is not None
    assert within(5, lambda: leases.claim(mine.pk)) is not None


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


def test_a_locked_run_does_not_prevent_the_renewal_of_other_leases(leased, database_url):
    with standing(database_url, "UPDATE agentchat_run SET stop_requested = true WHERE id = %s", leased[0].run_id):
        assert within(5, lambda: leases.renew(leased)) == set()
        assert renewed() == [False, True]
    assert leases.renew(leased) == set()
    assert renewed() == [True, True]


def test_a_run_that_is_just_written_to_is_renewed(leased, database_url):
    # What inserting an event does to the row of its run.
    with standing(database_url, "SELECT 1 FROM agentchat_run WHERE id = %s FOR KEY SHARE", leased[0].run_id):
        assert within(5, lambda: leases.renew(leased)) == set()
        assert renewed() == [True, True]


def test_an_expired_lease_is_renewed_until_another_process_has_claimed_the_run(leased):
    Run.objects.filter(pk=leased[0].run_id).update(epoch=2, owner_process="another")
    assert leases.renew(leased) == {leased[0].run_id}
    assert renewed() == [False, True]


def test_a_user_is_told_in_seconds_that_nothing_could_be_saved_and_others_are_served(
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
def test_changing_a_locked_chat_fails_in_seconds_with_a_retry_later(transactional_db, database_url, path, is_deleted):
    held, other = (factories.tell(chat_of(each), ("RUN_STARTED", {})) for each in (ADA, EVE))
    ChatSession.objects.update(deleted_at=timezone.now() if is_deleted else None)

    def post(chat, key="ada"):
        client = factories.guest(key)
        client.raise_request_exception = False
        return client.post(path.format(chat=chat.get_absolute_url()), {"title": "Umbrella"})

    with standing(database_url, CHAT, held.pk):
        answer = within(6, lambda: post(held))
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert "Nothing has been lost." in answer.text
        assert post(other, "eve").status_code == 302
    assert post(held).status_code == 302


def test_viewing_a_chat_does_not_wait_for_its_lock(transactional_db, database_url):
    chat = factories.tell(chat_of(ADA), ("RUN_ERROR", {"message": "It failed.", "code": "error", "id": "x"}))
    chat.runs.update(status=Run.Status.FAILED)

    def look():
        return factories.guest("ada").get(chat.get_absolute_url()).text

    with standing(database_url, CHAT, chat.pk):
        assert "It failed." in within(2, look)
    chat.refresh_from_db()
    assert chat.seen_run == 0
    look()
    chat.refresh_from_db()
    assert chat.seen_run == 1


def test_a_purge_keeps_locked_chats_and_deletes_the_others(transactional_db, database_url):
    held, _, _ = (factories.tell(chat_of(ADA), ("RUN_STARTED", {})) for _ in range(3))
    Run.objects.update(status=Run.Status.FINISHED)
    ChatSession.objects.update(updated_at=timezone.now() - timedelta(days=2))
    out = StringIO()
    with standing(database_url, CHAT, held.pk):
        within(15, lambda: call_command("agentchat_purge", "--older-than", "1d", stdout=out))
    assert [chat.pk for chat in ChatSession.objects.all()] == [held.pk]
    assert "Deleted 2 chat sessions" in out.getvalue()
    assert "Kept 1 chat session locked by another transaction: try again." in out.getvalue()
    call_command("agentchat_purge", "--older-than", "1d", stdout=out)
    assert not ChatSession.objects.exists()


def test_staff_who_delete_a_locked_chat_are_told_so(transactional_db, database_url):
    chat = factories.tell(chat_of(ADA), ("RUN_STARTED", {}))
    client = factories.signed_in(factories.account("staff", is_staff=True, is_superuser=True))
    client.raise_request_exception = False
    path = f"/admin/agentchat/chatsession/{chat.pk}/delete/"
    with standing(database_url, CHAT, chat.pk):
        assert within(8, lambda: client.post(path, {"post": "yes"})).status_code == 503
    assert client.post(path, {"post": "yes"}).status_code == 302
    assert not ChatSession.objects.exists()


@pytest.mark.parametrize("next_page", ["/chat/", "/embed/probe/"])
def test_a_guest_whose_chats_are_locked_at_sign_in_has_them_on_the_next_page(
    transactional_db, database_url, probe, next_page
):
    chat = factories.tell(chat_of(ADA), ("RUN_STARTED", {}))
    account = factories.account("ada")
    client = factories.guest("ada")

    def sign_in():
        return client.post("/accounts/login/", {"username": "ada", "password": factories.PASSWORD})

    with standing(database_url, CHAT, chat.pk):
        assert within(6, sign_in).status_code == 302
    client.get(next_page)
    chat.refresh_from_db()
    assert chat.owner == account


def test_a_run_waits_for_its_chats_lock_and_goes_on(agent_chat, probe, database_url, monkeypatch, caplog):
    monkeypatch.setattr(sessions, "LOCK_TIMEOUT_SECONDS", 0.1)
    chat = agent_chat("probe")
    chat.send("wait")
    eventually(lambda: Run.objects.filter(status="running"))
    with standing(database_url, CHAT, chat.session.pk):
        probe.set()
        eventually(lambda: caplog.text.count("retrying a transaction") >= 2)
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().epoch == 1


def test_as_deployed_the_database_ends_it_within_half_a_lease(settings):
    settings.AGENTCHAT = {}
    compose = (Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    [seconds] = re.findall(r"idle_in_transaction_session_timeout=(\d+)s", compose)
    assert 0 < int(seconds) < conf.app.lease_s / 2


def test_the_hosts_own_transactions_keep_their_lock_timeout(transactional_db, probe):
    send(chat_of(ADA), ADA)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
