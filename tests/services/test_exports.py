"""A file that is streamed in pieces is complete, although each piece has another connection to PostgreSQL."""

import json

import psycopg
import pytest
from django.db import connections
from django.test import AsyncRequestFactory

from agentchat.models import ChatSession, Event
from agentchat.presentation import export
from agentchat.visitors import Visitor
from agentchat.web.downloads import download

ADA = Visitor(guest_key="ada")
CHATS = 250


@pytest.fixture
def talkative(transactional_db):
    """Ada has many chats."""
    chats = ChatSession.objects.bulk_create(
        ChatSession(agent="oracle", guest_key="ada", title=f"Chat {number}") for number in range(CHATS)
    )
    Event.objects.bulk_create(Event(session=chat, seq=1, type="PRINTED", payload={"text": "w" * 400}) for chat in chats)


@pytest.fixture
def lose_all_connections(database_url, talkative):
    """As a pool does with those that are old or not needed, and others with one that they have been lent meanwhile."""
    with psycopg.connect(database_url, autocommit=True) as administrator:
        yield lambda: administrator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()


async def test_all_ones_data_is_whole_though_no_connection_outlives_a_piece(lose_all_connections, monkeypatch):
    """Also in a project that has left server-side cursors on."""
    monkeypatch.setitem(connections.settings["default"], "DISABLE_SERVER_SIDE_CURSORS", False)
    request = AsyncRequestFactory().get("/")
    response = download(request, export.data_of(ADA), name="chats.json", content_type="application/json")
    pieces, lost = [], 0
    async for piece in response.streaming_content:
        pieces.append(piece)
        lost += len(lose_all_connections())
    assert len(pieces) > 5
    assert lost >= len(pieces)
    chats = json.loads(b"".join(pieces))["chats"]
    assert {chat["title"] for chat in chats} == {f"Chat {number}" for number in range(CHATS)}
    assert len(chats) == CHATS


def test_no_cursor_of_the_site_waits_in_a_connection_that_goes_back_to_its_pool(lose_all_connections):
    titles = iter(ChatSession.objects.values_list("title", flat=True).iterator(chunk_size=10))
    seen = [next(titles)]
    assert lose_all_connections()
    assert len([*seen, *titles]) == CHATS
