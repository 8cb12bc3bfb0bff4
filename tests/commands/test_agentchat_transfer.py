"""`manage.py agentchat_transfer`: a SQLite file is copied to another database, all or nothing, and runs go on there."""

import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import environ
import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models import Value
from django.utils import timezone

from agentchat.infra.encryption import decrypt, encrypt
from agentchat.management.commands import agentchat_transfer
from agentchat.models import (
    ApiKey,
    BudgetWarning,
    ChatSession,
    ChatSignal,
    ClientThread,
    DelegatedQuestion,
    Event,
    Feedback,
    Handover,
    InboxItem,
    OutboxItem,
    Pause,
    PinnedTool,
    RateLimit,
    Run,
    Share,
    Step,
    StepRequest,
    StoredFile,
    UsageBudget,
    UsageRecord,
)
from tests.faults.page import Guest
from tests.postgresql import new_database
from tests.sites import Site

LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Path:
    """A SQLite file with empty tables."""
    file = tmp_path_factory.mktemp("migrated") / "db.sqlite3"
    with django_db_blocker.unblock(), known_to_django("migrated", f"sqlite:///{file}"):
        pass
    return file


@pytest.fixture(scope="module")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[str]:
    file = tmp_path_factory.mktemp("empty") / "db.sqlite3"
    with django_db_blocker.unblock(), known_to_django("empty_sqlite", f"sqlite:///{file}") as alias:
        yield alias


@pytest.fixture(scope="module")
def empty_postgresql(django_db_blocker: Any) -> Iterator[str]:
    with new_database() as url, django_db_blocker.unblock(), known_to_django("empty_postgresql", url) as alias:
        yield alias


@contextmanager
def known_to_django(alias: str, url: str) -> Iterator[str]:
    """Make a migrated database there, which has this name in DATABASES."""
    rest = {key: value for key, value in connections.databases["default"].items() if key != "OPTIONS"}
    connections.databases[alias] = {**rest, "OPTIONS": {}, **environ.Env.db_url_config(url)}
    try:
        call_command("migrate", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias], connections.databases[alias]


@pytest.fixture(autouse=True)
def database(migrated: Path, tmp_path: Path, django_db_blocker: Any) -> Iterator[Path]:
    """The default database, without a test case around it: those allow no database that is opened by the way."""
    file = tmp_path / "db.sqlite3"
    shutil.copy(migrated, file)
    usual = connections["default"]
    with django_db_blocker.unblock():
        connections["default"] = own = type(usual)({**usual.settings_dict, "NAME": str(file)}, "default")
        try:
            yield file
        finally:
            own.close()
            connections["default"] = usual


@pytest.fixture(params=["empty_sqlite", pytest.param("empty_postgresql", marks=pytest.mark.services)])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """The alias of a migrated, empty database."""
    yield (alias := request.getfixturevalue(request.param))
    call_command("flush", database=alias, interactive=False, verbosity=0)


@pytest.fixture
def postgresql(empty_postgresql: str) -> Iterator[str]:
    yield empty_postgresql
    call_command("flush", database=empty_postgresql, interactive=False, verbosity=0)


@pytest.fixture
def old(database: Path, tmp_path: Path) -> Callable[[], Path]:
    """Give what is in the default database, as a file of its own."""

    def copy() -> Path:
        back_up(database, tmp_path / "old.sqlite3")
        return tmp_path / "old.sqlite3"

    return copy


def back_up(database: Path, file: Path) -> None:
    """As docs/deploying.md backs up: with SQLite's own means, while others read and write."""
    source, copy = sqlite3.connect(database), sqlite3.connect(file)
    source.backup(copy)
    source.close()
    copy.close()


def transfer(file: Path, database: str) -> str:
    out = StringIO()
    call_command("agentchat_transfer", str(file), database=database, stdout=out)
    return out.getvalue()


