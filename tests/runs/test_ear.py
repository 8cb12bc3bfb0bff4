"""Two processes, played by two hubs with an ear and a voice each, on a layer that loses, hangs and comes back."""

import asyncio
import json
import logging
import uuid
from collections import defaultdict

import pytest
from channels.layers import InMemoryChannelLayer
from django.core.checks import run_checks

from agentchat import server
from agentchat.json_cache import JSONSerializer
from agentchat.runs import ear as ear_module
from agentchat.runs import layer as layer_module
from agentchat.runs.hub import Hub, Watcher
from agentchat.runs.layer import Layer, group_of, group_of_process
from agentchat.runs.link import Link
from agentchat.runs.mirrors import Mirror, Piece, hear
from agentchat.runs.runner import runner
from agentchat.runs.voice import PIECE_CHARS, Voice


class FlakyLayer:
    """A layer between the links of a test. It may be dead, frozen, forget its groups, or lose a message."""

    def __init__(self):
        self.queues = {}
        self.groups = defaultdict(set)
        self.sent = []
        self.is_dead = False
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.loses = lambda group, message: False

    async def _answer(self):
        await self.thawed.wait()
        if self.is_dead:
            raise ConnectionError("nobody there")

    async def new_channel(self, prefix="specific"):
        await self._answer()
        self.queues[name := f"channel{len(self.queues)}"] = asyncio.Queue()
        return name

    async def receive(self, channel):
        return json.loads(await self.queues[channel].get())

    async def group_add(self, group, channel):
        await self._answer()
        self.groups[group].add(channel)

    async def group_discard(self, group, channel):
        await self._answer()
        self.groups[group].discard(channel)

    async def group_send(self, group, message):
        await self._answer()
        self.sent.append((group, message))
        if not self.loses(group, message):
            for channel in self.groups[group]:
                self.queues[channel].put_nowait(json.dumps(message))

    def said(self, type_):
        return [message for _, message in self.sent if message["type"] == type_]


class Process:
    """A process of the test: a hub, a link, and the database that all share."""

    def __init__(self, name, layer, database, owners):
        self.name, self.hub, self.database = name, Hub(), database
        self.polls = 0
        self.words = []

        async def owners_of(session_ids):
            return {each: owners[each] for each in session_ids if each in owners}

        self.link = Link(
            self.hub,
            layer,
            owners_of=owners_of,
            words={"run.stop": lambda run: self.words.append(("stop", run))},
            on_return=self.poll,
            process=name,
        )

    def poll(self):
        self.polls += 1
        for session_id in self.hub.watched():
            self.hub.ring(session_id, len(self.database))

    def save(self, session_id, type_, **fields):
        frame = {"type": type_, "seq": len(self.database) + 1, **fields}
        self.database.append(frame)
        self.hub.tell(session_id, [frame])
        self.hub.voice.ring(session_id, frame["seq"])
        return frame["seq"]

    def begin(self, session_id, message_id):
        writing = self.hub.begin(session_id, message_id, len(self.database) + 1)
        self.save(session_id, "TEXT_MESSAGE_START", messageId=message_id)
        return writing


class Page:
    """A watcher at a process; it checks that deltas neither miss nor repeat anything."""

    def __init__(self, process, session_id):
        self.frames, self.text, self.attempt = [], "", 0
        self.changed = asyncio.Condition()

        async def read(after):
            return [frame for frame in process.database if frame["seq"] > after]

        async def close():
            raise AssertionError("too slow")

        self.watcher = Watcher(session_id, 0, send=self.send, read=read, close=close, at=process.hub)
        self.task = asyncio.create_task(self.watcher.run())

    async def send(self, text):
        frame = json.loads(text)
        async with self.changed:
            if frame["type"] == "TEXT_MESSAGE_CONTENT":
                if frame["attempt"] > self.attempt:
                    self.attempt, self.text = frame["attempt"], ""
                assert (frame["attempt"], frame["offset"]) == (self.attempt, len(self.text.encode("utf-16-le")) // 2)
                self.text += frame["delta"]
            self.frames.append(frame)
            self.changed.notify_all()

    async def until(self, holds):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.task.done() or holds(self)), 10)
        assert not self.task.done()

    async def shows(self, text):
        await self.until(lambda page: page.text == text)

    def types(self):
        return [frame["type"] for frame in self.frames if "seq" in frame]


