"""The sender merges what piles up, keeps what matters through an outage, and sends nothing twice."""

import asyncio
import json
import uuid

from agentchat.realtime.relay import link as link_module
from agentchat.realtime.relay import sender
from agentchat.realtime.relay.sender import MAX_DELTA_CHARS
from tests.realtime.relay.processes import on_purpose, until


async def test_the_first_delta_goes_at_once_and_the_rest_is_merged(cluster, pair, monkeypatch):
    monkeypatch.setattr(sender, "DELTA_SECONDS", 1.0)
    writer, _, page = pair
    writing = writer.begin(cluster.session_id, "m")
    for _ in range(50):
        writer.hub.write(cluster.session_id, writing, 1, "x")
        await asyncio.sleep(0.001)
    await page.shows("x" * 50)
    deltas = cluster.layer.sent_of("chat.delta")
    assert deltas[0]["delta"] == "x"
    assert len(deltas) < 10


async def test_a_process_that_joins_in_mid_message_receives_the_text_so_far_without_another_delta(cluster):
    writer = await cluster.process("writer")
    cluster.owners[cluster.session_id] = "writer"
    writing = writer.begin(cluster.session_id, "m")
    text = "so far 😀 " * MAX_DELTA_CHARS  # several pieces
    writer.hub.write(cluster.session_id, writing, 1, text)
    await until(lambda: cluster.layer.sent_of("chat.delta"))
    reader = await cluster.process("reader")
    page = cluster.page(reader)
    await page.shows(text)
    writer.hub.write(cluster.session_id, writing, 1, "and on")
    await page.shows(text + "and on")
    assert max(len(json.dumps(message, ensure_ascii=False).encode()) for _, message in cluster.layer.sent) < 65536


async def test_half_a_surrogate_pair_is_carried_as_a_replacement(cluster, pair):
    writer, _, page = pair
    writing = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, writing, 1, "a\ud800b")
    await page.shows("a�b")


async def test_what_is_written_while_the_layer_is_down_is_dropped_with_its_end(cluster):
    writer = await cluster.process("writer")
    cluster.layer.is_dead = True
    await until(lambda: not writer.link.is_connected)
    for number in range(50):
        session_id, message_id = uuid.uuid4(), f"m{number}"
        writing = writer.hub.begin(session_id, message_id, 1)
        writer.hub.write(session_id, writing, 1, "x" * 1000)
        if number % 2:
            writer.hub.publish(session_id, [{"type": "TEXT_MESSAGE_END", "seq": 2, "messageId": message_id}])
    assert len(writer.hub.sender._due) == len(writer.hub.sender._cursors) == 25
    cluster.layer.is_dead = False
    await until(lambda: not writer.hub.sender._due)
    assert {int(message["message"][1:]) % 2 for message in cluster.layer.sent_of("chat.delta")} == {0}


async def test_no_delta_of_a_message_is_sent_after_its_end(cluster):
    writer = await cluster.process("writer")
    ended, other = (writer.hub.begin(cluster.session_id, message_id, 1) for message_id in ("ended", "other"))
    for writing in (ended, other):
        writer.hub.write(cluster.session_id, writing, 1, "sent ")
    await until(lambda: len(cluster.layer.sent_of("chat.delta")) == 2)
    for writing in (ended, other):  # in 40 ms
        writer.hub.write(cluster.session_id, writing, 1, "unsent")
    writer.hub.publish(cluster.session_id, [{"type": "TEXT_MESSAGE_END", "seq": 2, "messageId": "ended"}])
    await until(lambda: len(cluster.layer.sent_of("chat.delta")) > 2 and not writer.hub.sender._due)
    assert [message["message"] for message in cluster.layer.sent_of("chat.delta")] == ["ended", "other", "other"]


