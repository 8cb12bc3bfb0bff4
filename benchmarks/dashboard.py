"""What admin's statistics take, with very many chat sessions: by day, by agent, by owner, and as a file.

    python -m benchmarks.dashboard [sessions] [--database postgres://…]

20000, if no number is given, begun within the last thirty days: each has two runs, and each run two calls of a model
and one of a tool, whose results are as long as in life. 2,000 owners, one of which has a tenth of all; five agents. On
SQLite in a temporary folder, or in a database of its own on that PostgreSQL server, which is made and dropped.

CPU is that of this process, which is all on SQLite: what a page takes on a machine with nothing else to do. Exit code 1
if the median of a page is above 300 ms.
"""

import argparse
import random
import statistics
import sys
import time
from datetime import timedelta
from typing import Any

from django.utils import timezone

from benchmarks.growth import database

SESSIONS, OWNERS, AGENTS, DAYS = 20_000, 2_000, 5, 30
ROUNDS, LIMIT_MS = 9, 300
BATCH = 2_000
REPLY = {"content": "It is sunny, and will be. " * 40, "finish_reason": "stop", "model": "m"}


def fill(sessions: int) -> Any:
    """Store the chat sessions, and return a member of staff."""
    from django.contrib.auth import get_user_model

    from agentchat.models import ChatSession, Feedback, Run, Step

    Run._meta.get_field("queued_at").auto_now_add = False
    chance, now = random.Random(7), timezone.now()
    users = get_user_model()._default_manager
    users.bulk_create([users.model(username=f"owner{number}") for number in range(OWNERS)])
    owners = list(users.filter(username__startswith="owner"))
    for start in range(0, sessions, BATCH):
        chats = []
        for number in range(start, min(start + BATCH, sessions)):
            owner = owners[0] if number % 10 == 0 else chance.choice(owners)
            chats.append(ChatSession(owner=owner, agent=f"agent{number % AGENTS}", title=f"Chat {number}"))
        ChatSession.objects.bulk_create(chats)
        runs = [
            Run(
                session=chat,
                number=number,
                agent=chat.agent,
                status="failed" if chance.random() < 0.03 else "finished",
                prompt_tokens=chance.randrange(100, 5_000),
                completion_tokens=chance.randrange(20, 900),
                cost="0.00123",
                queued_at=now - timedelta(seconds=chance.randrange(DAYS * 86_400 - 7_200)),
            )
            for chat in chats
            for number in (1, 2)
        ]
        for run in runs:
            run.error_code = chance.choice(("llm", "database", "error")) if run.status == "failed" else ""
        Run.objects.bulk_create(runs)
        steps = []
        for run in runs:
            for number, kind in enumerate(("llm", "tool", "llm"), 1):
                ms = chance.randrange(200, 9_000)
                steps.append(
                    Step(
                        run=run,
                        number=number,
                        kind=kind,
                        name="clerk",
                        status="done",
                        result=REPLY,
                        usage={"promptTokens": 900, "completionTokens": 100},
                        started_at=run.queued_at,
                        done_at=run.queued_at + timedelta(milliseconds=ms),
                        duration_ms=ms,
                        first_token_ms=ms // 4 if kind == "llm" else None,
                    )
                )
        Step.objects.bulk_create(steps, batch_size=500)
        Feedback.objects.bulk_create(
            Feedback(session=chat, message_id="m", value=chance.choice(("up", "down"))) for chat in chats[::8]
        )
    return get_user_model()._default_manager.create_superuser("staff", password="staff")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", nargs="?", type=int, default=SESSIONS)
    parser.add_argument("--database")
    options = parser.parse_args()
    with database(options.database):
        from django.db import connection
        from django.test import Client

        client = Client()
        client.force_login(fill(options.sessions))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as autovacuum does it, and as SQLite has it after `PRAGMA optimize`
        slow = False
        print(f"{options.sessions} chat sessions, {connection.display_name}: median of {ROUNDS} (fastest to slowest)")
        for query in ("by=day", "by=agent", "by=owner", "by=day&agent=agent1", "by=day&format=csv"):
            took, cpu = [], []
            for _ in range(ROUNDS):
                began, worked = time.perf_counter(), time.process_time()
                response = client.get(f"/admin/agentchat/chatsession/statistics/?{query}")
                took.append((time.perf_counter() - began) * 1000)
                cpu.append((time.process_time() - worked) * 1000)
                assert response.status_code == 200
            median = statistics.median(took)
            slow = slow or median > LIMIT_MS
            span = f"({min(took):.0f} to {max(took):.0f}), CPU {statistics.median(cpu):.0f}"
            print(f"  {query:24} {median:6.0f} ms  {span}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
