"""Two processes, played by two hubs with an ear and a voice each, on a layer that loses, hangs and comes back."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import uuid
from collections import defaultdict
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from channels.layers import InMemoryChannelLayer
from django.core.checks import run_checks

from agentchat import server
from agentchat.json_cache import JSONSerializer
from agentchat.runs import ear as ear_module
from agentchat.runs import layer as layer_module
from agentchat.runs import link as link_module
from agentchat.runs import lists, publish, voice
from agentchat.runs import runner as runner_module
from agentchat.runs.hub import Hub, Watcher
from agentchat.runs.layer import Layer, group_of, group_of_process
from agentchat.runs.link import Link
from agentchat.runs.lists import Bell
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
        self.bell = Bell(self.hub)
        self.bell.start()

        async def owners_of(session_ids):
            return {each: owners[each] for each in session_ids if each in owners}

        self.link = Link(
            self.hub,
            layer,
            owners_of=owners_of,
            words={"run.stop": lambda run: self.words.append(("stop", run))},
            on_list=self.bell.heard,
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


async def test_the_first_delta_goes_at_once_and_the_rest_is_merged(town, pair, monkeypatch):
    monkeypatch.setattr(voice, "DELTA_S", 1.0)
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


async def test_a_delta_that_comes_after_its_end_was_read_is_not_shown(town, pair):
    """The page reads START and END together; nothing was being written there, as far as its process knew."""
    _, reader, page = pair
    for number in range(40):  # more than a room remembers; and the last ones count
        town.database.append({"type": "TEXT_MESSAGE_START", "seq": 2 * number + 1, "messageId": f"m{number}"})
        end = {"type": "TEXT_MESSAGE_END", "seq": 2 * number + 2, "messageId": f"m{number}", "content": "Hi"}
        town.database.append(end)
    reader.poll()
    await page.until(lambda page: len(page.frames) == 80)
    for frame in town.database[:70]:  # somebody else has begun to read the chat from its start
        reader.hub.passed(town.session_id, frame)
    assert len(reader.hub.room(town.session_id).ended) < 40
    late = Piece(
        session_id=town.session_id, message_id="m39", start_seq=79, attempt=1, offset=0, delta="Hi", process="writer"
    )
    assert not hear(reader.hub, late)
    assert reader.hub.room(town.session_id).writing == {}
    early = Piece(
        session_id=town.session_id, message_id="m40", start_seq=81, attempt=1, offset=0, delta="Hi", process="writer"
    )
    hear(reader.hub, early)
    assert set(reader.hub.room(town.session_id).writing) == {"m40"}


async def test_what_is_written_while_the_layer_is_away_is_let_go_with_its_end(town):
    writer = await town.process("writer")
    town.layer.is_dead = True
    await until(lambda: writer.link.is_away)
    for number in range(50):
        session_id, message_id = uuid.uuid4(), f"m{number}"
        writing = writer.hub.begin(session_id, message_id, 1)
        writer.hub.write(session_id, writing, 1, "x" * 1000)
        if number % 2:
            writer.hub.tell(session_id, [{"type": "TEXT_MESSAGE_END", "seq": 2, "messageId": message_id}])
    assert len(writer.hub.voice._due) == len(writer.hub.voice._tellings) == 25
    town.layer.is_dead = False
    await until(lambda: not writer.hub.voice._due)
    assert {int(message["message"][1:]) % 2 for message in town.layer.said("chat.delta")} == {0}


async def test_nothing_is_said_of_a_message_after_its_end(town):
    writer = await town.process("writer")
    ended, other = (writer.hub.begin(town.session_id, message_id, 1) for message_id in ("ended", "other"))
    for writing in (ended, other):
        writer.hub.write(town.session_id, writing, 1, "said ")
    await until(lambda: len(town.layer.said("chat.delta")) == 2)
    for writing in (ended, other):  # in 40 ms
        writer.hub.write(town.session_id, writing, 1, "unsaid")
    writer.hub.tell(town.session_id, [{"type": "TEXT_MESSAGE_END", "seq": 2, "messageId": "ended"}])
    await until(lambda: len(town.layer.said("chat.delta")) > 2 and not writer.hub.voice._due)
    assert [message["message"] for message in town.layer.said("chat.delta")] == ["ended", "other", "other"]


async def test_two_chats_may_call_a_message_by_the_same_name(town, pair):
    writer, _, page = pair
    other = uuid.uuid4()
    mine, theirs = writer.begin(town.session_id, "m1"), writer.hub.begin(other, "m1", 1)
    for piece in ("One ", "two ", "three"):
        writer.hub.write(town.session_id, mine, 1, piece)
        writer.hub.write(other, theirs, 1, "something else ")
        await page.until(lambda page, piece=piece: page.text.endswith(piece))
    writer.hub.tell(other, [{"type": "TEXT_MESSAGE_END", "seq": 2, "messageId": "m1", "content": ""}])
    writer.hub.write(town.session_id, mine, 1, "!")
    await page.shows("One two three!")
    told = [m["offset"] for m in town.layer.said("chat.delta") if m["session"] == str(town.session_id)]
    assert told == sorted(set(told)), "nothing was told twice"


async def test_a_message_that_is_begun_again_here_is_told_from_its_start(town, pair):
    writer, _, page = pair
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "x")
    await page.shows("x")
    town.layer.is_dead = True
    await until(lambda: writer.link.is_away)
    writer.hub.write(town.session_id, writing, 1, "y")
    again = writer.hub.begin(town.session_id, "m", 1)
    writer.hub.write(town.session_id, again, 1001, "anew")
    town.layer.is_dead = False
    await page.shows("anew")
    await until(lambda: not writer.hub.voice._due)


# --- what keeps it alive --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["_receive", "_call_itself"])
async def test_an_ear_that_fails_begins_anew(town, pair, part, monkeypatch, caplog):
    writer, reader, page = pair
    monkeypatch.setattr(link_module, "AGAIN_S", 0.01)
    before = reader.link.ear._channel
    with monkeypatch.context() as patch:
        # What the layer raises is expected; this is a mistake of ours.
        patch.setattr(reader.link.layer, "receive" if part == "_receive" else "try_to_send", on_purpose)
        patch.setattr(reader.link.layer, "lost", on_purpose)
        town.layer.queues[before].put_nowait('{"type": "chat.asked", "sessions": []}')
        await until(lambda: any("the ear of this process has failed" in message for message in caplog.messages))
    await until(lambda: reader.link.ear._channel not in ("", before) and town.listens(reader))
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "x")
    await page.shows("x")
    reader.hub.voice.tell("writer", {"type": "run.stop", "what": 7})
    await until(lambda: writer.words)


def on_purpose(*_):
    raise RuntimeError("on purpose")


async def test_a_voice_that_fails_begins_anew_and_says_what_is_left(town, pair, monkeypatch, caplog):
    writer, _, page = pair
    monkeypatch.setattr(link_module, "AGAIN_S", 0.01)
    writing = writer.begin(town.session_id, "m")
    await page.until(lambda page: page.types() == ["TEXT_MESSAGE_START"])
    with monkeypatch.context() as patch:
        patch.setattr(writer.link.layer, "send", on_purpose)
        writer.hub.write(town.session_id, writing, 1, "x")
        await until(lambda: any("the voice of this process has failed" in message for message in caplog.messages))
    await page.shows("x")


async def test_a_layer_that_takes_everything_and_brings_nothing_is_begun_anew_with(town, pair, monkeypatch, caplog):
    writer, reader, page = pair
    monkeypatch.setattr(ear_module, "DEAF_CALLS", 3)
    monkeypatch.setattr(link_module, "AGAIN_S", 0.01)
    deaf = reader.link.ear._channel
    town.layer.queues[deaf] = asyncio.Queue()  # the ear waits at another one
    await until(lambda: not reader.link.is_away and reader.link.ear._channel not in ("", deaf))
    await until(lambda: town.listens(reader))
    assert len([message for message in caplog.messages if "begins anew with it" in message]) == 1
    writing = writer.begin(town.session_id, "m")
    writer.hub.write(town.session_id, writing, 1, "x")
    await page.shows("x")


def test_processes_that_a_server_forks_have_names_of_their_own():
    code = """
