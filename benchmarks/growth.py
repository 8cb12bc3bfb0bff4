"""What it costs that much is stored: opening a chat, the lists, the supervisor's queries, with more and more chats.

    python -m benchmarks.growth [sizes …] [--database postgres://…] [--plans]

Each size is a number of chat sessions with 200 events each: 1000 and 5000, if none is given. (With fewer, lists are not
full, and what they cost grows for that.) Half of them belong to one busy owner, the others to accounts and guests with
ten each. On SQLite in a temporary folder, or in a database of its own on that PostgreSQL server, which is made and
dropped. `--plans` prints how each query is answered.

Exit code 1 if something takes more than 1.3 times as long with the most as with the fewest.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

EVENTS = 200
RUNS = 2
ROUNDS, ROUNDS_OF_QUICK, QUICK_MS = 15, 61, 30
WARM_UP = 4
LIMIT = 1.3
NOISE_MS = 0.3  # a difference that nobody can measure here is none
EACH = 10  # chat sessions of whoever is not busy
QUEUED, RUNNING = 40, 20  # what goes on at once does not grow with what is stored
Operation = Callable[[], Any]


@contextmanager
def database(server: str | None) -> Iterator[None]:
    """A migrated database of our own, and Django set up with it."""
    common = {"DJANGO_SETTINGS_MODULE": "chatsite.settings", "DEBUG": "1", "LOG_LEVEL": "WARNING"}
    with TemporaryDirectory() as folder, _address(server, Path(folder)) as address:
        os.environ.update(common, DATABASE_URL=address, SECRET_KEY="only-for-the-benchmarks-" + "x" * 40)
        django.setup()
        settings.DEBUG = False  # else Django keeps the queries
        settings.ALLOWED_HOSTS = ["testserver"]
        settings.AGENTCHAT = {"GUESTS": True, "MESSAGES_PER_MINUTE": 1_000_000}
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connection.close()


@contextmanager
def _address(server: str | None, folder: Path) -> Iterator[str]:
    if server is None:
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    import psycopg

    base, name = server.rsplit("/", 1)[0], f"agentchat_growth_{uuid.uuid4().hex[:8]}"
    maintenance = f"{base}/postgres".replace("postgres://", "postgresql://", 1)
    with psycopg.connect(maintenance, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{base}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- what is stored -------------------------------------------------------------------------------------------------


def tape() -> list[tuple[int, int, str, dict[str, Any]]]:
    """The events of one chat session: number, run, type, payload."""
    facts: list[tuple[int, str, dict[str, Any]]] = []
    half = EVENTS // RUNS
    for run in range(1, RUNS + 1):
        told: list[tuple[str, dict[str, Any]]] = [("RUN_STARTED", {})]
        turn = 0
        while len(told) < half - 1:
            turn += 1
            person, agent, call = f"u{run}-{turn}", f"a{run}-{turn}", f"c{run}-{turn}"
            told += [
                ("TEXT_MESSAGE_START", {"messageId": person, "role": "user", "name": "ada"}),
                ("TEXT_MESSAGE_END", {"messageId": person, "content": "What is the weather in Paris? " * 3}),
                ("TEXT_MESSAGE_START", {"messageId": agent, "role": "assistant", "name": "chatbot"}),
                ("TEXT_MESSAGE_END", {"messageId": agent, "content": "It is **sunny**, and will be. " * 12}),
                ("TOOL_CALL_START", {"toolCallId": call, "toolCallName": "forecast", "name": "chatbot"}),
                ("TOOL_CALL_ARGS", {"toolCallId": call, "args": '{"city": "Paris"}'}),
                ("TOOL_CALL_END", {"toolCallId": call}),
                (
                    "TOOL_CALL_RESULT",
                    {"toolCallId": call, "messageId": call, "content": "sunny", "ok": True, "durationMs": 5},
                ),
                ("USAGE", {"model": "m", "promptTokens": 100, "completionTokens": 20}),
            ]
        question = {"request": f"q{run}", "kind": "text", "prompt": "And then?"}
        last = ("RUN_FINISHED", {"outcome": {"type": "success"}}) if run < RUNS else ("INPUT_REQUESTED", question)
        facts += [(run, type_, payload) for type_, payload in [*told[: half - 1], last]]
    return [(seq, *fact) for seq, fact in enumerate(facts, 1)]


class Store:
    """The chat sessions that there are so far, the newest last."""

    def __init__(self) -> None:
        from django.contrib.auth import get_user_model

        from agentchat.models import ChatSession, InboxItem, Run

        for model, field in ((ChatSession, "created_at"), (Run, "queued_at"), (InboxItem, "created_at")):
            model._meta.get_field(field).auto_now_add = False  # all of it happened long ago
        ChatSession._meta.get_field("updated_at").auto_now = False
        self.number = 0
        self.users = get_user_model()._default_manager
        self.busy = self.users.create_user("busy")
        self.staff = self.users.create_superuser("staff")
        self.began = timezone.now() - timedelta(days=365)
        self.few: Any = None
        self.guest = ""
        with connection.cursor() as cursor:
            json_type = "jsonb" if connection.vendor == "postgresql" else "text"
            cursor.execute(f"CREATE TABLE tape (seq bigint, run integer, type text, payload {json_type})")
            cursor.executemany(
                f"INSERT INTO tape VALUES (%s, %s, %s, {'%s::jsonb' if json_type == 'jsonb' else '%s'})",
                [(seq, run, type_, json.dumps(payload)) for seq, run, type_, payload in tape()],
            )

    def grow(self, number: int) -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # What is written here is right, and need not outlive a crash.
                cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
            while self.number < number:
                self._add(min(500, number - self.number))
            if connection.vendor == "postgresql":
                cursor.execute("RESET session_replication_role; RESET synchronous_commit")
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)")

    def _add(self, number: int) -> None:
        from agentchat.models import ChatSession, InboxItem, Run
        from agentchat.visitors import guest_digest

        chats = []
        for index in range(self.number, self.number + number):
            owner: dict[str, Any] = {"owner": self.busy}
            if index % 2:
                if index % (4 * EACH) == 1:
                    self.few = self.users.create(username=f"user{index}")
                    self.guest = f"guest{index}"
                owner = {"owner": self.few} if index % 4 == 1 else {"guest_key": guest_digest(self.guest)}
            title = f"Weather in Paris {index}"
            chats.append(ChatSession(agent="assistant", title=title, next_seq=EVENTS + 1, **owner))
        times = [self.began + timedelta(minutes=10 * index) for index in range(self.number, self.number + number)]
        for chat, at in zip(chats, times, strict=True):
            chat.created_at = chat.updated_at = at
        ChatSession.objects.bulk_create(chats)
        runs = [Run(session=chat, number=each, agent=chat.agent) for chat in chats for each in range(1, RUNS + 1)]
        for index, run in enumerate(runs):
            at = times[index // RUNS]
            is_waiting = run.number == RUNS and index % 5 < 2
            run.status = Run.Status.WAITING if is_waiting else Run.Status.FINISHED
            run.started_at = run.queued_at = at
        before: list[Run] = []
        for each in range(1, RUNS + 1):
            these = [run for run in runs if run.number == each]
            for run, parent in zip(these, before, strict=False):
                run.parent = parent
            Run.objects.bulk_create(these)
            before = these
        inbox = [
            InboxItem(session=run.session, run=run, client_id=uuid.uuid4(), value="Hello", step=step)
            for run in runs
            for step in (1, 2)
        ]
        for index, item in enumerate(inbox):
            item.created_at = times[index // (2 * RUNS)]
        InboxItem.objects.bulk_create(inbox)
        first, last = min(run.pk for run in runs), max(run.pk for run in runs)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO agentchat_event "
                "(session_id, seq, run_id, step_number, ordinal, type, payload, created_at) "
                "SELECT run.session_id, tape.seq, run.id, tape.seq, 0, tape.type, tape.payload, run.queued_at "
                "FROM agentchat_run run JOIN tape ON tape.run = run.number WHERE run.id BETWEEN %s AND %s "
                "ORDER BY run.id, tape.seq",
                [first, last],
            )
            cursor.execute(
                "UPDATE agentchat_chatsession SET head_id = (SELECT run.id FROM agentchat_run run "
                "WHERE run.session_id = agentchat_chatsession.id AND run.number = %s) WHERE head_id IS NULL",
                [RUNS],
            )
        self.number += number

    def keep_busy(self) -> None:
        """As many runs as ever are queued and running, and people have just said something."""
        from agentchat.models import InboxItem, Run

        now = timezone.now()
        live = Run.objects.filter(status__in=["queued", "running"])
        live.update(status="finished", lease_until=None, owner_process="")
        newest = list(Run.objects.filter(status="finished", number=RUNS).order_by("-pk")[: QUEUED + RUNNING])
        for index, run in enumerate(newest):
            run.status, run.queued_at = "queued", now - timedelta(seconds=30)
            if index < RUNNING:
                run.status, run.owner_process, run.lease_until = "running", "there-1", now + timedelta(hours=1)
            item = InboxItem.objects.filter(run=run).first()
            assert item is not None
            InboxItem.objects.filter(pk=item.pk).update(created_at=now)
            type(run.session).objects.filter(pk=run.session_id).update(updated_at=now)
        Run.objects.bulk_update(newest, ["status", "queued_at", "owner_process", "lease_until"])


# --- what is asked --------------------------------------------------------------------------------------------------


def operations(store: Store) -> dict[str, Operation]:
    from django.test import Client
    from django.utils.http import urlencode

    from agentchat.actions import inbox, transactions
    from agentchat.infra.keyset import cursor_of
    from agentchat.models import ChatSession, Run
    from agentchat.presentation import chat_list
    from agentchat.realtime import frames
    from agentchat.runs import finalize, journal, leases, supervisor
    from agentchat.runs.queue_positions import queue_positions
    from agentchat.runs.stream import RunIOStream
    from agentchat.visitors import GUEST_KEY, Visitor

    def client_of(user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    busy, few, staff, guest = client_of(store.busy), client_of(store.few), client_of(store.staff), Client()
    session = guest.session
    session[GUEST_KEY] = store.guest
    session.save()
    guest.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

    def get(client: Client, address: str) -> Any:
        response = client.get(address)
        assert response.status_code == 200, (address, response.status_code)
        return response

    chat = ChatSession.objects.filter(owner=store.busy).order_by("created_at")[store.number // 4]
    runs = Run.objects.filter(session=chat).order_by("number")
    first, last = runs[0], runs[1]
    Run.objects.filter(pk=last.pk).update(status="waiting")
    last.refresh_from_db()
    ours = [
        leases.Claim(run_id=run.pk, session_id=run.session_id, number=run.number, epoch=run.epoch, agent=run.agent)
        for run in Run.objects.filter(status="running")[:10]
    ]
    owner = Visitor(user=store.busy)
    watched = list(ChatSession.objects.values_list("pk", flat=True)[:50])
    stream = SimpleNamespace(
        _session_id=chat.pk, _journal=SimpleNamespace(claim=SimpleNamespace(number=last.number, run_id=last.pk))
    )
    # As far down as there is a full page still.
    deep = ChatSession.objects.order_by("created_at", "pk")[min(101, store.number - 1)]
    deep_of_busy = ChatSession.objects.filter(owner=store.busy).order_by("updated_at", "pk")[
        min(101, store.number // 2 - 1)
    ]
    chats = "/admin/agentchat/chatsession/"
    older = {"before": cursor_of(deep, "created_at")}
    return {
        "open a chat": lambda: get(busy, f"/chat/{chat.pk}/"),
        "… an older part of it": lambda: get(busy, f"/chat/{chat.pk}/earlier?before=150"),
        "list the chats of a busy owner": lambda: get(busy, "/chat/"),
        "… of an owner of ten": lambda: get(few, "/chat/"),
        "… of a guest": lambda: get(guest, "/chat/"),
        "… older chats, far down": lambda: get(busy, f"/chat/?before={cursor_of(deep_of_busy, 'updated_at')}"),
        "… what a live list asks": lambda: chat_list.chats_of(owner),
        "the newest chat of an owner": lambda: busy.get("/"),
        "admin: chat sessions": lambda: get(staff, chats),
        "… far down": lambda: get(staff, f"{chats}?{urlencode(older)}"),
        "… search for a word": lambda: get(staff, f"{chats}?q=Paris"),
        "… search for one title": lambda: get(staff, f"{chats}?q=Paris+{store.number // 2}"),
        "… search for an owner": lambda: get(staff, f"{chats}?q={store.few.username}"),
        "… search for an id": lambda: get(staff, f"{chats}?q={chat.pk}"),
        "… one chat session": lambda: get(staff, f"{chats}{chat.pk}/change/"),
        "admin: runs": lambda: get(staff, "/admin/agentchat/run/"),
        "supervisor: what is ready": lambda: leases.ready_runs(64),
        "… queue positions": lambda: queue_positions(watched),
        "… renew ten leases": lambda: leases.renew(ours),
        "… stop requests": lambda: leases.stop_requests(ours),
        "… the last events of fifty chats": lambda: supervisor.last_seqs(watched),
        "catch up after a number": lambda: frames.frames_after(chat.pk, 120),
        "send: how much was said lately": lambda: transactions.check_rate(chat),
        "… the open question": lambda: inbox.open_question(last),
        "a run: its journal": lambda: journal.Journal(ours[0]),
        "… its history": lambda: RunIOStream._history(stream),  # type: ignore[arg-type]
        "… what is unfinished at its end": lambda: (finalize.closing_events(first, {}),),
    }


# --- measuring ------------------------------------------------------------------------------------------------------


def keep_a_store(size: int, server: str | None, told: Connection) -> None:
    """In a process of its own: fill a database, then do what the other end says, and tell how many seconds it took."""
    with database(server):
        store = Store()
        store.grow(size)
        store.keep_busy()
        asked = operations(store)
        told.send(list(asked))
        with suppress(EOFError):  # whoever asked is gone
            while True:
                name = told.recv()
                if name.startswith("plan "):
                    told.send(plans_of(asked[name.removeprefix("plan ")]))
                    continue
                began = time.perf_counter()
                asked[name]()
                told.send(time.perf_counter() - began)


def plans_of(operation: Operation) -> list[tuple[str, list[str]]]:
    """The queries of an operation, and how the database answers each."""
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "UPDATE")) and "agentchat_" in sql and sql not in dict(asked):
            asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        operation()
    explain = "EXPLAIN (COSTS OFF)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    plans = []
    with connection.cursor() as cursor:
        for sql, params in asked:
            cursor.execute(f"{explain} {sql}", params)
            plans.append((sql, [str(row[-1]) for row in cursor.fetchall()]))
    return plans


def main(sizes: list[int], server: str | None, *, with_plans: bool) -> int:
    context = get_context("spawn")
    ends = []
    for size in sizes:
        here, there = context.Pipe()
        context.Process(target=keep_a_store, args=(size, server, there)).start()
        there.close()
        ends.append(here)
    try:
        return measure(sizes, ends, with_plans=with_plans)
    finally:
        for end in ends:
            end.close()  # they take their databases away
        for process in multiprocessing.active_children():
            process.join()


def measure(sizes: list[int], ends: list[Connection], *, with_plans: bool) -> int:
    began = time.monotonic()
    for size, end in zip(sizes, ends, strict=True):
        names = end.recv()
        print(f"{size} chat sessions are there after {time.monotonic() - began:.0f} s", file=sys.stderr)

    def ask(end: Connection, name: str) -> Any:
        end.send(name)
        return end.recv()

    seen: dict[str, list[list[float]]] = {}
    for name in names:
        # In turns: what else the machine does meanwhile slows all of them down.
        warm = [[1000 * ask(end, name) for end in ends] for _ in range(WARM_UP)]
        number = ROUNDS if min(map(min, warm)) > QUICK_MS else ROUNDS_OF_QUICK
        rounds = [[1000 * ask(end, name) for end in ends] for _ in range(number)]
        seen[name] = [sorted(times) for times in zip(*rounds, strict=True)]
        print(f"{name} has been measured", file=sys.stderr)
    code = report(sizes, seen)
    if with_plans:
        for name in names:
            print(f"\n{name}")
            for sql, plan in ask(ends[-1], f"plan {name}"):
                print(f"  {shortened(sql)}")
                print("".join(f"      {shortened(line)}\n" for line in plan), end="")
    return code


def shortened(text: str) -> str:
    return text if len(text) < 200 else f"{text[:80]} … {text[-110:]}"


def report(sizes: list[int], seen: dict[str, list[list[float]]]) -> int:
    """The medians, and how much they have grown; the fastest quarter too, which nothing else has slowed down."""
    print(f"{'ms, median':36}" + "".join(f"{size:>10}" for size in sizes) + "    growth   of the fastest quarter")
    grown = 0
    for name, times in seen.items():
        medians = [statistics.median(each) for each in times]
        fast = [each[len(each) // 4] for each in times]
        growth, growth_of_fast = medians[-1] / medians[0], fast[-1] / fast[0]
        has_grown = min(growth, growth_of_fast) > LIMIT and fast[-1] - fast[0] > NOISE_MS
        grown += has_grown
        shown = "".join(f"{each:10.2f}" for each in medians)
        print(f"{name:36}{shown}{growth:9.2f}x{growth_of_fast:9.2f}x{'  too much' if has_grown else ''}")
    return 1 if grown else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[1_000, 5_000])
    parser.add_argument("--database", metavar="URL", help="a PostgreSQL server; its database is not touched")
    parser.add_argument("--plans", action="store_true")
    chosen = parser.parse_args()
    sys.exit(main(sorted(chosen.sizes), chosen.database, with_plans=chosen.plans))
