"""What a turn asks of the database: from the user's message over the model's answer to the next question."""

import asyncio
import threading
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from agentchat import server
from agentchat.models import ChatSession
from agentchat.runs.runner import runner
from agentchat.testing import say
from tests import factories
from tests.runs.test_runs import eventually

pytestmark = pytest.mark.django_db(transaction=True)

MAX_STATEMENTS, MAX_TRANSACTIONS = 31, 4


TURNS = 3


class Traffic:
    """The statements and the transactions of all threads, but for those of the supervisor and its chores."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.transactions = 0


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> list[Traffic]:
    """That of each turn; the last one is going on."""
    if connection.vendor != "sqlite":
        pytest.skip("on PostgreSQL each lock is a statement of its own")
    turns = [Traffic()]
    execute, commit = CursorWrapper._execute, BaseDatabaseWrapper._commit

    def is_counted() -> bool:
        return not any(each in threading.current_thread().name for each in ("supervisor", "chore"))

    def counted_execute(self, sql, *args):
        if is_counted() and not sql.startswith("BEGIN"):
            turns[-1].statements.append(sql)
        return execute(self, sql, *args)

    def counted_commit(self):
        turns[-1].transactions += is_counted()
        return commit(self)

    monkeypatch.setattr(CursorWrapper, "_execute", counted_execute)
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", counted_commit)
    return turns


def assert_few(turns: list[Traffic]) -> None:
    """In the turn that took least: in another the supervisor may have found the queued run, and tried to claim it."""
    least = min(turns, key=lambda turn: len(turn.statements))
    assert "agentchat_inboxitem" in " ".join(least.statements)
    assert len(least.statements) <= MAX_STATEMENTS, "\n".join(least.statements)
    assert 1 < least.transactions <= MAX_TRANSACTIONS


def test_a_turn_takes_few_statements_and_transactions(agent_chat, scripted_llm, traffic):
    scripted_llm.always(say("Fine."))
    chat = agent_chat("assistant")
    for number in range(1, TURNS + 2):
        traffic.append(Traffic())
        chat.send("How are you?")
        chat.wait_for("INPUT_REQUESTED", count=number)
        eventually(lambda: not runner.advancing)
    assert_few(traffic[2:])  # without the first one, which starts the run


def test_a_turn_takes_two_statements_more_for_a_budget_of_tokens_and_two_for_one_of_messages(
    agent_chat, scripted_llm, traffic, settings
):
    scripted_llm.always(say("Fine."))
    least = []
    for budgets in ([], ["tokens"], ["tokens", "messages"]):
        settings.AGENTCHAT = {
            "BUDGETS": [{"of": "owner", "what": what, "limit": 10**6, "per": "day"} for what in budgets]
        }
        chat = agent_chat("assistant")
        turns = []
        for number in range(1, TURNS + 2):
            traffic.append(Traffic())
            chat.send("How are you?")
            chat.wait_for("INPUT_REQUESTED", count=number)
            eventually(lambda: not runner.advancing)
            turns.append(traffic[-1])
        least.append(min(len(turn.statements) for turn in turns[1:]))
        assert min(turn.transactions for turn in turns[1:]) <= MAX_TRANSACTIONS
    assert least == [least[0], least[0] + 2, least[0] + 4]


@pytest.mark.asyncio
async def test_a_turn_over_a_websocket_takes_no_more(scripted_llm, traffic, settings):
    settings.ALLOWED_HOSTS = [factories.HOST]
    settings.AGENTCHAT = {"GUESTS": True}
    scripted_llm.always(say("Fine."))

    @sync_to_async
    def stranger():
        user = factories.account("ada")
        return factories.signed_in(user), ChatSession.objects.create(owner=user, agent="assistant")

    server.start()
    try:
        client, session = await stranger()
        tab = factories.Tab(client, f"/ws/chat/{session.pk}/")
        assert await tab.open()
        await tab.send(type="hello", after=0)
        for _ in range(TURNS + 1):
            traffic.append(Traffic())
            await tab.send(type="send", id=str(uuid.uuid4()), text="How are you?")
            await tab.until("INPUT_REQUESTED")
            await asyncio.gather(*runner.active.tasks)
        assert_few(traffic[2:])
        await tab.socket.disconnect()
    finally:
        await server.stop()
