"""A change to a list of chats reaches everyone who shows it, here and in other processes."""

import asyncio

from agentchat.infra import loop_scope
from agentchat.realtime import chat_list, publish
from tests.realtime.relay.processes import until


async def listen(process, group):
    """Subscribe to a list of chats. Return the notifications."""
    received = []
    process.notifier.subscribe(group, lambda: received.append(group))
    await until(lambda: group in process.link.receiver._joined)
    return received


async def test_a_change_is_announced_here_at_once_and_in_other_processes_through_the_layer(cluster):
    one, two = await cluster.process("one"), await cluster.process("two")
    ada, eve = chat_list.group_of_owner(1, ""), chat_list.group_of_owner(2, "")
    here, there, eves = await listen(one, ada), await listen(two, ada), await listen(two, eve)
    await asyncio.to_thread(one.notifier.notify, ada)
    await until(lambda: there)
    one.hub.sender.send_direct("one", {"type": "run.stop", "run": 7})
    await until(lambda: one.stopped)  # what the layer has delivered before that was handled before that
    assert (here, there, eves) == ([ada], [ada], [])


async def test_a_list_is_notified_again_after_the_layer_was_dead_and_once_is_enough(cluster, caplog):
    one, two = await cluster.process("one"), await cluster.process("two")
    ada, eve = chat_list.group_of_owner(1, ""), chat_list.group_of_owner(2, "")
    here, there = await listen(one, ada), await listen(two, ada)
    cluster.layer.is_dead = True
    await until(lambda: not one.link.is_connected and not two.link.is_connected)
    for _ in range(100):
        one.notifier.notify(ada)
    two.notifier.subscribe(eve, lambda: None)  # a page opens a list meanwhile
    await until(lambda: len(here) == 100)
    cluster.layer.groups.clear()
    cluster.layer.is_dead = False
    await until(lambda: one.link.is_connected and {ada, eve} <= two.link.receiver._joined)
    await until(lambda: cluster.layer.sent_of("chat_list.changed"))
    one.notifier.notify(ada)
    await until(lambda: there)
    assert len(cluster.layer.sent_of("chat_list.changed")) <= 2
    assert [message for message in caplog.messages if "list" in message] == []
    assert sum("is unavailable" in message for message in caplog.messages) == 2  # one line of each process


async def test_a_frozen_layer_costs_a_list_no_call(cluster):
    process = await cluster.process("one")
    cluster.layer.thawed.clear()
    await until(lambda: not process.link.is_connected)
    for number in range(100):
        process.notifier.notify(chat_list.group_of_owner(number, ""))
    before = len(asyncio.all_tasks())
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before, "no task waits for the layer"
    cluster.layer.thawed.set()
    await until(lambda: len(cluster.layer.sent_of("chat_list.changed")) == 100)


async def test_the_group_of_a_list_that_is_not_shown_any_more_is_left(cluster):
    process = await cluster.process("one")
    group = chat_list.group_of_owner(1, "")
    listeners = [lambda: None, lambda: None]
    for listener in listeners:
        process.notifier.subscribe(group, listener)
    await until(lambda: cluster.layer.groups[group])
    assert len(cluster.layer.queues) == 1, "the receiver has one channel for everything"
    process.notifier.unsubscribe(group, listeners[0])
    process.notifier.unsubscribe(group, listeners[1])
    await until(lambda: not cluster.layer.groups[group])


async def test_a_command_notifies_and_an_outage_costs_it_one_try(cluster, monkeypatch, caplog):
    process = await cluster.process("server")
    group = chat_list.group_of_owner(1, "")
    received = await listen(process, group)
    here, asked = asyncio.get_running_loop(), []

    class Wire:
        """The layer, as it is reached from the command's own loop."""

        async def group_send(self, group, message):
            asked.append(asyncio.get_running_loop())
            sending = asyncio.run_coroutine_threadsafe(cluster.layer.group_send(group, message), here)
            await asyncio.wrap_future(sending)

    wire = Wire()
    monkeypatch.setattr(loop_scope, "_current", None)  # a process without a server
    monkeypatch.setattr(publish, "layer_between_processes", lambda: wire)
    for _ in range(3):
        await asyncio.to_thread(chat_list.notify_group, group)
    await until(lambda: len(received) == 3)
    assert len(asked) == 3
    assert len(set(asked)) == 1, "a loop for each call would be a connection for each"
    cluster.layer.is_dead = True
    await asyncio.to_thread(lambda: [chat_list.notify_group(group) for _ in range(5)])
    assert len(asked) == 4
