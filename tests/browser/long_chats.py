"""A chat with much in it, written into a site's database: nobody waits until it was said."""

import json
import sqlite3
from datetime import UTC, datetime

from tests.sites import Site

Fact = tuple[str, dict[str, object]]


def messages(number: int, *, first: int = 0) -> list[Fact]:
    """So many messages, in turn of the person and of an agent. Each says which it is."""
    facts: list[Fact] = []
    for index in range(first, first + number):
        role, name = ("user", "Guest") if index % 2 == 0 else ("assistant", "assistant")
        words = f"Message {index}.\n\n" + "It has some words, and **more** of them in `places`.\n\n" * (index % 4)
        facts += [
            ("TEXT_MESSAGE_START", {"messageId": f"m{index}", "role": role, "name": name}),
            ("TEXT_MESSAGE_END", {"messageId": f"m{index}", "content": words}),
        ]
    return facts


def tell(site: Site, session_id: str, facts: list[Fact]) -> None:
    """Add a finished run with these facts to a chat session that has no live run."""
    key, now = session_id.replace("-", ""), datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    connection = sqlite3.connect(site.database, timeout=20)
    with connection:
        (seq,) = connection.execute("SELECT next_seq FROM agentchat_chatsession WHERE id = ?", (key,)).fetchone()
        run = connection.execute(
            "INSERT INTO agentchat_run (session_id, number, agent, status, queued_at, owner_process, epoch, running_s, "
            "stop_requested, error_code, error_id, prompt_tokens, completion_tokens, from_step) "
            "SELECT ?, coalesce(max(number), 0) + 1, 'assistant', 'finished', ?, '', 1, 0, 0, '', '', 0, 0, 0 "
            "FROM agentchat_run WHERE session_id = ?",
            (key, now, key),
        ).lastrowid
        all_facts = [("RUN_STARTED", {}), *facts, ("RUN_FINISHED", {"outcome": {"type": "success"}})]
        connection.executemany(
            "INSERT INTO agentchat_event (session_id, seq, run_id, ordinal, type, payload, created_at) "
            "VALUES (?, ?, ?, 0, ?, ?, ?)",
            [
                (key, number, run, type_, json.dumps(payload), now)
                for number, (type_, payload) in enumerate(all_facts, seq)
            ],
        )
        connection.execute(
            "UPDATE agentchat_chatsession SET next_seq = ?, head_id = ?, title = 'Much was said' WHERE id = ?",
            (seq + len(all_facts), run, key),
        )
    connection.close()
