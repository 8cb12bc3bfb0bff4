"""Several processes on one channel layer."""

import pytest

from agentchat.infra import channel_layer as layer_module
from agentchat.realtime.relay import receiver as receiver_module
from tests.realtime.relay.processes import Cluster, until


@pytest.fixture
async def cluster(monkeypatch):
    monkeypatch.setattr(receiver_module, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(receiver_module, "HEARTBEAT_UNAVAILABLE_SECONDS", 0.05)
    monkeypatch.setattr(layer_module, "TIMEOUT_SECONDS", 0.2)
    cluster = Cluster()
    yield cluster
    for page in cluster.pages:
        page.task.cancel()
    cluster.layer.thawed.set()
    for process in cluster.processes:
        await process.link.close()


@pytest.fixture
async def pair(cluster):
    """One that writes, one that watches, and the page there."""
    writer, reader = await cluster.process("writer"), await cluster.process("reader")
    cluster.owners[cluster.session_id] = "writer"
    page = cluster.page(reader)
    await until(lambda: cluster.is_joined(reader))
    return writer, reader, page
