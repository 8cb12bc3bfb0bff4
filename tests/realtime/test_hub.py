"""A subscriber gets every event once and in order, and each delta after its START, whatever happens to it."""

import asyncio
import json
import random
import uuid

import pytest

from agentchat.realtime import send_window
from agentchat.realtime import subscriber as subscriber_module
from agentchat.realtime.hub import Hub
from agentchat.realtime.live_message import LiveMessage
from agentchat.realtime.send_window import CLOSE_IN_FLIGHT, MAX_IN_FLIGHT
from agentchat.realtime.subscriber import Subscriber


def event(seq, type_="PRINTED", **fields):
    return {"type": type_, "seq": seq, **fields}


class Client:
    """What a socket would have received, and the database that a subscriber reads."""

    def __init__(self, *, after=0, same_chat_as=None, wants_open_blocks=False):
        self.hub = same_chat_as.hub if same_chat_as else Hub()
        self.session_id = same_chat_as.session_id if same_chat_as else uuid.uuid4()
        self.database = []
        self.frames = []
        self.closed = False
        self.changed = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()
        self.subscriber = Subscriber(
            self.session_id,
            after,
            hub=self.hub,
            send=self.send,
            read=self.read,
            close=self.close,
            wants_open_blocks=wants_open_blocks,
        )
        self.task = asyncio.create_task(self.subscriber.run())

    async def send(self, text):
        await self.gate.wait()
        async with self.changed:
            self.frames.append(json.loads(text))
            self.changed.notify_all()

    async def read(self, after):
        await asyncio.sleep(0)
        return [frame for frame in self.database if frame["seq"] > after][:3]

    async def close(self):
        self.closed = True

    def save(self, *frames, publish=True):
        self.database += frames
        if publish:
            self.hub.publish(self.session_id, frames)

    async def received(self, count):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: len(self.frames) >= count), 10)
        return self.frames

    def seqs(self):
        return [frame["seq"] for frame in self.frames if "seq" in frame]

    async def received_text(self, length):
        """Wait for so many characters of deltas, and return how many frames there are by then."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: len(self.text()) >= length), 10)
        return len(self.frames)

    def text(self):
        return "".join(frame["delta"] for frame in self.frames if frame["type"] == "TEXT_MESSAGE_CONTENT")


@pytest.fixture
async def client():
    client = Client()
    yield client
    client.task.cancel()


async def test_events_arrive_once_and_in_order_though_they_are_published_in_any_order(client):
    frames = [event(seq) for seq in range(1, 41)]
    client.database += frames
    published = [*frames, *frames]
    random.Random(7).shuffle(published)
    for frame in published:
        client.hub.publish(client.session_id, [frame])
        await asyncio.sleep(0)
    await client.received(40)
    assert client.seqs() == list(range(1, 41))


async def test_an_event_that_was_not_published_is_found_by_a_notification(client):
    client.save(event(1))
    client.save(event(2), event(3), publish=False)
    client.hub.notify(client.session_id, 3)
    await client.received(3)
    assert client.seqs() == [1, 2, 3]


async def test_a_notification_of_an_event_that_does_not_exist_does_no_harm(client):
    client.save(event(1))
    await client.received(1)
    client.hub.notify(client.session_id, 99)
    await asyncio.sleep(0)
    client.save(event(2))
    await client.received(2)
    assert client.seqs() == [1, 2]


async def test_deltas_wait_for_their_start_and_end_before_their_end(client):
    client.save(event(1))
    await client.received(1)
    message = client.hub.begin(client.session_id, "m", 2)
    for piece in ("Hel", "lo ", "you"):
        client.hub.write(client.session_id, message, 1, piece)
        await asyncio.sleep(0)
    assert client.text() == ""  # its START is not there yet
    client.save(event(2, "TEXT_MESSAGE_START", messageId="m"))
    await client.received(3)
    client.hub.write(client.session_id, message, 1, "!")
    client.save(event(3, "TEXT_MESSAGE_END", messageId="m", content="Hello you!"))
    frames = await client.received(5)
    assert [frame["type"] for frame in frames[1:]] == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
    ]
    assert client.text() == "Hello you!"


async def test_a_late_subscriber_gets_the_text_so_far_in_one_delta(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    for piece in "abc":
        client.hub.write(client.session_id, message, 1, piece)
    late = Client(after=1, same_chat_as=client)
    frames = await late.received(1)
    assert frames[0]["delta"] == "abc"
    assert frames[0]["offset"] == 0
    client.hub.write(client.session_id, message, 1, "d")
    frames = await late.received(2)
    assert (frames[1]["delta"], frames[1]["offset"]) == ("d", 3)
    late.task.cancel()


async def test_deltas_merge_while_the_socket_is_busy(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    await client.received(1)
    client.hub.write(client.session_id, message, 1, "0")
    await client.received(2)
    client.gate.clear()
    for n in range(1, 100):
        client.hub.write(client.session_id, message, 1, str(n % 10))
        await asyncio.sleep(0)
    client.gate.set()
    client.hub.write(client.session_id, message, 1, "!")
    client.save(event(2, "TEXT_MESSAGE_END", messageId="m", content="…"))
    await asyncio.wait_for(_until_end(client), 10)
    assert client.text() == "".join(str(n % 10) for n in range(100)) + "!"
    assert len(client.frames) < 10


async def _until_end(client):
    async with client.changed:
        await client.changed.wait_for(lambda: client.frames[-1]["type"] == "TEXT_MESSAGE_END")


async def test_a_higher_attempt_replaces_the_text(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    client.hub.write(client.session_id, message, 1, "half an ans")
    await client.received(2)
    again = client.hub.begin(client.session_id, "m", 1)  # another attempt of the run: its START is not repeated
    client.hub.write(client.session_id, again, 2, "A whole one")
    frames = await client.received(3)
    assert (frames[2]["attempt"], frames[2]["offset"], frames[2]["delta"]) == (2, 0, "A whole one")


async def test_complete_blocks_are_sent_as_html(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    client.hub.write(client.session_id, message, 1, "One **bold** paragraph.\n\n")
    client.hub.write(client.session_id, message, 1, "Another")
    frames = await client.received(3)
    block = next(frame for frame in frames if frame["type"] == "BLOCK")
    assert "<strong>bold</strong>" in block["html"]
    assert 0 < block["end"] <= len("One **bold** paragraph.\n\n")


async def test_the_open_block_is_sent_to_those_who_want_it_and_only_what_has_changed(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    watcher = Client(after=1, same_chat_as=client, wants_open_blocks=True)
    client.hub.write(client.session_id, message, 1, "One *paragraph*.\n\nAn **open")
    (_, block, opened) = await watcher.received(3)
    assert (block["type"], opened["type"], opened["index"], opened["keep"]) == ("BLOCK", "OPEN_BLOCK", 1, 0)
    html = opened["html"]
    assert html == "<p>An <strong>open</strong></p>\n"
    client.hub.write(client.session_id, message, 1, "** block 😀 `co")
    (text, opened) = (await watcher.received(5))[3:]  # without anything else to wake it
    assert (text["type"], opened["type"], opened["index"]) == ("TEXT_MESSAGE_CONTENT", "OPEN_BLOCK", 1)
    html = html[: opened["keep"]] + opened["html"]
    assert opened["keep"] > 10
    assert html == "<p>An <strong>open</strong> block 😀 <code>co</code></p>\n"
    late = Client(after=1, same_chat_as=client, wants_open_blocks=True)
    assert (await late.received(3))[2]["html"] == html
    client.hub.write(client.session_id, message, 2, "Again")
    frames = (await watcher.received(7))[5:]
    assert [(frame["type"], frame["attempt"]) for frame in frames] == [("TEXT_MESSAGE_CONTENT", 2), ("OPEN_BLOCK", 2)]
    assert (frames[1]["keep"], frames[1]["html"]) == (0, "<p>Again</p>\n")
    assert not any(frame["type"] == "OPEN_BLOCK" for frame in client.frames)
    watcher.task.cancel()
    late.task.cancel()


async def test_an_open_block_waits_while_too_much_is_unacknowledged(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    watcher = Client(after=1, same_chat_as=client, wants_open_blocks=True)
    client.hub.write(client.session_id, message, 1, "x" * MAX_IN_FLIGHT)
    count = await watcher.received_text(MAX_IN_FLIGHT)
    client.hub.write(client.session_id, message, 1, "more")
    client.save(event(2))
    frames = await watcher.received(count + 1)
    assert [frame["type"] for frame in frames][count:] == ["PRINTED"]
    watcher.task.cancel()


async def test_a_client_that_acknowledges_nothing_gets_no_more_deltas_but_every_event(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    client.hub.write(client.session_id, message, 1, "x" * (MAX_IN_FLIGHT + 1))
    count = await client.received_text(MAX_IN_FLIGHT + 1)
    client.hub.write(client.session_id, message, 1, "more")
    client.save(event(2))
    await client.received(count + 1)
    assert client.seqs() == [1, 2]
    assert "more" not in client.text()
    client.subscriber.ack(client.subscriber.in_flight + 15)  # a pong was among what it received
    await client.received(count + 2)
    assert client.text().endswith("more")


async def test_a_client_that_acknowledges_nothing_is_sent_no_more_than_the_limit_and_closed_in_time(
    client, monkeypatch
):
    monkeypatch.setattr(send_window, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(subscriber_module, "CLOCK_SECONDS", 0.02)
    client.save(*[event(seq, text="x" * 100_000) for seq in range(1, CLOSE_IN_FLIGHT // 100_000 + 20)])
    await asyncio.wait_for(client.task, 10)
    assert client.closed
    assert client.subscriber.in_flight <= CLOSE_IN_FLIGHT + 2 * 101_000


async def test_a_history_of_any_length_reaches_a_client_that_acknowledges(client):
    count = 3 * CLOSE_IN_FLIGHT // 100_000
    client.save(*[event(seq, text="x" * 100_000) for seq in range(1, count + 1)])
    while len(client.frames) < count:
        await client.received(min(count, len(client.frames) + 1))
        client.subscriber.ack(client.subscriber.in_flight + 2**40)
    assert client.seqs() == list(range(1, count + 1))
    assert not client.closed


async def test_an_event_larger_than_all_that_may_be_in_flight_arrives_and_so_does_the_next(client):
    client.save(event(1, text="x" * (CLOSE_IN_FLIGHT + 1)), event(2))
    await client.received(2)
    assert client.seqs() == [1, 2]
    assert not client.closed
    client.subscriber.ack(client.subscriber.in_flight)
    client.save(event(3))
    await client.received(3)
    assert not client.closed


async def test_a_text_so_far_of_any_length_arrives_in_frames_of_bounded_size(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    text = "é😀" * 200_000 + "end"
    client.hub.write(client.session_id, message, 1, text)
    late = Client(after=1, same_chat_as=client, wants_open_blocks=True)
    client.hub.write(client.session_id, message, 1, "\ud83d")
    client.hub.write(client.session_id, message, 1, "\ude00")
    while not late.text().endswith("end😀"):
        await late.received(len(late.frames) + 1)
        late.subscriber.ack(late.subscriber.in_flight + 2**40)
    assert late.text() == text + "😀"
    deltas = [frame for frame in late.frames if frame["type"] == "TEXT_MESSAGE_CONTENT"]
    lengths = [len(frame["delta"].encode("utf-16-le")) // 2 for frame in deltas]
    assert [frame["offset"] for frame in deltas] == [sum(lengths[:number]) for number in range(len(deltas))]
    assert max(len(json.dumps(frame, ensure_ascii=False).encode()) for frame in late.frames) < 500_000
    late.task.cancel()


async def test_what_waits_for_a_busy_socket_is_bounded_and_read_again(client):
    client.gate.clear()
    client.save(event(1))
    client.save(*[event(seq, text="x" * 100_000) for seq in range(2, 60)])
    assert sum(len(frame.get("text", "")) for frame in client.subscriber._events) <= 1_200_000
    client.gate.set()
    while client.seqs() != list(range(1, 60)):
        await client.received(len(client.frames) + 1)
        client.subscriber.ack(client.subscriber.in_flight + 2**40)


async def test_an_event_that_is_published_while_a_read_finds_nothing_is_sent():
    client = Client()
    read = client.read
    reads = 0

    async def read_too_early(after):
        nonlocal reads
        found = await read(after)
        reads += 1
        if reads == 1:
            client.save(event(1))
        return found

    client.subscriber._read = read_too_early
    await client.received(1)
    assert client.seqs() == [1]
    client.task.cancel()


async def test_a_second_tab_of_a_queued_chat_gets_its_position_at_once(client):
    client.save(event(1))
    await client.received(1)
    client.hub.update_queue_positions({client.session_id: 2})
    await client.received(2)
    second = Client(after=1, same_chat_as=client)
    assert await second.received(1) == [{"type": "QUEUED", "ahead": 2}]
    second.task.cancel()


async def test_half_a_surrogate_pair_breaks_no_socket(client):
    client.save(event(1, text="a\ud800b"))
    frames = await client.received(1)
    assert frames[0]["text"] == "a�b"


def test_offsets_count_as_javascript_does():
    message = LiveMessage("m", 1)
    message.write("a😀b")
    assert message.written.length == 4


def test_an_idle_channel_is_dropped():
    hub = Hub()
    session_id = uuid.uuid4()
    hub.begin(session_id, "m", 1)
    hub.publish(session_id, [event(2, "TEXT_MESSAGE_END", messageId="m")])
    assert hub.channel(session_id).live == {}
    hub.discard_if_idle(session_id)
    assert not hub._channels


# --- what a model thinks before it writes -----------------------------------------------------------------------------


async def test_thoughts_come_before_the_text_each_with_its_own_offsets(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    client.hub.think(client.session_id, message, 1, "Hm 😀")
    client.hub.think(client.session_id, message, 1, ", yes.")
    client.hub.write(client.session_id, message, 1, "Four.")
    frames = [frame for frame in await client.received(3) if frame["type"] != "TEXT_MESSAGE_START"]
    assert [(f["type"], f["offset"], f["delta"]) for f in frames] == [
        ("REASONING_MESSAGE_CONTENT", 0, "Hm 😀, yes."),
        ("TEXT_MESSAGE_CONTENT", 0, "Four."),
    ]
    client.hub.think(client.session_id, message, 1, " Late.")
    assert (await client.received(4))[-1]["offset"] == 11


async def test_a_late_subscriber_gets_the_thoughts_so_far_in_bounded_frames(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    client.hub.think(client.session_id, message, 1, "x" * 200_000)
    late = Client(after=1, same_chat_as=client)
    frames = await late.received(4)
    assert "".join(frame["delta"] for frame in frames) == "x" * 200_000
    assert max(len(frame["delta"]) for frame in frames) == 65_536
    late.task.cancel()


async def test_a_higher_attempt_thinks_again(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    client.hub.think(client.session_id, message, 1, "Hm")
    await client.received(2)
    client.hub.think(client.session_id, message, 2, "Oh")
    last = (await client.received(3))[-1]
    assert (last["attempt"], last["offset"], last["delta"]) == (2, 0, "Oh")


async def test_a_page_is_sent_what_is_rendered_of_them_while_they_are_written(client):
    client.save(event(1, "TEXT_MESSAGE_START", messageId="m"))
    message = client.hub.begin(client.session_id, "m", 1)
    page = Client(after=1, same_chat_as=client, wants_open_blocks=True)
    client.hub.think(client.session_id, message, 1, "Let me see")
    (thought, opened) = await page.received(2)
    assert (thought["type"], opened["type"], opened["index"]) == ("REASONING_MESSAGE_CONTENT", "OPEN_BLOCK", 0)
    assert "Let me see" in opened["html"]
    client.hub.write(client.session_id, message, 1, "Four.\n\nFi")
    frames = (await page.received(6))[2:]
    assert [(frame["type"], frame.get("index")) for frame in frames] == [
        ("TEXT_MESSAGE_CONTENT", None),
        ("BLOCK", 0),
        ("BLOCK", 1),
        ("OPEN_BLOCK", 2),
    ]
    assert frames[1]["html"].startswith('<details class="thoughts">')
    page.task.cancel()