class Town:
    """The processes of a test on one layer."""

    def __init__(self):
        self.layer, self.database, self.owners = FlakyLayer(), [], {}
        self.session_id = uuid.uuid4()
        self.processes = []
        self.pages = []

    async def process(self, name):
        process = Process(name, self.layer, self.database, self.owners)
        self.processes.append(process)
        await until(lambda: not process.link.is_away)
        return process

    def page(self, process):
        self.pages.append(page := Page(process, self.session_id))
        return page

    def listens(self, process):
        return process.link.ear._channel in self.layer.groups[group_of(self.session_id)]


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.fixture
async def town(monkeypatch):
    monkeypatch.setattr(ear_module, "CALL_S", 0.1)
    monkeypatch.setattr(ear_module, "CALL_AWAY_S", 0.05)
    monkeypatch.setattr(layer_module, "TIMEOUT_S", 0.2)
    town = Town()
    yield town
    for page in town.pages:
        page.task.cancel()
    town.layer.thawed.set()
    for process in town.processes:
        await process.link.close()


@pytest.fixture
async def pair(town):
    """One that writes, one that watches, and the page there."""
    writer, reader = await town.process("writer"), await town.process("reader")
    town.owners[town.session_id] = "writer"
    page = town.page(reader)
    await until(lambda: town.listens(reader))
    return writer, reader, page


async def test_a_page_at_another_process_sees_deltas_before_the_end_and_then_the_end(town, pair):
    writer, reader, page = pair
    writing = writer.begin(town.session_id, "m")
    for piece in ("Grüße ", "😀 ", "and more"):
        writer.hub.write(town.session_id, writing, 1, piece)
        await asyncio.sleep(0)
    await page.shows("Grüße 😀 and more")
    writer.save(town.session_id, "TEXT_MESSAGE_END", messageId="m", content="Grüße 😀 and more")
    await page.until(lambda page: page.types() == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_END"])
    assert reader.hub.room(town.session_id).writing == {}


async def test_the_first_delta_goes_at_once_and_the_rest_is_merged(town, pair):
    writer, _, page = pair
    writing = writer.begin(town.session_id, "m")
    for _ in range(50):
        writer.hub.write(town.session_id, writing, 1, "x")
        await asyncio.sleep(0.001)
    await page.shows("x" * 50)
    deltas = town.layer.said("chat.delta")
    assert deltas[0]["delta"] == "x"
    assert len(deltas) < 10


async def test_whoever_comes_in_mid_message_is_told_the_text_so_far_though_nothing_more_is_said(town):
    writer = await town.process("writer")
    town.owners[town.session_id] = "writer"
    writing = writer.begin(town.session_id, "m")
    text = "so far 😀 " * PIECE_CHARS  # several pieces
    writer.hub.write(town.session_id, writing, 1, text)
    await until(lambda: town.layer.said("chat.delta"))
    reader = await town.process("reader")
    page = town.page(reader)
    await page.shows(text)
    writer.hub.write(town.session_id, writing, 1, "and on")
    await page.shows(text + "and on")
    assert max(len(json.dumps(message, ensure_ascii=False).encode()) for _, message in town.layer.sent) < 65536


async def test_a_lost_delta_is_asked_for(town, pair):
    writer, _, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "one ")
    await page.shows("one ")
    town.layer.loses = lambda group, message: message["type"] == "chat.delta" and group.startswith("chat.")
    writer.hub.write(town.session_id, writing, 1, "two ")
    await until(lambda: len(town.layer.said("chat.delta")) == 2)
    town.layer.loses = lambda group, message: False
    writer.hub.write(town.session_id, writing, 1, "three")
    await page.shows("one two three")