async def test_messages_of_two_chats_may_have_the_same_id(cluster, pair):
    writer, _, page = pair
    other = uuid.uuid4()
    mine, theirs = writer.begin(cluster.session_id, "m1"), writer.hub.begin(other, "m1", 1)
    for piece in ("One ", "two ", "three"):
        writer.hub.write(cluster.session_id, mine, 1, piece)
        writer.hub.write(other, theirs, 1, "something else ")
        await page.until(lambda page, piece=piece: page.text.endswith(piece))
    writer.hub.publish(other, [{"type": "TEXT_MESSAGE_END", "seq": 2, "messageId": "m1", "content": ""}])
    writer.hub.write(cluster.session_id, mine, 1, "!")
    await page.shows("One two three!")
    offsets = [m["offset"] for m in cluster.layer.sent_of("chat.delta") if m["session"] == str(cluster.session_id)]
    assert offsets == sorted(set(offsets)), "nothing was sent twice"


async def test_a_message_that_begins_again_here_is_sent_from_its_start(cluster, pair):
    writer, _, page = pair
    writing = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, writing, 1, "x")
    await page.shows("x")
    cluster.layer.is_dead = True
    await until(lambda: not writer.link.is_connected)
    writer.hub.write(cluster.session_id, writing, 1, "y")
    again = writer.hub.begin(cluster.session_id, "m", 1)
    writer.hub.write(cluster.session_id, again, 1001, "again")
    cluster.layer.is_dead = False
    await page.shows("again")
    await until(lambda: not writer.hub.sender._due)


async def test_a_sender_that_fails_is_restarted_and_sends_what_is_left(cluster, pair, monkeypatch, caplog):
    writer, _, page = pair
    monkeypatch.setattr(link_module, "RESTART_SECONDS", 0.01)
    writing = writer.begin(cluster.session_id, "m")
    await page.until(lambda page: page.types() == ["TEXT_MESSAGE_START"])
    with monkeypatch.context() as patch:
        patch.setattr(writer.link.layer, "send", on_purpose)
        writer.hub.write(cluster.session_id, writing, 1, "x")
        await until(lambda: any("the sender of this process has failed" in message for message in caplog.messages))
    await page.shows("x")


async def test_what_is_queued_is_sent_before_the_link_closes(cluster):
    writer = await cluster.process("writer")
    writer.save(cluster.session_id, "PRINTED")
    await writer.link.close()
    assert len(cluster.layer.sent_of("chat.event_saved")) == 1


async def test_a_direct_message_reaches_its_process_and_no_other(cluster, pair):
    writer, reader, _ = pair
    reader.hub.sender.send_direct("writer", {"type": "run.stop", "run": 7})
    await until(lambda: writer.stopped)
    assert (writer.stopped, reader.stopped) == ([7], [])


# --- what a model thinks before it writes -----------------------------------------------------------------------------


async def test_other_processes_receive_them_too(cluster, pair):
    writer, reader, _ = pair
    writing = writer.begin(cluster.session_id, "m")
    writer.hub.think(cluster.session_id, writing, 1, "Hm, ")
    await until(lambda: _thoughts(reader, cluster) == "Hm, ")
    writer.hub.think(cluster.session_id, writing, 1, "yes.")
    writer.hub.write(cluster.session_id, writing, 1, "Four.")
    await until(lambda: _thoughts(reader, cluster) == "Hm, yes.")
    await until(lambda: reader.hub.live_message(cluster.session_id, "m").text == "Four.")


async def test_a_process_that_joins_while_the_model_thinks_receives_what_it_thought_so_far(cluster):
    writer = await cluster.process("writer")
    cluster.owners[cluster.session_id] = "writer"
    writing = writer.begin(cluster.session_id, "m")
    writer.hub.think(cluster.session_id, writing, 1, "so far 😀 " * 2_000)
    await until(lambda: cluster.layer.sent_of("chat.delta"))
    reader = await cluster.process("reader")
    page = cluster.page(reader)
    await until(lambda: _thoughts(reader, cluster) == "so far 😀 " * 2_000)
    assert page.text == ""


def _thoughts(process, cluster):
    message = process.hub.live_message(cluster.session_id, "m")
    return str(message.thoughts) if message else None