def fill() -> ChatSession:
    """A chat session with one of everything, and what a site has besides."""
    user = User.objects.create_user("ada", password="a long word")
    group = Group.objects.create(name="Readers")
    group.permissions.add(Permission.objects.get(codename="view_run"))
    user.groups.add(group)
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=user, content_type=kind, object_id=str(user.pk), action_flag=ADDITION)
    Session.objects.create(session_key="k" * 32, session_data="data", expire_date=timezone.now())
    session = ChatSession.objects.create(agent="weather", title="Zürich ☂", owner=user, next_seq=3)
    run = Run.objects.create(
        session=session, number=1, agent="weather", status="waiting", epoch=4, cost="0.00000123", started_at=LONG_AGO
    )
    child = Run.objects.create(
        session=session, number=2, parent=run, from_seq=2, from_step=1, agent="x", status="failed"
    )
    session.head = child
    session.save()
    Step.objects.create(
        run=run, number=1, kind="llm", name="a", status="done", started_at=LONG_AGO, result={"é": [1.5]}
    )
    Step.objects.create(run=run, number=2, kind="step", name="b", status="done", started_at=LONG_AGO, result=None)
    StepRequest.objects.create(run=run, number=1, content={"messages": [{"role": "user", "content": "é"}]})
    InboxItem.objects.create(session=session, run=run, client_id=uuid.uuid4(), value=encrypt("1234"), request_id="r")
    InboxItem.objects.create(
        session=session, client_id=uuid.uuid4(), value=Value(None, InboxItem._meta.get_field("value"))
    )
    Event.objects.create(session=session, seq=1, run=run, step_number=1, type="PRINTED", payload={"text": "hello"})
    Event.objects.create(session=session, seq=2, type="PRINTED", payload={})
    Share.objects.create(session=session, token="t", head=child, last_seq=2)
    Feedback.objects.create(session=session, message_id="m", value="up", comment="good")
    OutboxItem.objects.create(session=session, key=uuid.uuid4(), kind="message", value="soon", error="not_found")
    ChatSignal.objects.create(session=session, key=uuid.uuid4(), name="paid", value={"euros": 40})
    question = {"request": "1-2", "kind": "text", "prompt": "é?"}
    DelegatedQuestion.objects.create(
        session=session, run=run, request="1-2", question=question, to_kind="staff", asked_at=LONG_AGO, answered_by=user
    )
    session.handover = Handover.objects.create(
        session=session, run=run, request="handover-1", is_asked=True, to_kind="staff", opened_at=LONG_AGO
    )
    session.save()
    ApiKey.objects.create(owner=user, name="é", hint="agentchat_é", digest="d" * 64, agents=["weather"])
    ClientThread.objects.create(session=session, key="k" * 64, whose="w", agent="weather", client_id=uuid.uuid4())
    StoredFile.objects.create(session=session, owner=user, run=run, name="é.png", size=5_000_000_000, parts=["a/b"])
    UsageBudget.objects.create(of="member", name="trial", what="cost", limit="1.25", per="month")
    day = date(2026, 10, 25)
    warned = {"of": "site", "what": "tokens", "limit": 100, "per": "day", "since": day, "used": "80.5"}
    BudgetWarning.objects.create(**warned, reached_at=LONG_AGO)
    UsageRecord.objects.create(scope="owner", key="user 1", day=day, tokens=2**40, cost="0.12345678", is_sum=True)
    Pause.objects.create(agent="weather", sentence="Back at noon.")
    PinnedTool.objects.create(server="shop", name="price", definition={"description": "é"}, pinned_at=LONG_AGO)
    RateLimit.objects.create(key="guest-chats 0a", empty_at=1_800_000_000.123456)
    ChatSession.objects.update(created_at=LONG_AGO, updated_at=LONG_AGO)
    return session