async def test_a_higher_attempt_begins_anew_and_a_process_that_was_left_behind_is_not_heard(town, pair):
    writer, _, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "It was a dark")
    await page.shows("It was a dark")
    heir = await town.process("heir")
    again = heir.hub.begin(town.session_id, "m", 1)
    heir.hub.write(town.session_id, again, 1001, "It was")
    await page.shows("It was")
    writer.hub.write(town.session_id, writing, 1, " and stormy night")
    heir.hub.write(town.session_id, again, 1001, " a bright day")
    await page.shows("It was a bright day")
    assert page.attempt == 1001


async def test_a_lost_bell_of_the_end_leaves_no_mirror(town, pair):
    writer, reader, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "x")
    await page.shows("x")
    town.layer.loses = lambda group, message: message["type"] == "chat.rung"
    writer.save(town.session_id, "TEXT_MESSAGE_END", messageId="m", content="x")
    await until(lambda: len(town.layer.said("chat.rung")) == 2)
    assert reader.hub.room(town.session_id).writing
    reader.poll()
    await page.until(lambda page: page.types()[-1] == "TEXT_MESSAGE_END")
    assert reader.hub.room(town.session_id).writing == {}
    late = Piece.of(town.layer.said("chat.delta")[-1])
    assert not hear(reader.hub, late)
    assert reader.hub.room(town.session_id).writing == {}, "a delta that comes after END"


async def test_the_end_of_a_run_ends_what_its_dead_process_was_writing(town, pair):
    writer, reader, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "x")
    await page.shows("x")
    reader.save(town.session_id, "RUN_ERROR", code="interrupted")
    await page.until(lambda page: page.types()[-1] == "RUN_ERROR")
    assert reader.hub.room(town.session_id).writing == {}


async def test_a_mirror_goes_when_nobody_advances_the_run_or_nobody_looks(town, pair):
    writer, reader, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "x")
    await page.shows("x")
    now = asyncio.get_running_loop().time()
    assert reader.hub.mirrored(before=now - 5) == []
    assert reader.hub.mirrored(before=now + 5) == [town.session_id]
    reader.hub.drop_mirrors(town.session_id, before=now + 5)
    assert reader.hub.room(town.session_id).writing == {}
    writer.hub.write(town.session_id, writing, 1, "y")
    await page.shows("xy")  # heard of again, and gone on with where it was
    page.task.cancel()
    await until(lambda: not town.listens(reader))
    assert town.session_id not in reader.hub._rooms


async def test_one_membership_for_all_watchers_of_a_process(town, pair):
    _, reader, page = pair
    second = town.page(reader)
    await until(lambda: len(reader.hub.room(town.session_id).watchers) == 2)
    assert len(town.layer.groups[group_of(town.session_id)]) == 1
    page.task.cancel()
    await until(lambda: len(reader.hub.room(town.session_id).watchers) == 1)
    assert town.listens(reader)
    second.task.cancel()
    await until(lambda: not town.listens(reader))


async def test_a_word_reaches_its_process_and_no_other(town, pair):
    writer, reader, _ = pair
    reader.hub.voice.tell("writer", {"type": "run.stop", "what": 7})
    await until(lambda: writer.words)
    assert (writer.words, reader.words) == ([("stop", 7)], [])


async def test_a_layer_that_lost_everything_is_joined_again_and_all_is_read_once(town, pair):
    writer, reader, page = pair
    town.layer.is_dead = True
    await until(lambda: writer.link.is_away and reader.link.is_away)
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "unheard ")
    town.layer.groups.clear()
    town.layer.is_dead = False
    await until(lambda: not writer.link.is_away and not reader.link.is_away)
    await page.shows("unheard ")
    assert town.listens(reader)
    writer.hub.write(town.session_id, writing, 1, "and heard")
    await page.shows("unheard and heard")
    assert reader.polls == 2  # at its start, and now


async def test_a_chat_that_was_left_while_the_layer_was_away_is_not_listened_to_for_ever(town, pair):
    _, reader, page = pair
    town.layer.is_dead = True
    await until(lambda: reader.link.is_away)
    page.task.cancel()
    await until(lambda: not reader.hub.watched())
    town.layer.is_dead = False
    await until(lambda: not reader.link.is_away)
    await until(lambda: not town.listens(reader))


