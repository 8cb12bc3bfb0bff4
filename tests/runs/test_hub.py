"""A watcher gets every fact once and in order, and each delta after its START, whatever happens to it."""

import asyncio
import json
import random
import uuid

import pytest

from agentchat.runs.hub import CLOSE_IN_FLIGHT, MAX_IN_FLIGHT, Hub, Watcher, Writing, hub


def fact(seq, type_="PRINTED", **fields):
    return {"type": type_, "seq": seq, **fields}


class Client:
    """What a socket would have received, and the database that a watcher reads."""

    def __init__(self, *, after=0):
        self.session_id = uuid.uuid4()
        self.database = []
        self.frames = []
        self.closed = False
        self.changed = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()
        self.watcher = Watcher(self.session_id, after, send=self.send, read=self.read, close=self.close)
        self.task = asyncio.create_task(self.watcher.run())

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

    def save(self, *frames, tell=True):
        self.database += frames
        if tell:
            hub.tell(self.session_id, frames)

    async def received(self, count):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: len(self.frames) >= count), 10)
        return self.frames

    def seqs(self):
        return [frame["seq"] for frame in self.frames if "seq" in frame]

    def text(self):
        return "".join(frame["delta"] for frame in self.frames if frame["type"] == "TEXT_MESSAGE_CONTENT")


@pytest.fixture
async def client():
    client = Client()
    yield client
    client.task.cancel()


async def test_facts_arrive_in_order_and_once_though_they_are_told_in_any_order(client):
    frames = [fact(seq) for seq in range(1, 41)]
    client.database += frames
    told = [*frames, *frames]
    random.Random(7).shuffle(told)
    for frame in told:
        hub.tell(client.session_id, [frame])
        await asyncio.sleep(0)
    await client.received(40)
    assert client.seqs() == list(range(1, 41))


async def test_a_fact_that_was_never_told_is_found_when_the_bell_rings(client):
    client.save(fact(1))
    client.save(fact(2), fact(3), tell=False)
    hub.ring(client.session_id, 3)
    await client.received(3)
    assert client.seqs() == [1, 2, 3]


async def test_a_bell_for_nothing_does_no_harm(client):
    client.save(fact(1))
    await client.received(1)
    hub.ring(client.session_id, 99)
    await asyncio.sleep(0)
    client.save(fact(2))
    await client.received(2)
    assert client.seqs() == [1, 2]


async def test_deltas_wait_for_their_start_and_end_before_their_end(client):
    client.save(fact(1))
    await client.received(1)
    writing = hub.begin(client.session_id, "m", 2)
    for piece in ("Hel", "lo ", "you"):
        hub.write(client.session_id, writing, 1, piece)
        await asyncio.sleep(0)
    assert client.text() == ""  # its START is not there yet
    client.save(fact(2, "TEXT_MESSAGE_START", messageId="m"))
    await client.received(3)
    hub.write(client.session_id, writing, 1, "!")
    client.save(fact(3, "TEXT_MESSAGE_END", messageId="m", content="Hello you!"))
    frames = await client.received(5)
    assert [frame["type"] for frame in frames[1:]] == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
    ]
    assert client.text() == "Hello you!"


async def test_whoever_joins_in_the_middle_gets_the_text_so_far_in_one_piece(client):
    client.save(fact(1, "TEXT_MESSAGE_START", messageId="m"))
    writing = hub.begin(client.session_id, "m", 1)
    for piece in "abc":
        hub.write(client.session_id, writing, 1, piece)
    late = Client(after=1)
    late.session_id = late.watcher.session_id = client.session_id
    frames = await late.received(1)
    assert frames[0]["delta"] == "abc"
    assert frames[0]["offset"] == 0
    hub.write(client.session_id, writing, 1, "d")
    frames = await late.received(2)
    assert (frames[1]["delta"], frames[1]["offset"]) == ("d", 3)
    late.task.cancel()


async def test_deltas_merge_while_the_socket_is_busy(client):
    client.save(fact(1, "TEXT_MESSAGE_START", messageId="m"))
    writing = hub.begin(client.session_id, "m", 1)
    await client.received(1)
    hub.write(client.session_id, writing, 1, "0")
    await client.received(2)
    client.gate.clear()
    for n in range(1, 100):
        hub.write(client.session_id, writing, 1, str(n % 10))
        await asyncio.sleep(0)
    client.gate.set()
    hub.write(client.session_id, writing, 1, "!")
    client.save(fact(2, "TEXT_MESSAGE_END", messageId="m", content="…"))
    await asyncio.wait_for(_until_end(client), 10)
    assert client.text() == "".join(str(n % 10) for n in range(100)) + "!"
    assert len(client.frames) < 10