def rows(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, as Python values."""
    return {
        model._meta.db_table: list(model._base_manager.using(database).order_by("pk").values_list())
        for model in agentchat_transfer._tables()
    }


# --- what arrives ---------------------------------------------------------------------------------------------------


def test_every_row_of_every_table_arrives_as_it_was(old: Callable[[], Path], elsewhere: str) -> None:
    fill()
    before = rows("default")
    assert all(before[table] for table in before if table != "auth_user_user_permissions")
    assert transfer(old(), elsewhere).startswith(f"Copied {sum(len(found) for found in before.values())} rows of ")
    assert rows(elsewhere) == before


def test_a_null_in_json_is_not_a_missing_value(old: Callable[[], Path], elsewhere: str) -> None:
    fill()
    transfer(old(), elsewhere)
    assert InboxItem.objects.using(elsewhere).filter(value__isnull=False).count() == 2
    assert Step.objects.using(elsewhere).filter(result__isnull=True).count() == 1


def test_new_rows_get_new_keys(old: Callable[[], Path], elsewhere: str) -> None:
    fill()
    transfer(old(), elsewhere)
    session = ChatSession.objects.using(elsewhere).get()
    last = Run.objects.using(elsewhere).latest("pk").pk
    new = Run.objects.using(elsewhere).create(session=session, number=3, agent="x", status="finished")
    assert new.pk > last
    assert (
        User.objects.db_manager(elsewhere).create_user("bob").pk > User.objects.using(elsewhere).get(username="ada").pk
    )


def test_an_encrypted_password_can_be_read(old: Callable[[], Path], elsewhere: str) -> None:
    fill()
    transfer(old(), elsewhere)
    assert decrypt(InboxItem.objects.using(elsewhere).get(request_id="r").value) == "1234"


@pytest.mark.services
def test_text_that_postgresql_cannot_store_is_cleaned_and_counted(old: Callable[[], Path], postgresql: str) -> None:
    session = ChatSession.objects.create(agent="x", title="a\x00b")
    payloads = [{"text": "nul \x00"}, {"half \ud83d": ["\udc00"]}, {"text": r"\u0000 in words"}, {"whole": "😀"}]
    for seq, payload in enumerate(payloads, 1):
        Event.objects.create(session=session, seq=seq, type="PRINTED", payload=payload)
    assert "In 3 values, characters that PostgreSQL cannot store are gone or �." in transfer(old(), postgresql)
    assert ChatSession.objects.using(postgresql).get().title == "ab"
    there = list(Event.objects.using(postgresql).order_by("seq").values_list("payload", flat=True))
    assert there == [{"text": "nul "}, {"half �": ["�"]}, *payloads[2:]]


def test_the_file_is_not_changed(old: Callable[[], Path], elsewhere: str) -> None:
    fill()
    file = old()
    before = file.read_bytes()
    transfer(file, elsewhere)
    assert file.read_bytes() == before


# --- what is refused, and changes nothing ---------------------------------------------------------------------------


@pytest.fixture
def untouched(elsewhere: str) -> Iterator[None]:
    before = rows(elsewhere)
    yield
    assert rows(elsewhere) == before


def test_a_database_with_rows_is_refused(old: Callable[[], Path], elsewhere: str, request: Any) -> None:
    fill()
    Group.objects.using(elsewhere).create(name="somebody works here")
    request.getfixturevalue("untouched")
    with pytest.raises(CommandError, match="not empty: auth_group has rows"):
        transfer(old(), elsewhere)


@pytest.mark.parametrize("status", ["running", "waiting"])
def test_a_site_that_still_runs_is_noticed(
    old: Callable[[], Path], elsewhere: str, untouched: None, status: str
) -> None:
    session = fill()
    soon = timezone.now() + timedelta(seconds=10)
    Run.objects.filter(session=session, number=1).update(status=status, owner_process="old-1", lease_until=soon)
    with pytest.raises(CommandError, match="1 runs of the old site are still active"):
        transfer(old(), elsewhere)


def test_an_orphaned_run_is_copied(old: Callable[[], Path], elsewhere: str) -> None:
    session = fill()
    Run.objects.filter(session=session, number=1).update(status="running", lease_until=LONG_AGO)
    transfer(old(), elsewhere)
    assert Run.objects.using(elsewhere).get(number=1).lease_until == LONG_AGO


def test_a_write_to_the_file_meanwhile_aborts_the_copy(
    old: Callable[[], Path], elsewhere: str, untouched: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    file = old()
    with sqlite3.connect(file) as wal:
        wal.execute("PRAGMA journal_mode=WAL")
    wal.close()
    filled = agentchat_transfer._Copy.fill

    def fill_while_somebody_writes(self: Any, model: Any) -> int:
        if model is Event:
            writer = sqlite3.connect(file)
            writer.execute("UPDATE agentchat_chatsession SET title = 'changed'")
            writer.commit()
            writer.close()
        return filled(self, model)

    monkeypatch.setattr(agentchat_transfer._Copy, "fill", fill_while_somebody_writes)
    with pytest.raises(CommandError, match="was changed during the copy"):
        transfer(file, elsewhere)


def test_a_dangling_reference_aborts_the_copy(old: Callable[[], Path], elsewhere: str, untouched: None) -> None:
    fill()
    file = old()
    with sqlite3.connect(file) as broken:
        broken.execute("UPDATE agentchat_event SET run_id = 4711 WHERE seq = 1")
    broken.close()
    with pytest.raises(CommandError, match="refers to rows that it does not have"):
        transfer(file, elsewhere)


@pytest.mark.services
def test_a_row_that_does_not_fit_is_reported(old: Callable[[], Path], postgresql: str) -> None:
    session = ChatSession.objects.create(agent="x", title="t" * 201)  # SQLite does not count
    with pytest.raises(CommandError, match=rf"agentchat_chatsession: a row between {session.pk} and .*varying\(200\)"):
        transfer(old(), postgresql)
    assert not ChatSession.objects.using(postgresql).exists()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            "DELETE FROM django_migrations WHERE app = 'agentchat' AND name = "
            "(SELECT max(name) FROM django_migrations WHERE app = 'agentchat')",
            "the file is missing 1 migrations",
        ),
        ("ALTER TABLE agentchat_run ADD COLUMN later integer", "agentchat_run has columns that this code"),
        ("DROP TABLE django_migrations", "the file is missing"),
    ],
)
def test_a_file_of_another_version_is_refused(
    old: Callable[[], Path], elsewhere: str, untouched: None, spoil: str, sentence: str
) -> None:
    file = old()
    with sqlite3.connect(file) as changed:
        changed.execute(spoil)
    changed.close()
    with pytest.raises(CommandError, match=sentence):
        transfer(file, elsewhere)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, elsewhere: str) -> None:
    with pytest.raises(CommandError, match="there is no file"):
        transfer(tmp_path / "nowhere.sqlite3", elsewhere)
    (tmp_path / "words.sqlite3").write_text("words " * 1000)
    with pytest.raises(CommandError, match="cannot be read as a SQLite database"):
        transfer(tmp_path / "words.sqlite3", elsewhere)


def test_the_sites_own_file_is_refused(database: Path) -> None:
    with pytest.raises(CommandError, match="is this site's own database"):
        call_command("agentchat_transfer", str(database))


# --- and runs go on -------------------------------------------------------------------------------------------------

QUEUE = """
import uuid
from agentchat.models import ChatSession
from agentchat.actions import messages
from agentchat.visitors import Visitor
session = ChatSession.objects.get(pk={session!r})
messages.send(session.pk, Visitor(guest_key=session.guest_key), client_id=uuid.uuid4(), text="late")
"""


@pytest.mark.services
@pytest.mark.slow
def test_runs_that_wait_or_are_queued_go_on_in_postgresql(empty_database: Path, tmp_path: Path) -> None:
    sites: list[Site] = []

    def site(name: str, **environment: str) -> Site:
        (tmp_path / name).mkdir()
        sites.append(site := Site(tmp_path / name, DJANGO_SETTINGS_MODULE="tests.moving_site", **environment))
        if "DATABASE_URL" in environment:
            site.manage("migrate", "--verbosity", "0")
        else:
            shutil.copy(empty_database, site.database)
        return site

    with new_database() as url:
        guest = None
        try:
            old = site("old")
            old.start()
            guest = Guest(old, lambda page, question: None)
            finished, waiting, queued = guest.new_chat("echo"), guest.new_chat("vault"), guest.new_chat("echo")
            finished.send("hello")
            finished.wait_for("RUN_FINISHED")
            waiting.send("open")
            code = waiting.wait_for("INPUT_REQUESTED", password=True)
            waiting.answer(code["request"], "4321")
            waiting.wait_for("INPUT_REQUESTED", count=2)
            assert old.stop() == 0
            # As a web process that runs no agents itself: the message is stored, and no process takes the run.
            old.manage("shell", "-c", QUEUE.format(session=queued.session_id))
            guest.close()

            new = site("new", DATABASE_URL=url)
            assert "counts and references match" in new.manage("agentchat_transfer", str(old.database))
            new.start()
            # The same browser with the same cookie, and what was queued goes on by itself.
            assert guest.open(queued.session_id, new).wait_for("PRINTED")["text"] == "You said late\n"
            there = guest.open(waiting.session_id, new)
            there.send("the jewels")
            assert there.wait_for("PRINTED")["text"] == "the jewels: opened with 1234.\n"
            there.wait_for("RUN_FINISHED", outcome={"type": "success"})
            assert there.events[: len(waiting.events)] == waiting.events
            again = guest.open(finished.session_id, new)
            again.wait_for("RUN_FINISHED")
            assert again.events == finished.events
        finally:
            if guest is not None:
                guest.close()
            for each in sites:
                each.close()