import os
from agentchat.runs.process import PROCESS
print(PROCESS, flush=True)
if child := os.fork():
    os.waitpid(child, 0)
print(PROCESS, PROCESS == str(PROCESS), flush=True)
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, child, parent = done.stdout.splitlines()
    assert parent == f"{first} True"
    assert child.endswith(" True")
    assert child != parent


# --- lists of chats -------------------------------------------------------------------------------------------------


async def listen(process, group):
    """Listen to a list of chats. Return what is heard."""
    heard = []
    process.bell.listen(group, lambda: heard.append(group))
    await until(lambda: group in process.link.ear._joined)
    return heard


async def test_a_list_of_chats_is_rung_for_here_at_once_and_in_other_processes_through_the_layer(town):
    one, two = await town.process("one"), await town.process("two")
    ada, eve = lists.group_of(1, ""), lists.group_of(2, "")
    here, there, eves = await listen(one, ada), await listen(two, ada), await listen(two, eve)
    await asyncio.to_thread(one.bell.ring, ada)
    await until(lambda: there)
    one.hub.voice.tell("one", {"type": "run.stop", "what": 7})
    await until(lambda: one.words)  # what the layer brought before that, was heard before that
    assert (here, there, eves) == ([ada], [ada], [])


async def test_a_list_is_heard_again_after_the_layer_was_dead_and_one_bell_is_enough(town, caplog):
    one, two = await town.process("one"), await town.process("two")
    ada, eve = lists.group_of(1, ""), lists.group_of(2, "")
    here, there = await listen(one, ada), await listen(two, ada)
    town.layer.is_dead = True
    await until(lambda: one.link.is_away and two.link.is_away)
    for _ in range(100):
        one.bell.ring(ada)
    two.bell.listen(eve, lambda: None)  # somebody opens a list meanwhile
    await until(lambda: len(here) == 100)
    town.layer.groups.clear()
    town.layer.is_dead = False
    await until(lambda: not one.link.is_away and {ada, eve} <= two.link.ear._joined)
    await until(lambda: town.layer.said("chats.rung"))
    one.bell.ring(ada)
    await until(lambda: there)
    assert len(town.layer.said("chats.rung")) <= 2
    assert [message for message in caplog.messages if "list" in message] == []
    assert sum("is away" in message for message in caplog.messages) == 2  # one line of each process


