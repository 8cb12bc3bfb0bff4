"""The receiver joins what is watched, notices every outage, and makes up for what was missed."""

import asyncio

import pytest

from agentchat.infra.channel_layer import group_of, group_of_process
from agentchat.realtime.relay import link as link_module
from agentchat.realtime.relay import receiver as receiver_module
from tests.realtime.relay.processes import on_purpose, until


async def test_a_lost_delta_is_requested(cluster, pair):
    writer, _, page = pair
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "one ")
    await page.shows("one ")
    cluster.layer.loses = lambda group, message: message["type"] == "chat.delta" and group.startswith("chat.")
    writer.hub.write(cluster.session_id, message, 1, "two ")
    await until(lambda: len(cluster.layer.sent_of("chat.delta")) == 2)
    cluster.layer.loses = lambda group, message: False
    writer.hub.write(cluster.session_id, message, 1, "three")
    await page.shows("one two three")


async def test_one_membership_for_all_subscribers_of_a_process(cluster, pair):
    _, reader, page = pair
    second = cluster.page(reader)
    await until(lambda: len(reader.hub.channel(cluster.session_id).subscribers) == 2)
    assert len(cluster.layer.groups[group_of(cluster.session_id)]) == 1
    page.task.cancel()
    await until(lambda: len(reader.hub.channel(cluster.session_id).subscribers) == 1)
    assert cluster.is_joined(reader)
    second.task.cancel()
    await until(lambda: not cluster.is_joined(reader))


async def test_the_groups_of_a_layer_that_lost_everything_are_rejoined_and_all_is_read_once(cluster, pair):
    writer, reader, page = pair
    cluster.layer.is_dead = True
    await until(lambda: not writer.link.is_connected and not reader.link.is_connected)
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "not received ")
    cluster.layer.groups.clear()
    cluster.layer.is_dead = False
    await until(lambda: writer.link.is_connected and reader.link.is_connected)
    await page.shows("not received ")
    assert cluster.is_joined(reader)
    writer.hub.write(cluster.session_id, message, 1, "and received")
    await page.shows("not received and received")
    assert reader.polls == 2  # at its start, and now


async def test_a_group_that_was_left_while_the_layer_was_down_is_left_when_it_recovers(cluster, pair):
    _, reader, page = pair
    cluster.layer.is_dead = True
    await until(lambda: not reader.link.is_connected)
    page.task.cancel()
    await until(lambda: not reader.hub.watched())
    cluster.layer.is_dead = False
    await until(lambda: reader.link.is_connected)
    await until(lambda: not cluster.is_joined(reader))


async def test_a_subscription_that_is_lost_silently_is_noticed(cluster, pair, caplog):
    _, reader, _ = pair
    cluster.layer.groups.clear()
    await until(lambda: any("what it is given does not come back" in message for message in caplog.messages))
    await until(lambda: reader.link.is_connected and cluster.is_joined(reader))


async def test_a_message_that_cannot_be_understood_is_only_logged(cluster, pair, caplog):
    writer, reader, _ = pair
    await cluster.layer.group_send(
        group_of_process("reader"), {"type": "chat.delta", "session": "no uuid", "process": "?"}
    )
    await cluster.layer.group_send(group_of_process("reader"), {"type": "from.a.later.version"})
    reader.hub.sender.send_direct("writer", {"type": "run.stop", "run": 7})
    writer.hub.sender.send_direct("reader", {"type": "run.stop", "run": 8})
    await until(lambda: reader.stopped == [8])
    assert any("could not be handled" in message for message in caplog.messages)
    assert any("from.a.later.version" in message for message in caplog.messages)


@pytest.mark.parametrize("part", ["_receive", "_send_heartbeats"])
async def test_a_receiver_that_fails_is_restarted(cluster, pair, part, monkeypatch, caplog):
    writer, reader, page = pair
    monkeypatch.setattr(link_module, "RESTART_SECONDS", 0.01)
    before = reader.link.receiver._channel
    with monkeypatch.context() as patch:
        # What the layer raises is expected; this is a mistake of ours.
        patch.setattr(reader.link.layer, "receive" if part == "_receive" else "try_to_send", on_purpose)
        patch.setattr(reader.link.layer, "mark_down", on_purpose)
        cluster.layer.queues[before].put_nowait('{"type": "chat.text_requested", "sessions": []}')
        await until(lambda: any("the receiver of this process has failed" in message for message in caplog.messages))
    await until(lambda: reader.link.receiver._channel not in ("", before) and cluster.is_joined(reader))
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "x")
    await page.shows("x")
    reader.hub.sender.send_direct("writer", {"type": "run.stop", "run": 7})
    await until(lambda: writer.stopped)


async def test_a_layer_that_takes_all_and_delivers_nothing_gets_new_connections(cluster, pair, monkeypatch, caplog):
    writer, reader, page = pair
    monkeypatch.setattr(receiver_module, "MAX_UNDELIVERED", 3)
    monkeypatch.setattr(link_module, "RESTART_SECONDS", 0.01)
    silent = reader.link.receiver._channel
    cluster.layer.queues[silent] = asyncio.Queue()  # the receiver waits at another one
    await until(lambda: reader.link.is_connected and reader.link.receiver._channel not in ("", silent))
    await until(lambda: cluster.is_joined(reader))
    assert len([message for message in caplog.messages if "accepts messages but delivers none" in message]) == 1
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "x")
    await page.shows("x")
