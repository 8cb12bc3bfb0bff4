"""Two processes on one channel layer: what one writes, the subscribers of the other see."""

import asyncio
import logging
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from channels.layers import InMemoryChannelLayer

from agentchat import server
from agentchat.infra import channel_layer as layer_module
from agentchat.runs import runner as runner_module
from agentchat.runs import supervisor
from agentchat.runs.runner import runner
from tests.realtime.relay.processes import until


async def test_a_page_of_another_process_gets_deltas_before_the_end_and_then_the_end(cluster, pair):
    writer, reader, page = pair
    message = writer.begin(cluster.session_id, "m")
    for piece in ("Grüße ", "😀 ", "and more"):
        writer.hub.write(cluster.session_id, message, 1, piece)
        await asyncio.sleep(0)
    await page.shows("Grüße 😀 and more")
    writer.save(cluster.session_id, "TEXT_MESSAGE_END", messageId="m", content="Grüße 😀 and more")
    await page.until(lambda page: page.types() == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_END"])
    assert reader.hub.channel(cluster.session_id).live == {}


async def test_a_frozen_layer_delays_nothing_and_is_one_line_in_the_log(cluster, pair, caplog):
    writer, reader, _ = pair
    caplog.set_level(logging.INFO, "agentchat.layer")
    cluster.layer.thawed.clear()
    message = writer.begin(cluster.session_id, "m")
    for _ in range(1000):  # in one go: nothing here can wait
        writer.hub.write(cluster.session_id, message, 1, "x")
        writer.hub.sender.notify(cluster.session_id, 1)
    newcomer = cluster.page(reader)
    await newcomer.until(lambda page: page.types() == ["TEXT_MESSAGE_START"])
    await until(lambda: not writer.link.is_connected and not reader.link.is_connected)
    await asyncio.sleep(0.5)
    assert len(caplog.messages) == 2  # one of each process
    cluster.layer.thawed.set()
    await newcomer.shows("x" * 1000)
    await until(lambda: sum("is available again" in message for message in caplog.messages) == 2)


@pytest.mark.parametrize("is_down", [True, False])
async def test_watched_chats_are_polled_at_each_heartbeat_while_the_layer_is_down(is_down, monkeypatch):
    own = runner_module.Runner()
    own.link = SimpleNamespace(is_connected=not is_down)
    beats, polls = [], []

    async def beat():
        beats.append(1)

    async def poll():
        polls.append(len(beats))

    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "POLL_SECONDS", float("inf"))
    for name in ("_renew_leases", "_claim_ready_runs", "_update_queue_positions"):
        monkeypatch.setattr(own.supervisor, name, AsyncMock())
    monkeypatch.setattr(own.supervisor, "_cancel_stopped_runs", beat)
    monkeypatch.setattr(own.supervisor, "_poll_events", poll)
    supervising = asyncio.create_task(own.supervisor._supervise())
    await until(lambda: len(beats) > 5)
    supervising.cancel()
    assert len(polls) >= 3 if is_down else polls == []


def test_a_layer_in_memory_makes_no_link(agent_chat):
    assert runner.link is None
    assert isinstance(layer_module.get_channel_layer(), InMemoryChannelLayer)
    assert "layer" not in server.is_ready()