async def test_a_frozen_layer_costs_no_list_a_call(town):
    process = await town.process("one")
    town.layer.thawed.clear()
    await until(lambda: process.link.is_away)
    for number in range(100):
        process.bell.ring(lists.group_of(number, ""))
    before = len(asyncio.all_tasks())
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before, "nobody waits for the layer"
    town.layer.thawed.set()
    await until(lambda: len(town.layer.said("chats.rung")) == 100)


async def test_nobody_listens_to_a_list_that_nobody_shows(town):
    process = await town.process("one")
    group = lists.group_of(1, "")
    listeners = [lambda: None, lambda: None]
    for listener in listeners:
        process.bell.listen(group, listener)
    await until(lambda: town.layer.groups[group])
    assert len(town.layer.queues) == 1, "the ear has one channel for everything"
    process.bell.leave(group, listeners[0])
    process.bell.leave(group, listeners[1])
    await until(lambda: not town.layer.groups[group])


async def test_a_command_rings_and_an_outage_costs_it_one_try(town, monkeypatch, caplog):
    process = await town.process("server")
    group = lists.group_of(1, "")
    heard = await listen(process, group)
    bell = Bell(Hub())  # of a process without a loop of its own
    here, asked = asyncio.get_running_loop(), []

    class Wire:
        """The layer, as it is reached from the command's own loop."""

        async def group_send(self, group, message):
            asked.append(asyncio.get_running_loop())
            sending = asyncio.run_coroutine_threadsafe(town.layer.group_send(group, message), here)
            await asyncio.wrap_future(sending)

    wire = Wire()
    monkeypatch.setattr(publish, "layer_between_processes", lambda: wire)
    for _ in range(3):
        await asyncio.to_thread(bell.ring, group)
    await until(lambda: len(heard) == 3)
    assert len(asked) == 3
    assert len(set(asked)) == 1, "a loop for each call would be a connection for each"
    town.layer.is_dead = True
    await asyncio.to_thread(lambda: [bell.ring(group) for _ in range(5)])
    assert len(asked) == 4


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


@pytest.mark.parametrize("is_away", [True, False])
async def test_while_the_layer_is_away_the_watched_chats_are_looked_up_at_each_beat(is_away, monkeypatch):
    keeper = runner_module.Runner()
    keeper.link = SimpleNamespace(is_away=is_away)
    beats, looks = [], []

    async def beat():
        beats.append(1)

    async def look():
        looks.append(len(beats))

    monkeypatch.setattr(runner_module, "BEAT_S", 0.01)
    monkeypatch.setattr(runner_module, "POLL_S", float("inf"))
    for name in ("_renew", "_look_for_work", "_look_at_the_line"):
        monkeypatch.setattr(keeper, name, AsyncMock())
    monkeypatch.setattr(keeper, "_look_for_stops", beat)
    monkeypatch.setattr(keeper, "_look_for_facts", look)
    keeping = asyncio.create_task(keeper._keep())
    await until(lambda: len(beats) > 5)
    keeping.cancel()
    assert len(looks) >= 3 if is_away else looks == []


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