async def _until_end(client):
    async with client.changed:
        await client.changed.wait_for(lambda: client.frames[-1]["type"] == "TEXT_MESSAGE_END")


async def test_a_higher_attempt_begins_again(client):
    client.save(fact(1, "TEXT_MESSAGE_START", messageId="m"))
    writing = hub.begin(client.session_id, "m", 1)
    hub.write(client.session_id, writing, 1, "half an ans")
    await client.received(2)
    again = hub.begin(client.session_id, "m", 1)  # another life of the run: its START is not repeated
    hub.write(client.session_id, again, 2, "A whole one")
    frames = await client.received(3)
    assert (frames[2]["attempt"], frames[2]["offset"], frames[2]["delta"]) == (2, 0, "A whole one")


async def test_complete_blocks_are_sent_as_html(client):
    client.save(fact(1, "TEXT_MESSAGE_START", messageId="m"))
    writing = hub.begin(client.session_id, "m", 1)
    hub.write(client.session_id, writing, 1, "One **bold** paragraph.\n\n")
    hub.write(client.session_id, writing, 1, "Another")
    frames = await client.received(3)
    block = next(frame for frame in frames if frame["type"] == "BLOCK")
    assert "<strong>bold</strong>" in block["html"]
    assert 0 < block["end"] <= len("One **bold** paragraph.\n\n")


async def test_whoever_acknowledges_nothing_gets_no_more_deltas_but_every_fact(client):
    client.save(fact(1, "TEXT_MESSAGE_START", messageId="m"))
    writing = hub.begin(client.session_id, "m", 1)
    hub.write(client.session_id, writing, 1, "x" * (MAX_IN_FLIGHT + 1))
    await client.received(2)
    hub.write(client.session_id, writing, 1, "more")
    client.save(fact(2))
    await client.received(3)
    assert client.seqs() == [1, 2]
    assert "more" not in client.text()
    client.watcher.ack(client.watcher.in_flight + 15)  # a pong was among what it received
    await client.received(4)
    assert client.text().endswith("more")


async def test_whoever_takes_nothing_at_all_is_closed(client):
    client.save(*[fact(seq, text="x" * 100_000) for seq in range(1, CLOSE_IN_FLIGHT // 100_000 + 5)])
    await asyncio.wait_for(client.task, 10)
    assert client.closed


async def test_one_fact_larger_than_all_that_may_be_on_the_way_arrives_and_so_does_the_next(client):
    client.save(fact(1, text="x" * (CLOSE_IN_FLIGHT + 1)), fact(2))
    await client.received(2)
    assert client.seqs() == [1, 2]
    assert not client.closed
    client.watcher.ack(client.watcher.in_flight)
    client.save(fact(3))
    await client.received(3)
    assert not client.closed


async def test_a_fact_that_is_told_while_a_read_finds_nothing_is_not_forgotten():
    client = Client()
    read = client.read
    reads = 0

    async def read_too_early(after):
        nonlocal reads
        found = await read(after)
        reads += 1
        if reads == 1:
            client.save(fact(1))
        return found

    client.watcher._read = read_too_early
    await client.received(1)
    assert client.seqs() == [1]
    client.task.cancel()


async def test_a_second_tab_of_a_queued_chat_is_told_its_place_at_once(client):
    client.save(fact(1))
    await client.received(1)
    hub.line_up({client.session_id: 2})
    await client.received(2)
    second = Client(after=1)
    second.session_id = second.watcher.session_id = client.session_id
    assert await second.received(1) == [{"type": "QUEUED", "ahead": 2}]
    second.task.cancel()


async def test_half_a_surrogate_pair_breaks_no_socket(client):
    client.save(fact(1, text="a\ud800b"))
    frames = await client.received(1)
    assert frames[0]["text"] == "a�b"


def test_offsets_count_as_javascript_does():
    writing = Writing("m", 1)
    writing.write("a😀b")
    assert writing.length == 4


def test_an_empty_room_is_forgotten():
    rooms = Hub()
    session_id = uuid.uuid4()
    rooms.begin(session_id, "m", 1)
    rooms.tell(session_id, [fact(2, "TEXT_MESSAGE_END", messageId="m")])
    assert rooms.room(session_id).writing == {}
    rooms.sweep(session_id)
    assert not rooms._rooms
