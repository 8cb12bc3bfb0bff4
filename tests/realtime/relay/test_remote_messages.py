"""Messages of other processes grow in order, without gaps, and end with what ends them."""

import asyncio
import uuid

from agentchat.realtime.relay.remote_messages import DeltaMessage, RemoteMessage, apply_delta
from tests.realtime.relay.processes import until


async def test_a_higher_attempt_replaces_the_text_and_a_process_with_a_lower_one_is_ignored(cluster, pair):
    writer, _, page = pair
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "It was a dark")
    await page.shows("It was a dark")
    heir = await cluster.process("heir")
    again = heir.hub.begin(cluster.session_id, "m", 1)
    heir.hub.write(cluster.session_id, again, 1001, "It was")
    await page.shows("It was")
    writer.hub.write(cluster.session_id, message, 1, " and stormy night")
    heir.hub.write(cluster.session_id, again, 1001, " a bright day")
    await page.shows("It was a bright day")
    assert page.attempt == 1001


async def test_a_lost_notification_of_the_end_leaves_no_remote_message(cluster, pair):
    writer, reader, page = pair
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "x")
    await page.shows("x")
    cluster.layer.loses = lambda group, message: message["type"] == "chat.event_saved"
    writer.save(cluster.session_id, "TEXT_MESSAGE_END", messageId="m", content="x")
    await until(lambda: len(cluster.layer.sent_of("chat.event_saved")) == 2)
    assert reader.hub.channel(cluster.session_id).live
    reader.poll()
    await page.until(lambda page: page.types()[-1] == "TEXT_MESSAGE_END")
    assert reader.hub.channel(cluster.session_id).live == {}
    late = DeltaMessage.of(cluster.layer.sent_of("chat.delta")[-1])
    assert not apply_delta(reader.hub, late)
    assert reader.hub.channel(cluster.session_id).live == {}, "a delta that comes after END"


async def test_the_end_of_a_run_ends_what_its_dead_process_was_writing(cluster, pair):
    writer, reader, page = pair
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "x")
    await page.shows("x")
    reader.save(cluster.session_id, "RUN_ERROR", code="interrupted")
    await page.until(lambda page: page.types()[-1] == "RUN_ERROR")
    assert reader.hub.channel(cluster.session_id).live == {}


async def test_a_remote_message_goes_when_no_process_advances_the_run_or_no_one_watches(cluster, pair):
    writer, reader, page = pair
    message = writer.begin(cluster.session_id, "m")
    writer.hub.write(cluster.session_id, message, 1, "x")
    await page.shows("x")
    now = asyncio.get_running_loop().time()
    assert reader.hub.silent_sessions(before=now - 5) == []
    assert reader.hub.silent_sessions(before=now + 5) == [cluster.session_id]
    reader.hub.drop_silent(cluster.session_id, before=now + 5)
    assert reader.hub.channel(cluster.session_id).live == {}
    writer.hub.write(cluster.session_id, message, 1, "y")
    await page.shows("xy")  # received again, and continued where it was
    page.task.cancel()
    await until(lambda: not cluster.is_joined(reader))
    assert cluster.session_id not in reader.hub._channels


async def test_a_delta_that_comes_after_its_end_was_read_is_not_shown(cluster, pair):
    """The page reads START and END together; nothing was being written there, as far as its process knew."""
    _, reader, page = pair
    for number in range(40):  # more than a channel remembers; and the last ones count
        cluster.database.append({"type": "TEXT_MESSAGE_START", "seq": 2 * number + 1, "messageId": f"m{number}"})
        end = {"type": "TEXT_MESSAGE_END", "seq": 2 * number + 2, "messageId": f"m{number}", "content": "Hi"}
        cluster.database.append(end)
    reader.poll()
    await page.until(lambda page: len(page.frames) == 80)
    for frame in cluster.database[:70]:  # another client has begun to read the chat from its start
        reader.hub.on_sent(cluster.session_id, frame)
    assert len(reader.hub.channel(cluster.session_id).ended) < 40
    late = DeltaMessage(
        session_id=cluster.session_id, message_id="m39", start_seq=79, attempt=1, offset=0, delta="Hi", process="writer"
    )
    assert not apply_delta(reader.hub, late)
    assert reader.hub.channel(cluster.session_id).live == {}
    early = DeltaMessage(
        session_id=cluster.session_id, message_id="m40", start_seq=81, attempt=1, offset=0, delta="Hi", process="writer"
    )
    apply_delta(reader.hub, early)
    assert set(reader.hub.channel(cluster.session_id).live) == {"m40"}


def test_pieces_in_any_order_make_the_text_once():
    message = RemoteMessage("m", 1)

    def apply(offset, delta, *, is_thought=False):
        place = {"message_id": "m", "start_seq": 1, "attempt": 1, "process": "writer", "is_thought": is_thought}
        message.apply(DeltaMessage(session_id=uuid.uuid4(), offset=offset, delta=delta, **place))

    apply(4, "😀!")
    assert message.has_gap
    apply(0, "ab")
    apply(2, "hm", is_thought=True)
    apply(0, "abcd")
    assert message.has_gap
    apply(0, "Oh", is_thought=True)
    assert str(message.thoughts) == "Ohhm"
    assert (message.text, message.has_gap) == ("abcd😀!", False)
    apply(2, "cd😀!?")
    assert message.text == "abcd😀!?"