async def test_a_subscription_that_is_lost_without_a_word_is_noticed(town, pair, caplog):
    _, reader, _ = pair
    town.layer.groups.clear()
    await until(lambda: any("what it is given does not come back" in message for message in caplog.messages))
    await until(lambda: not reader.link.is_away and town.listens(reader))


async def test_a_frozen_layer_keeps_nobody_waiting_and_is_one_line_in_the_log(town, pair, caplog):
    writer, reader, _ = pair
    caplog.set_level(logging.INFO, "agentchat.layer")
    town.layer.thawed.clear()
    writing = writer.begin(town.session_id, "m")
    for _ in range(1000):  # in one go: nothing here can wait
        writer.hub.write(town.session_id, writing, 1, "x")
        writer.hub.voice.ring(town.session_id, 1)
    newcomer = town.page(reader)
    await newcomer.until(lambda page: page.types() == ["TEXT_MESSAGE_START"])
    await until(lambda: writer.link.is_away and reader.link.is_away)
    await asyncio.sleep(0.5)
    assert len(caplog.messages) == 2  # one of each process
    town.layer.thawed.set()
    await newcomer.shows("x" * 1000)
    await until(lambda: sum("is back" in message for message in caplog.messages) == 2)


async def test_what_cannot_be_understood_is_logged_and_no_more(town, pair, caplog):
    writer, reader, _ = pair
    await town.layer.group_send(
        group_of_process("reader"), {"type": "chat.delta", "session": "no uuid", "process": "?"}
    )
    await town.layer.group_send(group_of_process("reader"), {"type": "from.a.later.version"})
    reader.hub.voice.tell("writer", {"type": "run.stop", "what": 7})
    writer.hub.voice.tell("reader", {"type": "run.stop", "what": 8})
    await until(lambda: reader.words == [("stop", 8)])
    assert any("could not be understood" in message for message in caplog.messages)
    assert any("from.a.later.version" in message for message in caplog.messages)


async def test_half_a_surrogate_pair_is_carried_as_a_replacement(town, pair):
    writer, _, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "a\ud800b")
    await page.shows("a�b")


def test_pieces_in_any_order_make_the_text_once():
    mirror = Mirror("m", 1)
    mirror.take(4, "😀!")
    assert mirror.has_gap
    mirror.take(0, "ab")
    mirror.take(0, "abcd")
    assert (mirror.text, mirror.has_gap) == ("abcd😀!", False)
    mirror.take(2, "cd😀!?")
    assert mirror.text == "abcd😀!?"


async def test_what_was_to_be_said_is_said_before_the_link_closes(town):
    writer = await town.process("writer")
    writer.save(town.session_id, "PRINTED")
    await writer.link.close()
    assert len(town.layer.said("chat.rung")) == 1


def test_a_layer_in_memory_makes_no_link(agent_chat):
    assert runner.link is None
    assert isinstance(layer_module.get_channel_layer(), InMemoryChannelLayer)
    assert "layer" not in server.is_ready()


async def test_a_process_name_makes_a_group_name_that_every_layer_takes():
    group = group_of_process("host_with ümläut-" + "x" * 100)
    assert InMemoryChannelLayer().require_valid_group_name(group)
    assert Voice(Layer(FlakyLayer()), process="p")


def test_the_shared_cache_speaks_json_and_never_unpickles():
    serializer = JSONSerializer()
    for value in (7, "words", {"a": [1, None, True]}, "half \ud800"):
        assert serializer.loads(serializer.dumps(value)) == value
    assert serializer.dumps(7) == b"7"  # Redis can count with it
    with pytest.raises(TypeError):
        serializer.dumps(object())
    with pytest.raises(UnicodeDecodeError):
        serializer.loads(b"\x80\x04\x95cos\nsystem\n.")


@pytest.mark.parametrize(
    ("backend", "warned"), [("core.RedisChannelLayer", True), ("pubsub.RedisPubSubChannelLayer", False)]
)
def test_a_layer_that_drops_messages_is_warned_about(settings, backend, warned):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"channels_redis.{backend}"}}
    assert any(message.id == "agentchat.W010" for message in run_checks()) is warned
